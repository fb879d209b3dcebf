// SPDX-License-Identifier: Apache-2.0
// What a connection has sent and the peer has not acknowledged: one record for each run of bytes
// that left at the same time, with what RACK (RFC 8985), the SACK scoreboard (RFC 2018, RFC 6675)
// and delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation) need of it. Records come
// from a slab of the worker: an idle connection has none.
//
// A record is flying, lost (to be sent again) or SACKed. Runs are split where the peer's blocks
// say, at borders of the segments that left, and SACKed neighbours are joined again: there are
// never more records than segments in flight, however small a peer's blocks are. Without a free
// record the last one grows, or a split does not happen: coarser, never wrong.
#pragma once

#include "list.h"
#include "pool.h"
#include "tcp_seq.h"

#include <assert.h>

#define TCP_SENT_MAX  2048u // records of one connection
#define TCP_SENT_WALK 256u  // records looked at to find the SACK blocks of one ACK

enum tcp_sent_state {
	TCP_SENT_FLYING,
	TCP_SENT_LOST,
	TCP_SENT_SACKED,
};

struct tcp_sent {
	struct list by_seq;
	struct list by_time;       // in flying, in lost, or in neither
	struct tcp_range range;    // FIN counts
	uint64_t sent_us;          // the last time
	uint32_t delivered_bytes;  // of the connection when this left,
	uint32_t delivered_ago_us; // how long before that something was delivered last,
	uint32_t first_ago_us;     // and how long before the flight that it measures had begun
	uint16_t segment_bytes;    // borders are multiples of it from range.start
	uint8_t state;             // enum tcp_sent_state
	bool is_again : 1;         // sent more than once
	bool is_app_limited : 1;   // the owner had nothing more to send
};
static_assert(sizeof(struct tcp_sent) == 64, "one cache line a record");

struct tcp_sent_queue {
	struct pool *pool; // borrowed
	struct list by_seq;
	struct list flying;    // in the order of sending: RACK's
	struct list lost;      // in the order of being found lost: the order of sending again
	struct tcp_sent *hint; // where the last SACK block was
	uint32_t count;
	uint32_t flying_bytes;
	uint32_t lost_bytes;
	uint32_t sacked_bytes;
};

// What an ACK told, gathered over the records that it covers.
struct tcp_sent_news {
	// the caller's
	uint64_t now_us;
	uint32_t min_rtt_us; // a retransmission answered sooner is not what was answered
	uint32_t echo_ms;    // the peer's echo on our clock: low 32 bits of now_us / 1000
	bool has_echo;       // timestamps are in use
	// gathered
	bool is_walk_over;         // TCP_SENT_WALK was not enough: some blocks were not found
	bool has_newest;           // newest is set
	bool has_rack;             // rack_us and rack_end are set
	bool has_once, has_again;  // something sent once, or more often, was delivered
	uint32_t walk_count;       // records looked at to find blocks
	uint32_t delivered_bytes;  // newly, by cumulative acknowledgement or SACK
	struct tcp_seq end;        // the highest byte of it
	struct tcp_sent newest;    // of what was delivered, the last sent
	uint64_t rack_us;          // of what surely arrived as last sent, the last sent (RFC 8985
	struct tcp_seq rack_end;   // 6.2 step 2)
	uint64_t once_us;          // of what was sent once, the first sent
	struct tcp_seq once_start; // of what was sent once, the lowest byte
};

// tcp_sent_init makes queue empty; its records come from pool, of struct tcp_sent.
void tcp_sent_init(struct tcp_sent_queue *queue, struct pool *pool);

// tcp_sent_clear gives every record back.
void tcp_sent_clear(struct tcp_sent_queue *queue);

// tcp_sent_first and tcp_sent_last are the ends of the queue, NULL when it is empty;
// tcp_sent_first_lost is what to send again first.
struct tcp_sent *tcp_sent_first(const struct tcp_sent_queue *queue);
struct tcp_sent *tcp_sent_last(const struct tcp_sent_queue *queue);
struct tcp_sent *tcp_sent_first_lost(const struct tcp_sent_queue *queue);

// tcp_sent_has_room is true when tcp_sent_add can note something. It is false only without any
// record at all: then nothing may be sent until one is free.
bool tcp_sent_has_room(const struct tcp_sent_queue *queue);

// tcp_sent_add notes what left just now behind everything sent: range, sent_us, delivered_bytes,
// the ago_us, segment_bytes and flags of fresh. It joins a last record of the same burst. False
// when it had to join another for want of a record: count it.
bool tcp_sent_add(struct tcp_sent_queue *queue, const struct tcp_sent *fresh);

// tcp_sent_again notes that the first bytes bytes of record left again just now; what follows stays
// as it was. False when it could not be split for want of a record and flies as a whole: count it.
bool tcp_sent_again(struct tcp_sent_queue *queue, struct tcp_sent *record, uint32_t bytes,
		    const struct tcp_sent *fresh);

// tcp_sent_tail splits the last segment off the last record and returns it, or the whole record
// when it cannot; NULL when queue is empty.
struct tcp_sent *tcp_sent_tail(struct tcp_sent_queue *queue);

// tcp_sent_acked forgets what lies before una and gathers what of it is news.
void tcp_sent_acked(struct tcp_sent_queue *queue, struct tcp_seq una, struct tcp_sent_news *news);

// tcp_sent_sacked marks what lies in block, which the caller found to be within what was sent, and
// gathers what of it is news. A segment of which block holds a part is not SACKed.
void tcp_sent_sacked(struct tcp_sent_queue *queue, struct tcp_range block,
		     struct tcp_sent_news *news);

// tcp_sent_lose marks record, which is flying, lost. tcp_sent_lose_first marks the first segment of
// the queue when it is flying. tcp_sent_lose_due marks the first record, and whatever left at
// due_us or before, and puts everything lost in order of sequence.
void tcp_sent_lose(struct tcp_sent_queue *queue, struct tcp_sent *record);
void tcp_sent_lose_first(struct tcp_sent_queue *queue);
void tcp_sent_lose_due(struct tcp_sent_queue *queue, uint64_t due_us);

// tcp_sent_unlose takes every loss back that was not sent again yet.
void tcp_sent_unlose(struct tcp_sent_queue *queue);

// tcp_sent_renege takes every SACK back: what was SACKed is lost (RFC 2018 8).
void tcp_sent_renege(struct tcp_sent_queue *queue);
