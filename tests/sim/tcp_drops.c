// SPDX-License-Identifier: Apache-2.0
// Segments that must be dropped, and refusals, each by its name.
#include "check.h"
#include "tcp_reass.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <errno.h>

static void segments_that_fit_nowhere_are_dropped_by_name(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
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
	struct tcp_world *world = tcp_world_noted(&last);
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
	struct tcp_world *world = tcp_world_noted(&last);
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

// lose_every_other drops the client's segments at even distances from the sequence number that user
// points to.
static bool lose_every_other(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	const struct tcp_seq *seq = user;
	struct tcp_segment segment = {0};
	tcp_world_note_header(&segment, port, frame, bytes);
	return segment.header_bytes == 0 || seq_distance(*seq, segment.seq) % 2 != 0;
}

// mute_server drops the server's TCP and notes the client's: its handshake stays half open.
static bool mute_server(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	bool is_tcp = frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6;
	return tcp_world_note_header(user, port, frame, bytes) && !(is_tcp && port->mac[5] == 2);
}

static void a_half_open_connection_takes_only_its_own_segments(void)
{
	struct tcp_segment syn = {0};
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->config.tamper = mute_server;
	world->config.user = &syn;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	struct tcp_seq next = seq_plus(syn.seq, 1);
	tcp_world_forge(world, (struct tcp_segment){.flags = TCP_ACK, .seq = next});
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_half_open_bad), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_resets_out), 1);
	tcp_world_forge(world, (struct tcp_segment){.flags = TCP_PSH, .seq = next});
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_half_open_bad), 2);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_resets_out), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 1);
	tcp_world_forge(world, (struct tcp_segment){.flags = TCP_RST, .seq = next});
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_half_open_reset), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 0);
	tcp_world_end(world);
}

// shorten_header gives the client's segments a header of 16 bytes, under a right checksum.
static bool shorten_header(void *, const struct port *port, uint8_t *frame, uint32_t)
{
	if (port->mac[5] != 1 || frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 6)
		return true;
	uint8_t *header = frame + 34;
	uint32_t sum = (uint32_t)(header[16] << 8 | header[17]);
	sum += (uint32_t)((header[12] & 0xf0) - 0x40) << 8; // RFC 1624
	sum = (sum & 0xffff) + (sum >> 16);
	header[12] = (uint8_t)(0x40 | (header[12] & 0x0f));
	header[16] = (uint8_t)(sum >> 8);
	header[17] = (uint8_t)sum;
	return true;
}

static void a_header_shorter_than_its_least_is_dropped(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	world->config.tamper = shorten_header;
	sim_link_configure(world->link, &world->config);
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 50);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_bad_header) >= 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_bad_checksum), 0);
	CU_ASSERT_EQUAL(world->server.read, 0);
	world->config.tamper = NULL;
	sim_link_configure(world->link, &world->config);
	tcp_world_run_ms(world, 5000);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	tcp_world_end(world);
}

// send_apart sends count runs of bytes bytes of the client, each in a segment of its own.
static void send_apart(struct tcp_world *world, uint32_t count, uint32_t bytes)
{
	struct buf *buf = buf_new(&world->client.host->memory->bufs, BUF_BYTES);
	CHECK(buf);
	memset(buf->data, 'x', BUF_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = i % (BUF_BYTES / bytes) * bytes;
		buf_ref(buf);
		CHECK(tcp_send(world->client.host->tcp, world->client.conn, buf, offset, bytes) ==
		      0);
		tcp_world_run_ms(world, 1);
	}
	buf_unref(buf);
}

static void segments_out_of_order_are_kept_up_to_a_bound(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->config.tamper = tcp_world_note_header;
	world->config.user = &last;
	world->config.latency_us = 400000; // all is sent before the first ACK tells of the hole
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 4000);
	struct tcp_seq hole = last.seq;
	world->config.tamper = lose_every_other;
	world->config.user = &hole;
	sim_link_configure(world->link, &world->config);
	send_apart(world, 2 * (TCP_REASS_RUNS + 20), 1);
	tcp_world_run_ms(world, 401);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_out_of_order), TCP_REASS_RUNS);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_reassembly_full), 20);
	CU_ASSERT_EQUAL(world->server.read, 0);
	world->config.tamper = NULL;
	sim_link_configure(world->link, &world->config);
	tcp_world_run_ms(world, 60000);
	CU_ASSERT_EQUAL(world->server.read, 2 * (TCP_REASS_RUNS + 20));
	tcp_world_end(world);
}

static void unread_segments_may_pin_so_many_packets(void)
{
	struct tcp_limits limits = sim_limits();
	uint32_t most = 100;
	limits.receive_memory_bytes = most * (RTE_PKTMBUF_HEADROOM + 2048ull);
	struct tcp_world *world = tcp_world_connected(limits);
	uint32_t bytes = TCP_REASS_COPY + 1; // too many to be copied together
	world->server.is_reading = false;
	send_apart(world, most + 50, bytes);
	tcp_world_run_ms(world, 50);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_receive_memory_low) >= 10);
	CU_ASSERT_EQUAL(tcp_received(world->hosts[1].tcp, world->server.conn), most * bytes);
	world->server.is_reading = true;
	tcp_world_read(&world->server, world->server.conn);
	tcp_world_run_ms(world, 60000);
	CU_ASSERT_EQUAL(world->server.read, (most + 50) * bytes);
	tcp_world_end(world);
}

static void without_packets_sending_waits_for_them(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	struct rte_mempool *pool = world->hosts[0].memory->mbufs;
	struct rte_mbuf *first = NULL;
	for (struct rte_mbuf *mbuf; (mbuf = rte_pktmbuf_alloc(pool)) != NULL; first = mbuf)
		mbuf->next = first;
	CU_ASSERT_EQUAL(tcp_world_send(&world->client, 1000), 1000);
	tcp_world_run_ms(world, 50);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_no_mbuf) >= 1);
	CU_ASSERT_EQUAL(world->server.read, 0);
	for (struct rte_mbuf *next; first; first = next) {
		next = first->next;
		first->next = NULL;
		rte_pktmbuf_free(first);
	}
	tcp_world_run_ms(world, 50);
	CU_ASSERT_EQUAL(world->server.read, 1000);
	tcp_world_end(world);
}

static void what_net_refuses_is_counted(void)
{
	struct tcp_limits limits = sim_limits();
	limits.conn_count = 300;
	struct tcp_world *world = tcp_world_begin(limits);
	struct tcp_connect connect = {
		.remote_port = 1, .events = &tcp_world_events, .user = &world->client};
	uint32_t queued_max = world->hosts[0].memory->mbufs->size / 8; // net's own bound
	for (uint32_t i = 0; i <= queued_max; i++) {                   // 16 SYNs wait for each MAC
		connect.remote = sim_host_addr(100 + i / 16, false);   // nobody
		CHECK(tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn) == 0);
	}
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_not_routed), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_drop_neigh_full), 1);
	tcp_world_end(world);
}

static void a_queue_of_too_many_pieces_ends_its_connection(void)
{
	struct tcp_world *world = tcp_world_connected(sim_limits());
	struct buf *buf = buf_new(&world->client.host->memory->bufs, 1);
	CHECK(buf);
	buf->data[0] = 'x';
	tcp_world_cut(world, true);
	uint32_t pieces = 0;
	for (int error = 0; !error && pieces < 65536; pieces++) {
		buf_ref(buf);
		error = tcp_send(world->hosts[0].tcp, world->client.conn, buf, 0, 1);
		CU_ASSERT(error == 0 || error == ENOTCONN);
	}
	buf_unref(buf);
	CU_ASSERT(pieces > 4096 && pieces < 65536);
	tcp_world_run_ms(world, 1);
	CU_ASSERT_EQUAL(world->client.closed, 1);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_send_slices_full);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_send_slices_full), 1);
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
	  {"an unrouted address is refused at once", an_unrouted_address_is_refused_at_once},
	  {"a half-open connection takes only its own segments",
	   a_half_open_connection_takes_only_its_own_segments},
	  {"a header shorter than its least is dropped",
	   a_header_shorter_than_its_least_is_dropped},
	  {"segments out of order are kept up to a bound",
	   segments_out_of_order_are_kept_up_to_a_bound},
	  {"unread segments may pin so many packets", unread_segments_may_pin_so_many_packets},
	  {"without packets sending waits for them", without_packets_sending_waits_for_them},
	  {"what net refuses is counted", what_net_refuses_is_counted},
	  {"a queue of too many pieces ends its connection",
	   a_queue_of_too_many_pieces_ends_its_connection})
