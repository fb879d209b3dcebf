// SPDX-License-Identifier: Apache-2.0
// One line of a script: its time, its command; failures and the trace.
#include "segment_run.h"

#include "check.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

bool segment_fail(struct segment_run *run, const char *format, ...)
{
	va_list arguments;
	if (run->has_failed)
		return false;
	run->has_failed = true;
	va_start(arguments, format);
	vsnprintf(run->failure, sizeof(run->failure), format, arguments);
	va_end(arguments);
	return false;
}

void segment_note(struct segment_run *run, const char *format, ...)
{
	va_list arguments;
	fprintf(run->trace, "#   %10.6f ", (double)(run->bed->now_us - 1000000) / 1e6);
	va_start(arguments, format);
	vfprintf(run->trace, format, arguments);
	va_end(arguments);
	fputc('\n', run->trace);
}

void segment_open(struct segment_run *run)
{
	if (!run->is_open)
		segment_bed_open(run->bed);
	run->is_open = true;
}

bool segment_wait(struct segment_run *run)
{
	struct segment_bed *bed = run->bed;
	if (run->has_within)
		return segment_fail(run, "`within` is for what is expected");
	if (!run->has_delay)
		return true;
	uint64_t until_us = bed->now_us + run->delay_us;
	if (segment_bed_run(bed, until_us, true))
		return segment_unexpected(run, "before this line");
	return true;
}

bool segment_number(struct segment_run *run, struct segment_words *words, int64_t *value)
{
	struct tcp_info info = {0};
	if (run->flow->has_conn)
		tcp_info_of(run->bed->host.tcp, run->flow->conn, &info);
	const struct segment_name names[] = {
		{"mss", info.mss},
		{"MSS", run->bed->mtu - (run->bed->ends.is_v6 ? 60 : 40)},
		{NULL, 0},
	};
	const char *word = segment_words_take(words);
	return segment_number_of(word, names, value) ||
	       segment_fail(run, "not a number: \"%s\"", word);
}

#define LIMIT(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct tcp_limits, name), sizeof(((struct tcp_limits *)0)->name)   \
	}

static const struct {
	const char *name;
	size_t offset, bytes;
} limits[] = {
	LIMIT(conn_count),
	LIMIT(half_open_count),
	LIMIT(time_wait_count),
	LIMIT(listener_count),
	LIMIT(sent_count),
	LIMIT(send_buffer_bytes),
	LIMIT(receive_buffer_bytes),
	LIMIT(send_memory_bytes),
	LIMIT(receive_memory_bytes),
	LIMIT(syn_retries),
	LIMIT(retries),
	LIMIT(keepalive_idle_ms),
	LIMIT(keepalive_interval_ms),
	LIMIT(keepalive_probes),
	LIMIT(time_wait_ms),
	LIMIT(fin_wait_2_ms),
	LIMIT(delayed_ack_ms),
	LIMIT(syn_rate_per_prefix),
	LIMIT(cookies_per_s),
	LIMIT(persist_ms),
	LIMIT(user_timeout_ms),
	LIMIT(orphan_count),
	LIMIT(orphan_ms),
	LIMIT(port_first),
	LIMIT(port_last),
	LIMIT(ecn),
	LIMIT(congestion),
	LIMIT(is_paced),
	LIMIT(is_coalescing),
};

static bool set_limit(struct segment_run *run, const char *name, int64_t value)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		if (strcmp(limits[i].name, name) != 0)
			continue;
		memcpy((char *)&run->bed->limits + limits[i].offset, &value, limits[i].bytes);
		return true;
	}
	return segment_fail(run, "no such limit: %s", name);
}

// limits NAME VALUE ...; mtu VALUE: before anything else.
static bool do_limits(struct segment_run *run, struct segment_words *words)
{
	bool is_mtu = segment_words_accept(words, "mtu");
	int64_t value;
	if (run->is_open)
		return segment_fail(run, "too late: the stack is built");
	if (is_mtu) {
		if (!segment_number(run, words, &value))
			return false;
		run->bed->mtu = (uint16_t)value;
		return true;
	}
	segment_words_accept(words, "limits");
	while (*segment_words_peek(words)) {
		const char *name = segment_words_take(words);
		if (!segment_number(run, words, &value) || !set_limit(run, name, value))
			return false;
	}
	return true;
}

// read_time takes what stands before the command.
static bool read_time(struct segment_run *run, struct segment_words *words)
{
	run->has_delay = run->has_within = false;
	run->tolerance_us = SEGMENT_TOLERANCE_US;
	const char *word = segment_words_peek(words);
	if (segment_words_accept(words, "within")) {
		run->has_within = true;
		return segment_duration_of(segment_words_take(words), &run->within_us) ||
		       segment_fail(run, "within: no such duration");
	}
	if (*word != '+')
		return true;
	char text[SEGMENT_LINE_BYTES];
	strcpy(text, segment_words_take(words) + 1);
	char *tolerance = strchr(text, '~');
	if (tolerance)
		*tolerance++ = '\0';
	run->has_delay = true;
	if (!segment_duration_of(text, &run->delay_us) ||
	    (tolerance && !segment_duration_of(tolerance, &run->tolerance_us)))
		return segment_fail(run, "no such time: %s", word);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct segment_run *run, struct segment_words *words);
	bool takes_name;
} commands[] = {
	{"<", segment_do_inject, true},        {">", segment_do_expect, true},
	{"none", segment_do_none, true},       {"skip", segment_do_skip, true},
	{"event", segment_do_event, true},     {"info", segment_do_info, true},
	{"counter", segment_do_counter, true}, {"count", segment_do_count, true},
	{"limits", do_limits, false},          {"mtu", do_limits, false},
};

static bool run_command(struct segment_run *run, struct segment_words *words)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, segment_words_peek(words)) != 0)
			continue;
		if (commands[i].takes_name)
			segment_words_take(words);
		return commands[i].run(run, words);
	}
	return segment_do_act(run, words);
}

bool segment_run_line(struct segment_run *run, const char *text)
{
	struct segment_words words;
	while (*text == ' ' || *text == '\t')
		text++;
	run->text = text;
	if (!segment_words_split(text, &words))
		return segment_fail(run, "the line has too many words");
	if (words.count == 0)
		return true;
	if (!read_time(run, &words))
		return false;
	if (!*segment_words_peek(&words)) // time alone
		return segment_wait(run);
	if (!run_command(run, &words))
		return false;
	return !*segment_words_peek(&words) ||
	       segment_fail(run, "what is \"%s\" here?", segment_words_peek(&words));
}
