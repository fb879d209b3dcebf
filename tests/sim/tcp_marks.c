// SPDX-License-Identifier: Apache-2.0
// Explicit congestion notification (RFC 3168, RFC 8511) between two stacks: who agrees to it, what
// is marked and echoed, and that a long queue is then told without a loss.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <inttypes.h>
#include <string.h>

// What a scenario watches of the frames on the link, and does to them.
struct watch {
	uint32_t syns, asking_syns;              // SYNs of the client, and those that ask for ECN
	uint32_t asking_to_drop;                 // of these
	uint32_t fresh_ect, again_ect, bare_ect; // ECT packets: new data, sent again, without data
	uint32_t mark_number;                    // data segment of the client that is marked CE
	uint32_t drop_number;                    // and the one that is lost
	uint32_t data_count;
	uint32_t echoes, reductions; // ECE of the server, CWR of the client
	uint8_t answer_flags;        // of the server's SYN-ACK
	struct tcp_seq max;          // after the client's highest data
	bool is_begun;
};

static bool watch_client(struct watch *watch, const struct tcp_segment *segment, uint8_t *ip,
			 uint32_t payload)
{
	bool is_asking = (segment->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
	bool is_ect = ip[1] & 3;
	if (segment->flags & TCP_SYN) {
		watch->syns++;
		watch->asking_syns += is_asking;
		watch->max = seq_plus(segment->seq, 1);
		return !is_asking || watch->asking_to_drop == 0 || watch->asking_to_drop-- == 0;
	}
	watch->reductions += (segment->flags & TCP_CWR) != 0;
	watch->bare_ect += payload == 0 && is_ect;
	if (payload == 0)
		return true;
	bool is_again = seq_before(segment->seq, watch->max);
	watch->again_ect += is_again && is_ect;
	watch->fresh_ect += !is_again && is_ect;
	watch->max = seq_later(watch->max, seq_plus(segment->seq, payload));
	if (++watch->data_count == watch->mark_number) {
		ip[11] = (uint8_t)(ip[11] - 1); // CE for ECT(0) adds one to the header's sum
		ip[10] = (uint8_t)(ip[10] - (ip[11] == 0xff));
		ip[1] |= 3;
	}
	return watch->data_count != watch->drop_number;
}

static bool tamper(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct watch *watch = user;
	struct tcp_segment segment;
	if (frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 6 ||
	    !tcp_segment_parse(frame + 34, bytes - 34, &segment))
		return true;
	uint32_t payload = bytes - 34 - segment.header_bytes;
	if (port->mac[5] == 1)
		return watch_client(watch, &segment, frame + 14, payload);
	if (segment.flags & TCP_SYN)
		watch->answer_flags = segment.flags;
	else
		watch->echoes += (segment.flags & TCP_ECE) != 0;
	return true;
}

static struct tcp_world *begun(struct watch *watch, enum tcp_ecn client, enum tcp_ecn server)
{
	struct tcp_limits clients = sim_limits();
	struct tcp_limits servers = sim_limits();
	clients.send_buffer_bytes = servers.receive_buffer_bytes = 524288;
	clients.ecn = client;
	servers.ecn = server;
	struct tcp_world *world = tcp_world_begin_apart(clients, servers);
	world->config.tamper = tamper;
	world->config.user = watch;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	return world;
}

static void send_all(struct tcp_world *world, size_t bytes)
{
	size_t sent = 0;
	for (unsigned i = 0; i < 4000 && sent < bytes; i++) {
		sent += tcp_world_send(&world->client, MIN(bytes - sent, (size_t)BUF_BYTES));
		tcp_world_run_ms(world, 5);
	}
	tcp_world_run_ms(world, 3000);
	CU_ASSERT_EQUAL(sent, bytes);
	CU_ASSERT_EQUAL(world->server.read, bytes);
}

static void both_agree_when_asked(void)
{
	struct watch watch = {0};
	struct tcp_world *world = begun(&watch, TCP_ECN_ON, TCP_ECN_ACCEPT);
	CU_ASSERT_EQUAL(watch.asking_syns, 1);
	CU_ASSERT_EQUAL(watch.answer_flags, TCP_SYN | TCP_ACK | TCP_ECE);
	send_all(world, 20000);
	CU_ASSERT(watch.fresh_ect >= 14);
	CU_ASSERT_EQUAL(watch.bare_ect, 0);
	tcp_world_end(world);
}

static void nobody_asks_by_default(void)
{
	struct watch watch = {0};
	struct tcp_world *world = begun(&watch, TCP_ECN_ACCEPT, TCP_ECN_ACCEPT);
	CU_ASSERT_EQUAL(watch.asking_syns, 0);
	CU_ASSERT_EQUAL(watch.answer_flags, TCP_SYN | TCP_ACK);
	send_all(world, 20000);
	CU_ASSERT_EQUAL(watch.fresh_ect, 0);
	tcp_world_end(world);
}

static void a_server_may_refuse(void)
{
	struct watch watch = {0};
	struct tcp_world *world = begun(&watch, TCP_ECN_ON, TCP_ECN_OFF);
	CU_ASSERT_EQUAL(watch.asking_syns, 1);
	CU_ASSERT_EQUAL(watch.answer_flags, TCP_SYN | TCP_ACK);
	send_all(world, 20000);
	CU_ASSERT_EQUAL(watch.fresh_ect, 0);
	tcp_world_end(world);
}

static void a_path_that_loses_it_is_not_asked_again(void)
{
	struct watch watch = {.asking_to_drop = 1};
	struct tcp_world *world = begun(&watch, TCP_ECN_ON, TCP_ECN_ACCEPT);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->client.opened, 1);
	CU_ASSERT_EQUAL(watch.syns, 2);
	CU_ASSERT_EQUAL(watch.asking_syns, 1);
	tcp_world_end(world);
}

static void a_mark_is_echoed_until_the_window_is_reduced(void)
{
	struct watch watch = {.mark_number = 8};
	struct tcp_world *world = begun(&watch, TCP_ECN_ON, TCP_ECN_ACCEPT);
	send_all(world, 300000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_ecn_marks_in), 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_ecn_reductions), 1);
	CU_ASSERT_EQUAL(watch.reductions, 1);
	CU_ASSERT(watch.echoes >= 1 && watch.echoes < 40); // for a round trip, and then no more
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	tcp_world_end(world);
}

static void what_is_sent_again_is_not_capable(void)
{
	struct watch watch = {.drop_number = 3};
	struct tcp_world *world = begun(&watch, TCP_ECN_ON, TCP_ECN_ACCEPT);
	send_all(world, 100000);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_retransmits) >= 1);
	CU_ASSERT_EQUAL(watch.again_ect, 0);
	tcp_world_end(world);
}

static void a_cookie_remembers_it(void)
{
	struct watch watch = {0};
	struct tcp_limits limits = sim_limits();
	limits.ecn = TCP_ECN_ON;
	limits.half_open_count = 0; // everybody gets a cookie
	struct tcp_world *world = tcp_world_begin(limits);
	world->config.tamper = tamper;
	world->config.user = &watch;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_cookies_sent), 1);
	CU_ASSERT_EQUAL(watch.answer_flags, TCP_SYN | TCP_ACK | TCP_ECE);
	watch.mark_number = 2;
	send_all(world, 20000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_ecn_marks_in), 1);
	tcp_world_end(world);
}

// through_a_queue sends 2 MB over 10 Mbit/s with a queue of 100 KB that marks beyond 20 KB.
static void through_a_queue(enum tcp_ecn ecn, uint64_t *marked, uint64_t *again)
{
	struct watch watch = {0};
	struct tcp_world *world = begun(&watch, ecn, TCP_ECN_ACCEPT);
	world->config.bytes_per_s = 1250000;
	world->config.queue_bytes = 100000;
	world->config.mark_bytes = 20000;
	sim_link_configure(world->link, &world->config);
	send_all(world, 2000000);
	*marked = tcp_world_count(world, 1, COUNTER_tcp_ecn_marks_in);
	*again = tcp_world_count(world, 0, COUNTER_tcp_retransmits);
	CU_ASSERT_EQUAL(sim_link_totals_of(world->link).marked, *marked);
	tcp_world_end(world);
}

static void a_long_queue_is_told_without_a_loss(void)
{
	uint64_t marked, again;
	through_a_queue(TCP_ECN_ACCEPT, &marked, &again);
	CU_ASSERT_EQUAL(marked, 0);
	CU_ASSERT(again > 0); // what marks are there to spare
	uint64_t again_without = again;
	through_a_queue(TCP_ECN_ON, &marked, &again);
	CU_ASSERT(marked > 0);
	printf("# %" PRIu64 " marks, %" PRIu64 " segments sent again; without ECN %" PRIu64 "\n",
	       marked, again, again_without);
	CU_ASSERT(again * 4 < again_without);
}

UNIT_MAIN("tcp_marks", {"both agree when the client asks (RFC 3168 6.1.1)", both_agree_when_asked},
	  {"nobody asks by default", nobody_asks_by_default},
	  {"a server may refuse", a_server_may_refuse},
	  {"a path that loses it is not asked again (6.1.1.1)",
	   a_path_that_loses_it_is_not_asked_again},
	  {"a mark is echoed until the window is reduced (6.1.2, 6.1.3)",
	   a_mark_is_echoed_until_the_window_is_reduced},
	  {"what is sent again is not capable (6.1.5)", what_is_sent_again_is_not_capable},
	  {"a SYN cookie remembers it", a_cookie_remembers_it},
	  {"a long queue is told without a loss (RFC 8511)", a_long_queue_is_told_without_a_loss})
