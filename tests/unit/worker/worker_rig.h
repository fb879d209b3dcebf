// SPDX-License-Identifier: Apache-2.0
// A real worker on a port that goes nowhere, and control's end of its channel, in one process.
#pragma once

#include "worker.h"

struct worker_rig {
	struct conf conf;
	struct rte_mempool *mbufs;
	void *buffers;
	struct port port;
	struct port *ports[1];
	struct worker *worker;
	uint64_t now_us;
	uint64_t sent_frames; // that the worker sent
	uint32_t down_bytes;  // of the ring of records
	// control's side
	struct region region;
	struct ring_writer down;
	struct ring_reader up;
	struct channel_region *shared; // one reference
	int control_wake;
	struct record_header header; // of the event taken last
	_Alignas(8) uint8_t event[RECORD_MAX_BYTES];
};

// worker_rig_start starts EAL without huge pages; once a process. worker_rig_stop ends it.
void worker_rig_start(void);
void worker_rig_stop(void);

// worker_rig_new makes a worker of role ("edge", ...); worker_rig_free ends it and checks that
// every packet and buffer came back.
struct worker_rig *worker_rig_new(const char *role);
void worker_rig_free(struct worker_rig *rig);

// worker_rig_new_sized makes one whose table holds routes of them and whose ring of records has
// down_bytes.
struct worker_rig *worker_rig_new_sized(const char *role, uint32_t routes, uint32_t down_bytes);

// worker_rig_attach offers the worker a new region and keeps control's ends; one before is
// forgotten.
void worker_rig_attach(struct worker_rig *rig);

// worker_rig_step runs the worker once, us later.
bool worker_rig_step(struct worker_rig *rig, uint64_t us);

// worker_rig_write writes one record down the ring: a struct, then its tail.
void worker_rig_write(struct worker_rig *rig, unsigned type, struct slice row, struct slice tail);

// worker_rig_begin, worker_rig_service, worker_rig_route and worker_rig_commit write such rows.
void worker_rig_begin(struct worker_rig *rig, uint64_t generation, enum record_set set);
void worker_rig_service(struct worker_rig *rig, uint32_t id);
void worker_rig_route(struct worker_rig *rig, uint32_t id, uint32_t service_id, const char *host);
void worker_rig_commit(struct worker_rig *rig, uint64_t generation, uint32_t row_count);

// worker_rig_event takes the next event of this type, passing over others; NULL when none comes.
const void *worker_rig_event(struct worker_rig *rig, enum event_type type);

// worker_rig_finds is true when the worker routes host to service_id.
bool worker_rig_finds(struct worker_rig *rig, const char *host, uint32_t service_id);

// worker_rig_count reads one of the worker's counters.
uint64_t worker_rig_count(const struct worker_rig *rig, enum counter counter);
