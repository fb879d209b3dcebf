// SPDX-License-Identifier: Apache-2.0
// Telemetry commands; see worker_telemetry.h. They run on DPDK's telemetry thread: counters are
// read where they are (one writer, whole words), everything else is asked of the worker.
#include "worker_telemetry_priv.h"

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <rte_mempool.h>
#include <rte_telemetry.h>

#define JOURNAL_MAX 100u // lines of one answer

// The one mutable static of the data plane: what DPDK's argument-less callbacks answer about.
static struct {
	pthread_mutex_t lock;
	const struct telemetry *telemetry;
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t read_counter(const struct worker *worker, unsigned counter)
{
	return __atomic_load_n(&worker->counters.value[counter], __ATOMIC_RELAXED);
}

bool telemetry_range(const struct telemetry *telemetry, const char *params,
		     struct telemetry_range *range)
{
	*range = (struct telemetry_range){0, telemetry->worker_count};
	if (!params || !*params)
		return true;
	char *end;
	unsigned long index = strtoul(params, &end, 10);
	if (end == params || (*end && *end != ',') || index >= telemetry->worker_count)
		return false;
	*range = (struct telemetry_range){(uint32_t)index, (uint32_t)index + 1};
	return true;
}

uint64_t telemetry_sum(const struct telemetry *telemetry, struct telemetry_range range,
		       unsigned counter)
{
	uint64_t total = 0;
	for (uint32_t i = range.first; i < range.end; i++)
		total += read_counter(telemetry->threads[i].worker, counter);
	return total;
}

static int answer_module(const struct telemetry *telemetry, const char *cmd, const char *params,
			 struct rte_tel_data *data)
{
	const char *module = strrchr(cmd, '/') + 1;
	struct telemetry_range range;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (strcmp(counter_info[i].module, module) == 0)
			rte_tel_data_add_dict_u64(data, counter_info[i].name,
						  telemetry_sum(telemetry, range, i));
	return 0;
}

static int answer_counters(const struct telemetry *telemetry, const char *, const char *params,
			   struct rte_tel_data *data)
{
	struct telemetry_range range;
	struct rte_tel_data *module = NULL;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		if (i == 0 || strcmp(counter_info[i].module, counter_info[i - 1].module) != 0) {
			module = telemetry_row(data, counter_info[i].module);
			if (!module)
				return -ENOMEM;
		}
		uint64_t value = telemetry_sum(telemetry, range, i);
		if (value)
			rte_tel_data_add_dict_u64(module, counter_info[i].name, value);
	}
	return 0;
}

static int answer_reasons(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	struct telemetry_range range;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		char line[RTE_TEL_MAX_STRING_LEN];
		uint64_t value = telemetry_sum(telemetry, range, i);
		if (counter_info[i].kind != COUNTER_KIND_REASON || value == 0)
			continue;
		snprintf(line, sizeof(line), "%s.%s %llu: %s", counter_info[i].module,
			 counter_info[i].name, (unsigned long long)value, counter_info[i].text);
		rte_tel_data_add_array_string(data, line);
	}
	return 0;
}

static int answer_node(const struct telemetry *telemetry, const char *, const char *,
		       struct rte_tel_data *data)
{
	const struct conf *conf = telemetry->conf;
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_string(data, "id", conf->node.id);
	rte_tel_data_add_dict_string(data, "role", conf_role_name(conf->node.role));
	rte_tel_data_add_dict_string(data, "location", conf->node.location);
	rte_tel_data_add_dict_string(data, "mesh", conf->node.mesh);
	rte_tel_data_add_dict_u64(data, "workers", telemetry->worker_count);
	rte_tel_data_add_dict_u64(data, "uptime_s",
				  (uint64_t)time(NULL) - telemetry->started_wall_s);
	rte_tel_data_add_dict_u64(data, "control_attached", attach_has_control(telemetry->attach));
	rte_tel_data_add_dict_u64(data, "control_accepted", telemetry->attach->accepted_count);
	rte_tel_data_add_dict_u64(data, "control_refused", telemetry->attach->refused_count);
	rte_tel_data_add_dict_u64(data, "control_lost", telemetry->attach->lost_count);
	if (telemetry->attach->last_refusal)
		rte_tel_data_add_dict_string(data, "control_last_refusal",
					     telemetry->attach->last_refusal);
	return 0;
}

struct rte_tel_data *telemetry_row(struct rte_tel_data *data, const char *name)
{
	struct rte_tel_data *row = rte_tel_data_alloc();
	if (!row)
		return NULL;
	rte_tel_data_start_dict(row);
	if (rte_tel_data_add_dict_container(data, name, row, 0) == 0)
		return row;
	rte_tel_data_free(row);
	return NULL;
}

// add_row makes row number index.
static struct rte_tel_data *add_row(struct rte_tel_data *data, uint32_t index)
{
	char name[16];
	snprintf(name, sizeof(name), "%u", index);
	return telemetry_row(data, name);
}

static int answer_workers(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	struct telemetry_range range;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (uint32_t i = range.first; i < range.end; i++) {
		const struct worker *worker = telemetry->threads[i].worker;
		struct rte_tel_data *row = add_row(data, i);
		if (!row)
			return -ENOMEM;
		rte_tel_data_add_dict_u64(row, "core", telemetry->conf->dataplane.cores.at[i]);
		for (unsigned j = 0; j < COUNTER_COUNT; j++)
			if (strcmp(counter_info[j].module, "worker") == 0)
				rte_tel_data_add_dict_u64(
					row, counter_info[j].name,
					j == COUNTER_worker_slept_us
						? idle_slept_us(&telemetry->threads[i].idle)
						: read_counter(worker, j));
		rte_tel_data_add_dict_u64(row, "mbufs_free",
					  rte_mempool_avail_count(worker->mbufs));
	}
	return 0;
}

static void add_moderation(struct rte_tel_data *row, const struct moderation *moderation,
			   uint32_t index)
{
	const struct moderation_port *port = &moderation->ports[index];
	rte_tel_data_add_dict_u64(row, "adaptive_rx", atomic_load(&port->is_on));
	rte_tel_data_add_dict_u64(row, "rx_waits", atomic_load(&port->is_waiting));
	rte_tel_data_add_dict_u64(row, "rx_waits_begun", atomic_load(&port->begun_count));
	rte_tel_data_add_dict_u64(row, "rx_waits_ended", atomic_load(&port->ended_count));
	rte_tel_data_add_dict_u64(row, "napi_batched",
				  atomic_load(&moderation->napis[index].batched));
}

static int answer_ports(const struct telemetry *telemetry, const char *, const char *,
			struct rte_tel_data *data)
{
	rte_tel_data_start_dict(data);
	for (uint32_t i = 0; i < telemetry->conf->dataplane.ports_count; i++) {
		const struct conf_port *conf = &telemetry->conf->dataplane.ports[i];
		const struct port *port = telemetry->threads[0].worker->ports[i];
		struct rte_tel_data *row = add_row(data, i);
		char mac[18];
		if (!row)
			return -ENOMEM;
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port->mac[0],
			 port->mac[1], port->mac[2], port->mac[3], port->mac[4], port->mac[5]);
		rte_tel_data_add_dict_string(row, "name", conf->name);
		rte_tel_data_add_dict_string(row, "device", conf->device);
		rte_tel_data_add_dict_string(row, "mac", mac);
		rte_tel_data_add_dict_u64(row, "mtu", port->mtu);
		rte_tel_data_add_dict_u64(row, "vlan", port->vlan);
		rte_tel_data_add_dict_u64(row, "can_checksum_tx", port->can_checksum_l4_tx);
		rte_tel_data_add_dict_u64(row, "can_checksum_rx", port->can_checksum_rx);
		rte_tel_data_add_dict_u64(row, "can_segment", port->can_segment);
		rte_tel_data_add_dict_u64(row, "can_scatter_tx", port->can_scatter_tx);
		rte_tel_data_add_dict_u64(row, "is_flow_steered", port->is_flow_steered);
		add_moderation(row, telemetry->moderation, i);
	}
	return 0;
}

// answer_stages tells cycles a packet and permille of the time by stage, of all turns so far.
static int answer_stages(const struct telemetry *telemetry, const char *, const char *params,
			 struct rte_tel_data *data)
{
	struct telemetry_range range;
	uint64_t total = 0;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	for (unsigned i = 0; i < STAGES_COUNT; i++)
		total += telemetry_sum(telemetry, range, STAGES_FIRST + i);
	uint64_t packets = telemetry_sum(telemetry, range, COUNTER_stages_packets);
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_u64(data, "turns_measured",
				  telemetry_sum(telemetry, range, COUNTER_stages_turns));
	rte_tel_data_add_dict_u64(data, "packets", packets);
	for (unsigned i = STAGES_FIRST; i < STAGES_FIRST + STAGES_COUNT; i++) {
		struct rte_tel_data *row = telemetry_row(data, counter_info[i].name);
		if (!row)
			return -ENOMEM;
		uint64_t cycles = telemetry_sum(telemetry, range, i);
		rte_tel_data_add_dict_u64(row, "cycles", cycles);
		rte_tel_data_add_dict_u64(row, "permille", total ? cycles * 1000 / total : 0);
		rte_tel_data_add_dict_u64(row, "cycles_a_packet", packets ? cycles / packets : 0);
	}
	return 0;
}

// Lines that a worker writes about itself.
struct lines {
	char line[JOURNAL_MAX][RTE_TEL_MAX_STRING_LEN];
	uint32_t count;
};

static bool list_journal(struct worker *worker, void *user)
{
	struct lines *lines = user;
	const struct journal *journal = &worker->journal;
	uint64_t kept = MIN(journal->written, (uint64_t)JOURNAL_MAX);
	for (uint64_t i = journal->written - kept; i < journal->written; i++) {
		const struct journal_entry *entry = &journal->entries[i % JOURNAL_ENTRIES];
		snprintf(lines->line[lines->count++], RTE_TEL_MAX_STRING_LEN, "%llu %s %llu %llu",
			 (unsigned long long)entry->at_us, entry->what,
			 (unsigned long long)entry->a, (unsigned long long)entry->b);
	}
	return true;
}

static int answer_journal(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	struct telemetry_range range;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	struct lines *lines = calloc(1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	struct worker_query query = {.run = list_journal, .user = lines};
	bool is_done =
		worker_thread_ask(&telemetry->threads[range.first], &query, TELEMETRY_TIMEOUT_US);
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint32_t i = 0; i < lines->count; i++)
		rte_tel_data_add_array_string(data, lines->line[i]);
	free(lines);
	return is_done ? 0 : -ETIMEDOUT;
}

// What is to be announced, and what became of it.
struct announcement {
	const struct addr *addr; // NULL: all of ours
	bool is_ours;
};

static bool announce(struct worker *worker, void *user)
{
	struct announcement *announcement = user;
	announcement->is_ours = net_announce(worker->net, announcement->addr);
	return true;
}

// answer_announce tells the link that our addresses are here: for who takes one over (RFC 5227 3,
// RFC 4861 7.2.6). Worker 0 does it, as at a start. Who walks all commands asks without parameters
// and changes nothing.
static int answer_announce(const struct telemetry *telemetry, const char *, const char *params,
			   struct rte_tel_data *data)
{
	struct addr addr;
	struct announcement announcement = {0};
	bool is_one = params && strcmp(params, "all") != 0;
	if (!params || (is_one && addr_parse(params, &addr) != 0))
		return -EINVAL;
	announcement.addr = is_one ? &addr : NULL;
	struct worker_query query = {.run = announce, .user = &announcement};
	if (!worker_thread_ask(&telemetry->threads[0], &query, TELEMETRY_TIMEOUT_US))
		return -ETIMEDOUT;
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_u64(data, "announced", announcement.is_ours);
	return 0;
}

static const struct {
	const char *name;
	telemetry_answer *answer;
	const char *help;
} commands[] = {
	{"/millrace/node", answer_node, "Who this node is. No parameters"},
	{"/millrace/counters", answer_counters,
	 "Counters that are not 0, by module. Parameter: worker"},
	{"/millrace/reasons", answer_reasons, "Reasons that are not 0. Parameter: worker"},
	{"/millrace/workers", answer_workers, "A line a worker. Parameter: worker"},
	{"/millrace/worker/stages", answer_stages,
	 "Where busy turns' time goes, by stage. Parameter: worker"},
	{"/millrace/ports", answer_ports, "A line a port. No parameters"},
	{"/millrace/tcp/events", telemetry_events, "What TCP did. Parameter: worker"},
	{"/millrace/tcp/reasons", telemetry_events,
	 "What TCP refused, and ends. Parameter: worker"},
	{"/millrace/tcp/summary", telemetry_summary,
	 "Flows by state, slabs, budgets. Parameter: worker"},
	{"/millrace/tcp/flows", telemetry_flows,
	 "TCP flows, 16 at once. Parameters: "
	 "worker=N,from=SLOT,host=ADDR[/BITS],port=N,state=NAME"},
	{"/millrace/l4/flows", telemetry_l4_flows, "L4 flows, by page. Parameters: worker[,slot]"},
	{"/millrace/l4/endpoints", telemetry_l4_endpoints,
	 "Endpoints of L4 services with their flows. Parameter: the first one's number"},
	{"/millrace/l4/weight", telemetry_l4_weight,
	 "Sets an endpoint's share of new flows, until a restart. Parameter: ADDR:PORT=WEIGHT"},
	{"/millrace/announce", answer_announce,
	 "Tells the link that our addresses are here. Parameter: one of them, or all"},
	{"/millrace/journal", answer_journal, "Last events. Parameter: worker"},
};

// on_command is DPDK's callback for all of them.
static int on_command(const char *cmd, const char *params, struct rte_tel_data *data)
{
	int result = -ENOENT;
	pthread_mutex_lock(&current.lock);
	for (size_t i = 0; current.telemetry && i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, cmd) == 0)
			result = commands[i].answer(current.telemetry, cmd, params, data);
	if (current.telemetry && result == -ENOENT)
		result = answer_module(current.telemetry, cmd, params, data);
	pthread_mutex_unlock(&current.lock);
	return result;
}

// register_modules registers one command a module of counters.
static int register_modules(void)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		char name[64];
		if (i > 0 && strcmp(counter_info[i].module, counter_info[i - 1].module) == 0)
			continue;
		snprintf(name, sizeof(name), "/millrace/%s", counter_info[i].module);
		int error = rte_telemetry_register_cmd(
			name, on_command, "Counters of this module. Parameter: worker");
		if (error)
			return -error;
	}
	return 0;
}

int telemetry_start(const struct telemetry *telemetry)
{
	pthread_mutex_lock(&current.lock);
	current.telemetry = telemetry;
	pthread_mutex_unlock(&current.lock);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int error =
			rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);
		if (error)
			return -error;
	}
	return register_modules();
}

void telemetry_stop(void)
{
	pthread_mutex_lock(&current.lock);
	current.telemetry = NULL;
	pthread_mutex_unlock(&current.lock);
}
