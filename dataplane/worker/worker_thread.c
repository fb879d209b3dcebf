// SPDX-License-Identifier: Apache-2.0
// The thread around a worker; see worker_thread.h. Here, and only here, the clock that all go by is
// read: once a loop.
#include "worker_thread.h"

#include "check.h"

#include <rte_cycles.h>

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// watch_ports writes what to sleep on; returns how many descriptors, -1 for a port without one.
static uint32_t watch_ports(const struct worker_thread *thread, int *fds)
{
	const struct worker *worker = thread->worker;
	uint32_t count = 0;
	for (uint32_t i = 0; i < worker->port_count; i++) {
		// Worker 0 receives for everybody on a shared device and wakes the others.
		if (worker->index == 0 || !port_ethdev_is_shared(thread->devices[i]))
			fds[count++] = port_ethdev_wait_fd(worker->ports[i]);
		if (worker->exceptions && worker->exceptions[i])
			fds[count++] = port_exception_wait_fd(worker->exceptions[i]);
	}
	return count;
}

int worker_thread_init(struct worker_thread *thread, struct worker *worker,
		       struct port_ethdev *const *devices)
{
	int fds[2 * ARRAY_LEN(worker->conf->dataplane.ports)];
	thread->worker = worker;
	thread->devices = devices;
	atomic_init(&thread->is_stopping, false);
	atomic_init(&thread->gives_way, false);
	atomic_init(&thread->query, NULL);
	thread->running = NULL;
	thread->rested_us = 0;
	uint32_t count = watch_ports(thread, fds);
	int error = idle_init(&thread->idle, fds, count,
			      worker->conf->dataplane.idle == CONF_IDLE_POLL, &worker->counters);
	if (!error && worker->handoff)
		worker->handoff->peers[worker->index].wake_fd = thread->idle.wake_fd;
	return error;
}

void worker_thread_fini(struct worker_thread *thread)
{
	if (thread->worker->handoff)
		thread->worker->handoff->peers[thread->worker->index].wake_fd = -1;
	idle_fini(&thread->idle);
}

// set_asleep tells other workers and helper cores that they must wake this one.
static void set_asleep(struct worker *worker, bool is_asleep)
{
	if (worker->offload)
		worker_offload_set_asleep(worker->offload, worker->index, is_asleep);
	if (!worker->handoff)
		return;
	// seq_cst fence: see handoff_wake.
	atomic_store_explicit(&worker->handoff->peers[worker->index].is_asleep, is_asleep,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

// step is one turn at the clock's time; worker 0 is woken when frames wait for it to send them.
static bool step(struct worker_thread *thread, uint64_t *now_us)
{
	struct worker *worker = thread->worker;
	*now_us = clock_us(CLOCK_MONOTONIC);
	bool is_busy = worker_step(worker, *now_us, clock_us(CLOCK_REALTIME_COARSE) / 1000000);
	for (uint32_t i = 0; worker->index > 0 && i < worker->port_count; i++)
		if (port_ethdev_is_shared(thread->devices[i]) &&
		    port_ethdev_take_wake(worker->ports[i]))
			handoff_wake(worker->handoff, 0);
	return is_busy;
}

static void count_turn(struct worker *worker, bool is_busy, uint64_t cycles)
{
	counter_add(&worker->counters,
		    is_busy ? COUNTER_worker_cycles_busy : COUNTER_worker_cycles_idle, cycles);
}

// sleep_on sleeps, unless a last look, after everybody was told to wake us, finds something.
static void sleep_on(struct worker_thread *thread)
{
	struct worker *worker = thread->worker;
	uint64_t attached =
		worker->channel.attached ? worker->counters.value[COUNTER_channel_attaches] : 0;
	uint64_t now_us;
	idle_watch_control(&thread->idle, channel_wake_fd(&worker->channel), attached);
	set_asleep(worker, true);
	for (uint32_t i = 0; i < worker->port_count; i++)
		port_ethdev_wait_begin(worker->ports[i]);
	uint64_t begin = rte_rdtsc();
	bool is_busy = step(thread, &now_us);
	uint64_t next_us = worker_next_us(worker);
	count_turn(worker, is_busy, rte_rdtsc() - begin);
	if (is_busy)
		idle_reset(&thread->idle);
	else if (next_us > now_us && !worker_has_input(worker))
		idle_sleep(&thread->idle, next_us - now_us);
	for (uint32_t i = 0; i < worker->port_count; i++)
		port_ethdev_wait_end(worker->ports[i]);
	set_asleep(worker, false);
}

// answer runs a piece of the question that was asked, if any; true while there is more of it.
static bool answer(struct worker_thread *thread)
{
	if (!thread->running) {
		if (!atomic_load_explicit(&thread->query, memory_order_relaxed))
			return false;
		// acquire: the question's fields were written before it was asked.
		thread->running =
			atomic_exchange_explicit(&thread->query, NULL, memory_order_acquire);
	}
	struct worker_query *query = thread->running;
	if (!query)
		return false;
	if (!query->run(thread->worker, query->user) &&
	    !atomic_load_explicit(&query->is_cancelled, memory_order_relaxed))
		return true;
	thread->running = NULL;
	// release: the answer is complete for whoever sees this.
	atomic_store_explicit(&query->is_done, true, memory_order_release);
	return false;
}

// give_way lets threads run that wait for this core and do not interrupt us: those of its ports'
// NAPIs, which have packets that we would like to see.
static void give_way(struct worker_thread *thread, uint64_t now_us)
{
	if (!atomic_load_explicit(&thread->gives_way, memory_order_relaxed) ||
	    now_us - thread->rested_us < WORKER_GIVES_WAY_US)
		return;
	thread->rested_us = now_us;
	counter_inc(&thread->worker->counters, COUNTER_worker_yields);
	sched_yield();
}

// yields_at_looks: who has looked in vain for a while lets those threads run before it looks again.
static bool yields_at_looks(const struct worker_thread *thread, uint64_t now_us)
{
	return now_us - thread->idle.since_us >= IDLE_SPIN_US &&
	       atomic_load_explicit(&thread->gives_way, memory_order_relaxed);
}

static void turn(struct worker_thread *thread, uint64_t *cycles)
{
	struct worker *worker = thread->worker;
	uint64_t now_us;
	bool is_busy = step(thread, &now_us);
	uint64_t end = rte_rdtsc();
	count_turn(worker, is_busy, end - *cycles);
	*cycles = end;
	is_busy |= answer(thread);
	if (is_busy) {
		idle_reset(&thread->idle);
		give_way(thread, now_us);
	} else if (idle_should_sleep(&thread->idle, now_us)) {
		sleep_on(thread);
		thread->rested_us = now_us;
		*cycles = rte_rdtsc();
	} else if (yields_at_looks(thread, now_us)) {
		sched_yield();
		*cycles = rte_rdtsc();
	}
}

int worker_thread_run(void *user)
{
	struct worker_thread *thread = user;
	uint64_t cycles = rte_rdtsc();
	// Naps of 20 µs must not become 70 µs by the kernel's timer slack.
	prctl(PR_SET_TIMERSLACK, 1);
	while (!atomic_load_explicit(&thread->is_stopping, memory_order_relaxed))
		turn(thread, &cycles);
	return 0;
}

void worker_thread_wake(struct worker_thread *thread)
{
	handover_wake(thread->idle.wake_fd);
}

void worker_thread_stop(struct worker_thread *thread)
{
	atomic_store_explicit(&thread->is_stopping, true, memory_order_relaxed);
	worker_thread_wake(thread);
}

bool worker_thread_ask(struct worker_thread *thread, struct worker_query *query,
		       uint64_t timeout_us)
{
	struct worker_query *none = NULL;
	atomic_store_explicit(&query->is_cancelled, false, memory_order_relaxed);
	atomic_store_explicit(&query->is_done, false, memory_order_relaxed);
	uint64_t deadline_us = clock_us(CLOCK_MONOTONIC) + timeout_us;
	// release: the worker sees the whole question.
	while (!atomic_compare_exchange_strong_explicit(
		&thread->query, &none, query, memory_order_release, memory_order_relaxed)) {
		if (clock_us(CLOCK_MONOTONIC) > deadline_us)
			return false;
		none = NULL;
		usleep(50);
	}
	worker_thread_wake(thread);
	while (!atomic_load_explicit(&query->is_done, memory_order_acquire)) {
		struct worker_query *mine = query;
		bool is_late = clock_us(CLOCK_MONOTONIC) > deadline_us;
		if (is_late && atomic_compare_exchange_strong_explicit(&thread->query, &mine, NULL,
								       memory_order_relaxed,
								       memory_order_relaxed))
			return false;
		// Taken: the worker ends it after the piece that it is in now.
		if (is_late)
			atomic_store_explicit(&query->is_cancelled, true, memory_order_relaxed);
		usleep(50);
	}
	return true;
}
