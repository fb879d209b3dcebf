// SPDX-License-Identifier: Apache-2.0
// Fields by RFC 9113 8.2 and 8.3; see h2_check.h.
#include "h2_check.h"

#include "check.h"
#include "counters.h"
#include "http_field.h"

enum pseudo { METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS, PSEUDO_COUNT };

static bool has(const struct h2_seen *seen, enum pseudo pseudo)
{
	return seen->pseudo >> pseudo & 1;
}

static enum pseudo named(struct slice name, struct slice wanted, enum pseudo pseudo)
{
	return slice_equal(name, wanted) ? pseudo : PSEUDO_COUNT;
}

static enum pseudo pseudo_of(struct slice name)
{
	switch (name.bytes) {
	case 5: return named(name, SLICE(":path"), PATH);
	case 7:
		return name.at[1] == 'm' ? named(name, SLICE(":method"), METHOD)
					 : named(name, SLICE(":scheme"), SCHEME);
	case 9: return named(name, SLICE(":protocol"), PROTOCOL);
	case 10: return named(name, SLICE(":authority"), AUTHORITY);
	default: return PSEUDO_COUNT;
	}
}

// RFC 9113 8.3: known ones, once each, before all others, not empty; RFC 8441 has :protocol.
static int check_pseudo(struct h2_seen *seen, bool is_trailer, struct slice name,
			struct slice value)
{
	enum pseudo pseudo = pseudo_of(name);
	bool is_right = pseudo != PSEUDO_COUNT && !has(seen, pseudo) && !seen->has_plain &&
			!is_trailer && value.bytes > 0;
	seen->pseudo |= (uint8_t)(1u << pseudo);
	return is_right ? 0 : COUNTER_http_h2_malformed;
}

static bool has_capital(struct slice name)
{
	for (size_t i = 0; i < name.bytes; i++)
		if (name.at[i] >= 'A' && name.at[i] <= 'Z')
			return true;
	return false;
}

// RFC 9113 8.2.1: no blanks around a value.
static bool is_trimmed(struct slice value)
{
	return value.bytes == slice_trim(value).bytes;
}

// 1 for what RFC 3986 lets an authority have: unreserved, sub-delims, escapes, brackets, ':', '@'.
static const uint8_t authority_bytes[256] = {
	['!'] = 1,         ['$'] = 1, ['%' ... '.'] = 1, ['0' ... ';'] = 1, ['='] = 1,
	['@' ... '['] = 1, [']'] = 1, ['_'] = 1,         ['a' ... 'z'] = 1, ['~'] = 1,
};

static bool is_authority_text(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++)
		if (!authority_bytes[(uint8_t)text.at[i]])
			return false;
	return true;
}

// A number that is too large is none either; whether to take zeros in front is asked elsewhere.
static bool read_number(struct slice text, uint64_t *number)
{
	while (text.bytes > 1 && text.at[0] == '0')
		text = slice_skip(text, 1);
	return http_number(text, number);
}

static int check_host(struct h2_seen *seen, struct slice value)
{
	bool is_right = !seen->has_host && value.bytes > 0;
	seen->has_host = true;
	if (!is_authority_text(value))
		return COUNTER_http_h2_field_bad;
	return is_right ? 0 : COUNTER_http_h2_malformed;
}

static int check_length(struct h2_seen *seen, struct slice value)
{
	bool is_first = seen->content_length == HTTP_LENGTH_NONE;
	bool is_right = is_first && read_number(value, &seen->content_length);
	return is_right ? 0 : COUNTER_http_h2_malformed;
}

// check_kind refuses fields of HTTP/1.1's connections (8.2.2); http2-settings gets an answer.
static int check_kind(struct h2_seen *seen, enum http_field_kind kind, struct slice name,
		      struct slice value)
{
	switch (kind) {
	case HTTP_FIELD_HOST: return check_host(seen, value);
	case HTTP_FIELD_LENGTH: return check_length(seen, value);
	case HTTP_FIELD_CONNECTION:
	case HTTP_FIELD_CODING:
	case HTTP_FIELD_UPGRADE: return COUNTER_http_h2_malformed;
	case HTTP_FIELD_HOP:
		return slice_equal(name, SLICE("http2-settings")) ? 0 : COUNTER_http_h2_malformed;
	case HTTP_FIELD_TE:
		return slice_equal_nocase(value, SLICE("trailers")) ? 0 : COUNTER_http_h2_malformed;
	default: return 0;
	}
}

// check_bytes is what both kinds of message ask of the bytes of a field that is no pseudo field;
// its kind is noted behind one that is right.
static int check_bytes(const struct hpack_field *field, enum http_field_kind *kind)
{
	if (field->note && *field->note) {
		*kind = *field->note - 1u;
		return 0;
	}
	bool is_known = field->is_name_static;
	if (!is_known && has_capital(field->name))
		return COUNTER_http_h2_malformed;
	bool is_right = (is_known || http_is_token(field->name)) && is_trimmed(field->value) &&
			http_is_value(field->value);
	if (!is_right)
		return COUNTER_http_h2_field_bad;
	*kind = http_field_kind_of(field->name);
	if (field->note)
		*field->note = (uint8_t)(*kind + 1u);
	return 0;
}

static bool is_pseudo(const struct hpack_field *field)
{
	return field->name.bytes && field->name.at[0] == ':';
}

int h2_check_field(struct h2_seen *seen, bool is_trailer, const struct hpack_field *field)
{
	enum http_field_kind kind;
	if (is_pseudo(field))
		return check_pseudo(seen, is_trailer, field->name, field->value);
	seen->has_plain = true;
	int broken = check_bytes(field, &kind);
	return broken ? broken : check_kind(seen, kind, field->name, field->value);
}

// RFC 9113 8.3.2, 8.6: :status alone, once, before all others; there is no 101.
static int check_status(struct h2_seen *seen, bool is_trailer, struct slice name,
			struct slice value)
{
	uint64_t status;
	bool is_right = slice_equal(name, SLICE(":status")) && !has(seen, STATUS) &&
			!seen->has_plain && !is_trailer && value.bytes == 3 &&
			http_number(value, &status) && status != 101;
	seen->pseudo |= 1u << STATUS;
	if (!is_right)
		return COUNTER_http_h2_malformed;
	seen->status = (uint16_t)status;
	return 0;
}

// RFC 9110 8.6: 1xx and 204 have none, which a 204 may say; that of a tunnel is passed over
// (9.3.6).
static int check_answer_length(struct h2_seen *seen, struct slice value)
{
	bool is_none = seen->status / 100 == 1;
	bool is_zero = seen->status == 204;
	if (is_none || (is_zero && !slice_equal(value, SLICE("0"))))
		return COUNTER_http_h2_malformed;
	if (seen->is_tunnel && seen->status / 100 == 2 && !is_zero)
		return 0;
	return check_length(seen, value);
}

int h2_check_answer_field(struct h2_seen *seen, bool is_trailer, const struct hpack_field *field)
{
	enum http_field_kind kind;
	if (is_pseudo(field))
		return check_status(seen, is_trailer, field->name, field->value);
	seen->has_plain = true;
	int broken = check_bytes(field, &kind);
	if (broken)
		return broken;
	switch (kind) {
	case HTTP_FIELD_HOST: return 0;
	case HTTP_FIELD_LENGTH: return check_answer_length(seen, field->value);
	default: return check_kind(seen, kind, field->name, field->value);
	}
}

bool h2_check_has_status(const struct h2_seen *seen)
{
	return has(seen, STATUS);
}

// RFC 9113 8.3.1: a path is absolute, or OPTIONS' asterisk. Other schemes may have others.
static bool is_path_of(const struct http_message *m)
{
	bool is_ours = slice_equal_nocase(m->scheme, SLICE("https")) ||
		       slice_equal_nocase(m->scheme, SLICE("http"));
	return !is_ours || slice_starts(m->target, SLICE("/")) ||
	       (m->method == HTTP_OPTIONS && slice_equal(m->target, SLICE("*")));
}

// RFC 9113 8.3.1, 8.5; RFC 8441 4
static bool is_whole(const struct h2_seen *seen, const struct http_message *m)
{
	const unsigned all = 1u << METHOD | 1u << SCHEME | 1u << PATH;
	bool is_connect = m->method == HTTP_CONNECT;
	if (is_connect && !has(seen, PROTOCOL))
		return has(seen, AUTHORITY) && !has(seen, SCHEME) && !has(seen, PATH);
	if ((seen->pseudo & all) != all || !is_path_of(m))
		return false;
	return has(seen, PROTOCOL) ? is_connect && has(seen, AUTHORITY)
				   : has(seen, AUTHORITY) || seen->has_host;
}

int h2_check_request(const struct h2_seen *seen, const struct http_message *m, bool is_end)
{
	bool is_bodyless = is_end && m->method != HTTP_CONNECT;
	bool owes_body = seen->content_length != HTTP_LENGTH_NONE && seen->content_length > 0;
	bool is_right = is_whole(seen, m) && http_is_token(m->method_text);
	return is_right && !(is_bodyless && owes_body) ? 0 : COUNTER_http_h2_malformed;
}

// RFC 3986 3.1
static bool is_scheme_text(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++) {
		char c = text.at[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
		if (!is_letter && (i == 0 || !is_other))
			return false;
	}
	return true;
}

bool h2_check_is_text(const struct http_message *m)
{
	bool has_blank = slice_find(m->target, ' ') < m->target.bytes ||
			 slice_find(m->target, '\t') < m->target.bytes;
	return !has_blank && http_is_value(m->target) && http_is_value(m->protocol) &&
	       is_trimmed(m->protocol) && is_scheme_text(m->scheme) &&
	       is_authority_text(m->authority);
}
