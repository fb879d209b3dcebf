// SPDX-License-Identifier: Apache-2.0
// What a run has seen. Errors count always; answers, bytes and latencies only while measuring.
#pragma once

#include "load_histogram.h"

#include <stdbool.h>

// How a piece of work can end badly.
#define LOAD_ERRORS(ERROR)                                                                         \
	ERROR(connect)   /* TCP did not come up */                                                 \
	ERROR(handshake) /* TLS did not */                                                         \
	ERROR(lost)      /* the connection ended under a request */                                \
	ERROR(reset)     /* the request was reset */                                               \
	ERROR(status)    /* another status than wanted */                                          \
	ERROR(body)      /* another length or other bytes than wanted */

enum load_error {
#define ERROR(name) LOAD_ERROR_##name,
	LOAD_ERRORS(ERROR)
#undef ERROR
		LOAD_ERROR_COUNT
};

struct load_tally {
	uint64_t start_ns;     // of measuring: 0 before it
	uint64_t end_ns;       // UINT64_MAX while it goes on
	uint64_t requests;     // answered while measuring
	uint64_t bytes;        // of their bodies
	uint64_t all_requests; // answered at any time
	uint64_t errors[LOAD_ERROR_COUNT];
	uint64_t connections; // that came up while measuring
	uint64_t resumed;     // of these
	uint64_t all_connections;
	uint64_t all_resumed;
	uint64_t closed_by_peer;
	uint64_t held_requests;        // of all_requests: before the end of the hold
	struct load_histogram latency; // of requests that were due while measuring
	struct load_histogram
		fresh; // the same of those on a connection of their own, and not in it
	struct load_histogram
		turns; // of the loop while measuring: how long nothing new was looked at
	struct load_histogram
		connecting; // from when a connection was due to the end of its handshake
	char tls[64];       // what was agreed first
};

// load_tally_init makes an empty tally.
void load_tally_init(struct load_tally *tally);

// load_tally_answer counts a right answer of bytes body bytes at now_ns to a request due at
// due_ns; is_fresh: on a connection of its own.
void load_tally_answer(struct load_tally *tally, uint64_t now_ns, uint64_t due_ns, uint64_t bytes,
		       bool is_fresh);

// load_tally_connection counts a connection that came up at now_ns.
void load_tally_connection(struct load_tally *tally, uint64_t now_ns, uint64_t due_ns,
			   bool is_resumed);

// load_tally_error_name is the error's name in reports.
const char *load_tally_error_name(enum load_error error);
