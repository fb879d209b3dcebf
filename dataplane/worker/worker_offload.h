// SPDX-License-Identifier: Apache-2.0
// Helper cores (dataplane.handshake_cores): threads that do the public-key work of workers'
// handshakes (tls.h: tls_offload). Between each worker and each helper lie two rings of jobs,
// single producer and single consumer. Who sleeps on either side says so before a last look, and is
// woken by its eventfd; to wake costs nothing while the other one is awake.
//
//   worker ─ job ─▶ ring ─▶ helper ─ tls_offload_do
//          ◀─ job ── ring ◀─            one job of each worker in turn
#pragma once

#include "conf.h"
#include "counter.h"
#include "region.h"
#include "tls.h"

#include <pthread.h>
#include <stdatomic.h>

struct rte_ring;

#define WORKER_OFFLOAD_BUDGET 64u // answers that a worker takes in one turn

struct worker_offload {
	const struct conf *conf; // borrowed
	uint32_t worker_count;
	uint32_t core_count; // helpers
	uint32_t lane_max;   // jobs that one helper may have of one worker
	// What lies between a worker and a helper.
	struct worker_offload_lane {
		struct rte_ring *jobs, *done; // owned
		uint32_t out_count;           // jobs in both; the worker's
	} lanes[REGION_WORKERS_MAX][TLS_OFFLOADS_MAX];
	struct worker_offload_peer {
		_Alignas(128) atomic_bool is_asleep; // W: the worker
		atomic_int wake_fd;                  // borrowed: the worker's, -1: none
	} peers[REGION_WORKERS_MAX];
	struct worker_offload_core {
		_Alignas(128) atomic_bool is_asleep; // W: the helper
		int wake_fd;                         // owned
		bool is_running;
		uint32_t index;
		struct worker_offload *all;
		struct tls_offload *offload; // owned
		pthread_t thread;
	} cores[TLS_OFFLOADS_MAX];
	atomic_bool is_stopping;
};

// worker_offload_new makes rings and helpers as the configuration (borrowed) says, which names
// handshake_cores. NULL: OpenSSL refuses, or memory is short. worker_offload_free (NULL: nothing)
// when no worker has a job any more.
struct worker_offload *worker_offload_new(const struct conf *conf);
void worker_offload_free(struct worker_offload *offload);

// worker_offload_start starts the threads on their cores; 0 or an errno. worker_offload_stop ends
// them, jobs undone or not; the workers do not run any more.
int worker_offload_start(struct worker_offload *offload);
void worker_offload_stop(struct worker_offload *offload);

// worker_offload_set_wake tells by what (borrowed until worker_offload_stop; -1: nothing) worker is
// woken.
void worker_offload_set_wake(struct worker_offload *offload, uint32_t worker, int wake_fd);

// worker_offload_set_asleep: worker is about to sleep, and looks once more; or it is awake again.
void worker_offload_set_asleep(struct worker_offload *offload, uint32_t worker, bool is_asleep);

// worker_offload_send gives worker's job to the helper that has fewest of it; false: none has room.
bool worker_offload_send(struct worker_offload *offload, uint32_t worker, struct tls_job *job,
			 struct counters *counters);

// worker_offload_receive takes a job back, or NULL. worker_offload_has_input looks only.
struct tls_job *worker_offload_receive(struct worker_offload *offload, uint32_t worker);
bool worker_offload_has_input(const struct worker_offload *offload, uint32_t worker);

// worker_offload_turn does at most one job of each worker at helper core, and returns how many:
// what its thread does, and the simulator without one.
uint32_t worker_offload_turn(struct worker_offload *offload, uint32_t core);
