// SPDX-License-Identifier: Apache-2.0
// Directed scenarios between two real stacks, with a third host that forges segments. Each ends
// with all hosts' pools at zero.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <stdlib.h>

static void both_may_open_at_once(void)
{
	struct tcp_limits limits = sim_limits();
	limits.port_first = limits.port_last = 5000;
	struct tcp_world *world = tcp_world_begin(limits);
	CHECK(tcp_world_dial(world, 5000) == 0);
	struct tcp_connect back = {.remote = sim_host_addr(1, false),
				   .remote_port = 5000,
				   .events = &tcp_world_events,
				   .user = &world->server};
	CHECK(tcp_connect_to(world->hosts[1].tcp, &back, &world->server.conn) == 0);
	tcp_world_run_ms(world, 3000);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	CU_ASSERT_EQUAL(tcp_world_send(&world->client, 5000), 5000);
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->server.read, 5000);
	tcp_world_end(world);
}

static void both_may_close_at_once(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_closed);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_closed);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).time_wait_count, 1);
	tcp_world_run_ms(world, 61000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 0);
	tcp_world_end(world);
}

static void a_closed_port_refuses(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	CHECK(tcp_world_dial(world, 81) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.closed, 1);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_refused);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_no_listener), 1);
	tcp_world_end(world);
}

static void a_silent_host_times_out(void)
{
	struct tcp_limits limits = sim_limits();
	limits.syn_retries = 3;
	struct tcp_world *world = tcp_world_begin(limits);
	tcp_world_cut(world, true);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 14000);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_run_ms(world, 3000); // 1 + 2 + 4 + 8 s
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_connect_timed_out);
	tcp_world_end(world);
}

static void unacknowledged_data_ends_in_a_timeout(void)
{
	struct tcp_limits limits = sim_limits();
	limits.retries = 4;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_world_cut(world, true);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 60000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_timed_out);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_rto_expiries), 4);
	tcp_world_end(world);
}

static void keepalive_keeps_the_living_and_ends_the_dead(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_world_run_ms(world, 600000);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_keepalive_probes) >= 4);
	CU_ASSERT_EQUAL(world->client.closed + world->server.closed, 0);
	tcp_world_cut(world, true);
	tcp_world_run_ms(world, 400000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_keepalive_timed_out);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_keepalive_timed_out);
	tcp_world_end(world);
}

static void a_closed_window_is_probed_until_it_opens(void)
{
	struct tcp_limits limits = sim_limits();
	limits.receive_buffer_bytes = 16384;
	struct tcp_world *world = tcp_world_connected(limits);
	struct tcp_info info;
	world->server.is_reading = false;
	size_t sent = tcp_world_send(&world->client, 100000);
	CU_ASSERT(sent > 16384 && sent <= 16384 + BUF_BYTES); // the window and a record
	tcp_world_run_ms(world, 1000);
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	CU_ASSERT_EQUAL(info.send_window, 0);
	CU_ASSERT_EQUAL(tcp_received(world->hosts[1].tcp, world->server.conn), 16384);
	tcp_world_cut(world, true); // the window update is lost
	world->server.is_reading = true;
	tcp_world_read(&world->server, world->server.conn);
	tcp_world_run_ms(world, 100);
	tcp_world_cut(world, false);
	tcp_world_run_ms(world, 120000);
	CU_ASSERT_EQUAL(world->server.read, sent);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_window_probes) >= 1);
	CU_ASSERT_EQUAL(world->client.writable, 1);
	tcp_world_end(world);
}

static void a_stopped_reader_holds_a_connection_for_long(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	world->server.is_reading = false;
	tcp_world_send(&world->client, 65536);
	tcp_world_send(&world->client, 65536);
	tcp_world_run_ms(world, 1000);
	tcp_world_send(&world->client, 65536);
	tcp_world_run_ms(world, 1000);
	tcp_world_send(&world->client, 65536);
	tcp_world_run_ms(world, 7200000); // answered probes are not failures
	CU_ASSERT_EQUAL(world->client.closed, 0);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_window_probes) > 20);
	tcp_world_end(world);
}

static void a_full_backlog_sends_cookies_and_recovers(void)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = 1;
	limits.syn_retries = 2;
	struct tcp_world *world = tcp_world_begin(limits);
	struct tcp_segment syn = {.flags = TCP_SYN, .seq = seq_of(5), .window = 1000};
	CHECK(tcp_world_dial(world, 81) == 0); // a tuple to forge with; refused soon
	syn.seq = seq_of(5);
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	tcp_world_run_ms(world, 100);
	// nobody answers for this address: the half-open connection stays
	uint8_t header[TCP_HEADER_MAX_BYTES];
	syn.source_port = 999;
	syn.destination_port = TCP_WORLD_PORT;
	tcp_segment_write(&syn, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	memcpy(rte_pktmbuf_append(mbuf, syn.header_bytes), header, syn.header_bytes);
	struct net_tx tx = {.local = sim_host_addr(77, false),
			    .remote = sim_host_addr(2, false),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = syn.header_bytes};
	CHECK(net_output(world->hosts[2].net, mbuf, &tx) == 0);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	world->client = (struct tcp_end){.host = &world->hosts[0], .is_reading = true};
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(world->client.opened, 1); // by a cookie
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_backlog_full), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	tcp_world_run_ms(world, 20000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_half_open_timed_out), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 0);
	tcp_world_end(world);
}

static void a_full_connection_table_refuses_by_name(void)
{
	struct tcp_limits limits = sim_limits();
	limits.conn_count = 1;
	struct tcp_world *world = tcp_world_connected(limits);
	struct pool_id first = world->client.conn;
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), ENOSPC);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_connect_full), 1);
	tcp_abort(world->hosts[0].tcp, first);
	tcp_world_cut(world, true);
	tcp_world_run_ms(world, 1); // the RST is lost: the server's only place stays taken
	tcp_world_cut(world, false);
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), 0);
	tcp_world_run_ms(world, 5000);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_conns_full) >= 1);
	tcp_world_end(world);
}

static void nobody_listens_twice_and_a_refused_accept_resets(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->is_refusing = true;
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_accept_refused), 1);
	tcp_world_end(world);
}

static void blind_resets_and_syns_are_challenged(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_segment bad = {.flags = TCP_RST, .seq = seq_plus(last.seq, 1000)};
	tcp_world_forge(world, bad);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_bad_reset), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_acks), 1);
	bad = (struct tcp_segment){.flags = TCP_RST, .seq = seq_minus(last.seq, 70000)};
	tcp_world_forge(world, bad); // outside of the window: not a word
	bad = (struct tcp_segment){.flags = TCP_SYN,
				   .seq = seq_plus(last.seq, 10),
				   .has_timestamps = true,
				   .ts_value = last.ts_value};
	tcp_world_forge(world, bad);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_unexpected_syn), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_acks), 2);
	bad = (struct tcp_segment){.flags = TCP_ACK,
				   .seq = last.seq,
				   .ack = seq_plus(last.ack, 5000),
				   .has_timestamps = true,
				   .ts_value = last.ts_value};
	tcp_world_forge(world, bad); // acknowledges what was never sent
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_bad_ack), 1);
	bad.ts_value--;
	tcp_world_forge(world, bad); // older than what was heard
	bad.has_timestamps = false;
	tcp_world_forge(world, bad);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_paws), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_no_timestamp), 1);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	bad = (struct tcp_segment){.flags = TCP_RST, .seq = last.seq};
	tcp_world_forge(world, bad); // the exact number: believed
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	tcp_world_end(world);
}

static void a_newer_syn_takes_over_time_wait(void)
{
	struct tcp_limits limits = sim_limits();
	limits.port_first = limits.port_last = 6000;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn); // the server waits
	tcp_world_run_ms(world, 100);
	CU_ASSERT(world->client.is_at_end);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->client.closed, 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.opened, 2);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_time_wait_reused), 1);
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), ENOSPC); // the only port is in use
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_ports_exhausted), 1);
	tcp_world_end(world);
}

static void time_wait_gives_way_when_full(void)
{
	struct tcp_limits limits = sim_limits();
	limits.time_wait_count = 1;
	struct tcp_world *world = tcp_world_begin(limits);
	for (unsigned i = 1; i <= 2; i++) {
		CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
		tcp_world_run_ms(world, 100);
		tcp_shutdown(world->hosts[0].tcp, world->client.conn);
		tcp_shutdown(world->hosts[1].tcp, world->server.conn);
		tcp_world_run_ms(world, 200);
		CU_ASSERT_EQUAL(world->client.closed, i);
	}
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_time_wait_evicted), 1);
	tcp_world_end(world);
}

static void a_released_connection_resets_what_nobody_reads(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_release(world->hosts[0].tcp, world->client.conn);
	CU_ASSERT_EQUAL(tcp_send_room(world->hosts[0].tcp, world->client.conn), 0);
	tcp_world_run_ms(world, 100);
	tcp_world_send(&world->server, 100);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_orphan_data), 1);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_end(world);
}

static void a_reset_behind_a_fin_leaves_what_was_received(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	world->server.is_reading = false;
	CU_ASSERT_EQUAL(tcp_world_send(&world->client, 20000), 20000);
	tcp_release(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(tcp_world_send(&world->server, 10), 10); // nobody reads it
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_reset_by_peer), 1);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	CU_ASSERT_EQUAL(tcp_send_room(world->hosts[1].tcp, world->server.conn), 0);
	world->server.is_reading = true;
	tcp_world_read(&world->server, world->server.conn);
	CU_ASSERT_EQUAL(world->server.read, 20000);
	CU_ASSERT(tcp_at_end(world->hosts[1].tcp, world->server.conn));
	tcp_world_run_ms(world, 10);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	tcp_world_end(world);
}

static void releasing_with_bytes_unread_resets(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	world->server.is_reading = false;
	tcp_world_send(&world->client, 100);
	tcp_world_run_ms(world, 100);
	tcp_release(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_released_unread), 1);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_reset_by_peer);
	tcp_world_end(world);
}

static void an_orphan_waits_for_a_fin_only_so_long(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_release(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 19000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 1);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_fin_wait_2_timed_out), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 0);
	tcp_world_end(world);
}

static void too_big_lowers_the_segments_when_it_quotes_what_is_in_flight(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	struct tcp_segment last = {0};
	struct tcp_info info;
	world->config.tamper = tcp_world_note_header;
	world->config.user = &last;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	tcp_world_forge_icmp(world, 4, 600, seq_plus(last.seq, 100)); // nothing is in flight
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_icmp_ignored), 1);
	struct tcp_seq first = last.seq;
	tcp_world_send(&world->client, 30000);
	tcp_world_run_ms(world, 5);
	tcp_world_forge_icmp(world, 4, 68, first); // below every floor
	tcp_world_run_ms(world, 11);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_mtu_reduced), 1);
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	CU_ASSERT_EQUAL(info.mss, 552 - 40 - 12);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->server.read, 30000);
	tcp_world_end(world);
}

static void a_hard_error_ends_an_attempt_and_nothing_else(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 5);
	tcp_world_forge_icmp(world, 3, 0, last.seq);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 5);
	tcp_world_forge_icmp(world, 3, 0, last.seq);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_unreachable);
	tcp_world_end(world);
}

static void idle_ends_hold_no_buffers(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	tcp_world_send(&world->client, 60000);
	tcp_world_run_ms(world, 2000);
	sim_link_release(world->link);
	CU_ASSERT_EQUAL(world->server.read, 60000);
	CU_ASSERT_EQUAL(sim_memory_in_use(tcp_world_memory(0)), 0);
	CU_ASSERT_EQUAL(sim_memory_in_use(tcp_world_memory(1)), 0);
	tcp_world_end(world);
}

// What is pushed leaves at once, within the windows, and once only; a dead handle is nobody's.
static void what_is_pushed_leaves_at_once(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	struct tcp *tcp = world->hosts[0].tcp;
	uint64_t before = tcp_world_count(world, 0, COUNTER_tcp_bytes_out);
	size_t queued = tcp_world_send(&world->client, 60000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_bytes_out), before);
	tcp_push(tcp, world->client.conn);
	uint64_t pushed = tcp_world_count(world, 0, COUNTER_tcp_bytes_out) - before;
	CU_ASSERT(pushed >= 10 * 1400 && pushed < queued); // the initial window, RFC 6928
	tcp_push(tcp, world->client.conn);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_bytes_out), before + pushed);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->server.read, queued);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	tcp_abort(tcp, world->client.conn);
	tcp_push(tcp, world->client.conn);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_cases", {"both may open at once", both_may_open_at_once},
	  {"both may close at once", both_may_close_at_once},
	  {"a closed port refuses", a_closed_port_refuses},
	  {"a silent host times out", a_silent_host_times_out},
	  {"unacknowledged data ends in a timeout", unacknowledged_data_ends_in_a_timeout},
	  {"keepalive keeps the living and ends the dead",
	   keepalive_keeps_the_living_and_ends_the_dead},
	  {"a closed window is probed until it opens", a_closed_window_is_probed_until_it_opens},
	  {"a stopped reader holds a connection for long",
	   a_stopped_reader_holds_a_connection_for_long},
	  {"a full backlog sends cookies and recovers", a_full_backlog_sends_cookies_and_recovers},
	  {"a full connection table refuses by name", a_full_connection_table_refuses_by_name},
	  {"nobody listens twice and a refused accept resets",
	   nobody_listens_twice_and_a_refused_accept_resets},
	  {"blind resets and syns are challenged", blind_resets_and_syns_are_challenged},
	  {"a newer syn takes over time-wait", a_newer_syn_takes_over_time_wait},
	  {"time-wait gives way when full", time_wait_gives_way_when_full},
	  {"a released connection resets what nobody reads",
	   a_released_connection_resets_what_nobody_reads},
	  {"a reset behind a FIN leaves what was received",
	   a_reset_behind_a_fin_leaves_what_was_received},
	  {"releasing with bytes unread resets", releasing_with_bytes_unread_resets},
	  {"an orphan waits for a fin only so long", an_orphan_waits_for_a_fin_only_so_long},
	  {"too big lowers the segments when it quotes what is in flight",
	   too_big_lowers_the_segments_when_it_quotes_what_is_in_flight},
	  {"a hard error ends an attempt and nothing else",
	   a_hard_error_ends_an_attempt_and_nothing_else},
	  {"idle ends hold no buffers", idle_ends_hold_no_buffers},
	  {"what is pushed leaves at once", what_is_pushed_leaves_at_once})
