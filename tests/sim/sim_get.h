// SPDX-License-Identifier: Apache-2.0
// Simulated users that only GET: what they have in common. Who they are and what they make of the
// answers is the scenario's.
#pragma once

#include "sim_conn.h"
#include "sim_world.h"

extern const struct http_limits sim_get_limits;

struct sim_get {
	const char *target;
	const struct http_field *fields; // borrowed until it is sent, as all of these
	uint32_t field_count;
	void *user; // of the stream's events
};

// sim_get sends a request for target at SIM_HOST; *stream is its number. False when the connection
// takes none now.
bool sim_get(struct http_conn *http, const struct sim_get *get, uint32_t *stream);

// sim_get_connect begins a connection to the world's service. One that cannot begin is_gone.
void sim_get_connect(struct sim_world *world, struct sim_conn *conn, bool is_h2,
		     const struct sim_conn_owner *owner);

// sim_get_ready makes the connection's HTTP, whose user is the connection.
void sim_get_ready(struct sim_conn *conn, bool is_h2, const struct http_events *events);

// sim_get_pull is what a client without bodies has to say: the end. sim_get_sent, sim_get_closed,
// sim_get_gone and sim_get_raw are what it does not care for.
struct slice sim_get_pull(void *user, uint32_t stream, void *stream_user, size_t max, bool *is_end,
			  const struct http_field **trailers, uint32_t *trailer_count);
void sim_get_sent(void *user, uint32_t stream, void *stream_user);
void sim_get_closed(void *user, struct http_fault fault);
void sim_get_gone(struct sim_conn *conn, enum counter reason);
void sim_get_raw(struct sim_conn *conn, struct slice bytes);

// A scenario over seeds.
struct sim_seeds {
	const char *program;
	const char *what; // is tried, for the TAP line
	void *user;
	// run runs one seed; true when it passed.
	bool (*run)(void *user, uint64_t seed, bool is_verbose);
};

// sim_seeds_main is a program's main: PROGRAM [--seeds A-B] [--verbose], TAP on stdout.
int sim_seeds_main(int count, char **arguments, const struct sim_seeds *seeds);
