// SPDX-License-Identifier: Apache-2.0
// Checks of our own invariants, always on. A peer's mistake is a value and a counter, never a
// CHECK.
#pragma once

#include <stdio.h>
#include <stdlib.h>

// CHECK aborts with file, line and expression when our own invariant is broken. No side effects
// inside the condition.
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0)) {                                           \
			fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#ifndef container_of // DPDK's headers have the same
#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))
#endif

// MIN and MAX evaluate each argument once and may be nested.
#define CHECK_JOIN_(a, b) a##b
#define CHECK_NAME_(a, b) CHECK_JOIN_(a, b)
#define CHECK_PICK_(a, operator, b, left, right)                                                   \
	({                                                                                         \
		__typeof__(a) left = (a);                                                          \
		__typeof__(b) right = (b);                                                         \
		left operator right ? left : right;                                                \
	})
#define MIN(a, b)                                                                                  \
	CHECK_PICK_(a, <, b, CHECK_NAME_(left_, __COUNTER__), CHECK_NAME_(right_, __COUNTER__))
#define MAX(a, b)                                                                                  \
	CHECK_PICK_(a, >, b, CHECK_NAME_(left_, __COUNTER__), CHECK_NAME_(right_, __COUNTER__))
