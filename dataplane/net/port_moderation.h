// SPDX-License-Identifier: Apache-2.0
// When packets of a port may wait for each other, as a NIC's adaptive interrupt moderation decides
// it: while many come, as then few wake-ups do for all, and not while few come, as each would only
// be late. Pure: a function of counts and time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PORT_MODERATION_LOOK_US      100000u   // between two looks, at least
#define PORT_MODERATION_SHORT_US     1000000u  // who waits for less has been wrong about it
#define PORT_MODERATION_PAUSE_MAX_US 32000000u // before packets may wait again

struct port_moderation {
	uint64_t rate;        // packets a second above which they wait
	uint64_t packets;     // received by the last look
	uint64_t looked_us;   // when that was
	uint64_t switched_us; // since when they wait
	uint64_t may_wait_us; // not before
	uint64_t pause_us;    // the last one
	bool has_looked;
	bool is_waiting;
};

// port_moderation_init begins without waiting; rate is in packets a second, 2 at least.
void port_moderation_init(struct port_moderation *moderation, uint64_t rate);

// port_moderation_look judges by how many packets were received up to now_us (microseconds, never
// going back), at most every PORT_MODERATION_LOOK_US. They wait above the rate, and no more below
// half of it. Where few came as soon as they waited - a client that asks again only when it was
// answered - the next time is a pause away, which doubles from PORT_MODERATION_SHORT_US to
// PORT_MODERATION_PAUSE_MAX_US until they waited for long. A count that went back decides nothing.
// True when is_waiting changed.
bool port_moderation_look(struct port_moderation *moderation, uint64_t packets, uint64_t now_us);
