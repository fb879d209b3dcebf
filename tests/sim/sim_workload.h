// SPDX-License-Identifier: Apache-2.0
// A simulated workload: a plain HTTP/1.1 server on our own TCP. What it serves is told by the path:
//
//   GET  /b/<seed>/<bytes>[?age=N]   that body, cacheable for N seconds (no-store without)
//   GET  /w/<seed>/<bytes>[?age=N]   the same, usable while it is revalidated
//   GET  /s/<seed>/<bytes>           that body, but not before is_holding is false
//   GET  /r/<seed>/<bytes>[?age=N]   parts of it too, under a strong ETag: the hexadecimal seed, to
//                                    which version is added
//   POST /u/<seed>/<bytes>           checks the request's body: 200, or 500 when a byte is wrong
#pragma once

#include "sim_body.h"
#include "sim_conn.h"

struct sim_workload {
	struct tcp *tcp;
	struct buf_pool *bufs;
	struct list conns;      // sim_conn.link
	uint64_t version;       // of what /r/ serves
	uint64_t part_bytes;    // sent as parts of it
	uint64_t request_count; // requests that reached the workload
	uint64_t wrong_count;   // uploads with a wrong byte
	bool is_holding;        // answers to /s/ wait
};

// sim_workload_init starts listening on port of every address. Returns 0, or as tcp_listen_on.
int sim_workload_init(struct sim_workload *workload, struct tcp *tcp, struct buf_pool *bufs,
		      uint16_t port);

// sim_workload_step moves what can be moved; call once a loop.
void sim_workload_step(struct sim_workload *workload);

// sim_workload_fini ends all connections.
void sim_workload_fini(struct sim_workload *workload);
