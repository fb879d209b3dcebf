// SPDX-License-Identifier: Apache-2.0
// Memory to be touched ahead of its use; see spans.h.
#include "spans.h"

#define PAGE_BYTES ((uintptr_t)4096)

void spans_add(struct spans *spans, void *memory, size_t bytes)
{
	uintptr_t first = ((uintptr_t)memory + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)memory + bytes) & ~(PAGE_BYTES - 1);
	if (!memory || end < first + SPAN_BYTES_LEAST || spans->count == SPANS_MAX)
		return;
	spans->at[spans->count++] = (struct span){(uint8_t *)first, end - first};
	spans->bytes += end - first;
}
