// SPDX-License-Identifier: Apache-2.0
// A simulated user: some connections to the edge, over each of them some requests one after another
// (HTTP/1.1) or at once (HTTP/2), every body checked byte for byte. A connection that is lost, or a
// request that is refused by a gateway's status, is tried again a bounded number of times.
#pragma once

#include "sim_body.h"
#include "sim_conn.h"

struct sim_plan {
	struct addr vip;
	uint16_t port;
	const char *host;
	uint32_t conn_count;
	uint32_t requests_per_conn;
	uint64_t body_bytes_max;
	uint64_t exact_bytes; // of every body; 0: drawn
	bool is_upload;       // with exact_bytes
	uint64_t seed;
	bool is_h2;
};

struct sim_client {
	struct tcp *tcp;
	struct buf_pool *bufs;
	struct sim_plan plan;
	SSL_CTX *ssl_context; // borrowed
	struct random_source random;
	struct list conns;
	uint32_t conns_started;
	uint32_t done_count;  // requests with the right status and the right bytes
	uint32_t wrong_count; // wrong bytes, or a status that cannot be
	uint32_t retry_count; // requests sent again after a lost connection
	uint32_t given_up_count;
};

// sim_client_init prepares the plan; connections start in sim_client_step.
void sim_client_init(struct sim_client *client, struct tcp *tcp, struct buf_pool *bufs,
		     SSL_CTX *ssl_context, const struct sim_plan *plan);

// sim_client_step moves what can be moved; call once a loop. False when everything is done.
bool sim_client_step(struct sim_client *client);

// sim_client_fini ends all connections.
void sim_client_fini(struct sim_client *client);
