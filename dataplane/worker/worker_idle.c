// SPDX-License-Identifier: Apache-2.0
// The idle ladder; see worker_idle.h. epoll_pwait2(2) for its timeouts below a millisecond.
#include "worker_idle.h"

#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#define PAUSES 32u // at a time

static int watch(const struct idle *idle, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(idle->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

static int open_all(struct idle *idle, const int *port_fds, uint32_t port_count)
{
	idle->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	idle->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (idle->epoll_fd < 0 || idle->wake_fd < 0)
		return errno;
	int error = watch(idle, idle->wake_fd);
	for (uint32_t i = 0; i < port_count && !error; i++) {
		if (port_fds[i] < 0 || watch(idle, port_fds[i]) != 0)
			idle->can_wait = false;
	}
	return error;
}

int idle_init(struct idle *idle, const int *port_fds, uint32_t port_count, bool is_polling,
	      struct counters *counters)
{
	*idle = (struct idle){
		.epoll_fd = -1,
		.wake_fd = -1,
		.control_fd = -1,
		.is_polling = is_polling,
		.can_wait = true,
		.counters = counters,
	};
	int error = open_all(idle, port_fds, port_count);
	if (error)
		idle_fini(idle);
	return error;
}

void idle_fini(struct idle *idle)
{
	idle_watch_control(idle, -1, 0);
	if (idle->wake_fd >= 0)
		close(idle->wake_fd);
	if (idle->epoll_fd >= 0)
		close(idle->epoll_fd);
	idle->wake_fd = idle->epoll_fd = -1;
}

void idle_watch_control(struct idle *idle, int fd, uint64_t control_id)
{
	if (control_id == idle->control_id)
		return;
	// Control keeps the same eventfd open, so closing ours would not end epoll's interest in
	// it.
	if (idle->control_fd >= 0) {
		epoll_ctl(idle->epoll_fd, EPOLL_CTL_DEL, idle->control_fd, NULL);
		close(idle->control_fd);
	}
	idle->control_id = control_id;
	idle->control_fd = control_id ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (idle->control_fd >= 0)
		watch(idle, idle->control_fd);
}

bool idle_should_sleep(struct idle *idle, uint64_t now_us)
{
	if (!idle->is_idle) {
		idle->is_idle = true;
		idle->since_us = now_us;
		idle->nap_us = IDLE_NAP_FIRST_US;
	}
	uint64_t idle_us = now_us - idle->since_us;
	if (idle->is_polling || idle_us < IDLE_SPIN_US)
		return false;
	if (idle_us >= IDLE_PAUSE_US)
		return true;
	counter_inc(idle->counters, COUNTER_worker_pauses);
	for (unsigned i = 0; i < PAUSES; i++)
		rte_pause();
	return false;
}

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool idle_sleep(struct idle *idle, uint64_t timeout_us)
{
	struct epoll_event events[8];
	if (!idle->can_wait) {
		if (timeout_us > idle->nap_us)
			timeout_us = idle->nap_us;
		idle->nap_us =
			idle->nap_us * 2 < IDLE_NAP_LAST_US ? idle->nap_us * 2 : IDLE_NAP_LAST_US;
	}
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_us / 1000000),
		.tv_nsec = (long)(timeout_us % 1000000 * 1000),
	};
	uint64_t start_us = clock_us();
	atomic_store_explicit(&idle->asleep_base_us,
			      start_us - idle->counters->value[COUNTER_worker_slept_us],
			      memory_order_release);
	int count = epoll_pwait2(idle->epoll_fd, events, 8, &timeout, NULL);
	counter_inc(idle->counters, COUNTER_worker_sleeps);
	counter_add(idle->counters, COUNTER_worker_sleeps_woken, count > 0);
	counter_add(idle->counters, COUNTER_worker_slept_us, clock_us() - start_us);
	atomic_store_explicit(&idle->asleep_base_us, 0, memory_order_release);
	for (int i = 0; i < count; i++)
		if (events[i].data.fd == idle->wake_fd || events[i].data.fd == idle->control_fd)
			handover_wake_clear(events[i].data.fd);
	return count > 0;
}

uint64_t idle_slept_us(const struct idle *idle)
{
	uint64_t base_us = atomic_load_explicit(&idle->asleep_base_us, memory_order_acquire);
	if (base_us)
		return clock_us() - base_us;
	return __atomic_load_n(&idle->counters->value[COUNTER_worker_slept_us], __ATOMIC_RELAXED);
}
