// SPDX-License-Identifier: Apache-2.0
// The timer wheel against its contract: never early, at most one tick late, nothing lost.
#include "random.h"
#include "unit.h"
#include "wheel.h"

struct probe {
	struct wheel_timer timer;
	uint64_t due_us;
	uint64_t fired_us;
	unsigned fired_count;
};

static void note(struct wheel_timer *timer, uint64_t now_us)
{
	struct probe *probe = (struct probe *)timer;
	probe->fired_us = now_us;
	probe->fired_count++;
}

static void every_timer_fires_once_and_never_early(void)
{
	enum { COUNT = 2000 };
	static struct wheel wheel;
	static struct probe probes[COUNT];
	struct random_source random;
	for (uint64_t seed = 0; seed < 20; seed++) {
		random_init(&random, (struct siphash_key){{seed, 1}});
		uint64_t now = random_u64(&random) % 1000000000;
		wheel_init(&wheel, now);
		for (unsigned i = 0; i < COUNT; i++) {
			wheel_timer_init(&probes[i].timer, note);
			probes[i].fired_count = 0;
			unsigned bits = random_below(&random, 34);
			probes[i].due_us = now + random_u64(&random) % (1ull << bits);
			wheel_arm(&wheel, &probes[i].timer, probes[i].due_us);
		}
		while (wheel.armed_count > 0) {
			uint64_t next = wheel_next_us(&wheel);
			CU_ASSERT_FATAL(next != WHEEL_NEVER);
			now = next > now ? next : now + 1000;
			wheel_advance(&wheel, now, UINT32_MAX);
		}
		for (unsigned i = 0; i < COUNT; i++) {
			CU_ASSERT_EQUAL(probes[i].fired_count, 1);
			CU_ASSERT(probes[i].fired_us >= probes[i].due_us);
			CU_ASSERT(probes[i].fired_us <= probes[i].due_us + 2 * WHEEL_TICK_US);
		}
	}
}

// Each timer is put off or brought forward a few times while time goes on.
static void a_timer_armed_anew_fires_once_at_its_last_time(void)
{
	enum { COUNT = 500, TURNS = 4000 };
	static struct wheel wheel;
	static struct probe probes[COUNT];
	struct random_source random;
	uint64_t now = 123456789;
	random_init(&random, (struct siphash_key){{7, 1}});
	wheel_init(&wheel, now);
	for (unsigned i = 0; i < COUNT; i++)
		wheel_timer_init(&probes[i].timer, note);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		struct probe *probe = &probes[random_below(&random, COUNT)];
		unsigned bits = 8 + random_below(&random, 22);
		if (wheel_is_armed(&probe->timer) || probe->fired_count == 0) {
			probe->due_us = now + random_u64(&random) % (1ull << bits);
			wheel_arm(&wheel, &probe->timer, probe->due_us);
		}
		now += random_below(&random, 5000);
		wheel_advance(&wheel, now, UINT32_MAX);
	}
	while (wheel.armed_count > 0) {
		uint64_t next = wheel_next_us(&wheel);
		now = next > now ? next : now + 1000;
		wheel_advance(&wheel, now, UINT32_MAX);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		CU_ASSERT_EQUAL(probes[i].fired_count, probes[i].due_us > 0);
		CU_ASSERT(probes[i].fired_us >= probes[i].due_us);
		CU_ASSERT(probes[i].fired_us <= probes[i].due_us + 2 * WHEEL_TICK_US + 5000);
	}
}

static void a_disarmed_timer_does_not_fire(void)
{
	static struct wheel wheel;
	struct probe probe = {0};
	wheel_init(&wheel, 0);
	wheel_timer_init(&probe.timer, note);
	wheel_arm(&wheel, &probe.timer, 5000);
	CU_ASSERT(wheel_is_armed(&probe.timer));
	wheel_disarm(&wheel, &probe.timer);
	CU_ASSERT(!wheel_is_armed(&probe.timer));
	wheel_advance(&wheel, 1000000, UINT32_MAX);
	CU_ASSERT_EQUAL(probe.fired_count, 0);
	CU_ASSERT_EQUAL(wheel_next_us(&wheel), WHEEL_NEVER);
}

static void a_budget_leaves_the_rest_for_the_next_advance(void)
{
	static struct wheel wheel;
	static struct probe probes[100];
	wheel_init(&wheel, 0);
	for (unsigned i = 0; i < 100; i++) {
		probes[i].fired_count = 0;
		wheel_timer_init(&probes[i].timer, note);
		wheel_arm(&wheel, &probes[i].timer, 1000 * (1 + i % 3));
	}
	CU_ASSERT_EQUAL(wheel_advance(&wheel, 10000, 10), 10);
	CU_ASSERT_EQUAL(wheel_advance(&wheel, 10000, UINT32_MAX), 90);
}

// Timers of one delay, armed one a tick, as those of many idle connections are: what one slot of a
// higher level holds is moved at once, so it must not hold all of them.
static void timers_of_one_delay_are_not_moved_all_at_once(void)
{
	enum { COUNT = 60000 };
	static struct wheel wheel;
	static struct probe probes[COUNT];
	wheel_init(&wheel, 0);
	for (unsigned i = 0; i < COUNT; i++) {
		wheel_advance(&wheel, i * 1000ull, UINT32_MAX);
		wheel_timer_init(&probes[i].timer, note);
		wheel_arm(&wheel, &probes[i].timer, i * 1000ull + 60000000);
	}
	unsigned most = 0;
	for (unsigned i = WHEEL_SLOTS; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) {
		unsigned count = 0;
		struct list *slot = &wheel.slots[i / WHEEL_SLOTS][i % WHEEL_SLOTS], *node;
		list_for_each (node, slot)
			count++;
		most = count > most ? count : most;
	}
	CU_ASSERT(most <= WHEEL_SLOTS);
	CU_ASSERT_EQUAL(wheel_advance(&wheel, 200000000, UINT32_MAX), COUNT);
}

UNIT_MAIN("wheel",
	  {"every timer fires once and never early", every_timer_fires_once_and_never_early},
	  {"a timer armed anew fires once, at its last time",
	   a_timer_armed_anew_fires_once_at_its_last_time},
	  {"a disarmed timer does not fire", a_disarmed_timer_does_not_fire},
	  {"a budget leaves the rest for the next advance",
	   a_budget_leaves_the_rest_for_the_next_advance},
	  {"timers of one delay are not moved all at once",
	   timers_of_one_delay_are_not_moved_all_at_once})
