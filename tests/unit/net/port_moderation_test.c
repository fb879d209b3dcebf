// SPDX-License-Identifier: Apache-2.0
// When packets of a port wait for each other: thresholds, hysteresis, and whoever is slowed down by
// it does not make it flap.
#include "port_moderation.h"

#include "unit.h"

#define RATE    40000u
#define LOOK_US PORT_MODERATION_LOOK_US

// A port whose packets come at rates that the test says, looked at as often as it may be.
struct run {
	struct port_moderation moderation;
	uint64_t packets;
	uint64_t now_us;
	unsigned switch_count;
};

static struct run run_of(void)
{
	struct run run = {.packets = 1000000, .now_us = 5000000};
	port_moderation_init(&run.moderation, RATE);
	CU_ASSERT_FALSE(port_moderation_look(&run.moderation, run.packets, run.now_us));
	return run;
}

// go_on is one look after LOOK_US of so many packets a second; true when they wait afterwards.
static bool go_on(struct run *run, uint64_t rate)
{
	run->now_us += LOOK_US;
	run->packets += rate * LOOK_US / 1000000;
	bool before = run->moderation.is_waiting;
	bool has_changed = port_moderation_look(&run->moderation, run->packets, run->now_us);
	CU_ASSERT_EQUAL(has_changed, before != run->moderation.is_waiting);
	run->switch_count += has_changed;
	return run->moderation.is_waiting;
}

static void go_on_for(struct run *run, uint64_t rate, unsigned looks)
{
	while (looks-- > 0)
		go_on(run, rate);
}

static void an_idle_port_lets_nothing_wait(void)
{
	struct run run = run_of();
	go_on_for(&run, 0, 1000);
	CU_ASSERT_FALSE(run.moderation.is_waiting);
	CU_ASSERT_EQUAL(run.switch_count, 0);
}

static void what_came_before_the_first_look_is_no_rate(void)
{
	struct port_moderation moderation;
	port_moderation_init(&moderation, RATE);
	CU_ASSERT_FALSE(port_moderation_look(&moderation, UINT64_MAX / 2, 1));
	CU_ASSERT_FALSE(port_moderation_look(&moderation, UINT64_MAX / 2, 1 + LOOK_US));
}

static void packets_wait_only_above_the_rate(void)
{
	struct run run = run_of();
	CU_ASSERT_FALSE(go_on(&run, RATE));
	CU_ASSERT_TRUE(go_on(&run, RATE + 10));
}

static void they_wait_until_below_half_of_it(void)
{
	struct run run = run_of();
	go_on(&run, 2 * RATE);
	go_on_for(&run, RATE / 2, 100);
	CU_ASSERT_TRUE(run.moderation.is_waiting);
	CU_ASSERT_FALSE(go_on(&run, RATE / 2 - 10));
	go_on_for(&run, RATE, 100);
	CU_ASSERT_EQUAL(run.switch_count, 2);
}

static void it_is_looked_at_no_more_often_than_said(void)
{
	struct run run = run_of();
	CU_ASSERT_FALSE(port_moderation_look(&run.moderation, run.packets + 1000000,
					     run.now_us + LOOK_US - 1));
	CU_ASSERT_TRUE(
		port_moderation_look(&run.moderation, run.packets + 1000000, run.now_us + LOOK_US));
}

static void a_late_look_counts_the_time_that_passed(void)
{
	struct run run = run_of();
	run.now_us += 10 * LOOK_US;
	run.packets += RATE / 2;
	CU_ASSERT_FALSE(port_moderation_look(&run.moderation, run.packets, run.now_us));
	run.now_us += 10 * LOOK_US;
	run.packets += 2 * RATE;
	CU_ASSERT_TRUE(port_moderation_look(&run.moderation, run.packets, run.now_us));
}

static void a_count_that_goes_back_decides_nothing(void)
{
	struct run run = run_of();
	go_on(&run, 2 * RATE);
	run.packets = 0;
	CU_ASSERT_TRUE(go_on(&run, 0));
	CU_ASSERT_TRUE(go_on(&run, RATE));
	CU_ASSERT_FALSE(go_on(&run, 0));
	run.packets = 0;
	CU_ASSERT_FALSE(go_on(&run, 2 * RATE));
	CU_ASSERT_EQUAL(run.switch_count, 2);
}

static void load_that_comes_back_waits_at_once(void)
{
	struct run run = run_of();
	for (unsigned i = 0; i < 5; i++) {
		go_on_for(&run, 2 * RATE, PORT_MODERATION_SHORT_US / LOOK_US + 1);
		CU_ASSERT_TRUE(run.moderation.is_waiting);
		go_on(&run, 0);
		CU_ASSERT_FALSE(run.moderation.is_waiting);
	}
	CU_ASSERT_EQUAL(run.switch_count, 10);
}

// A client that asks again when it was answered: many packets while none wait, few when they do.
static void a_client_that_waiting_slows_down_does_not_make_it_flap(void)
{
	struct run run = run_of();
	unsigned waited = 0, looks = 600 * 1000000u / LOOK_US;
	for (unsigned i = 0; i < looks; i++)
		waited += go_on(&run, run.moderation.is_waiting ? RATE / 4 : 2 * RATE);
	CU_ASSERT(waited > 5); // it is tried again
	CU_ASSERT(waited * 100 < looks);
	CU_ASSERT(run.switch_count <= 2 * (6 + 600 / 32));
}

static void who_is_no_more_slowed_down_waits_again_without_a_pause(void)
{
	struct run run = run_of();
	for (unsigned i = 0; i < 100; i++)
		go_on(&run, run.moderation.is_waiting ? 0 : 2 * RATE);
	go_on_for(&run, 2 * RATE, PORT_MODERATION_PAUSE_MAX_US / LOOK_US + 20);
	CU_ASSERT_TRUE(run.moderation.is_waiting);
	CU_ASSERT_FALSE(go_on(&run, 0));
	CU_ASSERT_TRUE(go_on(&run, 2 * RATE));
}

UNIT_MAIN("port_moderation", {"an idle port lets nothing wait", an_idle_port_lets_nothing_wait},
	  {"what came before the first look is no rate",
	   what_came_before_the_first_look_is_no_rate},
	  {"packets wait only above the rate", packets_wait_only_above_the_rate},
	  {"they wait until below half of it", they_wait_until_below_half_of_it},
	  {"it is looked at no more often than said", it_is_looked_at_no_more_often_than_said},
	  {"a late look counts the time that passed", a_late_look_counts_the_time_that_passed},
	  {"a count that goes back decides nothing", a_count_that_goes_back_decides_nothing},
	  {"load that comes back waits at once", load_that_comes_back_waits_at_once},
	  {"a client that waiting slows down does not make it flap",
	   a_client_that_waiting_slows_down_does_not_make_it_flap},
	  {"who is no more slowed down waits again without a pause",
	   who_is_no_more_slowed_down_waits_again_without_a_pause})
