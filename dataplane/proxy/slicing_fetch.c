// SPDX-License-Identifier: Apache-2.0
// Manifests and slices fetched behind the client's back; see slicing.h. All parts are of the strong
// ETag that the manifest has: If-Match asks for it, and what comes with another is not stored.
#include "slicing.h"

#include "http_field.h"
#include "proxy_priv.h"
#include "slicing_priv.h"

#include "check.h"

#include <stdio.h>

struct exchange *slicing_behind(struct exchange *exchange)
{
	struct exchange *behind = exchange_new_behind(exchange);
	if (!behind)
		return NULL;
	behind->slicing = exchange->slicing;
	behind->slicing.piece = NULL;
	behind->slicing.etag = arena_copy(&behind->arena, exchange->slicing.etag);
	return behind;
}

bool slicing_is_fetch(const struct exchange *exchange)
{
	return exchange->slicing.step == SLICING_PROBE || exchange->slicing.step == SLICING_FETCH;
}

// span_of is what a slice holds of the whole: from first to last.
static void span_of(const struct exchange *exchange, uint64_t *first, uint64_t *last)
{
	uint64_t bytes = exchange->proxy->limits.slice_bytes;
	*first = exchange->slicing.index * bytes;
	*last = MIN(*first + bytes, exchange->slicing.total) - 1;
	if (exchange->slicing.step == SLICING_PROBE)
		*first = *last = 0;
}

uint32_t slicing_request(struct exchange *exchange, struct http_field fields[3])
{
	char text[64];
	uint64_t first, last;
	span_of(exchange, &first, &last);
	int bytes = snprintf(text, sizeof(text), "bytes=%llu-%llu", (unsigned long long)first,
			     (unsigned long long)last);
	struct slice range = arena_copy(&exchange->proxy->scratch, slice_of(text, (size_t)bytes));
	fields[0] = (struct http_field){SLICE("accept-encoding"), SLICE("identity")};
	fields[1] = (struct http_field){SLICE("range"), range};
	fields[2] = (struct http_field){SLICE("if-match"), exchange->slicing.etag};
	return exchange->slicing.step == SLICING_PROBE ? 2 : 3;
}

// take_number takes digits up to stop off text; false when there are none.
static bool take_number(struct slice *text, char stop, uint64_t *number)
{
	size_t end = slice_find(*text, stop);
	bool is_good = http_number(slice_head(*text, end), number);
	*text = slice_skip(*text, end + 1);
	return is_good;
}

// is_part is true for a 206 with the asked part of a whole with a strong ETag, as it is; its size
// is *total.
static bool is_part(const struct exchange *exchange, const struct http_message *response,
		    uint64_t *total)
{
	struct slice range = http_field_find(response, SLICE("content-range"));
	uint64_t wanted_first, wanted_last, first, last;
	span_of(exchange, &wanted_first, &wanted_last);
	if (response->status != 206 || !slice_starts(range, SLICE("bytes ")) ||
	    http_field_find(response, SLICE("content-encoding")).at ||
	    !slice_starts(http_field_find(response, SLICE("etag")), SLICE("\"")))
		return false;
	range = slice_skip(range, 6);
	return take_number(&range, '-', &first) && take_number(&range, '/', &last) &&
	       http_number(range, total) && first == wanted_first && last == wanted_last &&
	       last < *total;
}

// generation_of is that of the manifest which is stale, when the file is the same, else a new one.
static uint64_t generation_of(const struct exchange *exchange, struct slice etag, uint64_t total)
{
	const struct cache_object *stale = exchange->answer.stale;
	uint64_t old_total, generation;
	if (stale && slice_equal(http_field_find(cache_object_head(stale), SLICE("etag")), etag)) {
		struct slice text = cache_object_read(stale, 0, 64);
		if (take_number(&text, ' ', &old_total) && old_total == total &&
		    http_number(text, &generation))
			return generation;
	}
	return random_u64(exchange->proxy->random) >> 1; // 19 digits, as http_number reads them
}

// go_on reads the body: of a probe it is of no use, of a slice it is stored.
static void go_on(struct exchange *exchange, bool is_end)
{
	exchange->state = EXCHANGE_RELAY;
	exchange->is_response_begun = true;
	exchange_set_deadline(exchange, exchange->proxy->limits.body_idle_timeout_ms);
	if (is_end)
		exchange_response_end(exchange);
	else if (!exchange->answer.fill)
		exchange_finish(exchange); // one byte, or what nobody keeps
}

// begin stores a head of these fields; false when it may not be stored.
static bool begin(struct exchange *exchange, const struct slicing_question *question,
		  const struct http_message *head)
{
	enum counter why;
	struct cache_fill *fill = exchange->answer.fill;
	exchange->answer.fill = NULL;
	if (!cache_fill_begin(fill, &question->message, head, &why))
		return false;
	exchange->answer.fill = fill;
	return true;
}

static void store_manifest(struct exchange *exchange, const struct http_message *response,
			   uint64_t total)
{
	struct slicing_question question, head;
	char text[64];
	head.message = *response;
	head.message.status = 200;
	head.message.content_length = HTTP_LENGTH_NONE;
	head.message.fields = head.fields;
	head.message.field_count = 0;
	for (uint32_t i = 0; i < response->field_count; i++)
		if (!slice_equal(response->fields[i].name, SLICE("content-range")))
			head.fields[head.message.field_count++] = response->fields[i];
	head.fields[head.message.field_count++] =
		(struct http_field){SLICE("vary"), SLICE(":sliced")};
	uint64_t generation =
		generation_of(exchange, http_field_find(response, SLICE("etag")), total);
	int bytes = snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)total,
			     (unsigned long long)generation);
	slicing_ask_request(exchange, &question);
	if (!begin(exchange, &question, &head.message)) {
		slicing_mark(exchange, false);
		return;
	}
	if (cache_fill_write(exchange->answer.fill, slice_of(text, (size_t)bytes)))
		cache_fill_end(exchange->answer.fill);
	exchange->answer.fill = NULL;
	if (total > exchange->proxy->limits.object_bytes)
		slicing_mark(exchange, true);
}

static void store_slice(struct exchange *exchange)
{
	struct slicing_question question;
	struct http_field lasting = {SLICE("cache-control"), SLICE("max-age=31536000")};
	uint64_t first, last;
	span_of(exchange, &first, &last);
	struct http_message head = {.status = 200,
				    .version = 11,
				    .content_length = last - first + 1,
				    .fields = &lasting,
				    .field_count = 1};
	slicing_ask_slice(exchange, &question);
	begin(exchange, &question, &head);
}

void slicing_response(struct exchange *exchange, const struct http_message *response, bool is_end)
{
	struct proxy *proxy = exchange->proxy;
	struct slice etag = http_field_find(response, SLICE("etag"));
	bool is_probe = exchange->slicing.step == SLICING_PROBE;
	uint64_t total = 0;
	exchange_finish_answered(exchange, response->status);
	exchange->forward_status = response->status;
	exchange->is_response_ended = is_end;
	bool is_good =
		is_part(exchange, response, &total) && response->field_count < HTTP_FIELDS_MAX &&
		(is_probe ||
		 (total == exchange->slicing.total && slice_equal(etag, exchange->slicing.etag)));
	if (is_good && is_probe) {
		store_manifest(exchange, response, total);
	} else if (is_good) {
		counter_inc(proxy->counters, COUNTER_cache_slices_fetched);
		store_slice(exchange);
	} else if (is_probe) {
		slicing_mark(exchange, false);
		counter_inc(proxy->counters, COUNTER_cache_slicing_refused);
	} else if (response->status < 500) {
		// Another version: what is known of the URL is of the past.
		counter_inc(proxy->counters, COUNTER_cache_slicing_changed);
		struct http_message nothing = {.status = 200};
		cache_invalidate(proxy->cache, &exchange->request, &nothing);
	}
	if (!is_good) {
		exchange_finish(exchange);
		return;
	}
	go_on(exchange, is_end);
}
