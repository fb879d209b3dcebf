// SPDX-License-Identifier: Apache-2.0
// Telemetry commands; see worker_telemetry.h. They run on DPDK's telemetry thread: counters are
// read where they are (one writer, whole words), everything else is asked of the worker.
#include "worker_telemetry.h"

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <rte_mempool.h>
#include <rte_telemetry.h>

#define ASK_TIMEOUT_US 200000u
#define CONNS_MAX      100u // of one answer
#define JOURNAL_MAX    100u

// The one mutable static of the data plane: what DPDK's argument-less callbacks answer about.
static struct {
	pthread_mutex_t lock;
	const struct telemetry *telemetry;
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t read_counter(const struct worker *worker, unsigned counter)
{
	return __atomic_load_n(&worker->counters.value[counter], __ATOMIC_RELAXED);
}

// Which workers an answer is about: [first, end).
struct range {
	uint32_t first;
	uint32_t end;
};

// parse_range reads "", NULL or "N". False when there is no worker N.
static bool parse_range(const struct telemetry *telemetry, const char *params, struct range *range)
{
	*range = (struct range){0, telemetry->worker_count};
	if (!params || !*params)
		return true;
	char *end;
	unsigned long index = strtoul(params, &end, 10);
	if (end == params || (*end && *end != ',') || index >= telemetry->worker_count)
		return false;
	*range = (struct range){(uint32_t)index, (uint32_t)index + 1};
	return true;
}

static uint64_t sum(const struct telemetry *telemetry, struct range range, unsigned counter)
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
	struct range range;
	if (!parse_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (strcmp(counter_info[i].module, module) == 0)
			rte_tel_data_add_dict_u64(data, counter_info[i].name,
						  sum(telemetry, range, i));
	return 0;
}

static int answer_counters(const struct telemetry *telemetry, const char *, const char *params,
			   struct rte_tel_data *data)
{
	struct range range;
	struct rte_tel_data *module = NULL;
	if (!parse_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		if (i == 0 || strcmp(counter_info[i].module, counter_info[i - 1].module) != 0) {
			module = rte_tel_data_alloc();
			if (!module)
				return -ENOMEM;
			rte_tel_data_start_dict(module);
			if (rte_tel_data_add_dict_container(data, counter_info[i].module, module,
							    0) != 0) {
				rte_tel_data_free(module);
				return -ENOSPC;
			}
		}
		uint64_t value = sum(telemetry, range, i);
		if (value)
			rte_tel_data_add_dict_u64(module, counter_info[i].name, value);
	}
	return 0;
}

static int answer_reasons(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	struct range range;
	if (!parse_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		char line[RTE_TEL_MAX_STRING_LEN];
		uint64_t value = sum(telemetry, range, i);
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

// add_row makes a dictionary called index inside data (DPDK knows no arrays of them); NULL when
// memory is short.
static struct rte_tel_data *add_row(struct rte_tel_data *data, uint32_t index)
{
	char name[16];
	struct rte_tel_data *row = rte_tel_data_alloc();
	snprintf(name, sizeof(name), "%u", index);
	if (!row)
		return NULL;
	rte_tel_data_start_dict(row);
	if (rte_tel_data_add_dict_container(data, name, row, 0) == 0)
		return row;
	rte_tel_data_free(row);
	return NULL;
}

static int answer_workers(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	struct range range;
	if (!parse_range(telemetry, params, &range))
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
				rte_tel_data_add_dict_u64(row, counter_info[j].name,
							  read_counter(worker, j));
		rte_tel_data_add_dict_u64(row, "mbufs_free",
					  rte_mempool_avail_count(worker->mbufs));
	}
	return 0;
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
	}
	return 0;
}

// Lines that a worker writes about itself.
struct lines {
	char (*line)[RTE_TEL_MAX_STRING_LEN];
	uint32_t count;
	uint32_t most;
	uint32_t from;
};

static void list_conns(struct worker *worker, void *user)
{
	struct lines *lines = user;
	struct tcp_info info;
	for (uint32_t i = lines->from; i < worker->conf->tcp.connections; i++) {
		char local[ADDR_TEXT_BYTES], remote[ADDR_TEXT_BYTES];
		if (lines->count == lines->most)
			return;
		if (!tcp_info_at(worker->tcp, i, &info))
			continue;
		struct endpoint_addr ends[2] = {{info.tuple.local, info.tuple.local_port, 0},
						{info.tuple.remote, info.tuple.remote_port, 0}};
		snprintf(lines->line[lines->count++], RTE_TEL_MAX_STRING_LEN,
			 "%u %s %s %s rtt %u cwnd %u q %u+%u retx %llu", i, info.state,
			 endpoint_addr_text(&ends[0], local), endpoint_addr_text(&ends[1], remote),
			 info.srtt_us, info.cwnd_bytes, info.queued_bytes, info.unacked_bytes,
			 (unsigned long long)info.retransmits);
	}
}

static void list_journal(struct worker *worker, void *user)
{
	struct lines *lines = user;
	const struct journal *journal = &worker->journal;
	uint64_t kept = MIN(journal->written, (uint64_t)lines->most);
	for (uint64_t i = journal->written - kept; i < journal->written; i++) {
		const struct journal_entry *entry = &journal->entries[i % JOURNAL_ENTRIES];
		snprintf(lines->line[lines->count++], RTE_TEL_MAX_STRING_LEN, "%llu %s %llu %llu",
			 (unsigned long long)entry->at_us, entry->what,
			 (unsigned long long)entry->a, (unsigned long long)entry->b);
	}
}

// ask_lines has one worker write lines and returns them as an array.
static int ask_lines(const struct telemetry *telemetry, const char *params,
		     struct rte_tel_data *data, void (*run)(struct worker *worker, void *user),
		     uint32_t most)
{
	struct range range;
	if (!parse_range(telemetry, params, &range))
		return -EINVAL;
	const char *comma = params ? strchr(params, ',') : NULL;
	struct lines lines = {.most = most,
			      .from = comma ? (uint32_t)strtoul(comma + 1, NULL, 10) : 0};
	lines.line = calloc(most, sizeof(*lines.line));
	if (!lines.line)
		return -ENOMEM;
	struct worker_query query = {.run = run, .user = &lines};
	bool is_done = worker_thread_ask(&telemetry->threads[range.first], &query, ASK_TIMEOUT_US);
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint32_t i = 0; i < lines.count; i++)
		rte_tel_data_add_array_string(data, lines.line[i]);
	free(lines.line);
	return is_done ? 0 : -ETIMEDOUT;
}

static int answer_conns(const struct telemetry *telemetry, const char *, const char *params,
			struct rte_tel_data *data)
{
	return ask_lines(telemetry, params, data, list_conns, CONNS_MAX);
}

static int answer_journal(const struct telemetry *telemetry, const char *, const char *params,
			  struct rte_tel_data *data)
{
	return ask_lines(telemetry, params, data, list_journal, JOURNAL_MAX);
}

static const struct command {
	const char *name;
	int (*answer)(const struct telemetry *telemetry, const char *cmd, const char *params,
		      struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/millrace/node", answer_node, "Who this node is. No parameters"},
	{"/millrace/counters", answer_counters,
	 "Counters that are not 0, by module. Parameter: worker"},
	{"/millrace/reasons", answer_reasons, "Reasons that are not 0. Parameter: worker"},
	{"/millrace/workers", answer_workers, "A line a worker. Parameter: worker"},
	{"/millrace/ports", answer_ports, "A line a port. No parameters"},
	{"/millrace/conns", answer_conns, "TCP connections. Parameters: worker, first index"},
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
