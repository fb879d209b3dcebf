// SPDX-License-Identifier: Apache-2.0
// /millrace/tcp/...: events and reasons from the counters, flows and their sums from the workers.
#include "worker_telemetry_priv.h"

#include "check.h"
#include "worker_flows.h"

#include <errno.h>
#include <stdlib.h>

int telemetry_events(const struct telemetry *telemetry, const char *cmd, const char *params,
		     struct rte_tel_data *data)
{
	bool is_reasons = strcmp(strrchr(cmd, '/') + 1, "reasons") == 0;
	struct telemetry_range range;
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (strcmp(counter_info[i].module, "tcp") == 0 &&
		    (counter_info[i].kind == COUNTER_KIND_REASON) == is_reasons)
			rte_tel_data_add_dict_u64(data, counter_info[i].name,
						  telemetry_sum(telemetry, range, i));
	return 0;
}

static int add_states(const struct flows_summary *summary, struct rte_tel_data *data)
{
	struct rte_tel_data *row = telemetry_row(data, "states");
	for (uint32_t i = 0; row && i < summary->state_count; i++)
		rte_tel_data_add_dict_u64(row, summary->states[i].name, summary->states[i].count);
	return row ? 0 : -ENOMEM;
}

static int add_slabs(const struct flows_summary *summary, struct rte_tel_data *data)
{
	struct rte_tel_data *in_use = telemetry_row(data, "slab_in_use");
	struct rte_tel_data *capacity = telemetry_row(data, "slab_capacity");
	struct rte_tel_data *bytes = telemetry_row(data, "slab_bytes");
	if (!in_use || !capacity || !bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < summary->slab_count; i++) {
		const struct tcp_slab *slab = &summary->slabs[i];
		rte_tel_data_add_dict_u64(in_use, slab->name, slab->in_use);
		rte_tel_data_add_dict_u64(capacity, slab->name, slab->capacity);
		rte_tel_data_add_dict_u64(bytes, slab->name, slab->bytes);
	}
	return 0;
}

static int add_memory(const struct flows_summary *summary, struct rte_tel_data *data)
{
	struct rte_tel_data *row = telemetry_row(data, "memory");
	if (!row)
		return -ENOMEM;
	rte_tel_data_add_dict_u64(row, "queued_bytes", summary->queued_bytes);
	rte_tel_data_add_dict_u64(row, "unacked_bytes", summary->unacked_bytes);
	rte_tel_data_add_dict_u64(row, "unread_bytes", summary->unread_bytes);
	rte_tel_data_add_dict_u64(row, "held_mbufs", summary->budgets.held_mbufs);
	rte_tel_data_add_dict_u64(row, "held_mbufs_max", summary->budgets.held_mbufs_max);
	rte_tel_data_add_dict_u64(row, "challenge_acks_left", summary->budgets.challenge_acks);
	rte_tel_data_add_dict_u64(row, "resets_left", summary->budgets.resets);
	return 0;
}

int telemetry_summary(const struct telemetry *telemetry, const char *, const char *params,
		      struct rte_tel_data *data)
{
	struct telemetry_range range;
	struct flows_summary summary = {0};
	if (!telemetry_range(telemetry, params, &range))
		return -EINVAL;
	for (uint32_t i = range.first; i < range.end; i++) {
		struct worker_query query = {.run = flows_fill_summary, .user = &summary};
		summary.next = 0;
		summary.is_whole = false;
		if (!worker_thread_ask(&telemetry->threads[i], &query, TELEMETRY_TIMEOUT_US) ||
		    !summary.is_whole)
			return -ETIMEDOUT;
	}
	rte_tel_data_start_dict(data);
	int error = add_states(&summary, data);
	error = error ? error : add_slabs(&summary, data);
	return error ? error : add_memory(&summary, data);
}

// What /millrace/tcp/flows was asked.
struct flows_asked {
	unsigned long worker;
	char state[24];
	struct flows_page page;
};

// read_number reads a whole decimal number up to most.
static bool read_number(const char *text, unsigned long most, unsigned long *out)
{
	char *end;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return errno == 0 && end != text && !*end && text[0] != '-' && *out <= most;
}

static bool read_pair(struct flows_asked *asked, const char *key, const char *value)
{
	unsigned long number = 0;
	struct flows_page *page = &asked->page;
	if (strcmp(key, "worker") == 0)
		return read_number(value, UINT32_MAX, &asked->worker);
	if (strcmp(key, "host") == 0)
		return prefix_parse(value, &page->filter.host) == 0;
	if (strcmp(key, "state") == 0) {
		snprintf(asked->state, sizeof(asked->state), "%s", value);
		page->filter.state = asked->state;
		return true;
	}
	if (strcmp(key, "from") == 0) {
		bool is_good = read_number(value, UINT32_MAX, &number);
		page->next = (uint32_t)number;
		return is_good;
	}
	bool is_good = strcmp(key, "port") == 0 && read_number(value, UINT16_MAX, &number);
	page->filter.port = (uint16_t)number;
	return is_good;
}

// read_flows reads "key=value,key=value".
static bool read_flows(const char *params, struct flows_asked *asked)
{
	char text[512];
	char *rest = NULL;
	if (!params)
		return true;
	if (snprintf(text, sizeof(text), "%s", params) >= (int)sizeof(text))
		return false;
	for (char *key = strtok_r(text, ",", &rest); key; key = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(key, '=');
		if (!value)
			return false;
		*value++ = 0;
		if (!read_pair(asked, key, value))
			return false;
	}
	return true;
}

// role_of says on which side of us the peer is, as the proxy calls it.
static const char *role_of(const struct tcp_info *info)
{
	if (info->is_orphan)
		return "orphan";
	return info->is_passive ? "downstream" : "upstream";
}

static void add_names(struct rte_tel_data *row, const struct tcp_info *info)
{
	char text[ADDR_TEXT_BYTES];
	struct endpoint_addr local = {info->tuple.local, info->tuple.local_port, 0};
	struct endpoint_addr remote = {info->tuple.remote, info->tuple.remote_port, 0};
	rte_tel_data_add_dict_string(row, "state", info->state);
	rte_tel_data_add_dict_string(row, "role", role_of(info));
	rte_tel_data_add_dict_string(row, "local", endpoint_addr_text(&local, text));
	rte_tel_data_add_dict_string(row, "remote", endpoint_addr_text(&remote, text));
	rte_tel_data_add_dict_string(row, "cc", info->cc);
	rte_tel_data_add_dict_string(row, "cc_state", info->cc_state);
}

static int add_flow(struct rte_tel_data *data, const struct flows_page *page, uint32_t index)
{
	const struct tcp_info *info = &page->at[index];
	char name[16];
	snprintf(name, sizeof(name), "%u", page->slot[index]);
	struct rte_tel_data *row = telemetry_row(data, name);
	if (!row)
		return -ENOMEM;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"age_ms", (page->now_us - MIN(page->now_us, info->opened_us)) / 1000},
		{"rtt_us", info->srtt_us},
		{"rttvar_us", info->rttvar_us},
		{"rto_us", info->rto_us},
		{"cwnd", info->cwnd_bytes},
		{"ssthresh", info->ssthresh_bytes},
		{"pacing_bytes_per_s", info->pacing_bytes_per_s},
		{"mss", info->mss},
		{"send_window", info->send_window},
		{"receive_window", info->receive_window},
		{"queued", info->queued_bytes},
		{"unacked", info->unacked_bytes},
		{"unread", info->unread_bytes},
		{"early", info->early_segments},
		{"bytes_out", info->bytes_sent},
		{"bytes_in", info->bytes_received},
		{"retransmits", info->retransmits},
	};
	add_names(row, info);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		rte_tel_data_add_dict_u64(row, numbers[i].name, numbers[i].value);
	return 0;
}

int telemetry_flows(const struct telemetry *telemetry, const char *, const char *params,
		    struct rte_tel_data *data)
{
	struct flows_asked asked = {0};
	if (!read_flows(params, &asked) || asked.worker >= telemetry->worker_count)
		return -EINVAL;
	struct worker_query query = {.run = flows_fill_page, .user = &asked.page};
	if (!worker_thread_ask(&telemetry->threads[asked.worker], &query, TELEMETRY_TIMEOUT_US))
		return -ETIMEDOUT;
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_u64(data, "next", asked.page.next);
	for (uint32_t i = 0; i < asked.page.count; i++)
		if (add_flow(data, &asked.page, i) != 0)
			return -ENOMEM;
	return 0;
}
