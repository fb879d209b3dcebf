// SPDX-License-Identifier: Apache-2.0
// The flow table: two keys a flow in rte_hash without concurrency flags, keyed by SipHash because
// strangers choose the tuples; a bounded slab; what a flow's packets say of its state (RFC 9293
// 3.3.2, watched from between) and how long it may be silent.
#include "l4_priv.h"

#include "check.h"

#include <rte_lcore.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)2 << 20)

void l4_key_make(struct l4_key *key, const struct endpoint_addr *remote,
		 const struct endpoint_addr *local, uint8_t protocol)
{
	bool is_v4 = addr_is_v4(&remote->addr);
	size_t skip = is_v4 ? 12 : 0, bytes = 16 - skip;
	uint32_t word = protocol;
	*key = (struct l4_key){0};
	memcpy(key->bytes, remote->addr.bytes + skip, bytes);
	memcpy(key->bytes + bytes, local->addr.bytes + skip, bytes);
	memcpy(key->bytes + 2 * bytes, &remote->port, 2);
	memcpy(key->bytes + 2 * bytes + 2, &local->port, 2);
	memcpy(key->bytes + 2 * bytes + 4, &word, 4);
}

hash_sig_t l4_hash_of(const struct l4 *l4, const struct l4_key *key, bool is_v4)
{
	return (hash_sig_t)siphash13(&l4->key, key->bytes, is_v4 ? L4_KEY4 : L4_HASHED6);
}

struct l4_flow *l4_find(const struct l4 *l4, const struct l4_key *key, bool is_v4,
			enum l4_direction *direction)
{
	void *data;
	struct rte_hash *table = l4->tables[is_v4];
	if (!table ||
	    rte_hash_lookup_with_hash_data(table, key, l4_hash_of(l4, key, is_v4), &data) < 0)
		return NULL;
	*direction = (uintptr_t)data & 1;
	return &l4->flows[(uintptr_t)data >> 1];
}

static struct rte_hash *table_new(const struct l4 *l4, const char *family, uint32_t key_bytes)
{
	char name[RTE_HASH_NAMESIZE];
	snprintf(name, sizeof(name), "l4%s%p", family, (const void *)l4);
	struct rte_hash_parameters parameters = {
		.name = name,
		.entries = MAX(2 * l4->config.limits.flow_count, 64u),
		.key_len = key_bytes,
		.socket_id = (int)rte_socket_id(),
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	return rte_hash_create(&parameters);
}

// flows_alloc asks for large pages: with a million flows every other access missed the TLB.
static void *flows_alloc(size_t bytes)
{
	size_t whole = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	void *memory = aligned_alloc(PAGE_BYTES, whole);
	if (memory)
		madvise(memory, whole, MADV_HUGEPAGE); // a hint: nothing depends on it
	return memory;
}

bool l4_flows_new(struct l4 *l4, bool has_v4, bool has_v6)
{
	uint32_t count = l4->config.limits.flow_count;
	l4->flows = flows_alloc((size_t)count * sizeof(*l4->flows));
	l4->free = malloc((size_t)count * sizeof(*l4->free));
	if (has_v4)
		l4->tables[true] = table_new(l4, "v4", L4_KEY4);
	if (has_v6)
		l4->tables[false] = table_new(l4, "v6", L4_KEY6);
	if (!l4->flows || !l4->free || (has_v4 && !l4->tables[true]) ||
	    (has_v6 && !l4->tables[false]))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		l4->flows[i].state = L4_FREE;
		l4->free[i] = count - 1 - i;
	}
	l4->free_count = count;
	list_init(&l4->half_open);
	return true;
}

void l4_flows_free(struct l4 *l4)
{
	for (uint32_t i = 0; l4->free && l4->flows && i < l4->config.limits.flow_count; i++)
		if (l4->flows[i].state != L4_FREE)
			wheel_disarm(l4->config.wheel, &l4->flows[i].timer);
	rte_hash_free(l4->tables[0]);
	rte_hash_free(l4->tables[1]);
	free(l4->flows);
	free(l4->free);
}

// keys_of makes the keys that a flow is found by.
static void keys_of(const struct l4_flow *flow, struct l4_key keys[2])
{
	for (unsigned i = 0; i < 2; i++) {
		const struct l4_side *back = &flow->sides[!i];
		struct endpoint_addr remote = {.addr = back->destination,
					       .port = back->destination_port};
		struct endpoint_addr local = {.addr = back->source, .port = back->source_port};
		l4_key_make(&keys[i], &remote, &local, (uint8_t)back->protocol);
	}
}

static void tell_counts(const struct l4 *l4)
{
	counter_set(l4->config.counters, COUNTER_l4_flows,
		    l4->config.limits.flow_count - l4->free_count);
	counter_set(l4->config.counters, COUNTER_l4_half_open, l4->half_count);
}

static void leave_half_open(struct l4_flow *flow)
{
	if (!flow->is_half)
		return;
	flow->is_half = false;
	list_remove(&flow->half_link);
	flow->l4->half_count--;
	tell_counts(flow->l4);
}

static uint64_t timeout_us(const struct l4_flow *flow)
{
	const struct l4_limits *limits = &flow->l4->config.limits;
	if (flow->state == L4_HALF_OPEN)
		return limits->answer_ms * 1000ull;
	if (flow->state == L4_CLOSING)
		return limits->tcp_closing_ms * 1000ull;
	bool is_tcp = flow->sides[0].protocol == NET_PROTOCOL_TCP;
	return (is_tcp ? limits->tcp_idle_ms : limits->udp_idle_ms) * 1000ull;
}

static uint64_t due_us(const struct l4_flow *flow)
{
	return MAX(flow->sides[0].last_us, flow->sides[1].last_us) + timeout_us(flow);
}

// on_due ends a flow that was silent for its time; packets do not move the timer, so it often is
// early.
static void on_due(struct wheel_timer *timer, uint64_t now_us)
{
	struct l4_flow *flow = container_of(timer, struct l4_flow, timer);
	if (due_us(flow) > now_us) {
		wheel_arm(flow->l4->config.wheel, timer, due_us(flow));
		return;
	}
	counter_inc(flow->l4->config.counters, COUNTER_l4_expired);
	l4_flow_end(flow);
}

struct l4_flow *l4_flow_begin(struct l4 *l4, const struct l4_side sides[2], uint32_t service,
			      uint32_t endpoint)
{
	struct l4_key keys[2];
	CHECK(l4->free_count > 0);
	uint32_t index = l4->free[--l4->free_count];
	struct l4_flow *flow = &l4->flows[index];
	*flow = (struct l4_flow){.sides = {sides[0], sides[1]},
				 .l4 = l4,
				 .service = (uint8_t)service,
				 .endpoint = (uint8_t)endpoint,
				 .state = L4_HALF_OPEN,
				 .is_half = true};
	flow->sides[0].last_us = flow->sides[1].last_us = l4->now_us;
	wheel_timer_init(&flow->timer, on_due);
	wheel_arm(l4->config.wheel, &flow->timer, due_us(flow));
	list_init(&flow->half_link);
	list_append(&l4->half_open, &flow->half_link);
	l4->half_count++;
	l4->served[service].states[endpoint].flow_count++;
	keys_of(flow, keys);
	bool is_v4 = addr_is_v4(&flow->sides[0].source);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(rte_hash_add_key_with_hash_data(l4->tables[is_v4], &keys[i],
						      l4_hash_of(l4, &keys[i], is_v4),
						      (void *)((uintptr_t)index << 1 | i)) == 0);
	l4->table_changes++;
	tell_counts(l4);
	return flow;
}

void l4_flow_end(struct l4_flow *flow)
{
	struct l4 *l4 = flow->l4;
	struct l4_key keys[2];
	bool is_v4 = addr_is_v4(&flow->sides[0].source);
	keys_of(flow, keys);
	for (unsigned i = 0; i < 2; i++)
		CHECK(rte_hash_del_key_with_hash(l4->tables[is_v4], &keys[i],
						 l4_hash_of(l4, &keys[i], is_v4)) >= 0);
	l4->table_changes++;
	wheel_disarm(l4->config.wheel, &flow->timer);
	leave_half_open(flow);
	l4->served[flow->service].states[flow->endpoint].flow_count--;
	flow->state = L4_FREE;
	l4->free[l4->free_count++] = (uint32_t)(flow - l4->flows);
	tell_counts(l4);
}

// settle makes a half-open flow an established one: who sent its first packet is there.
static void settle(struct l4_flow *flow)
{
	if (flow->state != L4_HALF_OPEN)
		return;
	flow->state = L4_ESTABLISHED;
	flow->sides[0].is_settled = flow->sides[1].is_settled = true;
	leave_half_open(flow);
	counter_inc(flow->l4->config.counters, COUNTER_l4_established);
}

// begin_closing shortens the flow's time. A half-open one stays among those that give way.
static void begin_closing(struct l4_flow *flow)
{
	flow->state = L4_CLOSING;
	flow->sides[0].is_settled = flow->sides[1].is_settled = false;
	wheel_arm(flow->l4->config.wheel, &flow->timer, due_us(flow));
}

void l4_flow_note(struct l4_flow *flow, enum l4_direction direction, const uint8_t *tcp)
{
	bool is_answer = direction == L4_FROM_ENDPOINT;
	if (!tcp) {
		if (is_answer)
			settle(flow);
		return;
	}
	uint8_t flags = tcp[13];
	if (flags & L4_TCP_RST) {
		begin_closing(flow);
		return;
	}
	if (flags & L4_TCP_SYN) {
		if (is_answer && flags & L4_TCP_ACK) {
			flow->answer_seq = l4_get32(tcp + 4);
			flow->is_answered = true;
		}
		return;
	}
	// A stranger's forged source never saw the endpoint's sequence number: no flow of a SYN
	// flood is taken for a connection.
	if (is_answer || (flow->is_answered && l4_get32(tcp + 8) == flow->answer_seq + 1))
		settle(flow);
	if (flags & L4_TCP_FIN)
		flow->fins |= (uint8_t)(1u << direction);
	if (flow->fins == 3 && flow->state == L4_ESTABLISHED)
		begin_closing(flow);
}
