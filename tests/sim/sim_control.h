// SPDX-License-Identifier: Apache-2.0
// The control side of a simulated node's workers: a real region with real rings, filled from a list
// of rows. It answers lookups, sends a full set when asked, and can be killed and started again.
#pragma once

#include "event.h"
#include "handover.h"
#include "worker.h"

#define SIM_CONTROL_ROWS    64u
#define SIM_CONTROL_WORKERS 2u

struct sim_row {
	enum record_type type;
	uint8_t *payload; // owned
	size_t bytes;
};

struct sim_control {
	struct worker *workers[SIM_CONTROL_WORKERS];
	uint32_t worker_count;
	struct region region;
	struct ring_writer down[SIM_CONTROL_WORKERS]; // all say the same
	struct ring_reader up[SIM_CONTROL_WORKERS];
	struct handover_fds fds;
	struct sim_row rows[SIM_CONTROL_ROWS];
	uint32_t row_count;
	struct sim_row on_demand[SIM_CONTROL_ROWS]; // sent only when a lookup names their host
	uint32_t on_demand_count;
	uint64_t generation;
	uint64_t applied_by[SIM_CONTROL_WORKERS]; // generation of the last APPLIED
	uint64_t applied;                         // the least of them
	uint32_t lookup_count;
	uint64_t refused_count; // rows that workers refused, of all APPLIED
	bool is_alive;
};

// sim_control_init prepares control of worker_count workers (at most SIM_CONTROL_WORKERS); nothing
// is sent before sim_control_start.
void sim_control_init(struct sim_control *control, struct worker *const *workers,
		      uint32_t worker_count);

// What a row of the full set is made of: the record's struct, and the texts that follow it (or
// NULL).
struct sim_row_parts {
	enum record_type type;
	const void *fixed;
	size_t fixed_bytes;
	const char *tail[2];
};

// sim_control_row adds a row of the full set; everything is copied.
void sim_control_row(struct sim_control *control, const struct sim_row_parts *parts);

// SIM_ROW adds a row without a tail: SIM_ROW(control, RECORD_SERVICE, service).
#define SIM_ROW(control, row_type, row)                                                            \
	sim_control_row(control, &(struct sim_row_parts){(row_type), &(row), sizeof(row), {0}})

// sim_control_route adds a route; when is_on_demand it is sent only after a lookup for its host.
void sim_control_route(struct sim_control *control, const char *host, uint32_t service_id,
		       bool is_on_demand);

// sim_control_start makes a new region, offers it and sends a full set: as a restarted control
// would.
void sim_control_start(struct sim_control *control);

// sim_control_kill ends it without a word; the worker goes on.
void sim_control_kill(struct sim_control *control);

// sim_control_step reads events and answers them.
void sim_control_step(struct sim_control *control);

// sim_control_fini frees everything.
void sim_control_fini(struct sim_control *control);
