// SPDX-License-Identifier: Apache-2.0
// /millrace/l4/...: flows by page, endpoints with their flows, and the weight of an endpoint, which
// drains it. Workers are asked between two turns of their loops, and look at a bounded number of
// slots at once.
#include "worker_telemetry_priv.h"

#include "check.h"
#include "worker_flows.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_FLOWS     24u // what an answer holds
#define PAGE_ENDPOINTS 64u

// A page of one worker's flows.
struct page {
	unsigned long next; // slot to begin at; where to go on, 0: that was all
	uint32_t count;
	struct l4_info at[PAGE_FLOWS];
};

// A page of endpoints, their flows added up over the workers that are asked.
struct endpoints {
	uint32_t from, count;
	struct l4_endpoint_info at[PAGE_ENDPOINTS];
};

struct weighting {
	struct endpoint_addr endpoint;
	uint16_t weight;
	uint32_t changed; // services that have the endpoint
};

static bool fill_flows(struct worker *worker, void *user)
{
	struct page *page = user;
	uint32_t slots = worker->l4 ? l4_flow_slots(worker->l4) : 0;
	uint32_t at = (uint32_t)page->next,
		 end = at + MIN(FLOWS_SLOTS_PER_TURN, slots - MIN(slots, at));
	while (at < end && page->count < PAGE_FLOWS)
		page->count += l4_flow_at(worker->l4, at++, &page->at[page->count]);
	page->next = at < slots ? at : 0;
	return page->next == 0 || page->count == PAGE_FLOWS;
}

static bool fill_endpoints(struct worker *worker, void *user)
{
	struct endpoints *page = user;
	struct l4_endpoint_info info;
	uint32_t count = 0;
	while (worker->l4 && count < PAGE_ENDPOINTS &&
	       l4_endpoint_at(worker->l4, page->from + count, &info)) {
		info.flow_count += count < page->count ? page->at[count].flow_count : 0;
		page->at[count++] = info;
	}
	page->count = count;
	return true;
}

static bool set_weight(struct worker *worker, void *user)
{
	struct weighting *weighting = user;
	weighting->changed =
		worker->l4 ? l4_set_weight(worker->l4, &weighting->endpoint, weighting->weight) : 0;
	return true;
}

// read_number reads digits up to most behind *text, which then stands behind them.
static bool read_number(const char **text, unsigned long most, unsigned long *out)
{
	char *end;
	bool is_digit = **text >= '0' && **text <= '9';
	errno = 0;
	*out = strtoul(*text, &end, 10);
	*text = end;
	return is_digit && errno == 0 && *out <= most;
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == NET_PROTOCOL_TCP ? "tcp" : "udp";
}

int telemetry_l4_flows(const struct telemetry *telemetry, const char *, const char *params,
		       struct rte_tel_data *data)
{
	struct page page = {0};
	unsigned long worker = 0;
	bool is_good = !params || read_number(&params, telemetry->worker_count - 1, &worker);
	if (is_good && params && *params) {
		is_good = *params++ == ',' && read_number(&params, UINT32_MAX, &page.next) &&
			  !*params;
	}
	if (!is_good)
		return -EINVAL;
	struct worker_query query = {.run = fill_flows, .user = &page};
	if (!worker_thread_ask(&telemetry->threads[worker], &query, TELEMETRY_TIMEOUT_US))
		return -ETIMEDOUT;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	char line[RTE_TEL_MAX_STRING_LEN], texts[4][ADDR_TEXT_BYTES];
	for (uint32_t i = 0; i < page.count; i++) {
		const struct l4_info *flow = &page.at[i];
		snprintf(line, sizeof(line), "%s %s %s via %s to %s %s, %llu ms ago",
			 protocol_name(flow->protocol), endpoint_addr_text(&flow->client, texts[0]),
			 endpoint_addr_text(&flow->service, texts[1]),
			 endpoint_addr_text(&flow->source, texts[2]),
			 endpoint_addr_text(&flow->endpoint, texts[3]), flow->state,
			 (unsigned long long)flow->idle_us / 1000);
		rte_tel_data_add_array_string(data, line);
	}
	if (page.next) {
		snprintf(line, sizeof(line), "next %lu", page.next);
		rte_tel_data_add_array_string(data, line);
	}
	return 0;
}

int telemetry_l4_endpoints(const struct telemetry *telemetry, const char *, const char *params,
			   struct rte_tel_data *data)
{
	struct endpoints page = {0};
	unsigned long from = 0;
	if (params && (!read_number(&params, UINT16_MAX, &from) || *params))
		return -EINVAL;
	page.from = (uint32_t)from;
	for (uint32_t i = 0; i < telemetry->worker_count; i++) {
		struct worker_query query = {.run = fill_endpoints, .user = &page};
		if (!worker_thread_ask(&telemetry->threads[i], &query, TELEMETRY_TIMEOUT_US))
			return -ETIMEDOUT;
	}
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint32_t i = 0; i < page.count; i++) {
		const struct l4_endpoint_info *one = &page.at[i];
		char line[RTE_TEL_MAX_STRING_LEN], service[ADDR_TEXT_BYTES],
			endpoint[ADDR_TEXT_BYTES];
		snprintf(line, sizeof(line), "%s %s to %s weight %u flows %u",
			 protocol_name(one->protocol), endpoint_addr_text(&one->service, service),
			 endpoint_addr_text(&one->endpoint, endpoint), one->weight,
			 one->flow_count);
		rte_tel_data_add_array_string(data, line);
	}
	return 0;
}

// read_weighting reads "ADDR:PORT=WEIGHT".
static bool read_weighting(const char *params, struct weighting *weighting)
{
	char text[ADDR_TEXT_BYTES + 8];
	unsigned long weight;
	if (!params || snprintf(text, sizeof(text), "%s", params) >= (int)sizeof(text))
		return false;
	char *sign = strchr(text, '=');
	if (!sign)
		return false;
	*sign = 0;
	const char *digits = sign + 1;
	if (!read_number(&digits, L4_WEIGHT_MAX, &weight) || *digits)
		return false;
	weighting->weight = (uint16_t)weight;
	return endpoint_addr_parse(text, &weighting->endpoint) == 0;
}

int telemetry_l4_weight(const struct telemetry *telemetry, const char *, const char *params,
			struct rte_tel_data *data)
{
	struct weighting weighting = {0};
	if (!read_weighting(params, &weighting))
		return -EINVAL;
	for (uint32_t i = 0; i < telemetry->worker_count; i++) {
		struct worker_query query = {.run = set_weight, .user = &weighting};
		if (!worker_thread_ask(&telemetry->threads[i], &query, TELEMETRY_TIMEOUT_US))
			return -ETIMEDOUT;
	}
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_u64(data, "services", weighting.changed);
	return 0;
}
