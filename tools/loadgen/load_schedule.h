// SPDX-License-Identifier: Apache-2.0
// When the next piece of work is due: always (closed loop: as soon as somebody is free), or at the
// moments of a rate that was fixed beforehand (open loop). Latency counts from the due time, so an
// answer that comes late makes those behind it late too, as it would real users (no coordinated
// omission).
#pragma once

#include "random.h"

#include <stdbool.h>
#include <stdint.h>

struct load_schedule {
	uint64_t interval_ns; // 0: closed loop
	bool is_poisson;      // intervals are drawn from an exponential distribution of that mean
	uint64_t left;        // pieces of work that may still begin
	uint64_t next_ns;
	uint64_t end_ns;              // nothing is due from here on
	struct random_source *random; // borrowed
};

// load_schedule_start begins at now_ns: per_s pieces of work a second (0: closed loop), at most
// count of them, until end_ns. random is for is_poisson, which the caller has set.
void load_schedule_start(struct load_schedule *schedule, uint64_t now_ns, double per_s,
			 uint64_t count, uint64_t end_ns);

// load_schedule_take takes the next piece of work when it is due at now_ns, and when that was.
bool load_schedule_take(struct load_schedule *schedule, uint64_t now_ns, uint64_t *due_ns);

// load_schedule_is_over is true when nothing will be due any more that is not taken.
bool load_schedule_is_over(const struct load_schedule *schedule, uint64_t now_ns);

// load_schedule_late counts the pieces of work that were due by now_ns and that nobody took.
uint64_t load_schedule_late(const struct load_schedule *schedule, uint64_t now_ns);
