// SPDX-License-Identifier: Apache-2.0
// Coalescing of received segments (GRO) changes nothing that anybody sees: the same transfer over
// the same bad link, in which segments are lost, late, doubled, marked, urgent or of another time,
// puts the same frames on the wire at the same moments with and without it, and the same bytes into
// the reader's hands. Only SACK blocks are not compared: an ACK that leaves in the middle of a
// burst knows more of it when a run was taken whole.
#include "check.h"
#include "random.h"
#include "sim_frame.h"
#include "tcp_world.h"
#include "unit.h"

#include <inttypes.h>
#include <string.h>

#define SEEDS       12u
#define TOTAL_BYTES 600000u
#define TURNS_MAX   60000u

#define BEFORE_CHECKSUM 50u // bytes of a frame up to TCP's window field

// What a run is like, and what became of it.
struct passage {
	struct sim_link_config link;
	uint32_t mark, urge, age, push; // chances of a data segment, of ten thousand
	uint32_t write_max;             // bytes that the client writes at a time
	bool has_sack, has_timestamps, is_closing;

	struct random_source random;
	struct random_source sizes;
	const uint64_t *now_us;
	bool is_unwanted[256];
	uint64_t wire;  // digest of all frames and their times
	uint64_t heard; // of what was read
	uint64_t read_bytes;
	uint64_t coalesced, split, frames;
};

static void digest(uint64_t *to, const void *at, size_t bytes)
{
	const uint8_t *byte = at;
	for (size_t i = 0; i < bytes; i++)
		*to = (*to ^ byte[i]) * 0x100000001b3ull;
}

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)((offset ^ offset >> 9) * 131);
}

// change sets a 16-bit word of a TCP header and mends the checksum (RFC 1624 3).
static void change(uint8_t *tcp, unsigned at, uint32_t word)
{
	uint32_t old = (uint32_t)tcp[at] << 8 | tcp[at + 1];
	uint32_t sum = (~((uint32_t)tcp[16] << 8 | tcp[17]) & 0xffff) + (~old & 0xffff) + word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	tcp[at] = (uint8_t)(word >> 8);
	tcp[at + 1] = (uint8_t)word;
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
}

static bool is_drawn(struct passage *passage, uint32_t chance)
{
	return random_below(&passage->random, SIM_LINK_CERTAIN) < chance;
}

// disturb does to a data segment what networks and odd peers do.
static void disturb(struct passage *passage, uint8_t *frame, uint8_t *tcp)
{
	uint32_t flags = (uint32_t)tcp[12] << 8 | tcp[13];
	if (is_drawn(passage, passage->mark))
		sim_frame_mark(frame);
	if (is_drawn(passage, passage->push))
		change(tcp, 12, flags ^ TCP_PSH);
	else if (is_drawn(passage, passage->urge))
		change(tcp, 12, flags | TCP_URG);
	else if (passage->has_timestamps && is_drawn(passage, passage->age)) // TSval long ago
		change(tcp, 24, ((uint32_t)tcp[24] << 8 | tcp[25]) - 0x4000u);
}

static bool tamper(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct passage *passage = user;
	uint32_t segment_bytes;
	sim_frame_strip(frame, bytes, passage->is_unwanted);
	uint8_t *tcp = sim_frame_tcp(frame, bytes, &segment_bytes);
	digest(&passage->wire, passage->now_us, sizeof(*passage->now_us));
	bool has_blocks = tcp && port->mac[5] == 2 && tcp[12] >> 4 > 8;
	digest(&passage->wire, frame, has_blocks ? BEFORE_CHECKSUM : bytes);
	passage->frames++;
	if (tcp && port->mac[5] == 1 && segment_bytes > (tcp[12] >> 4) * 4u)
		disturb(passage, frame, tcp);
	return true;
}

static size_t write_some(struct passage *passage, struct tcp_world *world, size_t at)
{
	struct tcp_end *end = &world->client;
	while (at < TOTAL_BYTES) {
		uint32_t drawn = 1 + random_below(&passage->sizes, passage->write_max);
		uint32_t part = (uint32_t)MIN(TOTAL_BYTES - at, (size_t)drawn);
		struct buf *buf = NULL;
		if (tcp_send_room(end->host->tcp, end->conn) >= part)
			buf = buf_new(&end->host->memory->bufs, part);
		if (!buf)
			break;
		for (uint32_t i = 0; i < part; i++)
			buf->data[i] = byte_at(at + i);
		CHECK(tcp_send(end->host->tcp, end->conn, buf, 0, part) == 0);
		at += part;
	}
	if (at == TOTAL_BYTES && passage->is_closing)
		tcp_shutdown(end->host->tcp, end->conn);
	return at;
}

static void read_all(struct passage *passage, struct tcp_world *world)
{
	struct tcp_end *end = &world->server;
	struct slice got;
	while ((got = tcp_peek(end->host->tcp, end->conn)).bytes > 0) {
		for (size_t i = 0; i < got.bytes; i++)
			if ((uint8_t)got.at[i] != byte_at(passage->read_bytes + i))
				CU_FAIL_FATAL("wrong byte");
		digest(&passage->heard, got.at, got.bytes);
		passage->read_bytes += got.bytes;
		tcp_consume(end->host->tcp, end->conn, got.bytes);
	}
}

// pass makes the transfer, with coalescing or without.
static void pass(struct passage *passage, uint64_t seed, bool is_coalescing)
{
	struct tcp_limits limits = sim_limits();
	limits.ecn = TCP_ECN_ON;
	limits.send_buffer_bytes = limits.receive_buffer_bytes = 262144;
	limits.is_coalescing = is_coalescing;
	struct tcp_world *world = tcp_world_begin(limits);
	random_init(&passage->random, (struct siphash_key){{seed, 1}});
	random_init(&passage->sizes, (struct siphash_key){{seed, 2}});
	passage->now_us = &world->now_us;
	passage->is_unwanted[4] = !passage->has_sack;
	passage->is_unwanted[8] = !passage->has_timestamps;
	passage->link.latency_us = 10000;
	passage->link.mtu = 1500;
	passage->link.tamper = tamper;
	passage->link.user = passage;
	world->server.is_reading = false;
	sim_link_configure(world->link, &passage->link);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	while (!world->client.opened || !world->server.opened)
		tcp_world_run_ms(world, 10);
	size_t sent = 0;
	for (unsigned i = 0; i < TURNS_MAX && passage->read_bytes < TOTAL_BYTES; i++) {
		sent = write_some(passage, world, sent);
		tcp_world_run_ms(world, 3);
		read_all(passage, world);
	}
	CU_ASSERT_EQUAL(passage->read_bytes, TOTAL_BYTES);
	tcp_world_run_ms(world, 2000);
	passage->coalesced = tcp_world_count(world, 1, COUNTER_tcp_segments_coalesced);
	passage->split = tcp_world_count(world, 1, COUNTER_tcp_runs_split);
	tcp_world_end(world);
}

// compare passes with and without coalescing, seed by seed; returns how many segments it joined and
// how many runs it took apart after all.
static struct passage compare(struct passage like)
{
	struct passage sum = {0};
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct passage with = like, without = like;
		pass(&with, seed, true);
		pass(&without, seed, false);
		CU_ASSERT_EQUAL(without.coalesced + without.split, 0);
		CU_ASSERT_EQUAL(with.heard, without.heard);
		CU_ASSERT_EQUAL(with.frames, without.frames);
		if (with.wire != without.wire)
			printf("# seed %" PRIu64 ": the wire saw another transfer\n", seed);
		CU_ASSERT_EQUAL(with.wire, without.wire);
		sum.coalesced += with.coalesced;
		sum.split += with.split;
		sum.frames += with.frames;
	}
	printf("# %" PRIu64 " frames, %" PRIu64 " coalesced, %" PRIu64 " runs split\n", sum.frames,
	       sum.coalesced, sum.split);
	return sum;
}

static struct passage like(void)
{
	return (struct passage){.has_sack = true, .has_timestamps = true, .write_max = 16000};
}

static void on_a_calm_link_most_segments_are_coalesced(void)
{
	struct passage sum = compare(like());
	CU_ASSERT(sum.coalesced > sum.frames / 2);
	CU_ASSERT_EQUAL(sum.split, 0);
}

static void loss_reordering_and_duplicates_are_seen_alike(void)
{
	struct passage bad = like();
	bad.link = (struct sim_link_config){
		.loss = 200, .reorder = 200, .reorder_us = 15000, .duplicate = 100, .corrupt = 50};
	struct passage sum = compare(bad);
	CU_ASSERT(sum.coalesced > 0);
	CU_ASSERT(sum.split > 0);
}

static void peers_without_sack_and_timestamps_see_no_difference(void)
{
	struct passage bad = like();
	bad.has_sack = bad.has_timestamps = false;
	bad.link = (struct sim_link_config){.loss = 200, .duplicate = 100};
	struct passage sum = compare(bad);
	CU_ASSERT(sum.coalesced > 0);
	CU_ASSERT(sum.split > 0);
}

static void marks_are_echoed_alike(void)
{
	struct passage marked = like();
	marked.mark = 500;
	marked.link.loss = 30;
	CU_ASSERT(compare(marked).coalesced > 0);
}

static void odd_flags_and_old_timestamps_in_a_run_are_seen_alike(void)
{
	struct passage odd = like();
	odd.urge = odd.push = 500;
	odd.age = 200;
	odd.is_closing = true;
	CU_ASSERT(compare(odd).coalesced > 0);
}

static void small_segments_cut_packets_and_a_full_window_are_seen_alike(void)
{
	struct passage small = like();
	small.write_max = 700;
	small.link.split = 1;
	small.link.loss = 50;
	CU_ASSERT(compare(small).coalesced > 0);
}

UNIT_MAIN("tcp_coalesce",
	  {"on a calm link most segments are coalesced",
	   on_a_calm_link_most_segments_are_coalesced},
	  {"loss, reordering and duplicates are seen alike",
	   loss_reordering_and_duplicates_are_seen_alike},
	  {"peers without SACK and timestamps see no difference",
	   peers_without_sack_and_timestamps_see_no_difference},
	  {"marks are echoed alike", marks_are_echoed_alike},
	  {"odd flags and old timestamps in a run are seen alike",
	   odd_flags_and_old_timestamps_in_a_run_are_seen_alike},
	  {"small segments, cut packets and a full window are seen alike",
	   small_segments_cut_packets_and_a_full_window_are_seen_alike})
