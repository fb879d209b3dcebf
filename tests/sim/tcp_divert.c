// SPDX-License-Identifier: Apache-2.0
// TCP that no connection and no listener claims goes to the kernel where there is a way, whole and
// unchanged; what is ours stays ours.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

enum { OURS = 443, KERNELS = 22 };

struct divert {
	struct sim_link *link;
	struct sim_host hosts[2]; // a client; a server with an exception path
	struct tcp_end client;
	uint64_t now_us;
	uint32_t diverted_count;
	unsigned group_count; // frames to groups, which are the kernel\'s too
	uint16_t ports[2];    // of the TCP header diverted last
	bool is_whole;        // it began with its Ethernet header and was as long as sent
};

static void take(void *user, uint32_t port_index, struct rte_mbuf *mbuf)
{
	struct divert *divert = user;
	const uint8_t *at = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	if (at[13] == 0x06) { // a copy of an ARP answer
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (at[0] & 1) { // a group's: the client reports those it listens to (RFC 3810)
		divert->group_count++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	divert->diverted_count++;
	divert->is_whole = port_index == 0 && mbuf->pkt_len >= 54 && at[12] == 0x08 &&
			   at[13] == 0x00 && at[23] == NET_PROTOCOL_TCP &&
			   mbuf->pkt_len >= 14u + (uint32_t)(at[16] << 8 | at[17]);
	divert->ports[0] = (uint16_t)(at[34] << 8 | at[35]);
	divert->ports[1] = (uint16_t)(at[36] << 8 | at[37]);
	rte_pktmbuf_free(mbuf);
}

static void *refuse(void *, struct pool_id, const struct tcp_tuple *)
{
	return NULL;
}

static struct divert *begin(void)
{
	static struct divert divert;
	struct sim_link_config link = {.latency_us = 1000, .mtu = 1500};
	struct tcp_listener listener = {
		.port = OURS, .events = &tcp_world_events, .accepted = refuse};
	divert = (struct divert){.now_us = 1000000};
	divert.link = sim_link_new(&link, &divert.now_us, (struct siphash_key){{1, 2}});
	for (uint32_t i = 0; i < 2; i++) {
		struct sim_host_config config = {.number = i + 1,
						 .memory = tcp_world_memory(i),
						 .link = divert.link,
						 .limits = sim_limits(),
						 .now_us = divert.now_us,
						 .exception = i == 1 ? take : NULL,
						 .user = &divert};
		sim_host_open(&divert.hosts[i], &config);
	}
	CHECK(tcp_listen_on(divert.hosts[1].tcp, &listener) == 0);
	return &divert;
}

static void end(struct divert *divert)
{
	for (unsigned i = 0; i < 2; i++)
		sim_host_close(&divert->hosts[i]);
	sim_link_free(divert->link);
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(sim_memory_in_use(tcp_world_memory(i)), 0);
}

// dial connects the client to port and runs half a second.
static void dial(struct divert *divert, uint16_t port)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, false),
				      .remote_port = port,
				      .events = &tcp_world_events,
				      .user = &divert->client};
	divert->client = (struct tcp_end){.host = &divert->hosts[0]};
	CHECK(tcp_connect_to(divert->hosts[0].tcp, &connect, &divert->client.conn) == 0);
	for (unsigned ms = 0; ms < 500; ms++) {
		divert->now_us += 1000;
		for (unsigned i = 0; i < 2; i++)
			sim_host_step(&divert->hosts[i], divert->now_us, 64);
	}
}

static uint64_t servers(const struct divert *divert, enum counter counter)
{
	return divert->hosts[1].counters.value[counter];
}

static void a_port_of_nobody_is_the_kernels(void)
{
	struct divert *divert = begin();
	dial(divert, KERNELS);
	CU_ASSERT_EQUAL(divert->diverted_count, 1);
	CU_ASSERT(divert->is_whole);
	CU_ASSERT_EQUAL(divert->ports[1], KERNELS);
	CU_ASSERT_EQUAL(servers(divert, COUNTER_net_exception), 1 + divert->group_count);
	CU_ASSERT_EQUAL(servers(divert, COUNTER_tcp_no_listener), 0);
	CU_ASSERT_EQUAL(servers(divert, COUNTER_tcp_resets_out), 0);
	CU_ASSERT_EQUAL(divert->client.closed, 0); // nobody told it anything
	end(divert);
}

static void a_port_of_ours_is_not(void)
{
	struct divert *divert = begin();
	dial(divert, OURS);
	CU_ASSERT_EQUAL(divert->diverted_count, 0);
	CU_ASSERT_EQUAL(divert->client.opened, 1);
	CU_ASSERT_EQUAL(servers(divert, COUNTER_tcp_opened_passive), 1);
	end(divert);
}

UNIT_MAIN("tcp_divert", {"a port of nobody is the kernel's", a_port_of_nobody_is_the_kernels},
	  {"a port of ours is not", a_port_of_ours_is_not})
