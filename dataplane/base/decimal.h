// SPDX-License-Identifier: Apache-2.0
// Numbers as decimal digits.
#pragma once

#include <stdint.h>

#define DECIMAL_BYTES_MAX 20u // of a uint64_t

// decimal_write writes number to `to`, which has room for its digits, and returns their end; no NUL
// follows.
static inline char *decimal_write(char *to, uint64_t number)
{
	unsigned count = 1;
	for (uint64_t bound = 10; count < DECIMAL_BYTES_MAX && number >= bound; bound *= 10)
		count++;
	for (char *at = to + count; at > to; number /= 10)
		*--at = (char)('0' + number % 10);
	return to + count;
}
