// SPDX-License-Identifier: Apache-2.0
// Open and closed loops; see load_schedule.h.
#include "load_schedule.h"

#include "check.h"

#include <math.h>

void load_schedule_start(struct load_schedule *schedule, uint64_t now_ns, double per_s,
			 uint64_t count, uint64_t end_ns)
{
	schedule->interval_ns = per_s > 0 ? MAX((uint64_t)(1e9 / per_s), 1ull) : 0;
	schedule->left = count;
	schedule->next_ns = now_ns;
	schedule->end_ns = end_ns;
}

static uint64_t interval(struct load_schedule *schedule)
{
	if (!schedule->is_poisson)
		return schedule->interval_ns;
	double drawn = (double)((random_u64(schedule->random) >> 11) + 1) * 0x1p-53; // (0, 1]
	return (uint64_t)(-log(drawn) * (double)schedule->interval_ns);
}

bool load_schedule_take(struct load_schedule *schedule, uint64_t now_ns, uint64_t *due_ns)
{
	bool is_open = schedule->interval_ns > 0;
	uint64_t due = is_open ? schedule->next_ns : now_ns;
	if (schedule->left == 0 || due > now_ns || due >= schedule->end_ns)
		return false;
	schedule->left--;
	if (is_open)
		schedule->next_ns += interval(schedule);
	*due_ns = due;
	return true;
}

bool load_schedule_is_over(const struct load_schedule *schedule, uint64_t now_ns)
{
	uint64_t due = schedule->interval_ns > 0 ? schedule->next_ns : now_ns;
	return schedule->left == 0 || due >= schedule->end_ns;
}

uint64_t load_schedule_late(const struct load_schedule *schedule, uint64_t now_ns)
{
	uint64_t until_ns = MIN(now_ns, schedule->end_ns);
	if (schedule->interval_ns == 0 || schedule->next_ns >= until_ns)
		return 0;
	uint64_t count = (until_ns - schedule->next_ns - 1) / schedule->interval_ns + 1;
	return MIN(count, schedule->left);
}
