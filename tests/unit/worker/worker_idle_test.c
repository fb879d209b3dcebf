// SPDX-License-Identifier: Apache-2.0
// The idle ladder: looks, pauses, sleeps; what ends a sleep and what never begins one.
#include "unit.h"
#include "worker_idle.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static struct counters counters;

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct idle idle_new(const int *fds, uint32_t count, bool is_polling)
{
	struct idle idle;
	memset(&counters, 0, sizeof(counters));
	CU_ASSERT_EQUAL(idle_init(&idle, fds, count, is_polling, &counters), 0);
	return idle;
}

static void it_spins_then_pauses_then_sleeps(void)
{
	struct idle idle = idle_new(NULL, 0, false);
	CU_ASSERT(!idle_should_sleep(&idle, 1000));
	CU_ASSERT(!idle_should_sleep(&idle, 1000 + IDLE_SPIN_US - 1));
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_pauses], 0);
	CU_ASSERT(!idle_should_sleep(&idle, 1000 + IDLE_SPIN_US));
	CU_ASSERT(!idle_should_sleep(&idle, 1000 + IDLE_PAUSE_US - 1));
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_pauses], 2);
	CU_ASSERT(idle_should_sleep(&idle, 1000 + IDLE_PAUSE_US));
	CU_ASSERT(idle_should_sleep(&idle, 1000 + 10 * IDLE_PAUSE_US));
	idle_reset(&idle);
	CU_ASSERT(!idle_should_sleep(&idle, 2000));
	idle_fini(&idle);
}

static void a_polling_worker_never_sleeps(void)
{
	struct idle idle = idle_new(NULL, 0, true);
	for (uint64_t now_us = 0; now_us < 10000000; now_us += 1000)
		CU_ASSERT(!idle_should_sleep(&idle, now_us));
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_pauses], 0);
	idle_fini(&idle);
}

static void a_sleep_ends_at_its_time(void)
{
	struct idle idle = idle_new(NULL, 0, false);
	uint64_t start_us = clock_us();
	CU_ASSERT(!idle_sleep(&idle, 20000));
	uint64_t slept_us = clock_us() - start_us;
	CU_ASSERT(slept_us >= 20000);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_sleeps], 1);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_sleeps_woken], 0);
	CU_ASSERT(counters.value[COUNTER_worker_slept_us] >= 20000);
	idle_fini(&idle);
}

static void a_port_another_worker_or_control_ends_a_sleep(void)
{
	int port = eventfd(0, EFD_NONBLOCK), control = eventfd(0, EFD_NONBLOCK);
	struct idle idle = idle_new(&port, 1, false);
	int *const fds[] = {&port, &idle.wake_fd, &control};
	idle_watch_control(&idle, control, 1);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t one = 1;
		CU_ASSERT_EQUAL(write(*fds[i], &one, sizeof(one)), 8);
		CU_ASSERT(idle_sleep(&idle, 10000000));
		// The port's is the port's to empty; ours are empty again.
		if (i == 0)
			CU_ASSERT_EQUAL(read(port, &one, sizeof(one)), 8);
		CU_ASSERT(!idle_sleep(&idle, 1));
	}
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_sleeps_woken], 3);
	idle_fini(&idle);
	close(port);
	close(control);
}

static void the_eventfd_of_a_control_that_left_wakes_nobody(void)
{
	int first = eventfd(0, EFD_NONBLOCK), second = eventfd(0, EFD_NONBLOCK);
	struct idle idle = idle_new(NULL, 0, false);
	uint64_t one = 1;
	int lent = dup(first);
	idle_watch_control(&idle, lent, 1);
	close(lent);
	lent = dup(second); // most likely the same number
	idle_watch_control(&idle, lent, 2);
	CU_ASSERT_EQUAL(write(first, &one, sizeof(one)), 8);
	CU_ASSERT(!idle_sleep(&idle, 1000));
	CU_ASSERT_EQUAL(write(second, &one, sizeof(one)), 8);
	CU_ASSERT(idle_sleep(&idle, 1000000));
	idle_watch_control(&idle, -1, 0);
	CU_ASSERT_EQUAL(write(second, &one, sizeof(one)), 8);
	CU_ASSERT(!idle_sleep(&idle, 1000));
	idle_fini(&idle);
	close(first);
	close(second);
	close(lent);
}

static void a_port_without_a_descriptor_allows_growing_naps_only(void)
{
	int none = -1;
	struct idle idle = idle_new(&none, 1, false);
	uint64_t now_us = 1000;
	CU_ASSERT(!idle_should_sleep(&idle, now_us));
	for (unsigned i = 0; i < 10; i++) {
		uint64_t start_us = clock_us();
		CU_ASSERT(idle_should_sleep(&idle, now_us += 1000));
		CU_ASSERT(!idle_sleep(&idle, 10000000));
		CU_ASSERT(clock_us() - start_us < 5000000);
	}
	CU_ASSERT_EQUAL(idle.nap_us, IDLE_NAP_LAST_US);
	idle_reset(&idle);
	idle_should_sleep(&idle, now_us);
	CU_ASSERT_EQUAL(idle.nap_us, IDLE_NAP_FIRST_US);
	idle_fini(&idle);
}

static void *sleep_for_long(void *idle)
{
	idle_sleep(idle, 10000000);
	return NULL;
}

static void a_sleep_under_way_counts_as_slept(void)
{
	struct idle idle = idle_new(NULL, 0, false);
	uint64_t start_us = clock_us(), one = 1;
	pthread_t thread;
	CU_ASSERT_EQUAL(idle_slept_us(&idle), 0);
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, sleep_for_long, &idle), 0);
	while (idle_slept_us(&idle) < 20000 && clock_us() - start_us < 5000000)
		usleep(1000);
	uint64_t slept_us = idle_slept_us(&idle);
	CU_ASSERT(slept_us >= 20000 && slept_us <= clock_us() - start_us);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_slept_us], 0);
	CU_ASSERT_EQUAL(write(idle.wake_fd, &one, sizeof(one)), 8);
	pthread_join(thread, NULL);
	CU_ASSERT(idle_slept_us(&idle) >= slept_us);
	CU_ASSERT_EQUAL(idle_slept_us(&idle), counters.value[COUNTER_worker_slept_us]);
	idle_fini(&idle);
}

UNIT_MAIN("worker_idle", {"it spins, then pauses, then sleeps", it_spins_then_pauses_then_sleeps},
	  {"a polling worker never sleeps", a_polling_worker_never_sleeps},
	  {"a sleep under way counts as slept", a_sleep_under_way_counts_as_slept},
	  {"a sleep ends at its time", a_sleep_ends_at_its_time},
	  {"a port, another worker or control ends a sleep",
	   a_port_another_worker_or_control_ends_a_sleep},
	  {"the eventfd of a control that left wakes nobody",
	   the_eventfd_of_a_control_that_left_wakes_nobody},
	  {"a port without a descriptor allows growing naps only",
	   a_port_without_a_descriptor_allows_growing_naps_only})
