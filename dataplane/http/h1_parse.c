// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP/1.1; see h1_parse.h. Bytes are gathered in the head's text; each line is looked at
// once, when its line feed has come.
#include "h1_parse.h"

#include "check.h"
#include "counters.h"
#include "http_field.h"
#include "http_uri.h"

#define METHOD_BYTES_MAX 32u
#define START_LINE_REST_BYTES                                                                      \
	(METHOD_BYTES_MAX + 12u) // all but the target: two blanks, version, CRLF

static size_t text_bytes(const struct http_limits *limits)
{
	return ((size_t)limits->head_bytes + 7) & ~(size_t)7;
}

size_t h1_head_memory_bytes(const struct http_limits *limits)
{
	return text_bytes(limits) + limits->field_count * sizeof(struct http_field);
}

void h1_head_start(struct h1_head *head, const struct http_limits *limits, bool is_request,
		   void *memory)
{
	char *text = memory;
	*head = (struct h1_head){
		.limits = limits,
		.is_request = is_request,
		.text = text,
		.fields = (void *)(text + text_bytes(limits)),
	};
	head->message.fields = head->fields;
}

void h1_head_start_trailers(struct h1_head *head)
{
	head->is_trailers = true;
	head->state = H1_HEAD_FIELDS;
	head->used_bytes = head->line_start = 0;
	head->message = (struct http_message){.fields = head->fields};
}

static int read_version(struct http_message *m, struct slice text)
{
	if (text.bytes != 8 || !slice_starts(text, SLICE("HTTP/")) || text.at[6] != '.' ||
	    text.at[5] < '0' || text.at[5] > '9' || text.at[7] < '0' || text.at[7] > '9')
		return COUNTER_http_start_line_bad;
	m->version = (uint8_t)((text.at[5] - '0') * 10 + text.at[7] - '0');
	return m->version == 10 || m->version == 11 ? 0 : COUNTER_http_version_unsupported;
}

static int read_target(struct h1_head *head, struct slice text)
{
	struct http_message *m = &head->message;
	struct http_uri uri;
	if (text.bytes > head->limits->target_bytes)
		return COUNTER_http_target_too_long;
	if (!http_uri_parse(text, m->method, &uri))
		return COUNTER_http_target_bad;
	if (uri.authority.bytes)
		http_lower(head->text + (uri.authority.at - head->text), uri.authority.bytes);
	m->scheme = uri.scheme;
	m->authority = uri.authority;
	m->target = uri.target;
	return 0;
}

// RFC 9112 3: method SP target SP version
static int read_request_line(struct h1_head *head, struct slice line)
{
	struct http_message *m = &head->message;
	size_t blank = slice_find(line, ' ');
	struct slice rest = slice_skip(line, blank + 1);
	size_t second = slice_find(rest, ' ');
	if (blank == line.bytes || second == rest.bytes)
		return COUNTER_http_start_line_bad;
	m->method_text = slice_head(line, blank);
	if (!http_is_token(m->method_text) || blank > METHOD_BYTES_MAX)
		return COUNTER_http_method_bad;
	m->method = http_method_of(m->method_text);
	int fault = read_version(m, slice_skip(rest, second + 1));
	return fault ? fault : read_target(head, slice_head(rest, second));
}

// RFC 9112 4: version SP status SP [reason]; the last blank is forgiven without a reason.
static int read_status_line(struct http_message *m, struct slice line)
{
	int fault = read_version(m, slice_head(line, 8));
	if (fault)
		return fault;
	line = slice_skip(line, 8);
	if (line.bytes < 4 || line.at[0] != ' ' || (line.bytes > 4 && line.at[4] != ' '))
		return COUNTER_http_start_line_bad;
	uint64_t status;
	if (!http_number(slice_head(slice_skip(line, 1), 3), &status))
		return COUNTER_http_start_line_bad;
	if (status < 100 || status > 599)
		return COUNTER_http_status_bad;
	m->status = (uint16_t)status;
	return http_is_value(slice_skip(line, 4)) ? 0 : COUNTER_http_start_line_bad;
}

static int refuse_name(struct slice line, size_t colon)
{
	bool is_blank_before = colon < line.bytes && colon > 0 &&
			       (line.at[colon - 1] == ' ' || line.at[colon - 1] == '\t');
	return is_blank_before ? COUNTER_http_space_before_colon : COUNTER_http_field_name_bad;
}

// refuse_tab: a tab around a value is a blank (RFC 9110 5.6.3), but not to every parser. Where the
// value says how long a message is or whom it is for, that is too little to rely on.
static int refuse_tab(enum http_field_kind kind, struct slice raw, struct slice value)
{
	if (kind != HTTP_FIELD_HOST && kind != HTTP_FIELD_LENGTH && kind != HTTP_FIELD_CODING)
		return 0;
	struct slice before = slice_head(raw, (size_t)(value.at - raw.at));
	struct slice after = slice_skip(raw, before.bytes + value.bytes);
	bool has_tab =
		slice_find(before, '\t') < before.bytes || slice_find(after, '\t') < after.bytes;
	return has_tab ? COUNTER_http_field_value_bad : 0;
}

// RFC 9112 5: name ":" OWS value OWS
static int read_field(struct h1_head *head, struct slice line)
{
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return COUNTER_http_field_folded;
	size_t colon = slice_find(line, ':');
	struct slice name = slice_head(line, colon);
	struct slice raw = slice_skip(line, colon + 1), value = slice_trim(raw);
	if (colon == line.bytes || !http_is_token(name))
		return refuse_name(line, colon);
	if (!http_is_value(value))
		return COUNTER_http_field_value_bad;
	if (head->message.field_count == head->limits->field_count)
		return COUNTER_http_fields_too_many;
	char *at = head->text + (name.at - head->text);
	http_lower(at, name.bytes);
	enum http_field_kind kind = http_field_kind_of(name);
	int fault = refuse_tab(kind, raw, value);
	if (fault)
		return fault;
	if (kind == HTTP_FIELD_HOST && value.bytes)
		http_lower(head->text + (value.at - head->text), value.bytes);
	head->fields[head->message.field_count++] = (struct http_field){name, value};
	return 0;
}

static int finish(struct h1_head *head)
{
	head->state = H1_HEAD_DONE;
	if (!head->is_trailers)
		return http_rules_apply(&head->message, &head->hop);
	return http_rules_trailers(head->fields, &head->message.field_count);
}

static int read_start_line(struct h1_head *head, struct slice line)
{
	if (line.bytes == 0 && head->is_request && !head->had_empty_line) {
		head->had_empty_line = true;
		return 0;
	}
	head->state = H1_HEAD_FIELDS;
	return head->is_request ? read_request_line(head, line)
				: read_status_line(&head->message, line);
}

static int read_content(struct h1_head *head, struct slice line)
{
	if (head->state == H1_HEAD_START)
		return read_start_line(head, line);
	return line.bytes == 0 ? finish(head) : read_field(head, line);
}

// Looks at the line that text holds from line_start to its line feed.
static int read_line(struct h1_head *head)
{
	struct slice line =
		slice_of(head->text + head->line_start, head->used_bytes - head->line_start - 1);
	if (line.bytes == 0 || line.at[line.bytes - 1] != '\r')
		return COUNTER_http_bare_line_feed;
	line.bytes--;
	head->line_start = head->used_bytes;
	int fault = read_content(head, line);
	// A bare one is in nothing that is taken: it is looked for to say why.
	return fault && slice_find(line, '\r') != line.bytes ? COUNTER_http_bare_carriage_return
							     : fault;
}

// The bound that bytes more would break, or 0.
static int check_room(const struct h1_head *head, size_t bytes)
{
	size_t after = head->used_bytes + bytes;
	size_t first_max = (size_t)head->limits->target_bytes + START_LINE_REST_BYTES;
	if (head->state == H1_HEAD_START && head->is_request && after > first_max)
		return COUNTER_http_target_too_long;
	return after > head->limits->head_bytes ? COUNTER_http_head_too_large : 0;
}

size_t h1_head_read(struct h1_head *head, struct slice bytes, int *fault)
{
	size_t taken = 0;
	*fault = 0;
	while (taken < bytes.bytes && head->state != H1_HEAD_DONE) {
		struct slice rest = slice_skip(bytes, taken);
		size_t feed = slice_find(rest, '\n');
		size_t line_bytes = feed < rest.bytes ? feed + 1 : feed;
		*fault = check_room(head, line_bytes);
		if (*fault)
			return taken;
		memcpy(head->text + head->used_bytes, rest.at, line_bytes);
		head->used_bytes += (uint32_t)line_bytes;
		taken += line_bytes;
		if (feed == rest.bytes)
			return taken;
		*fault = read_line(head);
		if (*fault)
			return taken;
	}
	return taken;
}
