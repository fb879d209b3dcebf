// SPDX-License-Identifier: Apache-2.0
// What an operator is told of flows: every state by its name, filters, what bytes wait where.
#include "tcp_world.h"

#include "check.h"
#include "unit.h"

// count_flows counts the flows of host number that agree with filter; the last one is in *info.
static uint32_t count_flows(const struct tcp_world *world, unsigned number,
			    const struct tcp_filter *filter, struct tcp_info *info)
{
	const struct tcp *tcp = world->hosts[number].tcp;
	uint32_t count = 0;
	struct tcp_info at;
	for (uint32_t slot = 0; slot < tcp_flow_slots(tcp); slot++) {
		if (!tcp_flow_at(tcp, slot, filter, &at))
			continue;
		*info = at;
		count++;
	}
	return count;
}

static uint32_t count_state(const struct tcp_world *world, unsigned number, const char *state)
{
	struct tcp_info info;
	return count_flows(world, number, &(struct tcp_filter){.state = state}, &info);
}

static void every_state_is_told_by_its_name(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	tcp_world_cut(world, true);
	tcp_world_dial(world, TCP_WORLD_PORT);
	CU_ASSERT_EQUAL(count_state(world, 0, "SYN-SENT"), 1);
	tcp_world_cut(world, false);
	for (int ms = 0; ms < 3000 && count_state(world, 1, "SYN-RECEIVED") == 0; ms++)
		tcp_world_run_ms(world, 1);
	CU_ASSERT_EQUAL(count_state(world, 1, "SYN-RECEIVED"), 1);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(count_state(world, 0, "ESTABLISHED"), 1);
	CU_ASSERT_EQUAL(count_state(world, 1, "ESTABLISHED"), 1);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(count_state(world, 0, "FIN-WAIT-2"), 1);
	CU_ASSERT_EQUAL(count_state(world, 1, "CLOSE-WAIT"), 1);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(count_state(world, 0, "TIME-WAIT"), 1);
	CU_ASSERT_EQUAL(count_state(world, 0, NULL), 1);
	tcp_world_end(world);
}

static void a_filter_takes_either_end(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	struct tcp_info info = {0};
	struct tcp_filter filter = {.port = TCP_WORLD_PORT};
	CU_ASSERT_EQUAL(count_flows(world, 0, &filter, &info), 1);
	CU_ASSERT_EQUAL(count_flows(world, 1, &filter, &info), 1);
	filter.port = info.tuple.remote_port;
	CU_ASSERT_EQUAL(count_flows(world, 1, &filter, &info), 1);
	filter.port = TCP_WORLD_PORT + 1;
	CU_ASSERT_EQUAL(count_flows(world, 1, &filter, &info), 0);
	filter.port = 0;
	CHECK(prefix_parse("10.0.0.0/24", &filter.host) == 0);
	CU_ASSERT_EQUAL(count_flows(world, 0, &filter, &info), 1);
	CHECK(prefix_parse("10.0.1.0/24", &filter.host) == 0);
	CU_ASSERT_EQUAL(count_flows(world, 0, &filter, &info), 0);
	filter.host = (struct prefix){info.tuple.remote, 128, {0}};
	filter.state = "LAST-ACK";
	CU_ASSERT_EQUAL(count_flows(world, 1, &filter, &info), 0);
	tcp_world_end(world);
}

static void a_flow_tells_where_its_bytes_wait(void)
{
	struct tcp_limits limits = sim_limits();
	limits.receive_buffer_bytes = 16384;
	struct tcp_world *world = tcp_world_connected(limits);
	struct tcp_info client = {0}, server = {0};
	struct tcp_filter all = {0};
	world->server.is_reading = false;
	size_t sent = tcp_world_send(&world->client, 50000);
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(count_flows(world, 0, &all, &client), 1);
	CU_ASSERT_EQUAL(count_flows(world, 1, &all, &server), 1);
	CU_ASSERT_EQUAL(server.unread_bytes, 16384);
	CU_ASSERT_EQUAL(client.queued_bytes + client.unacked_bytes, sent - 16384);
	CU_ASSERT_EQUAL(server.bytes_received, 16384);
	CU_ASSERT(client.srtt_us >= 20000 && client.srtt_us < 80000);
	CU_ASSERT(client.rttvar_us > 0);
	CU_ASSERT(client.cc[0] != 0);
	CU_ASSERT(!client.is_passive && server.is_passive);
	tcp_world_end(world);
}

static void slabs_and_budgets_are_told(void)
{
	struct tcp_limits limits = sim_limits();
	struct tcp_world *world = tcp_world_connected(limits);
	const struct tcp *tcp = world->hosts[1].tcp;
	struct tcp_slab slab;
	CU_ASSERT(tcp_slab_at(tcp, 0, &slab));
	CU_ASSERT_STRING_EQUAL(slab.name, "conns");
	CU_ASSERT_EQUAL(slab.in_use, 1);
	CU_ASSERT_EQUAL(slab.capacity, limits.conn_count);
	CU_ASSERT(slab.bytes >= limits.conn_count * 64ull);
	CU_ASSERT(!tcp_slab_at(tcp, 100, &slab));
	CU_ASSERT(tcp_budgets_of(tcp).held_mbufs_max > 0);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_flows", {"every state is told by its name", every_state_is_told_by_its_name},
	  {"a filter takes either end", a_filter_takes_either_end},
	  {"a flow tells where its bytes wait", a_flow_tells_where_its_bytes_wait},
	  {"slabs and budgets are told", slabs_and_budgets_are_told})
