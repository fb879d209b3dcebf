// SPDX-License-Identifier: Apache-2.0
// Floods from a station on the link - fragments, claims of ARP and neighbour discovery - while a
// connection transfers: memory stays flat and the connection notices nothing.
#include "big_endian.h"
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#define FRAMES_PER_MS 40u
#define FLOOD_MS      1500u
#define HELD_MAX      400u // mbufs of the flooded host: rings, segments in flight, 64 of fragments

static uint32_t sum_of(const uint8_t *at, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

// put_fragment is the first fragment of a datagram that never comes, from a source of its own.
static size_t put_fragment4(uint8_t *at, uint32_t number)
{
	const uint8_t ip[20] = {0x45, [6] = 0x20, 0, 64, 6, [12] = 10, 0, 0, 0, 10, 0, 0, 1};
	memcpy(at, ip, 20);
	put16(at + 2, 20 + 64);
	put16(at + 4, number);
	at[13] = (uint8_t)(1 + (number >> 8) % 3);
	at[14] = (uint8_t)(number >> 3);
	at[15] = (uint8_t)(number % 200);
	put16(at + 10, ~sum_of(at, 20, 0));
	return 20 + 64;
}

static size_t put_fragment6(uint8_t *at, uint32_t number)
{
	static const uint8_t to[16] = {0xfd, [15] = 1};
	at[0] = 0x60;
	put16(at + 4, 8 + 64);
	at[6] = 44;
	at[7] = 64;
	at[8] = 0xfd;
	put16(at + 14, number); // another /64 each
	at[23] = 9;
	memcpy(at + 24, to, 16);
	at[40] = 6;
	at[43] = 1;
	put16(at + 46, number);
	return 48 + 64;
}

// put_arp claims an address, every fourth time the server's.
static size_t put_arp(uint8_t *at, uint32_t number)
{
	const uint8_t reply[28] = {0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0, 0, 3,
				   10, 0, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1};
	memcpy(at, reply, 28);
	if (number % 4)
		at[17] = (uint8_t)number;
	return 46;
}

static size_t put_nd(uint8_t *at, uint32_t number)
{
	static const uint8_t from[16] = {0xfd, [15] = 3}, to[16] = {0xfd, [15] = 1};
	at[0] = 0x60;
	put16(at + 4, 32);
	at[6] = 58;
	at[7] = 255;
	memcpy(at + 8, from, 16);
	memcpy(at + 24, to, 16);
	uint8_t *nd = at + 40;
	memcpy(nd, (uint8_t[]){136, 0, 0, 0, 0x60}, 5);
	nd[8] = 0xfd;
	put16(nd + 22, number % 4 ? number : 2);
	memcpy(nd + 24, (uint8_t[]){2, 1, 2, 0, 0, 0, 0, 3}, 8);
	put16(nd + 2, ~sum_of(nd, 32, sum_of(at + 8, 32, 58 + 32)));
	return 72;
}

static const struct {
	const char *name;
	uint16_t type;
	size_t (*put)(uint8_t *at, uint32_t number);
} floods[] = {
	{"IPv4 fragments", 0x0800, put_fragment4},
	{"IPv6 fragments", 0x86dd, put_fragment6},
	{"ARP claims", 0x0806, put_arp},
	{"ND claims", 0x86dd, put_nd},
};

// flood sends one frame of each kind in turn to the client.
static void flood(struct tcp_world *world, uint32_t number)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3};
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	CHECK(mbuf);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	memset(frame, 0, 256);
	memcpy(frame, macs, 12);
	size_t kind = number % ARRAY_LEN(floods);
	put16(frame + 12, floods[kind].type);
	size_t bytes = 14 + floods[kind].put(frame + 14, number / ARRAY_LEN(floods));
	rte_pktmbuf_append(mbuf, (uint16_t)bytes);
	if (world->hosts[2].port->ops->tx(world->hosts[2].port, &mbuf, 1) != 1)
		rte_pktmbuf_free(mbuf);
}

static void a_flooded_host_keeps_its_connection_and_its_memory(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	const struct counters *counters = &world->hosts[0].counters;
	uint32_t held_max = 0, number = 0;
	size_t queued = 0;
	for (uint32_t ms = 0; ms < FLOOD_MS; ms++) {
		for (uint32_t i = 0; i < FRAMES_PER_MS; i++)
			flood(world, number++);
		queued += tcp_world_send(&world->client, 2000000 - queued);
		tcp_world_run_ms(world, 1);
		held_max = MAX(held_max, rte_mempool_in_use_count(world->hosts[0].memory->mbufs));
		CU_ASSERT(counters->value[COUNTER_net_fragments] <= 64);
		CU_ASSERT(counters->value[COUNTER_net_neighbours] <= 16);
	}
	printf("# %u frames, %u mbufs held at most, %zu of %zu bytes arrived\n", number, held_max,
	       world->server.read, queued);
	CU_ASSERT_EQUAL(queued, 2000000);
	CU_ASSERT_EQUAL(world->server.read, 2000000);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	CU_ASSERT(held_max <= HELD_MAX);
	CU_ASSERT_EQUAL(counters->value[COUNTER_tcp_rto_expiries], 0);
	CU_ASSERT_EQUAL(counters->value[COUNTER_tcp_recoveries], 0);
	CU_ASSERT(counters->value[COUNTER_drop_frag_full] > 10000); // the flood was taken
	CU_ASSERT(counters->value[COUNTER_drop_neigh_unasked] > 10000);
	tcp_world_end(world);
}

UNIT_MAIN("net_flood", {"a flooded host keeps its connection and its memory",
			a_flooded_host_keeps_its_connection_and_its_memory})
