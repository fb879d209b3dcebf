// SPDX-License-Identifier: Apache-2.0
// Checks of our own invariants, always on. A peer's mistake is a value and a counter, never a CHECK.
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

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})
