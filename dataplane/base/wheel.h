// SPDX-License-Identifier: Apache-2.0
// Hierarchical timer wheel, intrusive, driven by a passed-in time. Four levels of 256 slots; one
// tick is 1 ms, so timers reach 49 days ahead. Arming and disarming are O(1).
#pragma once

#include "list.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_LEVELS  4u
#define WHEEL_SLOTS   256u
#define WHEEL_TICK_US 1000u
#define WHEEL_NEVER   UINT64_MAX

struct wheel_timer {
	struct list link;
	uint64_t due_tick;
	void (*fire)(struct wheel_timer *timer, uint64_t now_us); // set once by the owner
};

struct wheel {
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t bitmap[WHEEL_LEVELS][WHEEL_SLOTS / 64]; // slots that may hold timers
	uint64_t now_tick;
	uint32_t armed_count;
};

// wheel_init starts the wheel at now_us.
void wheel_init(struct wheel *wheel, uint64_t now_us);

// wheel_timer_init makes an unarmed timer that will call fire.
void wheel_timer_init(struct wheel_timer *timer,
		      void (*fire)(struct wheel_timer *timer, uint64_t now_us));

// wheel_arm makes timer fire once at or after due_us (never early, at most a tick late), moving it
// when it was armed. A due_us in the past fires at the next advance.
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_us);

// wheel_disarm unlinks timer; harmless when it is not armed.
void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer);

// wheel_is_armed is true between arming and firing.
static inline bool wheel_is_armed(const struct wheel_timer *timer)
{
	return timer->link.next && !list_is_empty(&timer->link);
}

// wheel_advance fires every timer due by now_us, in tick order, at most budget of them; returns
// how many fired. A timer is unlinked before its fire is called, which may arm it again.
uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t budget);

// wheel_next_us returns a time not later than the next timer's due time (WHEEL_NEVER without
// timers): how long a worker may sleep. It may be earlier, when a higher level must be spread.
uint64_t wheel_next_us(const struct wheel *wheel);
