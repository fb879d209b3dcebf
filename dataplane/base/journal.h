// SPDX-License-Identifier: Apache-2.0
// Ring of a worker's last events: what happened just before, for tests and post-mortems. An entry
// is a time, a name and two numbers; writing one is a few stores.
#pragma once

#include <stdint.h>
#include <stdio.h>

#define JOURNAL_ENTRIES 1024u // a power of two

struct journal_entry {
	uint64_t at_us;
	const char *what; // a string literal
	uint64_t a;
	uint64_t b;
};

struct journal {
	uint64_t written; // entries ever; the last JOURNAL_ENTRIES are kept
	struct journal_entry entries[JOURNAL_ENTRIES];
};

// journal_add notes one event; what must be a string literal.
static inline void journal_add(struct journal *journal, uint64_t at_us, const char *what,
			       uint64_t a, uint64_t b)
{
	journal->entries[journal->written++ % JOURNAL_ENTRIES] =
		(struct journal_entry){at_us, what, a, b};
}

// journal_print writes the kept entries to out, oldest first, one a line.
void journal_print(const struct journal *journal, FILE *out);
