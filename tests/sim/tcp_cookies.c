// SPDX-License-Identifier: Apache-2.0
// SYN cookies (RFC 4987): connections while half-open handshakes have no room, and cookies that
// must not make one: forged, replayed when old, with options changed on their way.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#define FLOOD_COUNT 400u
#define CALLS       20u
#define CALL_BYTES  30000u

// What crosses the link between a client and the server, for a forger that reads along.
struct tap {
	struct tcp_segment first_ack; // the client's, that finished its newest handshake
	struct tcp_segment syn_ack;
	unsigned to_drop; // first ACKs of the client to lose
};

static struct tcp_limits short_of_room(void)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = 0; // every handshake needs a cookie
	return limits;
}

static bool listen_in(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct tap *tap = user;
	struct tcp_segment segment;
	if (frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 6 ||
	    !tcp_segment_parse(frame + 34, bytes - 34, &segment))
		return true;
	if (port->mac[5] == 2 && segment.flags == (TCP_SYN | TCP_ACK))
		tap->syn_ack = segment;
	if (port->mac[5] == 1 && segment.flags == TCP_ACK &&
	    seq_equal(segment.ack, seq_plus(tap->syn_ack.seq, 1)))
		tap->first_ack = segment;
	else
		return true;
	if (tap->to_drop == 0)
		return true;
	tap->to_drop--;
	return false;
}

static struct tcp_world *tapped(struct tcp_limits limits, struct tap *tap)
{
	struct tcp_world *world = tcp_world_begin(limits);
	world->config.tamper = listen_in;
	world->config.user = tap;
	sim_link_configure(world->link, &world->config);
	return world;
}

// send_as makes the forger send segment from an address of its choice, number last.
static void send_as(struct tcp_world *world, uint8_t number, struct tcp_segment segment)
{
	uint8_t header[TCP_HEADER_MAX_BYTES];
	tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	CHECK(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, segment.header_bytes), header, segment.header_bytes);
	struct net_tx tx = {.local = sim_host_addr(number, false),
			    .remote = sim_host_addr(2, false),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = segment.header_bytes};
	net_output(world->hosts[2].net, mbuf, &tx);
}

static void flood(struct tcp_world *world, unsigned count, uint16_t first_port)
{
	for (unsigned i = 0; i < count; i++) {
		struct tcp_segment syn = {.flags = TCP_SYN,
					  .seq = seq_of(i * 7919),
					  .window = 1000,
					  .source_port = (uint16_t)(first_port + i),
					  .destination_port = TCP_WORLD_PORT};
		send_as(world, (uint8_t)(77 + i % 3), syn);
	}
}

// call connects, sends, and says whether every byte came and both ends closed in peace.
static bool call(struct tcp_world *world, uint16_t flood_port)
{
	world->client = (struct tcp_end){.host = &world->hosts[0], .is_reading = true};
	world->server = (struct tcp_end){.host = &world->hosts[1], .is_reading = true};
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	flood(world, 5, flood_port);
	tcp_world_run_ms(world, 50);
	CHECK(tcp_world_send(&world->client, CALL_BYTES) == CALL_BYTES);
	flood(world, 5, (uint16_t)(flood_port + 5));
	tcp_world_run_ms(world, 300);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 300);
	return world->server.read == CALL_BYTES && world->client.reason == COUNTER_tcp_closed &&
	       world->server.reason == COUNTER_tcp_closed;
}

static void a_flood_of_syns_keeps_nobody_out(void)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = 8;
	struct tcp_world *world = tcp_world_begin(limits);
	struct tcp_segment knock = {.flags = TCP_ACK};
	send_as(world, 77, knock); // the MAC of the server, before the flood
	tcp_world_run_ms(world, 100);
	unsigned whole = 0;
	for (unsigned i = 0; i < FLOOD_COUNT / 20; i++) {
		flood(world, 20, (uint16_t)(1000 + 20 * i));
		tcp_world_run_ms(world, 1);
	}
	for (uint16_t i = 0; i < CALLS; i++)
		whole += call(world, (uint16_t)(20000 + 10 * i));
	CU_ASSERT_EQUAL(whole, CALLS);
	CU_ASSERT(tcp_in_use(world->hosts[1].tcp).half_open_count <= 8);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent) >= FLOOD_COUNT / 2);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted) >= CALLS / 2);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent),
			tcp_world_count(world, 1, COUNTER_tcp_backlog_full));
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookie_forged), 0);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_reset_by_peer), 0);
	tcp_world_end(world);
}

static void a_cookie_keeps_what_the_syn_asked_for(void)
{
	struct tap tap = {0};
	struct tcp_info info;
	struct tcp_world *world = tapped(short_of_room(), &tap);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).half_open_count, 0);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT(tap.syn_ack.has_scale && tap.syn_ack.is_sack_permitted);
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &info));
	CU_ASSERT_EQUAL(info.mss, 1460 - 12);
	CU_ASSERT(info.send_window > 65535); // scaled
	tcp_world_end(world);
}

static void a_lost_ack_is_replaced_by_the_first_text(void)
{
	struct tap tap = {.to_drop = 1};
	struct tcp_world *world = tapped(short_of_room(), &tap);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tap.to_drop, 0);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(world->server.opened, 0);
	tcp_world_send(&world->client, 5000);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	CU_ASSERT_EQUAL(world->server.read, 5000);
	tcp_world_end(world);
}

static void forged_cookies_make_no_connection(void)
{
	struct tap tap = {0};
	struct tcp_world *world = tapped(short_of_room(), &tap);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	struct tcp_segment forged = tap.first_ack;
	forged.source_port++; // another connection's
	send_as(world, 1, forged);
	forged = tap.first_ack;
	send_as(world, 78, forged); // another address
	tcp_abort(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_reset_by_peer);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookie_forged), 2);
	forged = tap.first_ack;
	forged.ack = seq_plus(forged.ack, 1);
	send_as(world, 1, forged);
	forged = tap.first_ack;
	forged.seq = seq_plus(forged.seq, 1); // of another SYN
	send_as(world, 1, forged);
	forged = tap.first_ack;
	forged.ts_echo ^= 16; // SACK taken away
	send_as(world, 1, forged);
	forged = tap.first_ack;
	forged.has_timestamps = false;
	send_as(world, 1, forged);
	forged = tap.first_ack;
	forged.ack = seq_plus(forged.ack, 1u << 31); // another segment size
	send_as(world, 1, forged);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookie_forged), 7);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).conn_count, 0);
	tcp_world_end(world);
}

static void many_guesses_are_worth_little(void)
{
	struct tap tap = {0};
	struct tcp_world *world = tapped(short_of_room(), &tap);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	struct tcp_segment guess = {.flags = TCP_ACK, .destination_port = TCP_WORLD_PORT};
	send_as(world, 78, (struct tcp_segment){.flags = TCP_RST}); // learns the server's MAC
	tcp_world_run_ms(world, 100);
	for (uint32_t i = 0; i < 20000; i++) {
		guess.source_port = (uint16_t)(1024 + i);
		guess.ack = seq_of(i * 2654435761u);
		send_as(world, 78, guess);
		if (i % 32 == 0)
			tcp_world_run_ms(world, 1);
	}
	tcp_world_run_ms(world, 100);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookie_forged) +
				tcp_world_count(world, 1, COUNTER_tcp_cookie_expired),
			20000);
	tcp_world_end(world);
}

static void an_old_cookie_is_refused(void)
{
	struct tap tap = {0};
	struct tcp_world *world = tapped(short_of_room(), &tap);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	tcp_abort(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 65000);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).conn_count, 0);
	send_as(world, 1, tap.first_ack);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookie_expired), 1);
	flood(world, 1, 1000); // a new secret takes no old cookie either
	tcp_world_run_ms(world, 65000);
	flood(world, 1, 1001);
	tcp_world_run_ms(world, 200);
	send_as(world, 1, tap.first_ack);
	tcp_world_run_ms(world, 300000);
	uint64_t refused = tcp_world_count(world, 1, COUNTER_tcp_cookie_expired) +
			   tcp_world_count(world, 1, COUNTER_tcp_cookie_forged);
	CU_ASSERT_EQUAL(refused, 2);
	send_as(world, 1, tap.first_ack); // no cookie was sent for long: not even looked at
	tcp_world_run_ms(world, 200);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_no_connection) >= 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_accepted), 1);
	CU_ASSERT_EQUAL(tcp_in_use(world->hosts[1].tcp).conn_count, 0);
	tcp_world_end(world);
}

static void no_cookie_promises_what_cannot_be_kept(void)
{
	struct tcp_limits limits = short_of_room();
	limits.conn_count = 1;
	struct tcp_world *world = tcp_world_begin(limits);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->server.opened, 1);
	flood(world, 3, 1000);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_backlog_full), 4);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_cookies", {"a flood of syns keeps nobody out", a_flood_of_syns_keeps_nobody_out},
	  {"a cookie keeps what the syn asked for", a_cookie_keeps_what_the_syn_asked_for},
	  {"a lost ack is replaced by the first text", a_lost_ack_is_replaced_by_the_first_text},
	  {"forged cookies make no connection", forged_cookies_make_no_connection},
	  {"many guesses are worth little", many_guesses_are_worth_little},
	  {"an old cookie is refused", an_old_cookie_is_refused},
	  {"no cookie promises what cannot be kept", no_cookie_promises_what_cannot_be_kept})
