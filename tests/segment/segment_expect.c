// SPDX-License-Identifier: Apache-2.0
// `>`: a segment of ours leaves, exactly so and in time; `none`: nothing leaves; `skip`: look away.
#include "segment_spec.h"

#include "check.h"

#include <string.h>

static bool is_number_wrong(const struct segment_at *expected, uint32_t base, uint32_t got)
{
	uint32_t wanted = (uint32_t)expected->value + (expected->is_absolute ? 0 : base);
	return !expected->is_any && wanted != got;
}

// base_of is what a value of an expected option is relative to: our clock, the peer's bytes.
static uint32_t base_of(const struct segment_flow *flow, const struct segment_option *option,
			unsigned index)
{
	if (option->kind == SEGMENT_SACK)
		return flow->peer_isn;
	return option->kind == SEGMENT_TIMESTAMPS && index == 0 ? flow->our_ts_first : 0;
}

static bool is_option_right(const struct segment_flow *flow, const struct segment_spec *spec,
			    unsigned index, const struct segment_option *got)
{
	const struct segment_option *expected = &spec->option[index];
	if (expected->kind != got->kind || expected->count != got->count)
		return false;
	for (unsigned i = 0; i < got->count; i++) {
		uint32_t base = spec->is_absolute[index][i] ? 0 : base_of(flow, expected, i);
		if (!expected->is_any[i] && expected->value[i] + base != got->value[i])
			return false;
	}
	return true;
}

static bool is_kept(const struct segment_spec *spec, const struct segment_flow *flow,
		    unsigned index, const struct segment_frame *got)
{
	for (unsigned i = 0; i < got->option_count; i++)
		if (is_option_right(flow, spec, index, &got->option[i]))
			return true;
	return false;
}

// are_options_right: all of those written and no other, in any order. When none are written,
// timestamps may be there.
static bool are_options_right(const struct segment_flow *flow, const struct segment_spec *spec,
			      const struct segment_frame *got)
{
	if (spec->are_options_any)
		return true;
	if (!spec->has_options)
		return got->option_count == 0 ||
		       (got->option_count == 1 && got->option[0].kind == SEGMENT_TIMESTAMPS);
	for (unsigned i = 0; i < spec->option_count; i++)
		if (!is_kept(spec, flow, i, got))
			return false;
	return got->option_count == spec->option_count;
}

static bool is_payload_right(const struct segment_flow *flow, const struct segment_frame *got)
{
	uint32_t start = got->seq - flow->our_isn - 1;
	for (uint32_t i = 0; i < got->payload_bytes; i++)
		if (got->payload[i] != segment_byte((uint64_t)start + i, false))
			return false;
	return true;
}

// are_flags_right: PSH need not be written, a sender is free to set it (RFC 9293 3.9.1.2).
static bool are_flags_right(uint8_t expected, uint8_t got)
{
	return expected == got || (expected | SEGMENT_PSH) == got;
}

// difference tells in a word what is wrong with got, or NULL.
static const char *difference(const struct segment_flow *flow, const struct segment_spec *spec,
			      const struct segment_frame *got)
{
	if (got->icmp)
		return "an ICMP error";
	if (got->destination_port != flow->peer_port || got->source_port != flow->our_port)
		return "ports";
	if (!got->is_checksum_good)
		return "checksum";
	if (!are_flags_right(spec->flags, got->flags))
		return "flags";
	if (is_number_wrong(&spec->seq, flow->our_isn, got->seq))
		return "seq";
	if (!spec->seq.is_any && spec->payload_bytes != got->payload_bytes)
		return "length";
	if (spec->has_ack && is_number_wrong(&spec->ack, flow->peer_isn, got->ack))
		return "ack";
	if (spec->has_window && !segment_compare_holds(&spec->window, got->window))
		return "window";
	if (spec->has_urgent && spec->urgent != got->urgent)
		return "urgent pointer";
	if (spec->has_ecn && spec->ecn != got->ecn)
		return "ecn";
	if (spec->has_ttl && spec->ttl != got->ttl)
		return "ttl";
	if (!are_options_right(flow, spec, got))
		return "options";
	return is_payload_right(flow, got) ? NULL : "payload bytes";
}

// await lets time pass until the line's segment may leave; false after segment_fail.
static bool await(struct segment_run *run)
{
	struct segment_bed *bed = run->bed;
	uint64_t now_us = bed->now_us;
	uint64_t until_us = now_us;
	uint64_t earliest_us = 0;
	if (run->has_within) {
		until_us = now_us + run->within_us;
	} else if (run->has_delay) {
		uint64_t due_us = now_us + run->delay_us;
		until_us = due_us + run->tolerance_us;
		earliest_us = due_us - MIN(run->tolerance_us, run->delay_us);
	}
	if (!segment_bed_run(bed, until_us, true))
		return segment_fail(run, "nothing left");
	uint64_t left_us = segment_bed_next(bed)->time_us;
	if (left_us < earliest_us) {
		segment_unexpected(run, "too early");
		return false;
	}
	return true;
}

// expect_icmp takes the name of an error that leaves for the peer.
static bool expect_icmp(struct segment_run *run, struct segment_words *words)
{
	const char *name = segment_words_take(words);
	char text[SEGMENT_LINE_BYTES];
	if (!await(run))
		return false;
	const struct segment_frame *got = &segment_bed_next(run->bed)->frame;
	if (!got->icmp || strcmp(got->icmp, name) != 0 || !got->is_checksum_good)
		return segment_fail(run, "no such ICMP error: what left is\n#     > %s",
				    segment_format(run->flow, got, true, text));
	segment_note(run, "> icmp %s", name);
	segment_bed_took(run->bed);
	return true;
}

bool segment_do_expect(struct segment_run *run, struct segment_words *words)
{
	struct segment_spec spec;
	char text[SEGMENT_LINE_BYTES];
	segment_open(run);
	if (segment_words_accept(words, "icmp"))
		return expect_icmp(run, words);
	if (!segment_spec_read(run, words, &spec) || !await(run))
		return false;
	const struct segment_frame *got = &segment_bed_next(run->bed)->frame;
	const char *wrong = difference(run->flow, &spec, got);
	segment_format(run->flow, got, true, text);
	if (wrong)
		return segment_fail(run, "%s: what left is\n#     > %s", wrong, text);
	segment_note(run, "> %s", text);
	segment_bed_took(run->bed);
	return true;
}

bool segment_unexpected(struct segment_run *run, const char *when)
{
	char text[SEGMENT_LINE_BYTES];
	const struct segment_packet *packet = segment_bed_next(run->bed);
	segment_format(run->flow, &packet->frame, true, text);
	uint64_t ago_us = run->bed->now_us - packet->time_us;
	return segment_fail(run, "%s, %.3f s ago, this left:\n#     > %s", when,
			    (double)ago_us / 1e6, text);
}

bool segment_do_none(struct segment_run *run, struct segment_words *words)
{
	uint64_t us = 0;
	segment_open(run);
	if (!segment_wait(run))
		return false;
	if (*segment_words_peek(words) && !segment_duration_of(segment_words_take(words), &us))
		return segment_fail(run, "none: no such duration");
	uint64_t until_us = run->bed->now_us + us;
	if (segment_bed_run(run->bed, until_us, true))
		return segment_unexpected(run, "something left");
	segment_note(run, "none");
	return true;
}

// skip [DURATION] drops what leaves meanwhile.
bool segment_do_skip(struct segment_run *run, struct segment_words *words)
{
	uint64_t us = 0;
	segment_open(run);
	if (*segment_words_peek(words) && !segment_duration_of(segment_words_take(words), &us))
		return segment_fail(run, "skip: no such duration");
	segment_bed_run(run->bed, run->bed->now_us + us, false);
	for (struct segment_packet *packet; (packet = segment_bed_next(run->bed));) {
		char text[SEGMENT_LINE_BYTES];
		segment_format(run->flow, &packet->frame, true, text);
		uint64_t ago_us = run->bed->now_us - packet->time_us;
		segment_note(run, "> %s (skipped, left %.6f s ago)", text, (double)ago_us / 1e6);
		segment_bed_took(run->bed);
	}
	return true;
}
