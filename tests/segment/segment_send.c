// SPDX-License-Identifier: Apache-2.0
// `<`: the peer sends a segment or an ICMP error; `hold` and `go` make several arrive in one burst.
#include "segment_cut.h"
#include "segment_spec.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

// at is a sequence number with its side's initial one added.
static uint32_t at(const struct segment_at *number, uint32_t base)
{
	return (uint32_t)number->value + (number->is_absolute ? 0 : base);
}

// add_bases makes the relative values of an option absolute: blocks are of our bytes, the echo is
// of our clock.
static void add_bases(const struct segment_flow *flow, const struct segment_spec *spec,
		      unsigned index, struct segment_option *option)
{
	for (unsigned i = 0; i < option->count; i++) {
		bool is_echo =
			option->kind == SEGMENT_TIMESTAMPS && i == 1 && spec->flags & SEGMENT_ACK;
		if (spec->is_absolute[index][i])
			continue;
		if (option->kind == SEGMENT_SACK)
			option->value[i] += flow->our_isn;
		else if (is_echo)
			option->value[i] += flow->our_ts_first;
	}
}

// note_syn takes over the clock that a SYN of the peer tells.
static void note_syn(struct segment_run *run, const struct segment_frame *frame)
{
	struct segment_flow *flow = run->flow;
	flow->is_peer_stamping = false;
	for (unsigned i = 0; i < frame->option_count; i++) {
		if (frame->option[i].kind != SEGMENT_TIMESTAMPS)
			continue;
		flow->is_peer_stamping = true;
		flow->peer_ts = frame->option[i].value[0];
		flow->peer_ts_us = run->bed->now_us;
	}
}

// fill_options copies what the script wrote, or stamps a segment of a connection that does so.
static void fill_options(struct segment_run *run, const struct segment_spec *spec,
			 struct segment_frame *frame)
{
	struct segment_flow *flow = run->flow;
	bool is_syn = spec->flags & SEGMENT_SYN;
	frame->option_count = spec->option_count;
	for (unsigned i = 0; i < spec->option_count; i++) {
		frame->option[i] = spec->option[i];
		add_bases(flow, spec, i, &frame->option[i]);
	}
	if (is_syn)
		note_syn(run, frame);
	if (is_syn || spec->has_options || !flow->is_stamping || !flow->is_peer_stamping)
		return;
	uint32_t elapsed_ms = (uint32_t)((run->bed->now_us - flow->peer_ts_us) / 1000);
	frame->option[0] = (struct segment_option){.kind = SEGMENT_NOP};
	frame->option[1] = frame->option[0];
	frame->option[2] = (struct segment_option){
		.kind = SEGMENT_TIMESTAMPS,
		.count = 2,
		.value = {flow->peer_ts + elapsed_ms, flow->our_ts_last},
	};
	frame->option_count = 3;
}

static void fill_payload(const struct segment_spec *spec, uint8_t *payload)
{
	int64_t offset = spec->seq.value - 1 + !!(spec->flags & SEGMENT_SYN);
	for (int64_t i = 0; i < spec->payload_bytes; i++)
		payload[i] =
			spec->has_fill ? spec->fill : segment_byte((uint64_t)(offset + i), true);
}

// launch puts a frame on the wire, or keeps it for `go`.
static bool launch(struct segment_run *run, const uint8_t *frame, uint32_t bytes)
{
	if (bytes > run->bed->mtu + 14u)
		return segment_fail(run, "the packet is longer than the MTU of %u", run->bed->mtu);
	if (!run->is_holding) {
		segment_bed_inject(run->bed, frame, bytes);
		segment_bed_settle(run->bed);
		return true;
	}
	if (run->held_count == ARRAY_LEN(run->held))
		return segment_fail(run, "too many segments are held");
	uint8_t *copy = malloc(bytes);
	CHECK(copy);
	memcpy(copy, frame, bytes);
	run->held[run->held_count] = copy;
	run->held_bytes[run->held_count++] = bytes;
	return true;
}

static bool send_segment(struct segment_run *run, struct segment_words *words)
{
	static uint8_t out[SEGMENT_FRAME_BYTES], payload[SEGMENT_FRAME_BYTES];
	struct segment_flow *flow = run->flow;
	struct segment_cut cut;
	struct segment_spec spec;
	char text[SEGMENT_LINE_BYTES];
	if (!segment_cut_read(run, words, &cut) || !segment_spec_read(run, words, &spec))
		return false;
	struct segment_frame frame = {
		.source_port = flow->peer_port,
		.destination_port = flow->our_port,
		.seq = at(&spec.seq, flow->peer_isn),
		.ack = spec.has_ack ? at(&spec.ack, flow->our_isn) : 0,
		.flags = spec.flags,
		.window = spec.has_window ? (uint16_t)spec.window.value : 65535,
		.urgent = spec.urgent,
		.ttl = spec.ttl,
		.ecn = spec.ecn,
		.payload = payload,
		.payload_bytes = (uint32_t)spec.payload_bytes,
		.header_words = spec.header_words,
		.is_checksum_wrong = spec.is_checksum_wrong,
	};
	fill_options(run, &spec, &frame);
	fill_payload(&spec, payload);
	uint32_t bytes = segment_frame_write(&run->bed->ends, &frame, out);
	segment_format(flow, &frame, false, text);
	if (cut.is_part || cut.header_count)
		segment_note(run, "%s (%s)", run->text, text);
	else
		segment_note(run, "< %s", text);
	bytes = segment_cut_apply(run, &cut, out, bytes);
	return bytes && launch(run, out, bytes);
}

// send_icmp takes ERROR [mtu N] about SEQ.
static bool send_icmp(struct segment_run *run, struct segment_words *words)
{
	uint8_t out[256];
	struct segment_flow *flow = run->flow;
	struct segment_icmp icmp = {.our_port = flow->our_port, .peer_port = flow->peer_port};
	struct segment_at seq;
	int64_t mtu = 0;
	icmp.error = segment_words_take(words);
	if (segment_words_accept(words, "mtu") && !segment_number(run, words, &mtu))
		return false;
	if (!segment_words_accept(words, "about"))
		return segment_fail(run, "icmp: `about SEQ` is missing");
	if (!segment_at_read(run, segment_words_take(words), &seq))
		return false;
	icmp.seq = at(&seq, flow->our_isn);
	icmp.mtu = (uint32_t)mtu;
	uint32_t bytes = segment_frame_icmp(&run->bed->ends, &icmp, out);
	if (bytes == 0)
		return segment_fail(run, "icmp: the family has no such error: %s", icmp.error);
	segment_note(run, "%s", run->text);
	return launch(run, out, bytes);
}

bool segment_do_inject(struct segment_run *run, struct segment_words *words)
{
	segment_open(run);
	if (!segment_wait(run))
		return false;
	if (segment_bed_next(run->bed))
		return segment_unexpected(run, "before this line");
	if (segment_words_accept(words, "icmp"))
		return send_icmp(run, words);
	return send_segment(run, words);
}
