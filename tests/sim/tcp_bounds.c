// SPDX-License-Identifier: Apache-2.0
// What a peer or a stranger may hold and for how long: SYNs of a prefix, cookies, closed windows,
// unacknowledged bytes, orphans, TIME-WAIT, and the rules of RFC 5961 and RFC 7323 that keep
// forgers out.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <errno.h>

// say sends segment with text to the server in the name of address, from port source_port.
static void say(struct tcp_world *world, struct addr address, struct tcp_segment segment,
		struct slice text)
{
	struct sim_host *forger = &world->hosts[2];
	uint8_t header[TCP_HEADER_MAX_BYTES];
	segment.destination_port = TCP_WORLD_PORT;
	tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(forger->memory->mbufs);
	CHECK(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, segment.header_bytes), header, segment.header_bytes);
	if (text.bytes)
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)text.bytes), text.at, text.bytes);
	struct net_tx tx = {.local = address,
			    .remote = sim_host_addr(2, false),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = segment.header_bytes};
	CHECK(net_output(forger->net, mbuf, &tx) == 0);
	net_flush(forger->net);
}

// flood sends count SYNs of addresses where nobody is, from first_port on.
static void flood(struct tcp_world *world, unsigned count, uint16_t first_port)
{
	struct tcp_segment syn = {.flags = TCP_SYN, .window = 1000};
	for (unsigned i = 0; i < count; i++) {
		syn.source_port = (uint16_t)(first_port + i);
		say(world, sim_host_addr(77, false), syn, (struct slice){0});
	}
	tcp_world_run_ms(world, 50);
}

// dial6 connects the client to the server over IPv6: another prefix.
static void dial6(struct tcp_world *world)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, true),
				      .remote_port = TCP_WORLD_PORT,
				      .events = &tcp_world_events,
				      .user = &world->client};
	CHECK(tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn) == 0);
}

// RFC 4987 3.2, 3.6
static void a_prefix_over_its_rate_gets_cookies(void)
{
	struct tcp_limits limits = sim_limits();
	limits.syn_rate_per_prefix = 4;
	struct tcp_world *world = tcp_world_begin(limits);
	flood(world, 1, 1000); // learns the server's MAC
	flood(world, 10, 1001);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 4);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_syn_prefix_rate), 7);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent), 7);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0); // of the same prefix
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	dial6(world);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->client.opened, 2);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_syn_prefix_rate), 8);
	tcp_world_end(world);
}

static void cookies_cost_only_so_much(void)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = 0;
	limits.cookies_per_s = 5;
	struct tcp_world *world = tcp_world_begin(limits);
	flood(world, 1, 1000);
	flood(world, 20, 1001);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent), 5);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_limited), 16);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0); // its SYN comes again
	tcp_world_run_ms(world, 3000);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	tcp_world_end(world);
}

// fill queues all that fits for a server that does not read.
static void fill(struct tcp_world *world)
{
	world->server.is_reading = false;
	for (unsigned i = 0; i < 6; i++) {
		while (tcp_world_send(&world->client, 16000))
			continue;
		tcp_world_run_ms(world, 500);
	}
}

// RFC 9293 3.8.6.1 lets a window stay closed; we do not let it stay so for ever.
static void a_window_may_stay_closed_only_so_long(void)
{
	struct tcp_limits limits = sim_limits();
	limits.persist_ms = 30000;
	struct tcp_world *world = tcp_world_connected(limits);
	fill(world);
	tcp_world_run_ms(world, 26000);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_run_ms(world, 4000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_persist_timed_out);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	tcp_world_end(world);
}

static void a_window_that_opens_now_and_then_is_waited_for(void)
{
	struct tcp_limits limits = sim_limits();
	limits.persist_ms = 30000;
	struct tcp_world *world = tcp_world_connected(limits);
	fill(world);
	for (unsigned i = 0; i < 6; i++) {
		tcp_world_run_ms(world, 20000);
		size_t part = MIN(tcp_received(world->hosts[1].tcp, world->server.conn), 20000u);
		tcp_consume(world->hosts[1].tcp, world->server.conn, part);
		tcp_world_run_ms(world, 100);
		tcp_world_send(&world->client, 20000);
	}
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_end(world);
}

// RFC 9293 3.8.3
static void bytes_may_stay_unacknowledged_only_so_long(void)
{
	struct tcp_limits limits = sim_limits();
	limits.user_timeout_ms = 10000;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_world_run_ms(world, 60000); // idle: no clock runs
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	tcp_world_cut(world, true);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 9900);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	tcp_world_run_ms(world, 200); // whatever the RTO is by then
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_user_timed_out);
	tcp_world_end(world);
}

static void orphans_have_a_bound(void)
{
	struct tcp_limits limits = sim_limits();
	limits.orphan_count = 1;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_release(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 100);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 100);
	tcp_release(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_orphans_full), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_orphans), 1);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 1);
	tcp_world_run_ms(world, 21000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_fin_wait_2_timed_out), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_orphans), 0);
	tcp_world_end(world);
}

static void an_orphans_peer_may_take_only_so_long(void)
{
	struct tcp_limits limits = sim_limits();
	limits.orphan_ms = 20000;
	struct tcp_world *world = tcp_world_connected(limits);
	fill(world);
	tcp_release(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 19000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 1);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_orphan_timed_out), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 0);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	tcp_world_end(world);
}

// RFC 6191: timestamps make a port in TIME-WAIT safe to connect from again.
static void our_own_connect_takes_a_port_out_of_time_wait(void)
{
	struct tcp_limits limits = sim_limits();
	limits.port_first = limits.port_last = 6000;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn); // the client will wait
	tcp_world_run_ms(world, 50);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), ENOSPC); // too soon
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(tcp_world_dial(world, TCP_WORLD_PORT), 0);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_time_wait_recycled), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 0);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->client.opened, 2);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	tcp_world_end(world);
}

// note_server keeps the server's newest TCP header in user, and drops the client's.
static bool note_server(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	bool is_tcp = frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6;
	if (is_tcp && port->mac[5] == 2)
		tcp_segment_parse(frame + 34, bytes - 34, user);
	return !is_tcp || port->mac[5] != 1;
}

// The client's next segment, for forgers that know everything.
static struct tcp_segment next_of(const struct tcp_segment *last)
{
	return (struct tcp_segment){.source_port = last->source_port,
				    .flags = TCP_ACK | TCP_PSH,
				    .seq = last->seq,
				    .ack = last->ack,
				    .window = 1000,
				    .has_timestamps = true,
				    .ts_value = last->ts_value,
				    .ts_echo = last->ts_echo};
}

// RFC 7323 4.3 after RFC 5961 5.2
static void a_forged_timestamp_does_not_silence_the_peer(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_segment forged = next_of(&last);
	forged.ack = seq_plus(last.ack, 100000); // a guess
	forged.ts_value += 1u << 30;
	say(world, sim_host_addr(1, false), forged, slice_of("x", 1));
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_bad_ack), 1);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_paws), 0);
	tcp_world_end(world);
}

// RFC 7323 5.5
static void after_24_days_of_silence_any_timestamp_is_new(void)
{
	struct tcp_limits limits = sim_limits();
	limits.keepalive_idle_ms = 0;
	struct tcp_world *world = tcp_world_connected(limits);
	tcp_world_run_ms(world, 25ull * 86400 * 1000); // more than half of the clock
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_paws), 0);
	tcp_world_end(world);
}

// RFC 5961 4.2: whatever its options
static void a_syn_of_a_peer_that_forgot_is_challenged(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_segment syn = {.source_port = last.source_port, .flags = TCP_SYN};
	syn.seq = seq_plus(last.seq, 100);
	say(world, sim_host_addr(1, false), syn, (struct slice){0});
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_unexpected_syn), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_acks), 1);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	tcp_world_end(world);
}

// RFC 9293 3.8.4: some send an old byte to hear from us; RFC 6093: urgent bytes come in line
static void old_and_urgent_bytes_do_no_harm(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	uint64_t sent = tcp_world_count(world, 1, COUNTER_tcp_segments_out);
	struct tcp_segment old = next_of(&last);
	old.seq = seq_minus(old.seq, 1);
	say(world, sim_host_addr(1, false), old, slice_of("g", 1));
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_segments_out), sent + 1);
	CU_ASSERT_EQUAL(world->server.read, 0);
	struct tcp_segment urgent = next_of(&last);
	urgent.flags |= TCP_URG;
	say(world, sim_host_addr(1, false), urgent, slice_of("urgent", 6));
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(world->server.read, 6);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	tcp_world_end(world);
}

// Keepalives of many connections do not use up the challenges of RFC 5961 10.
static void keepalives_leave_the_challenge_budget_alone(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_segment probe = next_of(&last);
	probe.flags = TCP_ACK;
	probe.seq = seq_minus(probe.seq, 1);
	uint64_t sent = tcp_world_count(world, 1, COUNTER_tcp_segments_out);
	for (unsigned i = 0; i < 20; i++) {
		say(world, sim_host_addr(1, false), probe, (struct slice){0});
		tcp_world_run_ms(world, 10);
	}
	tcp_world_run_ms(world, 20);
	uint64_t answers = tcp_world_count(world, 1, COUNTER_tcp_segments_out) - sent;
	CU_ASSERT(answers >= 2 && answers <= 3); // one in 100 ms
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_acks), 0);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_challenge_limited), 20 - answers);
	tcp_world_end(world);
}

static void a_syn_that_comes_again_is_answered_not_too_often(void)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	flood(world, 1, 1000);
	for (unsigned i = 0; i < 10; i++)
		flood(world, 1, 1000); // one in 50 ms
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_duplicates), 10);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_challenge_limited) >= 5);
	tcp_world_end(world);
}

// RFC 9293 3.7.1, CVE-2019-11478: a peer's smallest segment is ours.
static void a_tiny_segment_size_is_not_taken(void)
{
	static const uint16_t sizes[] = {0, 1, 48};
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		struct tcp_world *world = tcp_world_begin(sim_limits());
		struct tcp_segment syn = {.source_port = 4000, .flags = TCP_SYN, .window = 65535};
		struct tcp_info info = {0};
		syn.has_mss = true;
		syn.mss = sizes[i];
		flood(world, 1, 1000); // learns the server's MAC
		world->config.tamper = note_server;
		struct tcp_segment answer = {0};
		world->config.user = &answer;
		sim_link_configure(world->link, &world->config);
		say(world, sim_host_addr(1, false), syn, (struct slice){0});
		tcp_world_run_ms(world, 100); // the client knows nothing; its RST is lost
		struct tcp_segment ack = {.source_port = 4000, .flags = TCP_ACK, .window = 65535};
		ack.seq = seq_plus(syn.seq, 1);
		ack.ack = seq_plus(answer.seq, 1);
		say(world, sim_host_addr(1, false), ack, (struct slice){0});
		tcp_world_run_ms(world, 50);
		CU_ASSERT_EQUAL_FATAL(world->server.opened, 1);
		CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &info));
		CU_ASSERT_EQUAL(info.mss, 216);
		tcp_world_run_ms(world, 100);
		tcp_world_end(world);
	}
}

// RFC 3465 2.3: many small ACKs of one segment open the window no further than one.
static void split_acks_gain_nothing(void)
{
	struct tcp_segment last = {0};
	struct tcp_info before, after;
	struct tcp_world *world = tcp_world_noted(&last);
	tcp_world_send(&world->server, 14000); // all of the first window
	tcp_world_run_ms(world, 5);
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &before));
	struct tcp_segment split = next_of(&last);
	split.flags = TCP_ACK;
	split.window = 65535 >> 2;
	for (unsigned i = 0; i < 100; i++) {
		split.ack = seq_plus(split.ack, 14);
		say(world, sim_host_addr(1, false), split, (struct slice){0});
		tcp_world_run_ms(world, 1);
	}
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &after));
	CU_ASSERT(after.cwnd_bytes <= before.cwnd_bytes + 14000);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_bounds",
	  {"a prefix over its rate gets cookies", a_prefix_over_its_rate_gets_cookies},
	  {"cookies cost only so much", cookies_cost_only_so_much},
	  {"a window may stay closed only so long", a_window_may_stay_closed_only_so_long},
	  {"a window that opens now and then is waited for",
	   a_window_that_opens_now_and_then_is_waited_for},
	  {"bytes may stay unacknowledged only so long",
	   bytes_may_stay_unacknowledged_only_so_long},
	  {"orphans have a bound", orphans_have_a_bound},
	  {"an orphan's peer may take only so long", an_orphans_peer_may_take_only_so_long},
	  {"our own connect takes a port out of time-wait",
	   our_own_connect_takes_a_port_out_of_time_wait},
	  {"a forged timestamp does not silence the peer",
	   a_forged_timestamp_does_not_silence_the_peer},
	  {"after 24 days of silence any timestamp is new",
	   after_24_days_of_silence_any_timestamp_is_new},
	  {"a syn of a peer that forgot is challenged", a_syn_of_a_peer_that_forgot_is_challenged},
	  {"old and urgent bytes do no harm", old_and_urgent_bytes_do_no_harm},
	  {"keepalives leave the challenge budget alone",
	   keepalives_leave_the_challenge_budget_alone},
	  {"a tiny segment size is not taken", a_tiny_segment_size_is_not_taken},
	  {"split acks gain nothing", split_acks_gain_nothing},
	  {"a syn that comes again is answered not too often",
	   a_syn_that_comes_again_is_answered_not_too_often})
