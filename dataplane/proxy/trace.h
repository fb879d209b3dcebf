// SPDX-License-Identifier: Apache-2.0
// W3C Trace Context (Recommendation of 2021-11-23): one trace for a request on all its hops, one
// span for its time on each of them. What a caller says is passed on; nonsense is replaced.
#pragma once

#include "http.h"
#include "random.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_PARENT_BYTES 55u // "00-" 32 hex "-" 16 hex "-" 2 hex

struct trace {
	uint8_t id[16];
	uint8_t parent[8]; // the caller's span; all zero when the trace begins here
	uint8_t span[8];   // ours; all zero until trace_draw
	uint8_t flags;     // bit 0: the caller records it
	bool is_taken;     // the caller's trace goes on: its tracestate holds
};

// trace_begin takes up the trace of the request; one that carries no traceparent, several, or one
// that is not well formed begins a trace (3.2, 3.3). Nothing is drawn yet: most answers of a cache
// are never told of.
void trace_begin(struct trace *trace, const struct http_message *request);

// trace_draw draws our span, and the id of a trace that begins here, unless it has before. Call
// before the trace is written or sampled.
void trace_draw(struct trace *trace, struct random_source *random);

// trace_parse reads one traceparent value into id, parent and flags. Of versions above 00 what 00
// knows is read (3.2.4). False, trace unchanged, when it is not well formed.
bool trace_parse(struct trace *trace, struct slice value);

// trace_format writes the traceparent for the next hop into out, without a NUL.
void trace_format(const struct trace *trace, char out[TRACE_PARENT_BYTES]);

// trace_is_sampled is true for one of every one_in traces, the same ones on every hop.
bool trace_is_sampled(const struct trace *trace, uint32_t one_in);
