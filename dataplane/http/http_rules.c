// SPDX-License-Identifier: Apache-2.0
// Framing, Host and hop-by-hop rules; see http_rules.h.
#include "http_rules.h"

#include "check.h"
#include "counters.h"
#include "http_field.h"
#include "http_uri.h"
#include "websocket.h"

#include <assert.h>

static_assert(COUNTER_http_start_line_bad > 0, "counter 0 in a fault means no fault");

// What the fields of one head said.
struct findings {
	struct slice host, length, coding, expect, upgrade, key, accept;
	unsigned host_count, length_count, coding_count, key_count;
	struct slice *options; // HTTP_CONNECTION_OPTIONS_MAX, named by Connection
	unsigned option_count;
	bool has_upgrade, has_expect, has_hop; // has_hop: anything that HTTP/2 forbids
};

static int note_options(struct findings *f, struct slice list)
{
	struct slice item;
	while (http_next_item(&list, &item)) {
		if (f->option_count == HTTP_CONNECTION_OPTIONS_MAX)
			return COUNTER_http_connection_options_many;
		f->options[f->option_count++] = item;
	}
	return 0;
}

static int note(struct findings *f, enum http_field_kind kind, struct slice value)
{
	switch (kind) {
	case HTTP_FIELD_HOST:
		f->host = value;
		return ++f->host_count > 1 ? COUNTER_http_host_repeated : 0;
	case HTTP_FIELD_LENGTH:
		f->length = value;
		return ++f->length_count > 1 ? COUNTER_http_length_repeated : 0;
	case HTTP_FIELD_CODING:
		f->coding = value;
		f->has_hop = true;
		return ++f->coding_count > 1 ? COUNTER_http_coding_bad : 0;
	case HTTP_FIELD_CONNECTION: f->has_hop = true; return note_options(f, value);
	case HTTP_FIELD_UPGRADE:
		f->upgrade = value;
		f->has_upgrade = true;
		f->has_hop = true;
		return 0;
	case HTTP_FIELD_EXPECT:
		f->expect = value;
		f->has_expect = true;
		return 0;
	case HTTP_FIELD_HOP: f->has_hop = true; return 0;
	case HTTP_FIELD_SOCKET_KEY:
		f->key = value;
		f->key_count++;
		return 0;
	case HTTP_FIELD_SOCKET_ACCEPT: f->accept = value; return 0;
	case HTTP_FIELD_DISGUISED: return COUNTER_http_field_name_bad;
	case HTTP_FIELD_TE:
	case HTTP_FIELD_PLAIN: return 0;
	}
	return 0;
}

// collect notes what the fields say and keeps those that go on to the next hop: nothing of the
// connection. HTTP/2 may say "te: trailers", which gRPC servers want to see.
static int collect(struct http_message *m, struct findings *f)
{
	uint32_t kept = 0;
	bool is_te_kept = m->version == 20;
	for (uint32_t i = 0; i < m->field_count; i++) {
		const struct http_field field = m->fields[i];
		enum http_field_kind kind = http_field_kind_of(field.name);
		if (kind == HTTP_FIELD_PLAIN || (kind == HTTP_FIELD_TE && is_te_kept))
			m->fields[kept++] = field;
		int fault = kind == HTTP_FIELD_PLAIN ? 0 : note(f, kind, field.value);
		if (fault)
			return fault;
	}
	m->field_count = kept;
	return m->version == 20 && f->has_hop ? COUNTER_http_h2_malformed : 0;
}

// RFC 9112 3.2, RFC 9113 8.3.1: one Host, valid, and the same as the target's authority.
static int check_host(struct http_message *m, const struct findings *f)
{
	if (f->host_count && !http_authority_is_valid(f->host))
		return COUNTER_http_host_bad;
	if (f->host_count && m->authority.bytes && !slice_equal(f->host, m->authority))
		return COUNTER_http_host_differs;
	if (m->authority.bytes == 0)
		m->authority = f->host;
	bool is_needed =
		m->version == 20 ? m->authority.bytes == 0 : m->version == 11 && !f->host_count;
	return is_needed ? COUNTER_http_host_missing : 0;
}

// The one coding we know is chunked, once. Anything else cannot be delimited, or not by everyone.
static int check_coding(struct slice coding)
{
	struct slice item;
	if (slice_equal_nocase(coding, SLICE("chunked")))
		return 0;
	while (http_next_item(&coding, &item))
		if (!slice_equal_nocase(item, SLICE("chunked")))
			return COUNTER_http_coding_unknown;
	return COUNTER_http_coding_bad;
}

// A zero in front makes it octal to some (strtol with base 0), which no client means.
static bool may_be_octal(const struct http_message *m, struct slice length)
{
	return !m->status && length.bytes > 1 && length.at[0] == '0';
}

// RFC 9112 6.1, 6.2, 6.3
static int check_length(struct http_message *m, const struct findings *f)
{
	m->content_length = HTTP_LENGTH_NONE;
	m->is_chunked = f->coding_count > 0;
	if (f->coding_count) {
		if (f->length_count)
			return COUNTER_http_length_and_coding;
		return m->version == 10 ? COUNTER_http_coding_in_http10 : check_coding(f->coding);
	}
	if (f->length_count &&
	    (may_be_octal(m, f->length) || !http_number(f->length, &m->content_length)))
		return COUNTER_http_length_bad;
	return 0;
}

static int check_expect(struct http_message *m, const struct findings *f)
{
	if (m->status || m->version == 10 || !f->has_expect)
		return 0;
	if (!slice_equal_nocase(f->expect, SLICE("100-continue")))
		return COUNTER_http_expect_unknown;
	m->expects_continue = true;
	return 0;
}

static bool is_named(const struct findings *f, struct slice name)
{
	for (unsigned i = 0; i < f->option_count; i++)
		if (slice_equal_nocase(f->options[i], name))
			return true;
	return false;
}

// remove_named takes out what Connection names.
static void remove_named(struct http_message *m, const struct findings *f)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < m->field_count; i++)
		if (!is_named(f, m->fields[i].name))
			m->fields[kept++] = m->fields[i];
	m->field_count = kept;
}

// RFC 6455 4.2.1. Where it is not one that we know, Upgrade may be passed over (RFC 9110 7.8).
static bool is_websocket(const struct http_message *m, const struct findings *f)
{
	bool has_body =
		m->is_chunked || (m->content_length != HTTP_LENGTH_NONE && m->content_length > 0);
	return m->version == 11 && is_named(f, SLICE("upgrade")) &&
	       slice_equal_nocase(f->upgrade, SLICE("websocket")) &&
	       (m->status ? m->status == 101 : m->method == HTTP_GET && !has_body);
}

// A WebSocket's handshake becomes what HTTP/2 has for it (RFC 8441 5).
static int check_websocket(struct http_message *m, const struct findings *f, struct http_hop *hop)
{
	hop->key = f->key;
	hop->accept = f->accept;
	hop->is_websocket = is_websocket(m, f);
	if (!hop->is_websocket || m->status)
		return 0;
	if (f->key_count != 1 || !websocket_key_is_valid(f->key))
		return COUNTER_http_upgrade_bad;
	m->method = HTTP_CONNECT;
	m->method_text = SLICE("CONNECT");
	m->protocol = SLICE("websocket");
	m->content_length = HTTP_LENGTH_NONE;
	return 0;
}

int http_rules_apply(struct http_message *m, struct http_hop *hop)
{
	struct slice options[HTTP_CONNECTION_OPTIONS_MAX];
	struct findings f = {.options = options};
	int fault = collect(m, &f);
	if (!fault && !m->status)
		fault = check_host(m, &f);
	if (!fault)
		fault = check_length(m, &f);
	if (!fault)
		fault = check_expect(m, &f);
	if (!fault)
		fault = check_websocket(m, &f, hop);
	if (fault)
		return fault;
	hop->is_close = is_named(&f, SLICE("close"));
	hop->is_keep_alive = is_named(&f, SLICE("keep-alive"));
	m->has_upgrade = f.has_upgrade;
	if (f.option_count)
		remove_named(m, &f);
	return 0;
}

// What would have decided where the message ends or whom it is for, had it come in time.
static int trailer_fault(enum http_field_kind kind)
{
	switch (kind) {
	case HTTP_FIELD_HOST: return COUNTER_http_host_repeated;
	case HTTP_FIELD_LENGTH: return COUNTER_http_length_and_coding;
	case HTTP_FIELD_CODING: return COUNTER_http_coding_bad;
	default: return 0;
	}
}

// What says who asks, for what, or how the body is to be read has had its time: origins that merge
// trailers into the head would believe it (RFC 9110 6.5.1, 6.5.2).
static bool is_for_heads(struct slice name)
{
	static const struct slice names[] = {
		{"authorization", 13}, {"cookie", 6},        {"set-cookie", 10},
		{"cache-control", 13}, {"content-type", 12}, {"content-encoding", 16},
		{"content-range", 13}, {"range", 5},         {"max-forwards", 12},
		{"forwarded", 9},      {"trailer", 7},
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_equal(name, names[i]))
			return true;
	return slice_starts(name, SLICE("proxy-")) || slice_starts(name, SLICE("x-forwarded-"));
}

int http_rules_trailers(struct http_field *fields, uint32_t *count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < *count; i++) {
		enum http_field_kind kind = http_field_kind_of(fields[i].name);
		int fault = trailer_fault(kind);
		if (fault)
			return fault;
		if (kind == HTTP_FIELD_PLAIN && !is_for_heads(fields[i].name))
			fields[kept++] = fields[i];
	}
	*count = kept;
	return 0;
}

// Counters whose status is not 400.
static const struct http_fault statuses[] = {
	{COUNTER_http_target_too_long, 414},
	{COUNTER_http_version_unsupported, 505},
	{COUNTER_http_head_too_large, 431},
	{COUNTER_http_fields_too_many, 431},
	{COUNTER_http_coding_unknown, 501},
	{COUNTER_http_expect_unknown, 417},
	{COUNTER_http_upgrade_unsupported, 501},
	{COUNTER_http_memory_short, 503},
	{COUNTER_http_h2_streams_full, 503},
	{COUNTER_http_body_length_wrong, 0},
	{COUNTER_http_truncated, 0},
	{COUNTER_http_conn_lost, 0},
	{COUNTER_http_h2_reset_by_peer, 0},
	{COUNTER_http_h2_protocol, 0},
	{COUNTER_http_h2_preface_bad, 0},
	{COUNTER_http_h2_flooded, 0},
	{COUNTER_http_h2_resets_many, 0},
	{COUNTER_http_h2_goaway_by_peer, 0},
};

struct http_fault http_fault_of(int counter, bool is_response)
{
	if (is_response)
		return (struct http_fault){counter, 502};
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].counter == counter)
			return statuses[i];
	return (struct http_fault){counter, 400};
}
