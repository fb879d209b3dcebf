// SPDX-License-Identifier: Apache-2.0
// A data plane made of config/wire alone: real socket, region and rings; it keeps the rows it is
// told with mark and sweep. And the control process beside it.
#pragma once

#include "event.h"
#include "handover.h"

#include <stdbool.h>
#include <sys/types.h>

#define PLANE_ROWS_MAX 512u

struct plane_row {
	enum record_type type;
	uint64_t id;
	bool is_marked;
	uint32_t bytes;
	uint8_t payload[8192];
};

struct plane {
	char run_dir[64];
	int listener;
	int socket;
	struct region region;
	struct handover_fds fds;
	struct ring_reader down;
	struct ring_writer up;
	struct plane_row rows[PLANE_ROWS_MAX];
	unsigned row_count;
	unsigned full_count;   // full sets committed
	unsigned delta_count;  // deltas committed
	unsigned swept_routes; // routes a full set did not name
	unsigned wrong_count;  // records that record_check refused, gaps
	uint64_t region_generation;
	uint64_t sequence;
	uint64_t generation;
	uint32_t set;
	char last_absent[RECORD_HOST_BYTES];      // of ROUTE_ABSENT
	char last_cert_absent[RECORD_HOST_BYTES]; // of CERT_ABSENT
	char last_purge[256];
	uint64_t known_purge; // sequence of the last PURGE_KNOWN
	uint32_t unsure_purges;
	_Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
};

// plane_open listens in run_dir, which is made. plane_close ends.
bool plane_open(struct plane *plane, const char *run_dir);
void plane_close(struct plane *plane);

// plane_accept takes the next control process within timeout_ms; rows stay.
bool plane_accept(struct plane *plane, unsigned timeout_ms);

// plane_hang_up leaves the control process, as a data plane does that is killed.
void plane_hang_up(struct plane *plane);

// plane_turn waits for records up to timeout_ms, takes them and tells APPLIED.
void plane_turn(struct plane *plane, unsigned timeout_ms);

// plane_until turns until is_so, at most timeout_ms. Returns how many ms it took, or -1.
int plane_until(struct plane *plane, bool (*is_so)(struct plane *plane), unsigned timeout_ms);

// plane_tell sends one event up.
void plane_tell(struct plane *plane, enum event_type type, const void *event, size_t bytes);

// plane_ask sends LOOKUP or CERT_WANTED.
void plane_ask(struct plane *plane, enum event_type type, const char *host);

// plane_count counts rows of a type; plane_route finds the route of host, or NULL.
unsigned plane_count(const struct plane *plane, enum record_type type);
const struct record_route *plane_route(const struct plane *plane, const char *host);

// plane_control starts millrace-control with a configuration; -1: cannot.
pid_t plane_control(const char *program, const char *conf_path);

// plane_command sends one JSON line to run_dir/control.sock; the reply is in reply (bytes). False:
// no answer.
bool plane_command(const char *run_dir, const char *line, char *reply, size_t bytes);

// plane_now_ms is a monotonic clock.
uint64_t plane_now_ms(void);
