// SPDX-License-Identifier: Apache-2.0
// Ring of recent events; see journal.h.
#include "journal.h"

#include <inttypes.h>

void journal_print(const struct journal *journal, FILE *out)
{
	uint64_t first =
		journal->written > JOURNAL_ENTRIES ? journal->written - JOURNAL_ENTRIES : 0;
	for (uint64_t i = first; i < journal->written; i++) {
		const struct journal_entry *e = &journal->entries[i % JOURNAL_ENTRIES];
		fprintf(out, "%" PRIu64 ".%06" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n",
			e->at_us / 1000000, e->at_us % 1000000, e->what, e->a, e->b);
	}
}
