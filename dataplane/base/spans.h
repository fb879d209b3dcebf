// SPDX-License-Identifier: Apache-2.0
// A list of memory that its owner took at start and has not touched yet, for who touches it ahead
// of its use (worker_touch): the kernel gives a page when it is touched for the first time, and a
// huge page takes it milliseconds.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SPANS_MAX        128u
#define SPAN_BYTES_LEAST 2097152u // what is smaller has no huge page

struct span {
	uint8_t *at; // borrowed
	size_t bytes;
};

struct spans {
	struct span at[SPANS_MAX];
	uint32_t count;
	size_t bytes; // of all of them
};

// spans_add adds the whole pages of the bytes at memory (borrowed), if they are SPAN_BYTES_LEAST or
// more and there is room for one more span.
void spans_add(struct spans *spans, void *memory, size_t bytes);
