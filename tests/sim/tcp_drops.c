// SPDX-License-Identifier: Apache-2.0
// Segments that must be dropped, and refusals, each by its name.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <errno.h>

// known makes a connected world whose client's newest header is kept in last.
static struct tcp_world *known(struct tcp_segment *last)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->config.tamper = tcp_world_note_header;
	world->config.user = last;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	return world;
}

static void segments_that_fit_nowhere_are_dropped_by_name(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = known(&last);
	struct tcp_segment bad = {.flags = TCP_ACK,
				  .seq = seq_plus(last.seq, 10000000),
				  .ack = last.ack,
				  .has_timestamps = true,
				  .ts_value = last.ts_value};
	for (int i = 0; i < 3; i++)
		tcp_world_forge(world, bad);
	tcp_world_run_ms(world, 50);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_out_of_window), 3);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_limited), 2);
	bad.seq = last.seq;
	bad.flags = TCP_PSH;
	tcp_world_forge(world, bad);
	tcp_world_run_ms(world, 50);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_no_ack), 1);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	tcp_world_end(world);
}

static void a_fin_ends_what_may_come(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = known(&last);
	struct tcp_segment fin = {.flags = TCP_ACK | TCP_FIN,
				  .seq = seq_plus(last.seq, 5),
				  .ack = last.ack,
				  .has_timestamps = true,
				  .ts_value = last.ts_value};
	tcp_world_forge(world, fin); // five bytes are missing before it
	tcp_world_run_ms(world, 50);
	tcp_world_send(&world->client, 10);
	tcp_world_run_ms(world, 50);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_after_end) >= 1);
	tcp_world_end(world);
}

static void an_aborted_connection_leaves_nothing(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = known(&last);
	tcp_world_cut(world, true);
	tcp_abort(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 1);
	tcp_world_cut(world, false);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_aborted), 1);
	tcp_world_send(&world->server, 10); // to a host that knows nothing
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_no_connection), 1);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_end(world);
}

// is_not_servers drops what the server sends.
static bool is_not_servers(void *, const struct port *port, uint8_t *, uint32_t)
{
	return port->mac[5] != 2;
}

static void stray_segments_are_answered_within_a_budget(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	struct tcp_segment stray = {.flags = TCP_ACK};
	tcp_world_forge(world, stray); // also asks for the server's MAC
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_no_timestamp), 1);
	world->config.tamper = is_not_servers;
	sim_link_configure(world->link, &world->config);
	tcp_abort(world->hosts[1].tcp, world->server.conn);
	for (int burst = 0; burst < 100; burst++) {
		for (int i = 0; i < 20; i++)
			tcp_world_forge(world, stray);
		tcp_world_run_ms(world, 1);
	}
	tcp_world_run_ms(world, 100);
	uint64_t resets = tcp_world_count(world, 1, COUNTER_tcp_resets_out) - 1; // one by tcp_abort
	CU_ASSERT(resets >= 500 && resets <= 3000); // a second may end meanwhile
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_no_connection), 2000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_reset_limited), 2000 - resets);
	CU_ASSERT(resets < 2000);
	tcp_world_end(world);
}

static void a_late_fin_in_time_wait_is_acknowledged(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_shutdown(world->hosts[1].tcp, world->server.conn); // the server will wait
	tcp_world_run_ms(world, 100);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 15); // the client's FIN arrived, its ACK is on the way
	tcp_world_cut(world, true);
	tcp_world_run_ms(world, 1);
	tcp_world_cut(world, false);
	struct tcp_segment late = {.flags = TCP_ACK | TCP_PSH | TCP_RST};
	tcp_world_forge(world, late); // RFC 1337
	tcp_world_run_ms(world, 100);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_time_wait_segment) >= 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).time_wait_count, 1);
	tcp_world_end(world);
}

static void an_unrouted_address_is_refused_at_once(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	struct tcp_connect connect = {.remote = addr_v4((uint8_t[4]){192, 0, 2, 1}),
				      .remote_port = 1,
				      .events = &tcp_world_events,
				      .user = &world->client};
	CU_ASSERT_EQUAL(tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn),
			EHOSTUNREACH);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_connect_no_route), 1);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_drops",
	  {"segments that fit nowhere are dropped by name",
	   segments_that_fit_nowhere_are_dropped_by_name},
	  {"a fin ends what may come", a_fin_ends_what_may_come},
	  {"an aborted connection leaves nothing", an_aborted_connection_leaves_nothing},
	  {"stray segments are answered within a budget",
	   stray_segments_are_answered_within_a_budget},
	  {"a late fin in time-wait is acknowledged", a_late_fin_in_time_wait_is_acknowledged},
	  {"an unrouted address is refused at once", an_unrouted_address_is_refused_at_once})
