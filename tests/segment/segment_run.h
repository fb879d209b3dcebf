// SPDX-License-Identifier: Apache-2.0
// A script under way: its file, its bed, the line that runs now, what went wrong. The files that
// carry out lines share this.
#pragma once

#include "segment_bed.h"
#include "segment_words.h"

#include <stdio.h>

#define SEGMENT_TEXT_BYTES   256u
#define SEGMENT_RFCS         8u
#define SEGMENT_TOLERANCE_US 2000u // of a time, unless the line says: timers have ticks of 1 ms

// What a script's first comment lines say.
struct segment_script {
	const char *path;
	char sentence[SEGMENT_TEXT_BYTES];
	char rfc[SEGMENT_RFCS][64]; // "9293 3.10.7.4"
	unsigned rfc_count;
	char known[SEGMENT_TEXT_BYTES]; // limitation that makes it fail; empty: none
	uint8_t family;                 // 4, 6; 0: both
};

struct segment_run {
	const struct segment_script *script;
	struct segment_bed *bed;
	struct segment_flow *flow; // that lines are about
	bool is_open;              // the stack is built: no more limits
	bool is_holding;           // what is sent waits for `go`, and so does what owners do
	uint8_t *held[64];         // owned frames
	uint32_t held_bytes[64];
	unsigned held_count;

	unsigned line;
	const char *text; // of the line
	// before the command: +DELAY[~TOLERANCE] or within LIMIT
	bool has_delay, has_within;
	uint64_t delay_us, tolerance_us, within_us;

	bool has_failed;
	char failure[1024];
	FILE *trace; // what passed so far, into trace_text
	char *trace_text;
	size_t trace_bytes;
};

// segment_fail notes why the line failed, once; returns false.
bool segment_fail(struct segment_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// segment_note adds a line to the trace, with the time.
void segment_note(struct segment_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// segment_open builds the stack, unless that is done.
void segment_open(struct segment_run *run);

// segment_wait lets the line's delay pass; false when something left meanwhile.
bool segment_wait(struct segment_run *run);

// segment_number takes a word that is an expression; mss is the connection's segment size, MSS what
// the MTU leaves.
bool segment_number(struct segment_run *run, struct segment_words *words, int64_t *value);

// A relation and what a value is compared with.
struct segment_compare {
	char relation[3]; // == != < <= > >= ~: within a tenth
	int64_t value;
};

// segment_compare_read takes a relation (== when there is none) and a number or duration.
bool segment_compare_read(struct segment_run *run, struct segment_words *words,
			  struct segment_compare *compare);

// segment_compare_holds tells whether value stands in that relation.
bool segment_compare_holds(const struct segment_compare *compare, int64_t value);

// segment_format writes a segment as a script would; is_ours tells whose numbers come first.
// Returns out.
const char *segment_format(const struct segment_flow *flow, const struct segment_frame *frame,
			   bool is_ours, char out[SEGMENT_LINE_BYTES]);

// segment_unexpected fails with what left and nobody expected.
bool segment_unexpected(struct segment_run *run, const char *when);

// Commands; each takes the rest of its line and returns false after segment_fail:
// segment_do_inject `<`, segment_do_expect `>`, segment_do_none, segment_do_skip, segment_do_event,
// segment_do_info, segment_do_counter, segment_do_count by name, segment_do_act the owner's acts.
bool segment_do_inject(struct segment_run *run, struct segment_words *words);
bool segment_do_expect(struct segment_run *run, struct segment_words *words);
bool segment_do_none(struct segment_run *run, struct segment_words *words);
bool segment_do_skip(struct segment_run *run, struct segment_words *words);
bool segment_do_act(struct segment_run *run, struct segment_words *words);
bool segment_do_event(struct segment_run *run, struct segment_words *words);
bool segment_do_info(struct segment_run *run, struct segment_words *words);
bool segment_do_counter(struct segment_run *run, struct segment_words *words);
bool segment_do_count(struct segment_run *run, struct segment_words *words);

// segment_run_line carries out one line.
bool segment_run_line(struct segment_run *run, const char *text);

// segment_script_load reads path and its heading into script; the text is the caller's to free.
// NULL when it cannot be read; what is wrong with the heading goes to error.
char *segment_script_load(const char *path, struct segment_script *script,
			  char error[SEGMENT_TEXT_BYTES]);

// segment_script_run runs text on one family; true when it passed. What to tell is written to out.
bool segment_script_run(const struct segment_script *script, const char *text, bool is_v6,
			bool is_verbose, FILE *out);
