// SPDX-License-Identifier: Apache-2.0
// A link that loses what a scenario says; see tcp_lane.h.
#include "tcp_lane.h"

#include "check.h"

#include <rte_mbuf.h>

#include <string.h>

static bool is_dropped(struct lane *lane, const struct tcp_segment *segment)
{
	lane->data_count++;
	if (lane->again_to_drop && lane->data_count > lane->drop[0] &&
	    seq_equal(segment->seq, lane->again_seq)) {
		lane->again_to_drop--;
		return true;
	}
	for (unsigned i = 0; i < LANE_DROPS; i++) {
		if (lane->drop[i] != lane->data_count)
			continue;
		if (i == 0)
			lane->again_seq = segment->seq;
		return true;
	}
	return false;
}

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

// strip blanks options in a SYN, as a middlebox would, and mends the checksum (RFC 1624 3).
static void strip(uint8_t *tcp, const bool *is_unwanted)
{
	uint32_t header_bytes = (tcp[12] >> 4) * 4u;
	uint32_t sum = ~word_at(tcp + 16) & 0xffff;
	for (uint32_t at = 20; at < header_bytes; at += 2)
		sum += ~word_at(tcp + at) & 0xffff;
	for (uint32_t at = 20; at < header_bytes && tcp[at] != 0;) {
		uint32_t bytes = tcp[at] == 1 ? 1 : tcp[at + 1];
		if (is_unwanted[tcp[at]])
			memset(tcp + at, 1, bytes);
		at += bytes;
	}
	for (uint32_t at = 20; at < header_bytes; at += 2)
		sum += word_at(tcp + at);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
}

static bool tamper(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct lane *lane = user;
	struct tcp_segment segment;
	if (frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 6 ||
	    !tcp_segment_parse(frame + 34, bytes - 34, &segment))
		return true;
	if (segment.flags & TCP_SYN)
		strip(frame + 34, lane->is_unwanted);
	uint32_t payload = bytes - 34 - segment.header_bytes;
	if (port->mac[5] == 2) {
		lane->ack_count++;
		return !lane->is_mute && lane->ack_count * 37 % 100 >= lane->ack_percent;
	}
	if (port->mac[5] != 1)
		return true;
	segment.payload_bytes = payload;
	lane->newest = segment;
	return payload == 0 || !is_dropped(lane, &segment);
}

void lane_answer(struct lane *lane, struct tcp_seq ack, struct tcp_seq base,
		 const uint32_t (*blocks)[2], uint32_t block_count)
{
	struct tcp_segment segment = {
		.flags = TCP_ACK,
		.source_port = TCP_WORLD_PORT,
		.destination_port = lane->newest.source_port,
		.seq = lane->newest.ack,
		.ack = ack,
		.window = 4000,
		.has_timestamps = lane->newest.has_timestamps,
		.ts_value = lane->newest.ts_echo,
		.ts_echo = lane->newest.ts_value,
		.sack_count = (uint8_t)block_count,
	};
	for (uint32_t i = 0; i < block_count; i++)
		segment.sack[i] = (struct tcp_range){seq_plus(base, blocks[i][0] * LANE_MSS),
						     seq_plus(base, blocks[i][1] * LANE_MSS)};
	uint8_t header[TCP_HEADER_MAX_BYTES];
	tcp_segment_write(&segment, header);
	struct tcp_world *world = lane->world;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	memcpy(rte_pktmbuf_append(mbuf, segment.header_bytes), header, segment.header_bytes);
	struct net_tx tx = {.local = sim_host_addr(2, false),
			    .remote = sim_host_addr(1, false),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = segment.header_bytes};
	CHECK(net_output(world->hosts[2].net, mbuf, &tx) == 0);
	tcp_world_run_ms(world, 11);
}

struct tcp_world *lane_open(struct lane *lane, struct tcp_limits limits)
{
	struct tcp_world *world = tcp_world_begin(limits);
	struct lane before = *lane;
	*lane = (struct lane){.world = world};
	memcpy(lane->is_unwanted, before.is_unwanted, sizeof(before.is_unwanted));
	world->config.tamper = tamper;
	world->config.user = lane;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	lane_answer(lane, lane->newest.seq, lane->newest.seq, NULL,
		    0); // the forger finds the client
	return world;
}

uint64_t lane_count(const struct lane *lane, enum counter counter)
{
	return tcp_world_count(lane->world, 0, counter);
}
