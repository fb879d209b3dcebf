// SPDX-License-Identifier: Apache-2.0
// Four-tuple to connection, half-open connection or TIME-WAIT entry: one rte_hash without
// concurrency flags, keyed by SipHash because strangers choose the tuples. Listeners are few: a
// list.
#include "tcp_priv.h"

#include <rte_lcore.h>
#include <rte_prefetch.h>

#include <stdio.h>

#define PREFETCH_BYTES ((size_t)640) // of a connection: what input and its ACK read

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

// hash_of an IPv4 connection is that of 12 bytes, not of the two prefixes that all of them share.
static hash_sig_t hash_of(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct {
		uint32_t local, remote;
		uint16_t ports[2];
	} v4;
	static_assert(sizeof(v4) == 12, "no padding is hashed");
	if (addr_is_v4(&tuple->local) && addr_is_v4(&tuple->remote)) {
		memcpy(&v4.local, addr_v4_bytes(&tuple->local), sizeof(v4.local));
		memcpy(&v4.remote, addr_v4_bytes(&tuple->remote), sizeof(v4.remote));
		v4.ports[0] = tuple->local_port;
		v4.ports[1] = tuple->remote_port;
		return (hash_sig_t)siphash13(&tcp->table_key, &v4, sizeof(v4));
	}
	return (hash_sig_t)siphash13(&tcp->table_key, tuple, sizeof(*tuple));
}

static const struct pool *pool_of(const struct tcp *tcp, enum tcp_kind kind)
{
	if (kind == TCP_KIND_CONN)
		return &tcp->conns;
	return kind == TCP_KIND_HALF ? &tcp->halves : &tcp->time_waits;
}

// found_of reads an entry of the table.
static struct tcp_found found_of(const struct tcp *tcp, const void *data)
{
	enum tcp_kind kind = (enum tcp_kind)((uintptr_t)data >> 32);
	void *object = pool_at(pool_of(tcp, kind), (uint32_t)(uintptr_t)data);
	CHECK(object);
	return (struct tcp_found){kind, object};
}

struct tcp_found tcp_table_find(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	void *data;
	int found = rte_hash_lookup_with_hash_data(tcp->table, tuple, hash_of(tcp, tuple), &data);
	return found < 0 ? (struct tcp_found){0} : found_of(tcp, data);
}

// prefetch_entry asks for what pool_at and input will read of an entry.
static void prefetch_entry(const struct tcp *tcp, const void *data)
{
	const struct pool *pool = pool_of(tcp, (enum tcp_kind)((uintptr_t)data >> 32));
	uint32_t index = (uint32_t)(uintptr_t)data;
	const uint8_t *object = pool->objects + index * pool->object_bytes;
	rte_prefetch0(&pool->generation[index]);
	for (size_t at = 0; at < MIN(pool->object_bytes, PREFETCH_BYTES); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(object + at);
}

void tcp_table_find_burst(const struct tcp *tcp, const struct tcp_tuple *const *tuples,
			  uint32_t count, struct tcp_found *found)
{
	hash_sig_t hashes[PORT_BURST];
	void *data[PORT_BURST];
	uint64_t hits = 0;
	for (uint32_t i = 0; i < count; i++)
		hashes[i] = hash_of(tcp, tuples[i]);
	int result = rte_hash_lookup_with_hash_bulk_data(
		tcp->table, (const void **)(uintptr_t)tuples, hashes, count, &hits, data);
	CHECK(result >= 0);
	for (uint32_t i = 0; i < count; i++)
		if (hits >> i & 1)
			prefetch_entry(tcp, data[i]);
	for (uint32_t i = 0; i < count; i++)
		found[i] = hits >> i & 1 ? found_of(tcp, data[i]) : (struct tcp_found){0};
}

void tcp_table_set(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_found found)
{
	uint32_t index = pool_id_of(pool_of(tcp, found.kind), found.object).index;
	uintptr_t data = (uintptr_t)found.kind << 32 | index;
	int added = rte_hash_add_key_with_hash_data(tcp->table, tuple, hash_of(tcp, tuple),
						    (void *)data);
	CHECK(added == 0);
	tcp->table_changes++;
}

void tcp_table_remove(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	int removed = rte_hash_del_key_with_hash(tcp->table, tuple, hash_of(tcp, tuple));
	CHECK(removed >= 0);
	tcp->table_changes++;
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
