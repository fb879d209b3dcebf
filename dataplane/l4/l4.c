// SPDX-License-Identifier: Apache-2.0
// L4 services: making them, what telemetry asks; see l4.h.
#include "l4_priv.h"

#include "check.h"

#include <stdlib.h>

static uint32_t slot_of(const uint8_t *bytes, bool is_v4)
{
	uint32_t end;
	memcpy(&end, bytes + (is_v4 ? 0 : 12), 4);
	return (end ^ end >> 8 ^ end >> 16 ^ end >> 24) % ARRAY_LEN(((struct l4 *)0)->local_slots);
}

const struct l4_local *l4_local_of(const struct l4 *l4, const uint8_t *bytes, bool is_v4)
{
	uint32_t slot = slot_of(bytes, is_v4);
	for (; l4->local_slots[slot]; slot = (slot + 1) % ARRAY_LEN(l4->local_slots)) {
		const struct l4_local *local = &l4->locals[l4->local_slots[slot] - 1];
		bool is_equal = is_v4 ? memcmp(local->addr.bytes + 12, bytes, 4) == 0
				      : memcmp(local->addr.bytes, bytes, 16) == 0;
		if (is_equal && local->is_v4 == is_v4)
			return local;
	}
	return NULL;
}

// local_add finds an address of ours among the locals, or adds it.
static struct l4_local *local_add(struct l4 *l4, const struct addr *addr)
{
	bool is_v4 = addr_is_v4(addr);
	const uint8_t *bytes = addr->bytes + (is_v4 ? 12 : 0);
	uint32_t slot = slot_of(bytes, is_v4);
	for (; l4->local_slots[slot]; slot = (slot + 1) % ARRAY_LEN(l4->local_slots))
		if (addr_equal(&l4->locals[l4->local_slots[slot] - 1].addr, addr))
			return &l4->locals[l4->local_slots[slot] - 1];
	struct l4_local *local = &l4->locals[l4->local_count++];
	local->addr = *addr;
	local->is_v4 = is_v4;
	l4->local_slots[slot] = (uint8_t)l4->local_count;
	return local;
}

static void mark_port(struct l4_local *local, uint8_t protocol, uint16_t port)
{
	local->ports[protocol == NET_PROTOCOL_TCP][port / 64] |= 1ull << port % 64;
}

static void serve(struct l4 *l4, struct l4_served *served, const struct l4_service *service)
{
	const struct l4_limits *limits = &l4->config.limits;
	CHECK(service->endpoint_count <= L4_ENDPOINTS_MAX);
	served->service = *service;
	served->service.endpoints = served->endpoints;
	for (uint32_t i = 0; i < service->endpoint_count; i++) {
		served->endpoints[i] = service->endpoints[i];
		served->states[i].cursor = (uint32_t)random_u64(l4->config.random);
	}
	l4_pick_build(&served->pick, served->endpoints, service->endpoint_count);
	mark_port(local_add(l4, &service->address), service->protocol, service->port);
	struct l4_local *source = local_add(l4, &service->source);
	for (uint32_t port = limits->port_first; port <= limits->port_last; port++)
		mark_port(source, service->protocol, (uint16_t)port);
}

static bool init(struct l4 *l4, const struct l4_config *config)
{
	bool has[2] = {false, false};
	l4->config = *config;
	l4->key = random_key(config->random);
	l4->locals = calloc(L4_LOCAL_MAX, sizeof(*l4->locals));
	l4->served = calloc(MAX(config->service_count, 1u), sizeof(*l4->served));
	l4->rates = calloc(1, sizeof(*l4->rates));
	for (uint32_t i = 0; i < config->service_count; i++)
		has[addr_is_v4(&config->services[i].address)] = true;
	if (!l4->locals || !l4->served || !l4->rates || !l4_flows_new(l4, has[true], has[false]))
		return false;
	l4->rates->key = random_key(config->random);
	for (uint32_t i = 0; i < config->service_count; i++)
		serve(l4, &l4->served[i], &config->services[i]);
	return true;
}

struct l4 *l4_new(const struct l4_config *config)
{
	CHECK(config->service_count <= L4_SERVICES_MAX && config->limits.flow_count > 0);
	CHECK(config->limits.port_first <= config->limits.port_last && config->limits.port_first);
	struct l4 *l4 = calloc(1, sizeof(*l4));
	if (l4 && !init(l4, config)) {
		l4_free(l4);
		l4 = NULL;
	}
	return l4;
}

void l4_free(struct l4 *l4)
{
	if (!l4)
		return;
	l4_flows_free(l4);
	free(l4->locals);
	free(l4->served);
	free(l4->rates);
	free(l4);
}

void l4_set_time(struct l4 *l4, uint64_t now_us)
{
	l4->now_us = now_us;
}

uint32_t l4_set_weight(struct l4 *l4, const struct endpoint_addr *endpoint, uint16_t weight)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < l4->config.service_count; i++) {
		struct l4_served *served = &l4->served[i];
		bool is_changed = false;
		for (uint32_t j = 0; j < served->service.endpoint_count; j++) {
			struct l4_endpoint *one = &served->endpoints[j];
			if (one->port != endpoint->port || !addr_equal(&one->addr, &endpoint->addr))
				continue;
			one->weight = weight > L4_WEIGHT_MAX ? L4_WEIGHT_MAX : weight;
			is_changed = true;
		}
		if (is_changed)
			l4_pick_build(&served->pick, served->endpoints,
				      served->service.endpoint_count);
		count += is_changed;
	}
	return count;
}

uint32_t l4_flow_slots(const struct l4 *l4)
{
	return l4->config.limits.flow_count;
}

static struct endpoint_addr told(const struct addr *addr, uint16_t port)
{
	return (struct endpoint_addr){.addr = *addr, .port = rte_be_to_cpu_16(port)};
}

bool l4_flow_at(const struct l4 *l4, uint32_t slot, struct l4_info *info)
{
	static const char *const states[] = {
		[L4_HALF_OPEN] = "half open",
		[L4_ESTABLISHED] = "established",
		[L4_CLOSING] = "closing",
	};
	const struct l4_flow *flow = &l4->flows[slot];
	if (slot >= l4->config.limits.flow_count || flow->state == L4_FREE)
		return false;
	const struct l4_side *there = &flow->sides[L4_FROM_CLIENT];
	const struct l4_side *back = &flow->sides[L4_FROM_ENDPOINT];
	*info = (struct l4_info){
		.client = told(&back->destination, back->destination_port),
		.service = told(&back->source, back->source_port),
		.source = told(&there->source, there->source_port),
		.endpoint = told(&there->destination, there->destination_port),
		.protocol = (uint8_t)there->protocol,
		.state = states[flow->state],
		.idle_us = l4->now_us - MAX(there->last_us, back->last_us),
	};
	return true;
}

bool l4_endpoint_at(const struct l4 *l4, uint32_t index, struct l4_endpoint_info *info)
{
	for (uint32_t i = 0; i < l4->config.service_count; i++) {
		const struct l4_served *served = &l4->served[i];
		const struct l4_service *service = &served->service;
		if (index >= service->endpoint_count) {
			index -= service->endpoint_count;
			continue;
		}
		const struct l4_endpoint *one = &served->endpoints[index];
		*info = (struct l4_endpoint_info){
			.service = {.addr = service->address, .port = service->port},
			.endpoint = {.addr = one->addr, .port = one->port},
			.protocol = service->protocol,
			.weight = one->weight,
			.flow_count = served->states[index].flow_count,
		};
		return true;
	}
	return false;
}
