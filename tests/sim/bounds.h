// SPDX-License-Identifier: Apache-2.0
// Scenarios that drive a node of a simulated mesh into one of its bounds: users that send raw
// requests, a workload whose answers can be held back, and what must be true at the end of each.
#pragma once

#include "sim_probe.h"
#include "sim_workload.h"
#include "sim_world.h"

#define BOUNDS_PROBES   41u // the last one is the bystander's
#define BOUNDS_LIMIT_US 30000000ull

#define BOUNDS_GET(path, more) "GET " path " HTTP/1.1\r\nHost: " SIM_HOST "\r\n" more "\r\n"
#define BOUNDS_PLAIN           BOUNDS_GET("/b/1/1000", "")
#define BOUNDS_HELD            BOUNDS_GET("/s/1/1000", "Cache-Control: no-store\r\n")

struct bounds {
	struct sim_world world;
	struct sim_workload workload;
	struct sim_probe probes[BOUNDS_PROBES];
	bool is_live[BOUNDS_PROBES];
	uint64_t bufs_peak[SIM_NODE_COUNT]; // most buffers in use since bounds_watch
	const char *failure;                // first thing that was not as it must be
};

struct bounds_case {
	const char *name;
	void (*run)(struct bounds *bounds);
	struct sim_world_plan plan;
	bool is_quick; // one of the short suite
};

// What runs in which file: cases of connections and tables, of memory, of the cache.
extern const struct bounds_case bounds_conns[], bounds_memory[], bounds_cache[];
extern const size_t bounds_conns_count, bounds_memory_count, bounds_cache_count;

// bounds_expect notes what as the case's failure when it does not hold.
void bounds_expect(struct bounds *bounds, bool holds, const char *what);

// bounds_ask starts count users from first on, each sending request over TLS when connected.
void bounds_ask(struct bounds *bounds, unsigned first, unsigned count, const char *request);

// bounds_say sends more of a user's bytes.
void bounds_say(struct bounds *bounds, unsigned index, const char *text);

// bounds_step runs everybody once.
void bounds_step(struct bounds *bounds);

// bounds_run runs everybody for so long.
void bounds_run(struct bounds *bounds, uint64_t us);

// bounds_until runs until a node has counted at_least of counter; expects it in BOUNDS_LIMIT_US.
void bounds_until(struct bounds *bounds, enum sim_node_name node, enum counter counter,
		  uint64_t at_least);

// bounds_until_status runs until wanted users from first on have got status; expects it in time_us.
void bounds_until_status(struct bounds *bounds, unsigned first, unsigned wanted, unsigned status,
			 uint64_t time_us);

// bounds_statuses counts the users whose last status is this; 0: none and gone.
unsigned bounds_statuses(const struct bounds *bounds, unsigned status);

// bounds_let_go ends all users' connections.
void bounds_let_go(struct bounds *bounds);

// bounds_bystander expects that somebody else's request is answered 200 within time_us.
void bounds_bystander(struct bounds *bounds, uint64_t time_us);

// bounds_bufs_in_use counts a node's buffers out of their pool.
uint32_t bounds_bufs_in_use(const struct bounds *bounds, enum sim_node_name node);
