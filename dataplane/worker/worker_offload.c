// SPDX-License-Identifier: Apache-2.0
// Helper cores; see worker_offload.h.
#include "worker_offload.h"

#include "check.h"
#include "handover.h"
#include "worker_ring.h"

#include <rte_pause.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(TLS_OFFLOADS_MAX == CONF_HANDSHAKE_CORES_MAX);

#define SPINS 200u // looks at empty rings before a helper sleeps: some 10 us

static bool make_core(struct worker_offload *offload, uint32_t index)
{
	struct worker_offload_core *core = &offload->cores[index];
	core->index = index;
	core->all = offload;
	core->offload = tls_offload_new(index);
	core->wake_fd = eventfd(0, EFD_CLOEXEC);
	uint32_t room = rte_align32pow2(offload->lane_max + 1);
	bool ok = core->offload && core->wake_fd >= 0;
	for (uint32_t i = 0; i < offload->worker_count; i++) {
		struct worker_offload_lane *lane = &offload->lanes[i][index];
		lane->jobs = worker_ring_new("offload", sizeof(void *), room);
		lane->done = worker_ring_new("offload", sizeof(void *), room);
		ok &= lane->jobs && lane->done;
	}
	return ok;
}

struct worker_offload *worker_offload_new(const struct conf *conf)
{
	struct worker_offload *offload =
		aligned_alloc(_Alignof(struct worker_offload), sizeof(*offload));
	if (!offload)
		return NULL;
	*offload = (struct worker_offload){
		.conf = conf,
		.worker_count = conf->dataplane.cores.count,
		.core_count = conf->dataplane.handshake_cores.count,
	};
	uint32_t jobs = conf->tls.handshake_jobs + TLS_SHARE_JOBS;
	bool ok = true;
	CHECK(offload->core_count > 0);
	offload->lane_max = (jobs + offload->core_count - 1) / offload->core_count;
	for (uint32_t i = 0; i < offload->worker_count; i++)
		atomic_init(&offload->peers[i].wake_fd, -1);
	for (uint32_t i = 0; i < offload->core_count; i++)
		ok &= make_core(offload, i);
	if (ok)
		return offload;
	worker_offload_free(offload);
	return NULL;
}

void worker_offload_free(struct worker_offload *offload)
{
	if (!offload)
		return;
	for (uint32_t i = 0; i < offload->core_count; i++) {
		for (uint32_t j = 0; j < offload->worker_count; j++) {
			free(offload->lanes[j][i].jobs);
			free(offload->lanes[j][i].done);
		}
		tls_offload_free(offload->cores[i].offload);
		if (offload->cores[i].wake_fd >= 0)
			close(offload->cores[i].wake_fd);
	}
	free(offload);
}

void worker_offload_set_wake(struct worker_offload *offload, uint32_t worker, int wake_fd)
{
	atomic_store(&offload->peers[worker].wake_fd, wake_fd);
}

void worker_offload_set_asleep(struct worker_offload *offload, uint32_t worker, bool is_asleep)
{
	atomic_store_explicit(&offload->peers[worker].is_asleep, is_asleep, memory_order_relaxed);
	// seq_cst: pairs with the fence of wake.
	atomic_thread_fence(memory_order_seq_cst);
}

// wake wakes who said that it sleeps. True when it did.
static bool wake(const atomic_bool *is_asleep, int fd)
{
	// seq_cst, after the ring's store: pairs with the sleeper's, between what it says and its
	// last look at the rings. One of the two sees the other.
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(is_asleep, memory_order_relaxed) || fd < 0)
		return false;
	handover_wake(fd);
	return true;
}

bool worker_offload_send(struct worker_offload *offload, uint32_t worker, struct tls_job *job,
			 struct counters *counters)
{
	struct worker_offload_lane *lanes = offload->lanes[worker];
	uint32_t least = 0;
	for (uint32_t i = 1; i < offload->core_count; i++)
		if (lanes[i].out_count < lanes[least].out_count)
			least = i;
	if (lanes[least].out_count >= offload->lane_max)
		return false;
	int error = rte_ring_sp_enqueue(lanes[least].jobs, job);
	CHECK(error == 0); // there is room for all that may be out
	lanes[least].out_count++;
	if (wake(&offload->cores[least].is_asleep, offload->cores[least].wake_fd))
		counter_inc(counters, COUNTER_worker_offload_wakes);
	return true;
}

struct tls_job *worker_offload_receive(struct worker_offload *offload, uint32_t worker)
{
	void *job;
	for (uint32_t i = 0; i < offload->core_count; i++) {
		struct worker_offload_lane *lane = &offload->lanes[worker][i];
		if (lane->out_count > 0 && rte_ring_sc_dequeue(lane->done, &job) == 0) {
			lane->out_count--;
			return job;
		}
	}
	return NULL;
}

bool worker_offload_has_input(const struct worker_offload *offload, uint32_t worker)
{
	for (uint32_t i = 0; i < offload->core_count; i++)
		if (!rte_ring_empty(offload->lanes[worker][i].done))
			return true;
	return false;
}

// The helpers.

uint32_t worker_offload_turn(struct worker_offload *offload, uint32_t core)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < offload->worker_count; i++) {
		struct worker_offload_lane *lane = &offload->lanes[i][core];
		struct worker_offload_peer *peer = &offload->peers[i];
		void *job;
		if (rte_ring_sc_dequeue(lane->jobs, &job) != 0)
			continue;
		tls_offload_do(offload->cores[core].offload, job);
		int error = rte_ring_sp_enqueue(lane->done, job);
		CHECK(error == 0); // as for jobs
		wake(&peer->is_asleep, atomic_load(&peer->wake_fd));
		count++;
	}
	return count;
}

static bool has_jobs(const struct worker_offload *offload, uint32_t core)
{
	for (uint32_t i = 0; i < offload->worker_count; i++)
		if (!rte_ring_empty(offload->lanes[i][core].jobs))
			return true;
	return false;
}

// sleep_on sleeps until a job comes or the end, unless a last look finds one.
static void sleep_on(struct worker_offload_core *core)
{
	struct worker_offload *offload = core->all;
	atomic_store_explicit(&core->is_asleep, true, memory_order_relaxed);
	// seq_cst: pairs with the fence of wake.
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_jobs(offload, core->index) && !atomic_load(&offload->is_stopping))
		handover_wake_clear(core->wake_fd); // blocks until it is written
	atomic_store_explicit(&core->is_asleep, false, memory_order_relaxed);
}

static void *run(void *user)
{
	struct worker_offload_core *core = user;
	struct worker_offload *offload = core->all;
	uint32_t idle_count = 0;
	while (!atomic_load_explicit(&offload->is_stopping, memory_order_relaxed)) {
		if (worker_offload_turn(offload, core->index) > 0) {
			idle_count = 0;
		} else if (++idle_count < SPINS) {
			rte_pause();
		} else {
			sleep_on(core);
			idle_count = 0;
		}
	}
	return NULL;
}

// start_core starts the thread of a helper, pinned.
static int start_core(struct worker_offload *offload, struct worker_offload_core *core)
{
	pthread_attr_t attributes;
	cpu_set_t cores;
	CPU_ZERO(&cores);
	CPU_SET(offload->conf->dataplane.handshake_cores.at[core->index], &cores);
	int error = pthread_attr_init(&attributes);
	if (error)
		return error;
	error = pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
	if (!error)
		error = pthread_create(&core->thread, &attributes, run, core);
	pthread_attr_destroy(&attributes);
	core->is_running = error == 0;
	if (core->is_running)
		pthread_setname_np(core->thread, "handshakes");
	return error;
}

int worker_offload_start(struct worker_offload *offload)
{
	int error = 0;
	for (uint32_t i = 0; i < offload->core_count && !error; i++)
		error = start_core(offload, &offload->cores[i]);
	return error;
}

void worker_offload_stop(struct worker_offload *offload)
{
	atomic_store(&offload->is_stopping, true);
	for (uint32_t i = 0; i < offload->core_count; i++) {
		struct worker_offload_core *core = &offload->cores[i];
		if (!core->is_running)
			continue;
		handover_wake(core->wake_fd);
		pthread_join(core->thread, NULL);
		core->is_running = false;
	}
}
