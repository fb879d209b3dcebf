// SPDX-License-Identifier: Apache-2.0
// Four-tuple to connection, half-open connection or TIME-WAIT entry: one rte_hash without
// concurrency flags, keyed by SipHash because strangers choose the tuples. Listeners are few: a
// list.
#include "tcp_priv.h"

#include <rte_lcore.h>

#include <stdio.h>

static_assert(sizeof(struct tcp_tuple) == 36, "the tuple is the hash key: no padding");

bool tcp_table_new(struct tcp *tcp)
{
	char name[RTE_HASH_NAMESIZE];
	snprintf(name, sizeof(name), "tcp%p", (void *)tcp);
	uint64_t entries = (uint64_t)tcp->limits.conn_count + tcp->limits.half_open_count +
			   tcp->limits.time_wait_count;
	struct rte_hash_parameters parameters = {
		.name = name,
		.entries = (uint32_t)MAX(entries, (uint64_t)64),
		.key_len = sizeof(struct tcp_tuple),
		.socket_id = (int)rte_socket_id(),
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	tcp->table = rte_hash_create(&parameters);
	return tcp->table != NULL;
}

void tcp_table_free(struct tcp *tcp)
{
	rte_hash_free(tcp->table);
}

static hash_sig_t hash_of(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (hash_sig_t)siphash(&tcp->table_key, tuple, sizeof(*tuple));
}

static const struct pool *pool_of(const struct tcp *tcp, enum tcp_kind kind)
{
	if (kind == TCP_KIND_CONN)
		return &tcp->conns;
	return kind == TCP_KIND_HALF ? &tcp->halves : &tcp->time_waits;
}

struct tcp_found tcp_table_find(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	void *data;
	int found = rte_hash_lookup_with_hash_data(tcp->table, tuple, hash_of(tcp, tuple), &data);
	if (found < 0)
		return (struct tcp_found){0};
	enum tcp_kind kind = (enum tcp_kind)((uintptr_t)data >> 32);
	void *object = pool_at(pool_of(tcp, kind), (uint32_t)(uintptr_t)data);
	CHECK(object);
	return (struct tcp_found){kind, object};
}

void tcp_table_set(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_found found)
{
	uint32_t index = pool_id_of(pool_of(tcp, found.kind), found.object).index;
	uintptr_t data = (uintptr_t)found.kind << 32 | index;
	int added = rte_hash_add_key_with_hash_data(tcp->table, tuple, hash_of(tcp, tuple),
						    (void *)data);
	CHECK(added == 0);
}

void tcp_table_remove(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	int removed = rte_hash_del_key_with_hash(tcp->table, tuple, hash_of(tcp, tuple));
	CHECK(removed >= 0);
}

struct tcp_listening *tcp_table_listener(struct tcp *tcp, const struct addr *local, uint16_t port)
{
	struct tcp_listening *wildcard = NULL;
	for (uint32_t i = 0; i < tcp->listening_count; i++) {
		struct tcp_listening *at = &tcp->listenings[i];
		if (at->listener.port != port)
			continue;
		if (addr_equal(&at->listener.local, local))
			return at;
		if (addr_is_zero(&at->listener.local))
			wildcard = at;
	}
	return wildcard;
}
