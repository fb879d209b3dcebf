// SPDX-License-Identifier: Apache-2.0
// One direction of a bad link: what becomes of each frame, as a function of the seed, the frame's
// number and the time. Loss, duplication and reordering of frame n are the same in every run; only
// the queue depends on when frames come.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RELAY_MILLION 1000000u // probabilities are in millionths

struct relay_shape {
	uint64_t delay_us;
	uint64_t jitter_us;     // added evenly from [0, jitter_us]; order is kept
	uint64_t reorder_us;    // added to a frame that is to be overtaken
	uint64_t reorder_ppm;   // how many frames are
	uint64_t loss_ppm;      // before the queue
	uint64_t duplicate_ppm; // behind the queue
	uint64_t spared;        // so many first frames are never lost (ARP, SYN)
	uint64_t rate_kbit;     // 0 = endless
	uint64_t queue_bytes;   // drop-tail; 0 = endless
	uint64_t police_kbit;  // what comes faster is dropped at once (a token bucket); 0 = endless
	uint64_t police_bytes; // as many may come at once
	uint64_t mark_bytes;   // a longer queue marks ECN-capable frames; 0 = never
};

struct relay_count {
	uint64_t frames, bytes; // that came
	uint64_t lost, queue_full, policed, duplicated, reordered, marked;
	uint64_t queue_max_bytes;
};

struct relay_link {
	struct relay_shape shape;
	struct relay_count count;
	uint64_t seed;
	uint64_t full_ns; // when the policer's bucket was full, or will be
	uint64_t free_ns; // when the last admitted frame has left the queue
	uint64_t last_ns; // when the last frame that kept its place arrives
};

struct relay_fate {
	unsigned copies; // 0 = dropped
	bool is_marked;  // congestion experienced (RFC 3168), if the frame is ECN-capable
	uint64_t due_ns[2];
};

// relay_shape_parse reads "delay_us=10000,loss_ppm=1000,..." over what shape holds; the keys are
// the members' names. False, with the offending word on stderr, when it cannot.
bool relay_shape_parse(const char *text, struct relay_shape *shape);

// relay_link_take decides about one frame of bytes bytes that comes at now_ns.
struct relay_fate relay_link_take(struct relay_link *link, uint64_t now_ns, uint32_t bytes);
