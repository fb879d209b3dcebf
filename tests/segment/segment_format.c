// SPDX-License-Identifier: Apache-2.0
// A segment as text, in the scripts' own words: what a trace shows can be pasted into a script.
#include "segment_run.h"

#include <stdarg.h>
#include <string.h>

static void put(char out[SEGMENT_LINE_BYTES], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put(char out[SEGMENT_LINE_BYTES], const char *format, ...)
{
	size_t used = strlen(out);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(out + used, SEGMENT_LINE_BYTES - used, format, arguments);
	va_end(arguments);
}

// put_blocks writes SACK blocks, relative to base.
static void put_blocks(const struct segment_option *option, uint32_t base,
		       char out[SEGMENT_LINE_BYTES])
{
	put(out, "sack");
	for (unsigned i = 0; i + 1 < option->count; i += 2)
		put(out, " %d:%d", (int32_t)(option->value[i] - base),
		    (int32_t)(option->value[i + 1] - base));
}

// put_stamps writes timestamps; ours are relative to our first.
static void put_stamps(const struct segment_flow *flow, const struct segment_option *option,
		       bool is_ours, char out[SEGMENT_LINE_BYTES])
{
	uint32_t value = option->value[0] - (is_ours ? flow->our_ts_first : 0);
	bool is_relative = !is_ours && option->value[1] != 0;
	uint32_t echo = option->value[1] - (is_relative ? flow->our_ts_first : 0);
	put(out, "ts %d %d", (int32_t)value, (int32_t)echo);
}

static void put_option(const struct segment_flow *flow, const struct segment_option *option,
		       bool is_ours, char out[SEGMENT_LINE_BYTES])
{
	switch (option->kind) {
	case SEGMENT_MSS: put(out, "mss %u", option->value[0]); return;
	case SEGMENT_SCALE: put(out, "ws %u", option->value[0]); return;
	case SEGMENT_SACK_PERMITTED: put(out, "sack"); return;
	case SEGMENT_SACK:
		put_blocks(option, is_ours ? flow->peer_isn : flow->our_isn, out);
		return;
	case SEGMENT_TIMESTAMPS: put_stamps(flow, option, is_ours, out); return;
	case SEGMENT_NOP: put(out, "nop"); return;
	default: put(out, "kind %u", option->kind); return;
	}
}

static void put_flags(uint8_t flags, char out[SEGMENT_LINE_BYTES])
{
	static const struct {
		uint8_t flag;
		char letter;
	} order[] = {{SEGMENT_SYN, 'S'}, {SEGMENT_FIN, 'F'}, {SEGMENT_RST, 'R'},
		     {SEGMENT_PSH, 'P'}, {SEGMENT_URG, 'U'}, {SEGMENT_ECE, 'E'},
		     {SEGMENT_CWR, 'W'}, {SEGMENT_ACK, 'A'}};
	for (unsigned i = 0; i < 8; i++)
		if (flags & order[i].flag)
			put(out, "%c", order[i].letter);
	if (flags == 0)
		put(out, "-");
}

const char *segment_format(const struct segment_flow *flow, const struct segment_frame *frame,
			   bool is_ours, char out[SEGMENT_LINE_BYTES])
{
	uint32_t seq_base = is_ours ? flow->our_isn : flow->peer_isn;
	uint32_t ack_base = is_ours ? flow->peer_isn : flow->our_isn;
	uint32_t seq = frame->seq - seq_base;
	out[0] = '\0';
	if (frame->icmp) {
		put(out, "icmp %s", frame->icmp);
		return out;
	}
	put_flags(frame->flags, out);
	put(out, " %d:%d", (int32_t)seq, (int32_t)(seq + frame->payload_bytes));
	if (frame->flags & SEGMENT_ACK)
		put(out, " ack %d", (int32_t)(frame->ack - ack_base));
	put(out, " win %u", frame->window);
	if (frame->urgent)
		put(out, " urg %u", frame->urgent);
	if (frame->ecn)
		put(out, " ecn %u", frame->ecn);
	for (unsigned i = 0; i < frame->option_count; i++) {
		put(out, i ? ", " : " <");
		put_option(flow, &frame->option[i], is_ours, out);
	}
	if (frame->option_count)
		put(out, ">");
	uint16_t peer_port = is_ours ? frame->destination_port : frame->source_port;
	if (peer_port != flow->peer_port)
		put(out, " (port %u)", peer_port);
	return out;
}
