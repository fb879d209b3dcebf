// SPDX-License-Identifier: Apache-2.0
// RACK (RFC 8985 6): what is lost, told by time. A segment is lost when one that left after it was
// delivered and a round trip and a window for reordering have passed since. The window grows when
// the peer reports duplicates (RFC 2883). Pure but for the records it marks.
#pragma once

#include "tcp_sent.h"

#define TCP_DUP_THRESH      3u  // RFC 5681 3.2
#define TCP_RACK_PERSIST    16u // recoveries that a wider window lasts (RFC 8985 6.2 step 4)
#define TCP_RACK_WINDOW_MAX 64u // quarters of min_RTT; SRTT is less in every case that matters

struct tcp_rack {
	uint64_t sent_us;    // RACK.xmit_ts
	struct tcp_seq end;  // RACK.end_seq
	struct tcp_seq fack; // RACK.fack: highest byte delivered
	struct tcp_seq dsack_round;
	uint32_t rtt_us;           // RACK.rtt
	uint32_t min_rtt_us;       // RACK.min_RTT of one to two epochs; 0 = unknown
	uint32_t epoch_min_rtt_us; // of this epoch
	uint16_t epoch;            // 67 s of now_us
	uint8_t window_quarters;   // RACK.reo_wnd_mult
	uint8_t persist;           // RACK.reo_wnd_persist
	bool has_delivered;        // sent_us, end and rtt_us are set
	bool is_reordering_seen;
	bool has_dsack_round;
};

// What one look for losses found.
struct tcp_rack_losses {
	uint32_t bytes;       // newly marked lost
	uint32_t count;       // records marked
	uint32_t again_count; // of them that were retransmissions
	uint64_t due_us;      // when to look again; 0 = not before the next ACK
};

// tcp_rack_init starts at seq, before anything was sent.
void tcp_rack_init(struct tcp_rack *rack, struct tcp_seq seq);

// tcp_rack_delivered is steps 1 to 3: takes what one ACK delivered.
void tcp_rack_delivered(struct tcp_rack *rack, const struct tcp_sent_news *news);

// tcp_rack_dsack widens the window for a reported duplicate, once a round trip; una and nxt as of
// its ACK. tcp_rack_reordered notes that a loss was none.
void tcp_rack_dsack(struct tcp_rack *rack, struct tcp_seq una, struct tcp_seq nxt);
void tcp_rack_reordered(struct tcp_rack *rack);

// tcp_rack_recovered counts a recovery that ended.
void tcp_rack_recovered(struct tcp_rack *rack);

// tcp_rack_window_us is RACK.reo_wnd (step 4). is_eager: in recovery, or TCP_DUP_THRESH segments
// are SACKed. srtt_us bounds it.
uint32_t tcp_rack_window_us(const struct tcp_rack *rack, uint32_t srtt_us, bool is_eager);

// tcp_rack_detect is step 5 at now_us: marks what is lost.
struct tcp_rack_losses tcp_rack_detect(const struct tcp_rack *rack, struct tcp_sent_queue *queue,
				       uint64_t now_us, uint32_t window_us);
