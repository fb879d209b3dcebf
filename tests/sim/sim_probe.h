// SPDX-License-Identifier: Apache-2.0
// Raw ends of connections for scenarios about faults: a probe says exactly these bytes over TLS or
// plain TCP and keeps what comes back; an origin misbehaves in one way.
#pragma once

#include "sim_conn.h"

#define SIM_PROBE_BYTES 65536u

struct sim_probe {
	struct sim_conn conn;
	const char *request; // sent when ready; NULL: nothing
	char received[SIM_PROBE_BYTES];
	size_t received_bytes;
	bool is_never_closing; // does not answer a FIN
	bool is_deaf;          // reads nothing once its request is sent
	bool is_gone;
	enum counter reason; // why it is gone
};

struct sim_probe_plan {
	struct addr to;
	uint16_t port;
	SSL_CTX *context; // NULL: plain
	const char *server_name;
	const char *request;
};

// sim_probe_start connects and sends plan's bytes when ready.
void sim_probe_start(struct sim_probe *probe, struct tcp *tcp, struct buf_pool *bufs,
		     const struct sim_probe_plan *plan);

// sim_probe_step moves what can be moved; call once a loop.
void sim_probe_step(struct sim_probe *probe);

// sim_probe_status is the status of the last response received, 0 while there is none.
unsigned sim_probe_status(const struct sim_probe *probe);

// sim_probe_fini ends the connection.
void sim_probe_fini(struct sim_probe *probe);

enum sim_behaviour {
	SIM_ORIGIN_ABSENT,  // nobody listens
	SIM_ORIGIN_GOOD,    // 200 and a short body
	SIM_ORIGIN_GARBAGE, // bytes that are not HTTP
	SIM_ORIGIN_CLOSES,  // FIN in place of a response
	SIM_ORIGIN_SILENT,  // never answers
	SIM_ORIGIN_HALF,    // half of the body, then FIN
	SIM_ORIGIN_STALLS,  // half of the body, then nothing
};

struct sim_origin {
	struct tcp *tcp;
	struct buf_pool *bufs;
	enum sim_behaviour behaviour;
	struct list conns;
	unsigned request_count;
};

// sim_origin_start listens on port 80 unless behaviour is ABSENT. Aborts when it cannot.
void sim_origin_start(struct sim_origin *origin, struct tcp *tcp, struct buf_pool *bufs,
		      enum sim_behaviour behaviour);

// sim_origin_step moves what can be moved; call once a loop.
void sim_origin_step(struct sim_origin *origin);

// sim_origin_fini ends all connections.
void sim_origin_fini(struct sim_origin *origin);
