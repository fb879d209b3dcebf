// SPDX-License-Identifier: Apache-2.0
// Intents: records that a log is to get and has not yet, in memory that outlives the process (a
// mapped file, best on tmpfs). A store is all it takes: what was intended is known at the next
// start even when the process is killed in that moment. An intent is made by whoever decides, and
// ends when its record is written. Beside them stand the numbers that last of each log.
//
// Any thread may call what is below but open and close; only one at a time makes a writer's.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_INTENTS           512u // of a writer, held at a time
#define DISK_INTENT_HEAD_BYTES 48u  // of a record's head
#define DISK_STATE_NUMBERS     4u   // of a log

struct disk_intents {
	struct intent_area *area; // owned: mapped; NULL: there are none, and all calls do nothing
	uint32_t log_count;       // as many writers
	uint32_t life;
	bool is_kept;      // what is held was intended in earlier lives
	uint32_t next[64]; // of each writer: where a free cell may be
};

// disk_intents_open maps the file at path, or makes it (mode 0600). It is of the life that id
// names, or holds nothing. Returns 0, or an errno.
int disk_intents_open(struct disk_intents *intents, const char *path, uint32_t log_count,
		      uint64_t id);

// disk_intents_begin begins life, which id names; is_kept false: what is held is forgotten.
void disk_intents_begin(struct disk_intents *intents, uint32_t life, uint64_t id, bool is_kept);

// disk_intents_close unmaps the file, which stays.
void disk_intents_close(struct disk_intents *intents);

// disk_intent_add holds a record of a kind for a log; head is at most DISK_INTENT_HEAD_BYTES.
// Returns its name, or 0: the writer holds too many.
uint32_t disk_intent_add(struct disk_intents *intents, uint32_t writer, uint32_t log, uint32_t kind,
			 struct slice head);

// disk_intent_end: the record is written, or need not be. 0 is none.
void disk_intent_end(struct disk_intents *intents, uint32_t intent);

// disk_intent_left returns the next intent of earlier lives for a log behind one (0: the first), or
// 0, with its kind and head, which is lent and DISK_INTENT_HEAD_BYTES long.
uint32_t disk_intent_left(const struct disk_intents *intents, uint32_t log, uint32_t behind,
			  uint32_t *kind, struct slice *head);

// disk_intents_doubt: something about a log could be neither written nor held. It stands until
// disk_intents_settle is called with a number that disk_intents_doubted returned since; 0: none
// stands.
void disk_intents_doubt(struct disk_intents *intents, uint32_t log);
uint64_t disk_intents_doubted(const struct disk_intents *intents, uint32_t log);
void disk_intents_settle(struct disk_intents *intents, uint32_t log, uint64_t doubted);

// disk_intents_number and disk_intents_set_number are about the numbers that last of a log.
uint64_t disk_intents_number(const struct disk_intents *intents, uint32_t log, uint32_t which);
void disk_intents_set_number(struct disk_intents *intents, uint32_t log, uint32_t which,
			     uint64_t value);
