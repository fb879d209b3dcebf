// SPDX-License-Identifier: Apache-2.0
// A client's exchange that is served from slices; see slicing.h. What fetches them is in
// slicing_fetch.c.
#include "slicing.h"

#include "cache_policy.h"
#include "exchange_key.h"
#include "http_field.h"
#include "proxy_priv.h"
#include "relay.h"
#include "slicing_priv.h"

#include "check.h"

#include <stdio.h>

static uint64_t slice_bytes(const struct exchange *exchange)
{
	return exchange->proxy->limits.slice_bytes;
}

struct slicing_mark *slicing_mark_of(const struct exchange *exchange, uint64_t *url_hash)
{
	struct proxy *proxy = exchange->proxy;
	struct slice authority = exchange->request.authority, target = exchange->request.target;
	*url_hash = siphash(&proxy->hash_key, authority.at, authority.bytes) * 31 +
		    siphash(&proxy->hash_key, target.at, target.bytes);
	return &proxy->slicing_marks[*url_hash & (SLICING_MARKS - 1)];
}

void slicing_mark(struct exchange *exchange, bool is_sliced)
{
	uint64_t url_hash;
	struct slicing_mark *mark = slicing_mark_of(exchange, &url_hash);
	uint64_t us = is_sliced ? SLICING_SLICED_US : SLICING_PLAIN_US;
	exchange->proxy->has_slicing_marks = true;
	*mark = (struct slicing_mark){url_hash, exchange->proxy->now_us + us, is_sliced};
}

// is_marked tells what is known of the URL.
static bool is_marked(const struct exchange *exchange, bool is_sliced)
{
	uint64_t url_hash;
	if (!exchange->proxy->has_slicing_marks)
		return false;
	const struct slicing_mark *mark = slicing_mark_of(exchange, &url_hash);
	return mark->url_hash == url_hash && mark->is_sliced == is_sliced &&
	       exchange->proxy->now_us < mark->until_us;
}

// is_one_range is true for what cache_part_of answers with a part.
static bool is_one_range(struct slice range)
{
	return range.bytes > 6 && slice_equal_nocase(slice_head(range, 6), SLICE("bytes=")) &&
	       slice_find(range, ',') == range.bytes;
}

void slicing_ask_request(const struct exchange *exchange, struct slicing_question *question)
{
	static const struct slice without[] = {SLICE("range"), SLICE("if-range"),
					       SLICE("if-none-match"), SLICE("if-modified-since")};
	const struct http_message *request = &exchange->request;
	question->message = *request;
	question->message.fields = question->fields;
	question->message.field_count = 0;
	for (uint32_t i = 0; i < request->field_count; i++) {
		bool is_dropped = false;
		for (size_t j = 0; j < ARRAY_LEN(without) && !is_dropped; j++)
			is_dropped = slice_equal(request->fields[i].name, without[j]);
		if (!is_dropped)
			question->fields[question->message.field_count++] = request->fields[i];
	}
	// No client can send such a field, so none but us selects this variant.
	question->fields[question->message.field_count++] =
		(struct http_field){SLICE(":sliced"), SLICE("1")};
}

void slicing_ask_slice(const struct exchange *exchange, struct slicing_question *question)
{
	const struct slicing *slicing = &exchange->slicing;
	struct slice authority = exchange->request.authority;
	int bytes =
		snprintf(question->authority, sizeof(question->authority), "%llx.%llx#%.*s",
			 (unsigned long long)slicing->generation,
			 (unsigned long long)slicing->index, (int)authority.bytes, authority.at);
	question->message = exchange->request;
	question->message.authority = slice_of(question->authority, (size_t)bytes);
	question->message.field_count = 0;
}

void slicing_ask(struct exchange *exchange)
{
	struct slicing_question question;
	if (exchange->slicing.step == SLICING_MANIFEST)
		slicing_ask_request(exchange, &question);
	else
		slicing_ask_slice(exchange, &question);
	exchange->slicing.is_asked = true;
	exchange->is_cache_asked = true;
	exchange->is_cache_answered = false;
	struct proxy *proxy = exchange->proxy;
	const struct cache_scope scope = {exchange_service_name, exchange};
	cache_ask(proxy->cache, &question.message, &scope, exchange->id);
}

bool slicing_begin(struct exchange *exchange)
{
	const struct http_message *request = &exchange->request;
	struct slice range = http_field_find(request, SLICE("range"));
	bool is_wanted = range.at ? is_one_range(range) && !is_marked(exchange, false)
				  : is_marked(exchange, true);
	if (!is_wanted || slice_bytes(exchange) == 0 || request->method != HTTP_GET ||
	    !exchange->down || exchange->slicing.tries > 0 ||
	    request->field_count >= HTTP_FIELDS_MAX || exchange_key_has_fields(exchange) ||
	    request->authority.bytes > SLICING_NAME_BYTES - 64)
		return false;
	exchange->state = EXCHANGE_CACHE;
	exchange->slicing.step = SLICING_MANIFEST;
	slicing_ask(exchange);
	return true;
}

void slicing_note(struct exchange *exchange, const struct http_message *response)
{
	const struct proxy_limits *limits = &exchange->proxy->limits;
	if (limits->slice_bytes && exchange->proxy->cache && exchange->request.method == HTTP_GET &&
	    response->status == 200 && response->content_length != HTTP_LENGTH_NONE &&
	    response->content_length > limits->object_bytes &&
	    slice_equal(http_field_find(response, SLICE("accept-ranges")), SLICE("bytes")) &&
	    slice_starts(http_field_find(response, SLICE("etag")), SLICE("\"")))
		slicing_mark(exchange, true);
}

// give_up serves the client without slices, or breaks what is half sent: that in a moment, since we
// may be inside of its connection's own call.
static void give_up(struct exchange *exchange)
{
	struct slicing *slicing = &exchange->slicing;
	if (slicing->step == SLICING_SENDING) {
		slicing->has_failed = true;
		exchange_set_deadline(exchange, 0);
		return;
	}
	slicing_leave(exchange);
	if (exchange->answer.object)
		lending_release(exchange->proxy, exchange->answer.object);
	exchange->answer =
		(struct cache_answer){.verdict = CACHE_PASS, .forward = CACHE_FORWARD_URI_MISS};
	slicing->step = SLICING_NONE;
	slicing->total = 0;
	slicing->tries = SLICING_TRIES_MAX; // not again
	if (http_field_find(&exchange->request, SLICE("range")).at)
		exchange_connect(exchange);
	else
		exchange_ask_cache(exchange);
}

// fetch has an exchange behind the client's back fetch what was asked for, and waits for it.
static void fetch(struct exchange *exchange, const struct cache_answer *answer)
{
	struct slicing *slicing = &exchange->slicing;
	bool is_probe = slicing->step == SLICING_MANIFEST;
	struct exchange *behind =
		slicing->tries < SLICING_TRIES_MAX ? slicing_behind(exchange) : NULL;
	slicing->tries++;
	if (!behind) {
		if (answer->stale)
			cache_release(exchange->proxy->cache, answer->stale);
		cache_fill_abandon(answer->fill);
		give_up(exchange);
		return;
	}
	behind->slicing.step = is_probe ? SLICING_PROBE : SLICING_FETCH;
	behind->is_cache_asked = behind->is_cache_answered = true;
	behind->answer = *answer;
	slicing_ask(exchange);
	exchange_connect(behind);
}

// begin_reply sends the head, by the manifest and what the client asked for.
static void begin_reply(struct exchange *exchange)
{
	struct slicing_question head;
	struct slicing *slicing = &exchange->slicing;
	struct cache_answer *answer = &exchange->answer;
	const struct http_message *stored = cache_object_head(answer->object);
	head.message = *stored;
	head.message.fields = head.fields;
	head.message.field_count = 0;
	for (uint32_t i = 0; i < stored->field_count; i++)
		if (!slice_equal(stored->fields[i].value, SLICE(":sliced")))
			head.fields[head.message.field_count++] = stored->fields[i];
	slicing->offset = answer->part_first;
	slicing->end = answer->part_first + answer->part_bytes;
	slicing->step = SLICING_SENDING;
	exchange_reply_object(exchange, &head.message);
}

// take_manifest reads what is known of the whole and chooses the client's part.
static void take_manifest(struct exchange *exchange, const struct cache_answer *answer)
{
	struct slicing *slicing = &exchange->slicing;
	struct slice text = cache_object_read(answer->object, 0, 64);
	const struct http_message *head = cache_object_head(answer->object);
	size_t space = slice_find(text, ' ');
	exchange->answer = *answer;
	exchange->answer.fill = NULL;
	exchange->answer.stale = NULL;
	slicing->etag = arena_copy(&exchange->arena, http_field_find(head, SLICE("etag")));
	if (!http_number(slice_head(text, space), &slicing->total) || slicing->total == 0 ||
	    !http_number(slice_skip(text, space + 1), &slicing->generation) || !slicing->etag.at) {
		give_up(exchange);
		return;
	}
	struct cache_part part = cache_part_of(&exchange->request, head, slicing->total,
					       cache_object_received_s(answer->object));
	exchange->answer.verdict = part.verdict;
	exchange->answer.part_first = part.first;
	exchange->answer.part_bytes = part.bytes;
	slicing->index = part.first / slice_bytes(exchange);
	slicing->tries = 0;
	if (part.verdict == CACHE_NOT_MODIFIED || part.verdict == CACHE_UNSATISFIABLE) {
		begin_reply(exchange);
		return;
	}
	slicing->step = SLICING_FIRST;
	slicing_ask(exchange);
}

// ask_ahead has the next slice fetched while this one is sent.
static void ask_ahead(struct exchange *exchange)
{
	struct slicing *slicing = &exchange->slicing;
	uint64_t end = exchange->answer.part_first + exchange->answer.part_bytes;
	if ((slicing->index + 1) * slice_bytes(exchange) >= end)
		return;
	struct exchange *behind = slicing_behind(exchange);
	if (!behind)
		return;
	behind->state = EXCHANGE_CACHE;
	behind->slicing.step = SLICING_AHEAD;
	behind->slicing.index++;
	slicing_ask(behind);
}

static void take_piece(struct exchange *exchange, struct cache_object *piece)
{
	struct slicing *slicing = &exchange->slicing;
	uint64_t first = slicing->index * slice_bytes(exchange);
	slicing->piece = piece;
	slicing->tries = 0;
	counter_inc(exchange->proxy->counters, COUNTER_cache_slices);
	if (cache_object_bytes(piece) != MIN(slice_bytes(exchange), slicing->total - first)) {
		give_up(exchange);
		return;
	}
	ask_ahead(exchange);
	if (slicing->step == SLICING_FIRST)
		begin_reply(exchange);
	else
		relay_wake_client(exchange);
}

// answered_ahead: the next slice is there, or we fetch it.
static void answered_ahead(struct exchange *exchange, const struct cache_answer *answer)
{
	exchange->answer = *answer;
	exchange->slicing.step = SLICING_FETCH;
	if (answer->fill && !answer->object)
		exchange_connect(exchange);
	else
		exchange_finish(exchange);
}

void slicing_answered(struct exchange *exchange, const struct cache_answer *answer)
{
	struct slicing *slicing = &exchange->slicing;
	exchange->is_cache_answered = true;
	slicing->is_asked = false;
	if (slicing->step == SLICING_AHEAD) {
		answered_ahead(exchange, answer);
		return;
	}
	if (answer->fill && !answer->object) {
		fetch(exchange, answer);
		return;
	}
	// Stale slices are as good as new ones; a stale manifest is fetched anew when it has ended.
	if (answer->fill)
		cache_fill_abandon(answer->fill);
	if (answer->stale)
		cache_release(exchange->proxy->cache, answer->stale);
	// Who waited too long for a slice while its origin is slow waits once more.
	bool is_waiting_on = !answer->object && slicing->step == SLICING_SENDING &&
			     slicing->tries < SLICING_TRIES_MAX;
	slicing->tries += is_waiting_on;
	if (is_waiting_on)
		slicing_ask(exchange);
	else if (!answer->object)
		give_up(exchange);
	else if (slicing->step == SLICING_MANIFEST)
		take_manifest(exchange, answer);
	else
		take_piece(exchange, answer->object);
}

// wait_for_more: the slice arrives yet. One that broke is asked for again: its bytes would be the
// same.
static void wait_for_more(struct exchange *exchange)
{
	struct slicing *slicing = &exchange->slicing;
	enum cache_growth growth = cache_object_growth(slicing->piece);
	if (growth == CACHE_GROWING) {
		cache_object_await(exchange->proxy->cache, slicing->piece, &exchange->reader);
	} else if (growth == CACHE_BROKEN && slicing->breaks++ < SLICING_TRIES_MAX) {
		slicing_leave(exchange);
		slicing_ask(exchange);
	} else if (growth == CACHE_BROKEN) {
		give_up(exchange);
	}
}

struct slice slicing_pull(struct exchange *exchange, size_t max, bool *is_end)
{
	struct slicing *slicing = &exchange->slicing;
	uint64_t index = slicing->offset / slice_bytes(exchange);
	exchange->response_lent = 0;
	*is_end = false;
	if (slicing->piece && slicing->index != index)
		slicing_leave(exchange);
	slicing->index = index;
	if (!slicing->piece && !slicing->is_asked && !slicing->has_failed)
		slicing_ask(exchange);
	if (slicing->has_failed)
		exchange_set_deadline(exchange, 0);
	if (!slicing->piece || slicing->has_failed)
		return (struct slice){0};
	struct slice run =
		cache_object_read(slicing->piece, slicing->offset - index * slice_bytes(exchange),
				  MIN(max, slicing->end - slicing->offset));
	lending_lend(exchange, slicing->piece, run);
	slicing->offset += run.bytes;
	exchange->response_lent = run.bytes;
	*is_end = slicing->offset == slicing->end;
	if (run.bytes == 0 && !*is_end)
		wait_for_more(exchange);
	return run;
}

void slicing_leave(struct exchange *exchange)
{
	cache_reader_leave(&exchange->reader);
	if (exchange->slicing.piece)
		lending_release(exchange->proxy, exchange->slicing.piece);
	exchange->slicing.piece = NULL;
}
