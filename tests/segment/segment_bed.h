// SPDX-License-Identifier: Apache-2.0
// What a script runs on: our stack on one side of a perfect wire without delay, the script as its
// peer on the other, a virtual clock. Segments that leave are kept until the script looks at them.
//
//     script ── frames ── sim_link ── sim_host (net + tcp)
#pragma once

#include "segment_frame.h"
#include "sim_host.h"

#define SEGMENT_FLOWS   8u
#define SEGMENT_OUR     1u // host numbers: last byte of the address
#define SEGMENT_PEER    2u
#define SEGMENT_PACKETS 4096u // that may wait to be looked at

// One conversation: both sides' numbers, which the script tells relatively, and what our owner of
// the connection heard and read.
struct segment_flow {
	uint16_t peer_port, our_port; // our_port 0: not known yet
	uint32_t peer_isn, our_isn;   // our_isn is 0 before our first SYN
	// timestamps: whether the last SYN of each side had them; the peer's clock as its last SYN
	// told it, ours as first and last seen
	bool is_peer_stamping, is_stamping;
	uint32_t peer_ts;
	uint64_t peer_ts_us; // when peer_ts was told
	bool has_our_ts;
	uint32_t our_ts_first, our_ts_last;

	struct pool_id conn;
	bool has_conn; // the owner's: accepted or connected, not ended, released or aborted
	unsigned accepted, opened, readable, writable, closed; // events not yet asked for
	enum counter reason;
	uint64_t read_bytes, written_bytes;
};

// A segment of ours that left.
struct segment_packet {
	uint64_t time_us;
	struct segment_frame frame; // payload is owned
};

struct segment_bed {
	uint64_t now_us;
	struct segment_ends ends;
	struct tcp_limits limits;
	uint16_t mtu;
	struct sim_link_config link_config;
	struct sim_link *link;
	struct port *port; // the peer's
	struct sim_host host;
	bool is_refusing; // the listener's owner takes nobody

	struct segment_flow flow[SEGMENT_FLOWS];
	unsigned flow_count;
	struct segment_packet packet[SEGMENT_PACKETS]; // those that left, [packet_at, packet_count)
	unsigned packet_at, packet_count;
	uint64_t overrun_count; // segments that found no room there
};

// segment_bed_new makes a closed bed with ordinary limits for one family; segment_bed_open builds
// the stack when limits and MTU are final. segment_bed_free ends what is still open and returns how
// many packets and buffers did not come home.
struct segment_bed *segment_bed_new(bool is_v6);
void segment_bed_open(struct segment_bed *bed);
uint32_t segment_bed_free(struct segment_bed *bed);

// segment_bed_flow finds the flow of these ports, or makes it; NULL when there are SEGMENT_FLOWS.
struct segment_flow *segment_bed_flow(struct segment_bed *bed, uint16_t peer_port,
				      uint16_t our_port);

// segment_bed_settle runs the stack until nothing more happens now. segment_bed_run lets time pass
// up to until_us, or to the first segment that leaves when it is_watching; true when one waits.
void segment_bed_settle(struct segment_bed *bed);
bool segment_bed_run(struct segment_bed *bed, uint64_t until_us, bool is_watching);

// segment_bed_inject puts a frame of the peer on the wire, now.
void segment_bed_inject(struct segment_bed *bed, const uint8_t *frame, uint32_t bytes);

// segment_bed_next is the oldest segment that nobody looked at, or NULL; segment_bed_took drops it.
struct segment_packet *segment_bed_next(struct segment_bed *bed);
void segment_bed_took(struct segment_bed *bed);

// segment_bed_events are the owner's: they note what happened in a struct segment_flow.
extern const struct tcp_events segment_bed_events;

// segment_bed_accepted is a listener's owner, with user = bed.
void *segment_bed_accepted(void *user, struct pool_id conn, const struct tcp_tuple *tuple);

// segment_byte is the byte at offset of a side's stream: the same in every run.
uint8_t segment_byte(uint64_t offset, bool is_peer);
