// SPDX-License-Identifier: Apache-2.0
// What a script asks of the stack's inside: event, info, counter, count.
#include "segment_run.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

bool segment_compare_read(struct segment_run *run, struct segment_words *words,
			  struct segment_compare *compare)
{
	static const char *const relations[] = {"==", "!=", "<=", ">=", "<", ">", "~"};
	*compare = (struct segment_compare){.relation = "=="};
	for (size_t i = 0; i < ARRAY_LEN(relations); i++) {
		if (segment_words_accept(words, relations[i])) {
			strcpy(compare->relation, relations[i]);
			break;
		}
	}
	uint64_t us;
	const char *word = segment_words_peek(words);
	if (strspn(word, "0123456789.") < strlen(word) && segment_duration_of(word, &us)) {
		segment_words_take(words);
		compare->value = (int64_t)us;
		return true;
	}
	return segment_number(run, words, &compare->value);
}

bool segment_compare_holds(const struct segment_compare *compare, int64_t value)
{
	const char *relation = compare->relation;
	int64_t wanted = compare->value;
	if (*relation == '~')
		return llabs(value - wanted) * 10 <= llabs(wanted);
	if (*relation == '!')
		return value != wanted;
	if (*relation == '<')
		return relation[1] ? value <= wanted : value < wanted;
	if (*relation == '>')
		return relation[1] ? value >= wanted : value > wanted;
	return value == wanted;
}

struct field {
	const char *name;
	int64_t value;
};

#define FIELDS 24u

// read_fields fills what `info` may ask; returns how many. The names are tcp_info's, without unit.
static unsigned read_fields(struct segment_run *run, const struct tcp_info *info,
			    struct field out[FIELDS])
{
	const struct tcp *tcp = run->bed->host.tcp;
	struct pool_id conn = run->flow->conn;
	const struct field fields[] = {
		{"srtt", info->srtt_us},
		{"rto", info->rto_us},
		{"cwnd", info->cwnd_bytes},
		{"ssthresh", info->ssthresh_bytes},
		{"mss", info->mss},
		{"send_window", info->send_window},
		{"receive_window", info->receive_window},
		{"queued", info->queued_bytes},
		{"unacked", info->unacked_bytes},
		{"sent", (int64_t)info->bytes_sent},
		{"received", (int64_t)info->bytes_received},
		{"retransmits", (int64_t)info->retransmits},
		{"waiting", (int64_t)tcp_received(tcp, conn)},
		{"room", (int64_t)tcp_send_room(tcp, conn)},
		{"at_end", tcp_at_end(tcp, conn)},
	};
	memcpy(out, fields, sizeof(fields));
	return ARRAY_LEN(fields);
}

// join puts the rest of a line together: expressions may be written with blanks.
static void join(struct segment_words *words, char out[SEGMENT_LINE_BYTES])
{
	out[0] = '\0';
	while (*segment_words_peek(words))
		strncat(out, segment_words_take(words), SEGMENT_LINE_BYTES - strlen(out) - 1);
}

// read_joined is segment_compare_read whose value may contain blanks.
static bool read_joined(struct segment_run *run, struct segment_words *words,
			struct segment_compare *compare)
{
	char rest[SEGMENT_LINE_BYTES];
	struct segment_words joined = {.word = {segment_words_peek(words), rest}, .count = 2};
	if (strchr("=!<>~", *joined.word[0]))
		segment_words_take(words);
	else
		joined.at = 1;
	join(words, rest);
	return segment_compare_read(run, &joined, compare);
}

static bool compare_field(struct segment_run *run, const char *name, int64_t value,
			  struct segment_words *words)
{
	struct segment_compare compare;
	if (!read_joined(run, words, &compare))
		return false;
	return segment_compare_holds(&compare, value) ||
	       segment_fail(run, "%s is %lld", name, (long long)value);
}

// info FIELD [OPERATOR] VALUE, info state NAME; NONE: nobody owns a connection.
bool segment_do_info(struct segment_run *run, struct segment_words *words)
{
	struct tcp_info info = {.state = "NONE"};
	struct field fields[FIELDS];
	segment_open(run);
	if (!segment_wait(run))
		return false;
	bool has_info =
		run->flow->has_conn && tcp_info_of(run->bed->host.tcp, run->flow->conn, &info);
	const char *name = segment_words_take(words);
	if (strcmp(name, "state") == 0) {
		const char *wanted = segment_words_take(words);
		return strcmp(wanted, info.state) == 0 ||
		       segment_fail(run, "the state is %s", info.state);
	}
	if (!has_info)
		return segment_fail(run, "there is no connection");
	unsigned count = read_fields(run, &info, fields);
	for (unsigned i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return compare_field(run, name, fields[i].value, words);
	return segment_fail(run, "no such field: %s", name);
}

// counter MODULE_NAME [OPERATOR] N: since the script began.
bool segment_do_counter(struct segment_run *run, struct segment_words *words)
{
	const char *name = segment_words_take(words);
	char text[SEGMENT_TEXT_BYTES];
	segment_open(run);
	if (!segment_wait(run))
		return false;
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		snprintf(text, sizeof(text), "%s_%s", counter_info[i].module, counter_info[i].name);
		if (strcmp(text, name) == 0)
			return compare_field(run, name, (int64_t)run->bed->host.counters.value[i],
					     words);
	}
	return segment_fail(run, "no such counter: %s", name);
}

// count conns|half_open|time_wait [OPERATOR] N: what the stack holds now.
bool segment_do_count(struct segment_run *run, struct segment_words *words)
{
	const char *name = segment_words_take(words);
	segment_open(run);
	if (!segment_wait(run))
		return false;
	struct tcp_in_use in_use = tcp_in_use(run->bed->host.tcp);
	if (strcmp(name, "conns") == 0)
		return compare_field(run, name, in_use.conn_count, words);
	if (strcmp(name, "half_open") == 0)
		return compare_field(run, name, in_use.half_open_count, words);
	if (strcmp(name, "time_wait") == 0)
		return compare_field(run, name, in_use.time_wait_count, words);
	return segment_fail(run, "nothing to count: %s", name);
}

static unsigned *event_of(struct segment_flow *flow, const char *name)
{
	if (strcmp(name, "accepted") == 0)
		return &flow->accepted;
	if (strcmp(name, "opened") == 0)
		return &flow->opened;
	if (strcmp(name, "readable") == 0)
		return &flow->readable;
	if (strcmp(name, "writable") == 0)
		return &flow->writable;
	return strcmp(name, "closed") == 0 ? &flow->closed : NULL;
}

// event [no] NAME [REASON]: the owner heard of it since it was last asked for.
bool segment_do_event(struct segment_run *run, struct segment_words *words)
{
	segment_open(run);
	if (!segment_wait(run))
		return false;
	bool is_denied = segment_words_accept(words, "no");
	const char *name = segment_words_take(words);
	unsigned *count = event_of(run->flow, name);
	if (!count)
		return segment_fail(run, "no such event: %s", name);
	if ((*count == 0) != is_denied)
		return segment_fail(run, "event %s came %u times", name, *count);
	const char *reason = segment_words_take(words);
	bool is_closed = count == &run->flow->closed && !is_denied;
	*count = 0;
	if (is_closed && strcmp(reason, counter_info[run->flow->reason].name) != 0)
		return segment_fail(run, "closed for %s", counter_info[run->flow->reason].name);
	return true;
}
