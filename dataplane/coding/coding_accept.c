// SPDX-License-Identifier: Apache-2.0
// Accept-Encoding; see coding_accept.h.
#include "coding_accept.h"

#include "http_field.h"

enum { WEIGHT_NONE = -1, WEIGHT_MAX = 1000 };

// weight_of reads "0.5" as 500 (RFC 9110 12.4.2); what is no weight is 0.
static int weight_of(struct slice text)
{
	int weight = 0, unit = WEIGHT_MAX;
	if (text.bytes == 0 || text.bytes > 5 || (text.at[0] != '0' && text.at[0] != '1') ||
	    (text.bytes > 1 && text.at[1] != '.'))
		return 0;
	for (size_t i = 0; i < text.bytes; i++) {
		if (i == 1)
			continue;
		if (text.at[i] < '0' || text.at[i] > '9')
			return 0;
		weight += (text.at[i] - '0') * unit;
		unit /= 10;
	}
	return weight <= WEIGHT_MAX ? weight : 0;
}

// split_weight takes ";q=.." off item and returns the weight.
static int split_weight(struct slice *item)
{
	size_t end = slice_find(*item, ';');
	struct slice parameter = slice_trim(slice_skip(*item, end + 1));
	bool has_parameter = end < item->bytes;
	*item = slice_trim(slice_head(*item, end));
	if (!has_parameter)
		return WEIGHT_MAX;
	if (!slice_equal_nocase(slice_head(parameter, 2), SLICE("q=")))
		return 0;
	return weight_of(slice_trim(slice_skip(parameter, 2)));
}

struct weights {
	int of[CODING_COUNT];
	int other; // "*"
};

static void take_item(struct slice item, struct weights *weights)
{
	int weight = split_weight(&item);
	if (slice_equal_nocase(item, SLICE("x-gzip"))) // RFC 9110 8.4.1.3
		item = SLICE("gzip");
	if (slice_equal(item, SLICE("*")))
		weights->other = weight;
	for (unsigned i = 0; i < CODING_COUNT; i++)
		if (slice_equal_nocase(item, coding_name(i)))
			weights->of[i] = weight;
}

// judge chooses the favourites. Identity needs not be named to be accepted, but then it is the last
// choice.
static void judge(struct weights *weights, struct coding_accept *accept)
{
	int best = 1;
	int *identity = &weights->of[CODING_IDENTITY];
	if (*identity == WEIGHT_NONE && weights->other == 0)
		*identity = 0;
	for (unsigned i = CODING_IDENTITY + 1; i < CODING_COUNT; i++) {
		if (weights->of[i] == WEIGHT_NONE)
			weights->of[i] = weights->other;
		if (weights->of[i] > best)
			best = weights->of[i];
	}
	accept->refuses_identity = *identity == 0;
	for (unsigned i = CODING_IDENTITY + 1; i < CODING_COUNT; i++)
		if (weights->of[i] == best && best >= *identity)
			accept->codings |= 1u << i;
}

struct coding_accept coding_accept_read(const struct http_message *request)
{
	struct coding_accept accept = {0};
	struct weights weights = {.other = WEIGHT_NONE};
	for (unsigned i = 0; i < CODING_COUNT; i++)
		weights.of[i] = WEIGHT_NONE;
	for (uint32_t i = 0; i < request->field_count; i++) {
		struct slice list = request->fields[i].value, item;
		if (!slice_equal(request->fields[i].name, SLICE("accept-encoding")))
			continue;
		accept.is_given = true;
		while (http_next_item(&list, &item))
			take_item(item, &weights);
	}
	if (accept.is_given)
		judge(&weights, &accept);
	return accept;
}

struct slice coding_accept_text(const struct coding_accept *accept)
{
	static const struct slice plain[] = {
		SLICE("identity"), SLICE("gzip"),       SLICE("br"),       SLICE("br, gzip"),
		SLICE("zstd"),     SLICE("gzip, zstd"), SLICE("br, zstd"), SLICE("br, gzip, zstd"),
	};
	static const struct slice refusing[] = {
		SLICE("identity;q=0"),           SLICE("gzip, identity;q=0"),
		SLICE("br, identity;q=0"),       SLICE("br, gzip, identity;q=0"),
		SLICE("zstd, identity;q=0"),     SLICE("gzip, zstd, identity;q=0"),
		SLICE("br, zstd, identity;q=0"), SLICE("br, gzip, zstd, identity;q=0"),
	};
	unsigned index = accept->codings >> CODING_GZIP;
	return accept->refuses_identity ? refusing[index] : plain[index];
}

enum coding coding_accept_choose(const struct coding_accept *accept)
{
	for (unsigned coding = CODING_COUNT - 1; coding > CODING_IDENTITY; coding--)
		if (accept->codings >> coding & 1)
			return coding;
	return CODING_IDENTITY;
}
