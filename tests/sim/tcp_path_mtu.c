// SPDX-License-Identifier: Apache-2.0
// Paths narrower than their ends know: black holes without ICMP, ICMP that is right or forged, what
// a second connection learns from the first, and a path that is wide again.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <stdlib.h>

#define HEADERS4 52u // IPv4, TCP and timestamps
#define HEADERS6 72u

// A path that lets packets of mtu bytes pass from the client, and nothing longer.
struct path {
	uint32_t mtu;
	uint32_t dropped;
};

static bool narrow(void *user, const struct port *port, uint8_t *, uint32_t bytes)
{
	struct path *path = user;
	if (port->mac[5] != 1 || bytes <= path->mtu + 14)
		return true;
	path->dropped++;
	return false;
}

static struct tcp_world *world_on(struct path *path)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->config.tamper = narrow;
	world->config.user = path;
	sim_link_configure(world->link, &world->config);
	return world;
}

static void dial(struct tcp_world *world, bool is_v6)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, is_v6),
				      .remote_port = TCP_WORLD_PORT,
				      .events = &tcp_world_events,
				      .user = &world->client};
	CHECK(tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn) == 0);
	tcp_world_run_ms(world, 200);
}

// send_all sends bytes bytes within ms milliseconds and asserts that they arrived.
static void send_all(struct tcp_world *world, size_t bytes, uint64_t ms)
{
	size_t before = world->server.read;
	size_t queued = 0;
	for (uint64_t i = 0; i < ms && world->server.read < before + bytes; i += 10) {
		queued += tcp_world_send(&world->client, bytes - queued);
		tcp_world_run_ms(world, 10);
	}
	CU_ASSERT_EQUAL(world->server.read, before + bytes);
}

static uint32_t mss_of(const struct tcp_world *world)
{
	struct tcp_info info;
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	return info.mss;
}

static uint64_t count(const struct tcp_world *world, enum counter counter)
{
	return tcp_world_count(world, 0, counter);
}

static void a_black_hole_is_found_and_its_size_searched_without_harm(void)
{
	struct path path = {.mtu = 1500};
	struct tcp_world *world = world_on(&path);
	dial(world, false);
	send_all(world, 200000, 5000);
	CU_ASSERT_EQUAL(mss_of(world), 1500 - HEADERS4);
	path.mtu = 1280;
	send_all(world, 64000, 10000);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_black_holes), 1);
	uint64_t expired = count(world, COUNTER_tcp_rto_expiries);
	uint64_t recovered = count(world, COUNTER_tcp_recoveries);
	send_all(world, 4000000, 60000);
	CU_ASSERT(mss_of(world) <= 1280 - HEADERS4);
	CU_ASSERT(mss_of(world) > 1280 - HEADERS4 - 16);
	CU_ASSERT(count(world, COUNTER_tcp_mtu_probes_lost) >= 1);
	CU_ASSERT(count(world, COUNTER_tcp_mtu_raised) >= 1);
	// RFC 4821 7.5: a lost probe is no sign of congestion
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_rto_expiries), expired);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_recoveries), recovered);
	tcp_world_end(world);
}

static void an_ipv6_black_hole_ends_at_what_every_link_carries(void)
{
	struct path path = {.mtu = 1280};
	struct tcp_world *world = world_on(&path);
	dial(world, true);
	send_all(world, 1000000, 60000);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_black_holes), 1);
	CU_ASSERT_EQUAL(mss_of(world), 1280 - HEADERS6);
	tcp_world_end(world);
}

static void the_next_connection_begins_with_what_was_learned(void)
{
	struct path path = {.mtu = 1280};
	struct tcp_world *world = world_on(&path);
	dial(world, false);
	send_all(world, 1000000, 60000);
	uint32_t learned = mss_of(world);
	tcp_shutdown(world->hosts[0].tcp, world->client.conn);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 1000);
	uint64_t expired = count(world, COUNTER_tcp_rto_expiries);
	uint32_t dropped = path.dropped;
	dial(world, false);
	CU_ASSERT_EQUAL(mss_of(world), learned);
	send_all(world, 300000, 10000);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_cached), 1);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_black_holes), 1);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_rto_expiries), expired);
	CU_ASSERT_EQUAL(path.dropped, dropped);
	tcp_world_end(world);
}

static void a_path_that_was_down_altogether_is_as_wide_as_before(void)
{
	struct path path = {.mtu = 1500};
	struct tcp_world *world = world_on(&path);
	dial(world, false);
	send_all(world, 100000, 5000);
	tcp_world_send(&world->client, 64000);
	tcp_world_cut(world, true);
	tcp_world_run_ms(world, 8000);
	CU_ASSERT(count(world, COUNTER_tcp_mtu_black_holes) >= 1);
	CU_ASSERT(mss_of(world) < 1024);
	tcp_world_cut(world, false);
	tcp_world_run_ms(world, 30000);
	send_all(world, 1000000, 30000);
	CU_ASSERT_EQUAL(mss_of(world), 1500 - HEADERS4);
	tcp_world_end(world);
}

static struct tcp_seq in_flight(struct tcp_world *world, struct tcp_segment *last)
{
	tcp_world_send(&world->client, 30000);
	tcp_world_run_ms(world, 1);
	return last->seq;
}

static void what_icmp_told_is_tried_again_after_ten_minutes(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_seq seq = in_flight(world, &last);
	tcp_world_forge_icmp(world, 4, 1200, seq);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_reduced), 1);
	CU_ASSERT_EQUAL(mss_of(world), 1200 - HEADERS4);
	send_all(world, 1000000, 20000);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_probes), 0); // RFC 1191 6.3: not yet
	tcp_world_run_ms(world, 600000);
	send_all(world, 1000000, 20000);
	CU_ASSERT_EQUAL(mss_of(world), 1500 - HEADERS4);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_mtu_probes_lost), 0);
	tcp_world_end(world);
}

static void forged_too_big_does_nothing_or_little(void)
{
	struct tcp_segment last = {0};
	struct tcp_world *world = tcp_world_noted(&last);
	struct tcp_seq seq = in_flight(world, &last);
	tcp_world_forge_icmp(world, 4, 600, seq_plus(seq, 1000000)); // not in flight
	tcp_world_forge_icmp(world, 4, 9000, seq);                   // would raise
	tcp_world_run_ms(world, 12);
	CU_ASSERT_EQUAL(count(world, COUNTER_tcp_icmp_ignored), 2);
	CU_ASSERT_EQUAL(mss_of(world), 1500 - HEADERS4);
	tcp_world_run_ms(world, 1000);
	seq = in_flight(world, &last);
	tcp_world_forge_icmp(world, 4, 68, seq); // in flight, but absurd: the floor
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(mss_of(world), 552 - HEADERS4);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_path_mtu",
	  {"a black hole is found and its size searched without harm (RFC 4821)",
	   a_black_hole_is_found_and_its_size_searched_without_harm},
	  {"an IPv6 black hole ends at what every link carries",
	   an_ipv6_black_hole_ends_at_what_every_link_carries},
	  {"the next connection begins with what was learned",
	   the_next_connection_begins_with_what_was_learned},
	  {"a path that was down altogether is as wide as before",
	   a_path_that_was_down_altogether_is_as_wide_as_before},
	  {"what ICMP told is tried again after ten minutes (RFC 1191, RFC 8201)",
	   what_icmp_told_is_tried_again_after_ten_minutes},
	  {"forged 'too big' does nothing or little (RFC 5927)",
	   forged_too_big_does_nothing_or_little})
