// SPDX-License-Identifier: Apache-2.0
// How long a response is fresh and how old it is (RFC 9111 4.2), from its fields and two times.
#include "cache_policy.h"

#include "check.h"

enum { DATE_BYTES_MAX = 40, HEURISTIC_PART = 10 };

// in_case gives a letter the case it has in a date: the first of a word is a capital.
static char in_case(char c, bool is_first)
{
	bool is_capital = c >= 'A' && c <= 'Z', is_small = c >= 'a' && c <= 'z';
	if (is_first && is_small)
		return (char)(c - 32);
	return (char)(!is_first && is_capital ? c + 32 : c);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool cache_date_parse(struct slice text, uint64_t *wall_s)
{
	char date[DATE_BYTES_MAX];
	if (text.bytes > sizeof(date))
		return false;
	for (size_t i = 0; i < text.bytes; i++)
		date[i] = in_case(text.at[i], i == 0 || !is_letter(text.at[i - 1]));
	struct slice zone = {0};
	if (text.bytes > 4)
		zone = slice_skip(slice_of(date, text.bytes), text.bytes - 4);
	if (slice_equal(zone, SLICE(" Gmt")))
		memcpy(date + text.bytes - 3, "GMT", 3);
	return http_date_parse(slice_of(date, text.bytes), wall_s);
}

bool cache_status_is_heuristic(uint16_t status)
{
	static const uint16_t heuristic[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
	for (size_t i = 0; i < ARRAY_LEN(heuristic); i++)
		if (heuristic[i] == status)
			return true;
	return false;
}

// expires_lifetime_s is Expires - Date. An invalid date, "0" above all, is in the past (5.3), and
// so are two that differ.
static uint64_t expires_lifetime_s(const struct http_message *response, struct slice expires,
				   uint64_t date_s)
{
	uint64_t expires_s;
	for (uint32_t i = 0; i < response->field_count; i++)
		if (slice_equal(response->fields[i].name, SLICE("expires")) &&
		    !slice_equal(response->fields[i].value, expires))
			return 0;
	if (!cache_date_parse(expires, &expires_s) || expires_s <= date_s)
		return 0;
	return MIN(expires_s - date_s, CACHE_SECONDS_MAX);
}

// heuristic_lifetime_s guesses (4.2.2), not for who sends cookies: what an origin that says nothing
// answers to them may be theirs. 0: no guess.
static uint64_t heuristic_lifetime_s(const struct http_message *request,
				     const struct http_message *response, bool is_public,
				     uint64_t date_s)
{
	uint64_t changed_s;
	struct slice changed = http_field_find(response, SLICE("last-modified"));
	bool is_allowed = is_public || (cache_status_is_heuristic(response->status) &&
					!http_field_find(request, SLICE("cookie")).at);
	if (!is_allowed || !cache_date_parse(changed, &changed_s) || changed_s >= date_s)
		return 0;
	return MIN((date_s - changed_s) / HEURISTIC_PART, (uint64_t)CACHE_HEURISTIC_S);
}

static bool set_lifetime(const struct http_message *request, const struct http_message *response,
			 const struct cache_directives *directives, uint64_t date_s,
			 uint64_t *lifetime_s)
{
	struct slice expires = http_field_find(response, SLICE("expires"));
	if (directives->s_maxage_s >= 0)
		*lifetime_s = (uint64_t)directives->s_maxage_s;
	else if (directives->max_age_s >= 0)
		*lifetime_s = (uint64_t)directives->max_age_s;
	else if (expires.at && !directives->is_targeted)
		*lifetime_s = expires_lifetime_s(response, expires, date_s);
	else
		*lifetime_s =
			heuristic_lifetime_s(request, response, directives->is_public, date_s);
	return *lifetime_s > 0 || directives->s_maxage_s >= 0 || directives->max_age_s >= 0 ||
	       (expires.at && !directives->is_targeted);
}

// age_field_s reads the first member of the first Age; what is no number is ignored (5.1).
static uint64_t age_field_s(const struct http_message *response)
{
	struct slice text = http_field_find(response, SLICE("age"));
	uint64_t age_s = 0;
	text = slice_trim(slice_head(text, slice_find(text, ',')));
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return 0;
		age_s = MIN(age_s * 10 + (uint64_t)(text.at[i] - '0'), CACHE_SECONDS_MAX);
	}
	return age_s;
}

bool cache_freshness_of(const struct http_message *request, const struct http_message *response,
			const struct cache_directives *directives, struct cache_times times,
			struct cache_freshness *freshness)
{
	uint64_t date_s, now_s = times.now_s;
	if (!cache_date_parse(http_field_find(response, SLICE("date")), &date_s))
		date_s = now_s;
	uint64_t apparent_s = now_s > date_s ? now_s - date_s : 0;
	uint64_t corrected_s = age_field_s(response) + times.delay_s;
	freshness->received_s = now_s;
	freshness->initial_age_s = MAX(apparent_s, corrected_s);
	return set_lifetime(request, response, directives, date_s, &freshness->lifetime_s);
}

uint64_t cache_age_s(const struct cache_freshness *freshness, uint64_t now_s)
{
	// The wall clock may be set back: then no time has passed.
	uint64_t resident_s = now_s > freshness->received_s ? now_s - freshness->received_s : 0;
	return MIN(freshness->initial_age_s + resident_s, CACHE_SECONDS_MAX);
}

int64_t cache_ttl_s(const struct cache_freshness *freshness, uint64_t now_s)
{
	return (int64_t)freshness->lifetime_s - (int64_t)cache_age_s(freshness, now_s);
}
