// SPDX-License-Identifier: Apache-2.0
// Structured fields (RFC 8941 4.2); see structured.h. Every reader takes what it reads off
// *rest and returns false when it finds something else.
#include "structured.h"

#include <string.h>

enum { DIGITS_MAX = 15, DECIMAL_WHOLE_MAX = 12, DECIMAL_PART_MAX = 3 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c != 0 && strchr(set, c);
}

static bool is_key(char c)
{
	return is_lower(c) || is_digit(c) || is_one_of(c, "_-.*");
}

static bool is_token(char c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~:/");
}

static bool is_base64(char c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "+/=");
}

static bool starts(struct slice text, char c)
{
	return text.bytes && text.at[0] == c;
}

static void skip_blanks(struct slice *rest, const char *blanks)
{
	while (rest->bytes && is_one_of(rest->at[0], blanks))
		*rest = slice_skip(*rest, 1);
}

// take_while takes the longest run of such characters.
static struct slice take_while(struct slice *rest, bool (*is_in)(char))
{
	size_t length = 0;
	while (length < rest->bytes && is_in(rest->at[length]))
		length++;
	struct slice taken = slice_head(*rest, length);
	*rest = slice_skip(*rest, length);
	return taken;
}

static bool take_key(struct slice *rest, struct slice *key)
{
	if (!rest->bytes || !(is_lower(rest->at[0]) || rest->at[0] == '*'))
		return false;
	*key = take_while(rest, is_key);
	return true;
}

static bool take_number(struct slice *rest, struct structured_member *member)
{
	bool is_negative = starts(*rest, '-');
	*rest = slice_skip(*rest, is_negative);
	struct slice whole = take_while(rest, is_digit);
	member->type = STRUCTURED_INTEGER;
	member->integer = 0;
	if (whole.bytes == 0 || whole.bytes > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < whole.bytes; i++)
		member->integer = member->integer * 10 + (whole.at[i] - '0');
	if (is_negative)
		member->integer = -member->integer;
	if (!starts(*rest, '.'))
		return true;
	*rest = slice_skip(*rest, 1);
	struct slice part = take_while(rest, is_digit);
	member->type = STRUCTURED_DECIMAL;
	return whole.bytes <= DECIMAL_WHOLE_MAX && part.bytes > 0 && part.bytes <= DECIMAL_PART_MAX;
}

static bool take_string(struct slice *rest, struct structured_member *member)
{
	size_t end = 1;
	for (; end < rest->bytes && rest->at[end] != '"'; end++) {
		if (rest->at[end] == '\\' &&
		    (++end == rest->bytes || !is_one_of(rest->at[end], "\"\\")))
			return false;
		if (rest->at[end] < ' ' || rest->at[end] > '~')
			return false;
	}
	if (end >= rest->bytes)
		return false;
	member->type = STRUCTURED_STRING;
	member->text = slice_skip(slice_head(*rest, end), 1);
	*rest = slice_skip(*rest, end + 1);
	return true;
}

static bool take_bytes(struct slice *rest, struct structured_member *member)
{
	*rest = slice_skip(*rest, 1);
	member->type = STRUCTURED_BYTES;
	member->text = take_while(rest, is_base64);
	bool is_closed = starts(*rest, ':');
	*rest = slice_skip(*rest, 1);
	return is_closed;
}

static bool take_boolean(struct slice *rest, struct structured_member *member)
{
	bool is_valid = rest->bytes >= 2 && is_one_of(rest->at[1], "01");
	member->type = STRUCTURED_BOOLEAN;
	member->boolean = is_valid && rest->at[1] == '1';
	*rest = slice_skip(*rest, 2);
	return is_valid;
}

// take_item reads a bare item (4.2.3.1).
static bool take_item(struct slice *rest, struct structured_member *member)
{
	char first = rest->bytes ? rest->at[0] : 0;
	if (is_digit(first) || first == '-')
		return take_number(rest, member);
	if (first == '"')
		return take_string(rest, member);
	if (first == ':')
		return take_bytes(rest, member);
	if (first == '?')
		return take_boolean(rest, member);
	if (!is_alpha(first) && first != '*')
		return false;
	member->type = STRUCTURED_TOKEN;
	member->text = take_while(rest, is_token);
	return true;
}

static bool skip_parameters(struct slice *rest)
{
	struct structured_member ignored;
	while (starts(*rest, ';')) {
		*rest = slice_skip(*rest, 1);
		skip_blanks(rest, " ");
		if (!take_key(rest, &ignored.key))
			return false;
		if (!starts(*rest, '='))
			continue;
		*rest = slice_skip(*rest, 1);
		if (!take_item(rest, &ignored))
			return false;
	}
	return true;
}

// take_list reads an inner list (4.2.1.2).
static bool take_list(struct slice *rest, struct structured_member *member)
{
	struct structured_member item;
	struct slice start = *rest = slice_skip(*rest, 1);
	for (;;) {
		skip_blanks(rest, " ");
		if (starts(*rest, ')'))
			break;
		if (!take_item(rest, &item) || !skip_parameters(rest))
			return false;
		if (!starts(*rest, ' ') && !starts(*rest, ')'))
			return false;
	}
	member->type = STRUCTURED_LIST;
	member->text = slice_head(start, start.bytes - rest->bytes);
	*rest = slice_skip(*rest, 1);
	return true;
}

static bool take_value(struct slice *rest, struct structured_member *member)
{
	if (!starts(*rest, '=')) {
		member->type = STRUCTURED_BOOLEAN;
		member->boolean = true;
		return true;
	}
	*rest = slice_skip(*rest, 1);
	return starts(*rest, '(') ? take_list(rest, member) : take_item(rest, member);
}

enum structured_result structured_next(struct slice *rest, struct structured_member *member)
{
	*member = (struct structured_member){0};
	skip_blanks(rest, " ");
	if (rest->bytes == 0)
		return STRUCTURED_END;
	if (!take_key(rest, &member->key) || !take_value(rest, member) || !skip_parameters(rest))
		return STRUCTURED_INVALID;
	skip_blanks(rest, " \t");
	if (rest->bytes == 0)
		return STRUCTURED_MEMBER;
	if (rest->at[0] != ',')
		return STRUCTURED_INVALID;
	*rest = slice_skip(*rest, 1);
	skip_blanks(rest, " \t");
	return rest->bytes ? STRUCTURED_MEMBER : STRUCTURED_INVALID; // no comma at the end
}
