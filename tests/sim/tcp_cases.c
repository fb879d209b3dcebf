// SPDX-License-Identifier: Apache-2.0
// Directed scenarios between two real stacks, with a third host that forges segments. Each ends
// with both hosts' pools at zero.
#include "check.h"
#include "sim_host.h"
#include "tcp_segment.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <stdlib.h>

#define PORT 443u

struct end {
	struct sim_host *host;
	struct pool_id conn;
	size_t read;
	unsigned opened, closed, writable;
	enum counter reason;
	bool is_reading, is_at_end;
};

struct world {
	uint64_t now_us;
	struct sim_link_config config;
	struct sim_link *link;
	struct sim_host hosts[3]; // client, server, forger
	struct end client, server;
	bool is_refusing;
};

static void on_opened(void *user, struct pool_id)
{
	((struct end *)user)->opened++;
}

static void on_readable(void *user, struct pool_id conn)
{
	struct end *end = user;
	struct tcp *tcp = end->host->tcp;
	if (!end->is_reading)
		return;
	size_t waiting = tcp_received(tcp, conn);
	end->read += waiting;
	tcp_consume(tcp, conn, waiting);
	end->is_at_end = tcp_at_end(tcp, conn);
}

static void on_writable(void *user, struct pool_id)
{
	((struct end *)user)->writable++;
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct end *end = user;
	end->closed++;
	end->reason = reason;
}

static const struct tcp_events events = {on_opened, on_readable, on_writable, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct world *world = user;
	world->server.conn = conn;
	world->server.opened++;
	return world->is_refusing ? NULL : &world->server;
}

static struct sim_memory *memory_of(unsigned number)
{
	static struct sim_memory *memories[3];
	static const char *const names[3] = {"client", "server", "forger"};
	if (!memories[0]) {
		sim_start();
		for (unsigned i = 0; i < 3; i++)
			memories[i] = sim_memory_new(names[i], 2047, 128, 64);
	}
	return memories[number];
}

// begin makes a perfect link of 10 ms and three hosts; the server listens.
static struct world *begin(struct tcp_limits limits)
{
	struct world *world = calloc(1, sizeof(*world));
	CHECK(world);
	world->now_us = 1000000;
	world->config = (struct sim_link_config){.latency_us = 10000, .mtu = 1500};
	memory_of(0);
	world->link = sim_link_new(&world->config, &world->now_us, (struct siphash_key){{1, 2}});
	for (unsigned i = 0; i < 3; i++) {
		struct sim_host_config config = {.number = i + 1,
						 .memory = memory_of(i),
						 .link = world->link,
						 .limits = limits,
						 .seed = {{i, 3}},
						 .now_us = world->now_us};
		sim_host_open(&world->hosts[i], &config);
	}
	world->client = (struct end){.host = &world->hosts[0], .is_reading = true};
	world->server = (struct end){.host = &world->hosts[1], .is_reading = true};
	struct tcp_listener listener = {
		.port = PORT, .events = &events, .accepted = on_accepted, .user = world};
	CHECK(tcp_listen_on(world->hosts[1].tcp, &listener) == 0);
	CHECK(tcp_listen_on(world->hosts[1].tcp, &listener) == EADDRINUSE);
	return world;
}

static void run_ms(struct world *world, uint64_t ms)
{
	uint64_t end_us = world->now_us + ms * 1000;
	while (world->now_us < end_us) {
		uint64_t next = sim_link_next_us(world->link);
		for (unsigned i = 0; i < 3; i++) {
			sim_host_step(&world->hosts[i], world->now_us, 64);
			next = MIN(next, sim_host_next_us(&world->hosts[i], world->now_us));
		}
		next = MIN(next, sim_link_next_us(world->link));
		world->now_us = MIN(MAX(next, world->now_us + 1), end_us);
	}
}

static void finish(struct world *world)
{
	for (unsigned i = 0; i < 3; i++)
		sim_host_close(&world->hosts[i]);
	sim_link_free(world->link);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(sim_memory_in_use(memory_of(i)), 0);
	free(world);
}

static uint64_t count(const struct world *world, unsigned host, enum counter counter)
{
	return world->hosts[host].counters.value[counter];
}

static int dial(struct world *world, uint16_t port)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, false),
				      .remote_port = port,
				      .events = &events,
				      .user = &world->client};
	return tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn);
}

static struct world *connected(struct tcp_limits limits)
{
	struct world *world = begin(limits);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 200);
	CU_ASSERT_EQUAL_FATAL(world->client.opened, 1);
	CU_ASSERT_EQUAL_FATAL(world->server.opened, 1);
	return world;
}

// send queues bytes bytes as far as there is room; returns how many.
static size_t send(struct end *end, size_t bytes)
{
	size_t sent = 0;
	while (sent < bytes) {
		uint32_t part = (uint32_t)MIN(bytes - sent, (size_t)16000);
		if (tcp_send_room(end->host->tcp, end->conn) < part)
			break;
		struct buf *buf = buf_new(&end->host->memory->bufs, part);
		CHECK(buf);
		memset(buf->data, 'x', part);
		CHECK(tcp_send(end->host->tcp, end->conn, buf, 0, part) == 0);
		sent += part;
	}
	return sent;
}

static void cut(struct world *world, bool is_cut)
{
	world->config.loss = is_cut ? SIM_LINK_CERTAIN : 0;
	sim_link_configure(world->link, &world->config);
}

// forge sends a segment to the server as if from the client.
static void forge(struct world *world, struct tcp_segment segment)
{
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	segment.source_port = tuple.local_port;
	segment.destination_port = tuple.remote_port;
	uint8_t header[TCP_HEADER_MAX_BYTES];
	tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	memcpy(rte_pktmbuf_append(mbuf, segment.header_bytes), header, segment.header_bytes);
	struct net_tx tx = {.local = tuple.local,
			    .remote = tuple.remote,
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = segment.header_bytes};
	CHECK(net_output(world->hosts[2].net, mbuf, &tx) == 0);
}

// note_header remembers the client's newest TCP header, for forgers that know everything.
static bool note_header(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct tcp_segment *last = user;
	if (port->mac[5] == 1 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6)
		tcp_segment_parse(frame + 34, bytes - 34, last);
	return true;
}

static void both_may_open_at_once(void)
{
	struct tcp_limits limits = sim_limits();
	limits.port_first = limits.port_last = 5000;
	struct world *world = begin(limits);
	CHECK(dial(world, 5000) == 0);
	struct tcp_connect back = {.remote = sim_host_addr(1, false),
				   .remote_port = 5000,
				   .events = &events,
				   .user = &world->server};
	CHECK(tcp_connect_to(world->hosts[1].tcp, &back, &world->server.conn) == 0);
	run_ms(world, 3000);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	CU_ASSERT_EQUAL(send(&world->client, 5000), 5000);
	run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->server.read, 5000);
	finish(world);
}

static void both_may_close_at_once(void)
{
	struct world *world = connected(sim_limits());
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_closed);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_closed);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).time_wait_count, 1);
	run_ms(world, 61000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 0);
	finish(world);
}

static void a_closed_port_refuses(void)
{
	struct world *world = begin(sim_limits());
	CHECK(dial(world, 81) == 0);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.closed, 1);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_refused);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_no_listener), 1);
	finish(world);
}

static void a_silent_host_times_out(void)
{
	struct tcp_limits limits = sim_limits();
	limits.syn_retries = 3;
	struct world *world = begin(limits);
	cut(world, true);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 14000);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	run_ms(world, 3000); // 1 + 2 + 4 + 8 s
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_connect_timed_out);
	finish(world);
}

static void unacknowledged_data_ends_in_a_timeout(void)
{
	struct tcp_limits limits = sim_limits();
	limits.retries = 4;
	struct world *world = connected(limits);
	cut(world, true);
	send(&world->client, 1000);
	run_ms(world, 60000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_timed_out);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_rto_expiries), 4);
	finish(world);
}

static void keepalive_keeps_the_living_and_ends_the_dead(void)
{
	struct world *world = connected(sim_limits());
	run_ms(world, 600000);
	CU_ASSERT(count(world, 0, COUNTER_tcp_keepalive_probes) >= 4);
	CU_ASSERT_EQUAL(world->client.closed + world->server.closed, 0);
	cut(world, true);
	run_ms(world, 400000);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_keepalive_timed_out);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_keepalive_timed_out);
	finish(world);
}

static void a_closed_window_is_probed_until_it_opens(void)
{
	struct tcp_limits limits = sim_limits();
	limits.receive_buffer_bytes = 16384;
	struct world *world = connected(limits);
	struct tcp_info info;
	world->server.is_reading = false;
	size_t sent = send(&world->client, 100000);
	CU_ASSERT(sent >= 48000);
	run_ms(world, 1000);
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	CU_ASSERT_EQUAL(info.send_window, 0);
	CU_ASSERT_EQUAL(tcp_received(world->hosts[1].tcp, world->server.conn), 16384);
	cut(world, true); // the window update is lost
	world->server.is_reading = true;
	on_readable(&world->server, world->server.conn);
	run_ms(world, 100);
	cut(world, false);
	run_ms(world, 120000);
	CU_ASSERT_EQUAL(world->server.read, sent);
	CU_ASSERT(count(world, 0, COUNTER_tcp_window_probes) >= 1);
	CU_ASSERT_EQUAL(world->client.writable, 1);
	finish(world);
}

static void a_stopped_reader_holds_a_connection_for_long(void)
{
	struct world *world = connected(sim_limits());
	world->server.is_reading = false;
	send(&world->client, 65536);
	send(&world->client, 65536);
	run_ms(world, 1000);
	send(&world->client, 65536);
	run_ms(world, 1000);
	send(&world->client, 65536);
	run_ms(world, 7200000); // answered probes are not failures
	CU_ASSERT_EQUAL(world->client.closed, 0);
	CU_ASSERT(count(world, 0, COUNTER_tcp_window_probes) > 20);
	finish(world);
}

static void a_full_backlog_drops_syns_and_recovers(void)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = 1;
	limits.syn_retries = 2;
	struct world *world = begin(limits);
	struct tcp_segment syn = {.flags = TCP_SYN, .seq = seq_of(5), .window = 1000};
	CHECK(dial(world, 81) == 0); // a tuple to forge with; refused soon
	syn.seq = seq_of(5);
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	run_ms(world, 100);
	// nobody answers for this address: the half-open connection stays
	uint8_t header[TCP_HEADER_MAX_BYTES];
	syn.source_port = 999;
	syn.destination_port = PORT;
	tcp_segment_write(&syn, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	memcpy(rte_pktmbuf_append(mbuf, syn.header_bytes), header, syn.header_bytes);
	struct net_tx tx = {.local = sim_host_addr(77, false),
			    .remote = sim_host_addr(2, false),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = syn.header_bytes};
	CHECK(net_output(world->hosts[2].net, mbuf, &tx) == 0);
	run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	world->client = (struct end){.host = &world->hosts[0], .is_reading = true};
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 500);
	CU_ASSERT_EQUAL(world->client.opened, 0);
	CU_ASSERT(count(world, 1, COUNTER_tcp_backlog_full) >= 1);
	run_ms(world, 20000);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_half_open_timed_out), 1);
	CHECK(world->client.opened || dial(world, PORT) == 0);
	run_ms(world, 500);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	finish(world);
}

static void a_full_connection_table_refuses_by_name(void)
{
	struct tcp_limits limits = sim_limits();
	limits.conn_count = 1;
	struct world *world = connected(limits);
	struct pool_id first = world->client.conn;
	CU_ASSERT_EQUAL(dial(world, PORT), ENOSPC);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_connect_full), 1);
	tcp_abort(world->hosts[0].tcp, first);
	cut(world, true);
	run_ms(world, 1); // the RST is lost: the server's only place stays taken
	cut(world, false);
	CU_ASSERT_EQUAL(dial(world, PORT), 0);
	run_ms(world, 5000);
	CU_ASSERT(count(world, 1, COUNTER_tcp_conns_full) >= 1);
	finish(world);
}

static void nobody_listens_twice_and_a_refused_accept_resets(void)
{
	struct world *world = begin(sim_limits());
	world->is_refusing = true;
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 500);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_accept_refused), 1);
	finish(world);
}

static void blind_resets_and_syns_are_challenged(void)
{
	struct world *world = begin(sim_limits());
	struct tcp_segment last = {0};
	world->config.tamper = note_header;
	world->config.user = &last;
	sim_link_configure(world->link, &world->config);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 200);
	struct tcp_segment bad = {.flags = TCP_RST, .seq = seq_plus(last.seq, 1000)};
	forge(world, bad);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_bad_reset), 1);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_challenge_acks), 1);
	bad = (struct tcp_segment){.flags = TCP_RST, .seq = seq_minus(last.seq, 70000)};
	forge(world, bad); // outside of the window: not a word
	bad = (struct tcp_segment){.flags = TCP_SYN,
				   .seq = seq_plus(last.seq, 10),
				   .has_timestamps = true,
				   .ts_value = last.ts_value};
	forge(world, bad);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_unexpected_syn), 1);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_challenge_acks), 2);
	bad = (struct tcp_segment){.flags = TCP_ACK,
				   .seq = last.seq,
				   .ack = seq_plus(last.ack, 5000),
				   .has_timestamps = true,
				   .ts_value = last.ts_value};
	forge(world, bad); // acknowledges what was never sent
	run_ms(world, 200);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_bad_ack), 1);
	bad.ts_value--;
	forge(world, bad); // older than what was heard
	bad.has_timestamps = false;
	forge(world, bad);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_paws), 1);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_no_timestamp), 1);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	bad = (struct tcp_segment){.flags = TCP_RST, .seq = last.seq};
	forge(world, bad); // the exact number: believed
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	finish(world);
}

static void a_newer_syn_takes_over_time_wait(void)
{
	struct tcp_limits limits = sim_limits();
	limits.port_first = limits.port_last = 6000;
	struct world *world = connected(limits);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn); // the server waits
	run_ms(world, 100);
	CU_ASSERT(world->client.is_at_end);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	run_ms(world, 100);
	CU_ASSERT_EQUAL(world->client.closed, 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(dial(world, PORT), 0);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.opened, 2);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_time_wait_reused), 1);
	CU_ASSERT_EQUAL(dial(world, PORT), ENOSPC); // the only port is in use
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_ports_exhausted), 1);
	finish(world);
}

static void time_wait_gives_way_when_full(void)
{
	struct tcp_limits limits = sim_limits();
	limits.time_wait_count = 1;
	struct world *world = begin(limits);
	for (unsigned i = 1; i <= 2; i++) {
		CHECK(dial(world, PORT) == 0);
		run_ms(world, 100);
		tcp_shutdown(world->hosts[0].tcp, world->client.conn);
		tcp_shutdown(world->hosts[1].tcp, world->server.conn);
		run_ms(world, 200);
		CU_ASSERT_EQUAL(world->client.closed, i);
	}
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).time_wait_count, 1);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_time_wait_evicted), 1);
	finish(world);
}

static void a_released_connection_resets_what_nobody_reads(void)
{
	struct world *world = connected(sim_limits());
	tcp_release(world->hosts[0].tcp, world->client.conn);
	CU_ASSERT_EQUAL(tcp_send_room(world->hosts[0].tcp, world->client.conn), 0);
	run_ms(world, 100);
	send(&world->server, 100);
	run_ms(world, 100);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_orphan_data), 1);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	finish(world);
}

static void releasing_with_bytes_unread_resets(void)
{
	struct world *world = connected(sim_limits());
	world->server.is_reading = false;
	send(&world->client, 100);
	run_ms(world, 100);
	tcp_release(world->hosts[1].tcp, world->server.conn);
	run_ms(world, 100);
	CU_ASSERT_EQUAL(count(world, 1, COUNTER_tcp_released_unread), 1);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_reset_by_peer);
	finish(world);
}

static void an_orphan_waits_for_a_fin_only_so_long(void)
{
	struct world *world = connected(sim_limits());
	tcp_release(world->hosts[0].tcp, world->client.conn);
	run_ms(world, 19000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 1);
	run_ms(world, 2000);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_fin_wait_2_timed_out), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[0].tcp).conn_count, 0);
	finish(world);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_checksum(uint8_t *at, const uint8_t *from, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)from[i] << 8 | from[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at, ~((sum & 0xffff) + (sum >> 16)));
}

static void put_ip4(uint8_t *at, uint32_t bytes, uint8_t protocol, const uint8_t ends[2])
{
	const uint8_t header[20] = {0x45,    [8] = 64, protocol, [12] = 10, 0,      0,
				    ends[0], 10,       0,        0,         ends[1]};
	memcpy(at, header, 20);
	put16(at + 2, bytes);
	put_checksum(at + 10, at, 20);
}

// forge_icmp sends the client "unreachable" with this code and MTU, quoting a segment of its own.
static void forge_icmp(struct world *world, uint8_t code, uint16_t mtu, struct tcp_seq seq)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, 14 + 20 + 8 + 28);
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 0x08, 0x00};
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	memset(frame, 0, 70);
	memcpy(frame, ethernet, 14);
	put_ip4(frame + 14, 56, 1, (uint8_t[]){3, 1});
	uint8_t *icmp = frame + 34;
	icmp[0] = 3;
	icmp[1] = code;
	put16(icmp + 6, mtu);
	put_ip4(icmp + 8, 1500, 6, (uint8_t[]){1, 2});
	put16(icmp + 28, tuple.local_port);
	put16(icmp + 30, tuple.remote_port);
	put16(icmp + 32, seq.value >> 16);
	put16(icmp + 34, seq.value);
	put_checksum(icmp + 2, icmp, 36);
	CHECK(world->hosts[2].port->ops->tx(world->hosts[2].port, &mbuf, 1) == 1);
}

static void too_big_lowers_the_segments_when_it_quotes_what_is_in_flight(void)
{
	struct world *world = begin(sim_limits());
	struct tcp_segment last = {0};
	struct tcp_info info;
	world->config.tamper = note_header;
	world->config.user = &last;
	sim_link_configure(world->link, &world->config);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 200);
	forge_icmp(world, 4, 600, seq_plus(last.seq, 100)); // nothing is in flight
	run_ms(world, 100);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_icmp_ignored), 1);
	struct tcp_seq first = last.seq;
	send(&world->client, 30000);
	run_ms(world, 5);
	forge_icmp(world, 4, 68, first); // below every floor
	run_ms(world, 11);
	CU_ASSERT_EQUAL(count(world, 0, COUNTER_tcp_mtu_reduced), 1);
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	CU_ASSERT_EQUAL(info.mss, 552 - 40 - 12);
	run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->server.read, 30000);
	finish(world);
}

static void a_hard_error_ends_an_attempt_and_nothing_else(void)
{
	struct world *world = begin(sim_limits());
	struct tcp_segment last = {0};
	world->config.tamper = note_header;
	world->config.user = &last;
	sim_link_configure(world->link, &world->config);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 200);
	send(&world->client, 1000);
	run_ms(world, 5);
	forge_icmp(world, 3, 0, last.seq);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.closed, 0);
	CHECK(dial(world, PORT) == 0);
	run_ms(world, 5);
	forge_icmp(world, 3, 0, last.seq);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_unreachable);
	finish(world);
}

static void idle_ends_hold_no_buffers(void)
{
	struct world *world = connected(sim_limits());
	send(&world->client, 60000);
	run_ms(world, 2000);
	sim_link_release(world->link);
	CU_ASSERT_EQUAL(world->server.read, 60000);
	CU_ASSERT_EQUAL(sim_memory_in_use(memory_of(0)), 0);
	CU_ASSERT_EQUAL(sim_memory_in_use(memory_of(1)), 0);
	finish(world);
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
	  {"a full backlog drops syns and recovers", a_full_backlog_drops_syns_and_recovers},
	  {"a full connection table refuses by name", a_full_connection_table_refuses_by_name},
	  {"nobody listens twice and a refused accept resets",
	   nobody_listens_twice_and_a_refused_accept_resets},
	  {"blind resets and syns are challenged", blind_resets_and_syns_are_challenged},
	  {"a newer syn takes over time-wait", a_newer_syn_takes_over_time_wait},
	  {"time-wait gives way when full", time_wait_gives_way_when_full},
	  {"a released connection resets what nobody reads",
	   a_released_connection_resets_what_nobody_reads},
	  {"releasing with bytes unread resets", releasing_with_bytes_unread_resets},
	  {"an orphan waits for a fin only so long", an_orphan_waits_for_a_fin_only_so_long},
	  {"too big lowers the segments when it quotes what is in flight",
	   too_big_lowers_the_segments_when_it_quotes_what_is_in_flight},
	  {"a hard error ends an attempt and nothing else",
	   a_hard_error_ends_an_attempt_and_nothing_else},
	  {"idle ends hold no buffers", idle_ends_hold_no_buffers})
