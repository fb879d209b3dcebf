// SPDX-License-Identifier: Apache-2.0
// Fields that a proxy adds and removes on the way; see forward.h.
#include "forward.h"

#include "exchange_policy.h"
#include "proxy_priv.h"

#include "check.h"
#include "decimal.h"

#include <errno.h>
#include <stdio.h>

enum { FIELDS_ADDED_MAX = 10 + EXCHANGE_POLICY_FIELDS, VALUE_BYTES_MAX = 1024 };

// glue returns the parts, one behind the other, in the arena; at is NULL when they do not fit.
static struct slice glue(struct arena *arena, const struct slice *parts, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += parts[i].bytes;
	char *at = bytes <= VALUE_BYTES_MAX ? arena_alloc(arena, bytes) : NULL;
	if (!at)
		return (struct slice){0};
	char *end = at;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].bytes)
			memcpy(end, parts[i].at, parts[i].bytes);
		end += parts[i].bytes;
	}
	return slice_of(at, bytes);
}

static struct slice number(struct arena *arena, uint64_t value)
{
	char *at = arena_alloc(arena, DECIMAL_BYTES_MAX);
	return slice_of(at, at ? (size_t)(decimal_write(at, value) - at) : 0);
}

// join returns "before, value", or value alone when before is empty.
static struct slice join(struct arena *arena, struct slice before, struct slice value)
{
	if (before.bytes == 0)
		return value;
	char *at = arena_alloc(arena, before.bytes + 2 + value.bytes);
	if (!at || !value.at)
		return (struct slice){0};
	memcpy(at, before.at, before.bytes);
	memcpy(at + before.bytes, ", ", 2);
	memcpy(at + before.bytes + 2, value.at, value.bytes);
	return slice_of(at, before.bytes + 2 + value.bytes);
}

// join_all returns the values of all fields called name, in their order (RFC 9110 5.3), and own
// behind them.
static struct slice join_all(struct arena *arena, const struct http_message *from,
			     struct slice name, struct slice own)
{
	struct slice all = {0};
	for (uint32_t i = 0; i < from->field_count; i++)
		if (slice_equal(from->fields[i].name, name) && from->fields[i].value.bytes)
			all = join(arena, all, from->fields[i].value);
	return join(arena, all, own);
}

static bool is_among(struct slice name, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(name, names[i]))
			return true;
	return false;
}

// begin_empty copies the head's frame, leaving room for its fields and more.
static int begin_empty(struct exchange *exchange, const struct http_message *from,
		       struct http_message *out)
{
	struct arena *arena = &exchange->proxy->scratch;
	arena_reset(arena);
	*out = *from;
	out->field_count = 0;
	out->fields =
		arena_alloc(arena, (from->field_count + FIELDS_ADDED_MAX) * sizeof(*out->fields));
	return out->fields ? 0 : ENOMEM;
}

// begin copies the head's frame and its fields but those named in without, leaving room for more.
static int begin(struct exchange *exchange, const struct http_message *from,
		 const struct slice *without, size_t without_count, struct http_message *out)
{
	if (begin_empty(exchange, from, out) != 0)
		return ENOMEM;
	uint64_t lengths = 0; // of without, a bit each: what most fields are told apart by
	for (size_t j = 0; j < without_count; j++)
		lengths |= 1ull << without[j].bytes % 64;
	for (uint32_t i = 0; i < from->field_count; i++) {
		if (!(lengths >> from->fields[i].name.bytes % 64 & 1) ||
		    !is_among(from->fields[i].name, without, without_count))
			out->fields[out->field_count++] = from->fields[i];
	}
	return 0;
}

// add appends a field; a value that did not fit (at NULL) is an error.
static int add(struct http_message *out, struct slice name, struct slice value)
{
	if (!value.at)
		return ENOMEM;
	out->fields[out->field_count++] = (struct http_field){name, value};
	return 0;
}

static struct slice version_text(uint8_t version)
{
	return version == 20 ? SLICE("2 ") : version == 10 ? SLICE("1.0 ") : SLICE("1.1 ");
}

// add_via appends this node to the fields named via that `from` carried.
static int add_via(struct exchange *exchange, const struct http_message *from,
		   struct http_message *out)
{
	struct arena *arena = &exchange->proxy->scratch;
	const struct slice own[] = {version_text(from->version), slice_str(exchange->proxy->node)};
	return add(out, SLICE("via"),
		   join_all(arena, from, SLICE("via"), glue(arena, own, ARRAY_LEN(own))));
}

bool forward_is_trusted(const struct proxy *proxy, const struct addr *addr)
{
	for (uint32_t i = 0; i < proxy->limits.trusted_count; i++)
		if (prefix_contains(&proxy->limits.trusted[i], addr))
			return true;
	return false;
}

// take_last takes the last address off a list of them; false when it is none.
static bool take_last(struct slice *list, struct addr *addr)
{
	char text[ADDR_TEXT_BYTES] = "";
	size_t at = list->bytes;
	while (at > 0 && list->at[at - 1] != ',')
		at--;
	struct slice last = slice_skip(*list, at);
	while (slice_starts(last, SLICE(" ")))
		last = slice_skip(last, 1);
	*list = slice_head(*list, at ? at - 1 : 0);
	if (last.bytes >= sizeof(text))
		return false;
	memcpy(text, last.at, last.bytes);
	return addr_parse(text, addr) == 0;
}

struct addr forward_client(const struct downstream *down, const struct http_message *request)
{
	const struct proxy *proxy = down->transport.proxy;
	struct addr client = down->tuple.remote, before;
	for (uint32_t i = request->field_count; i > 0 && forward_is_trusted(proxy, &client); i--) {
		struct slice list = request->fields[i - 1].value;
		if (!slice_equal(request->fields[i - 1].name, SLICE("x-forwarded-for")))
			continue;
		while (list.bytes && forward_is_trusted(proxy, &client)) {
			if (!take_last(&list, &before))
				return client;
			client = before;
		}
	}
	return client;
}

// add_forwarded tells who the client is: the edge knows it from the connection itself. What the
// client says of those before it is believed of a trusted proxy only: a service would take it for
// the truth, and the cache has no key for it.
static int add_forwarded(struct exchange *exchange, struct http_message *out)
{
	struct arena *arena = &exchange->proxy->scratch;
	const struct http_message *request = &exchange->request;
	const struct addr *client =
		exchange->down ? &exchange->down->tuple.remote : &exchange->client;
	static const struct http_message nobody;
	const struct http_message *before =
		forward_is_trusted(exchange->proxy, client) ? request : &nobody;
	char text[ADDR_TEXT_BYTES];
	addr_text(client, text);
	struct slice address = arena_copy(arena, slice_str(text));
	bool is_v4 = addr_is_v4(client);
	const struct slice parts[] = {is_v4 ? SLICE("for=") : SLICE("for=\"["),
				      address,
				      is_v4 ? SLICE(";host=\"") : SLICE("]\";host=\""),
				      request->authority,
				      SLICE("\";proto="),
				      request->scheme};
	struct slice element = glue(arena, parts, ARRAY_LEN(parts));
	int error = add(out, SLICE("x-forwarded-for"),
			join_all(arena, before, SLICE("x-forwarded-for"), address));
	error |= add(out, SLICE("x-forwarded-proto"), request->scheme);
	error |= add(out, SLICE("forwarded"), join_all(arena, before, SLICE("forwarded"), element));
	return error ? ENOMEM : 0;
}

// add_trace hands the trace on; tracestate is the caller's word about a trace that goes on.
static int add_trace(struct exchange *exchange, struct http_message *out)
{
	char text[TRACE_PARENT_BYTES];
	trace_draw(&exchange->trace, exchange->proxy->random);
	trace_format(&exchange->trace, text);
	return add(out, SLICE("traceparent"),
		   arena_copy(&exchange->proxy->scratch, slice_of(text, sizeof(text))));
}

// add_condition makes the request one that validates the stale object (RFC 9111 4.3.1).
static int add_condition(struct exchange *exchange, struct http_message *out)
{
	const struct http_message *stale = cache_object_head(exchange->answer.stale);
	struct slice etag = http_field_find(stale, SLICE("etag"));
	struct slice changed = http_field_find(stale, SLICE("last-modified"));
	int error = etag.at ? add(out, SLICE("if-none-match"), etag) : 0;
	return error || !changed.at ? error : add(out, SLICE("if-modified-since"), changed);
}

// drop takes fields out of a head that is being built.
static void drop(struct http_message *out, const struct slice *names, size_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < out->field_count; i++) {
		bool is_dropped = false;
		for (size_t j = 0; j < count && !is_dropped; j++)
			is_dropped = slice_equal(out->fields[i].name, names[j]);
		if (!is_dropped)
			out->fields[kept++] = out->fields[i];
	}
	out->field_count = kept;
}

// condition replaces the client's own conditions and range by ours, when there is something to
// validate: its answer is chosen when the origin has spoken.
static int condition(struct exchange *exchange, struct http_message *out)
{
	static const struct slice own[] = {SLICE("if-none-match"), SLICE("if-modified-since"),
					   SLICE("range"), SLICE("if-range")};
	const struct cache_object *stale = exchange->answer.stale;
	exchange->is_validating = stale && cache_object_can_confirm(stale);
	if (!exchange->is_validating)
		return 0;
	drop(out, own, ARRAY_LEN(own));
	return add_condition(exchange, out);
}

// has_extension tells whether there is any field of the kind that drop_unkeyed is about.
static bool has_extension(const struct http_message *out)
{
	for (uint32_t i = 0; i < out->field_count; i++)
		if (slice_starts(out->fields[i].name, SLICE("x-")))
			return true;
	return false;
}

// drop_unkeyed takes out what a stranger could steer the service with past the key of the cache,
// and so others' answers: where the request is said to have been sent, what it is said to ask.
static void drop_unkeyed(struct http_message *out)
{
	static const struct slice unkeyed[] = {
		SLICE("x-forwarded-host"),     SLICE("x-forwarded-server"),
		SLICE("x-forwarded-port"),     SLICE("x-forwarded-scheme"),
		SLICE("x-forwarded-prefix"),   SLICE("x-forwarded-ssl"),
		SLICE("x-forwarded-path"),     SLICE("x-forwarded-uri"),
		SLICE("x-original-url"),       SLICE("x-original-host"),
		SLICE("x-rewrite-url"),        SLICE("x-host"),
		SLICE("x-http-host-override"), SLICE("x-http-method-override"),
		SLICE("x-http-method"),        SLICE("x-method-override")};
	enum { METHODS_COUNT = 3 }; // of use with methods that are not cached
	if (!has_extension(out))
		return;
	bool is_cached = out->method == HTTP_GET || out->method == HTTP_HEAD;
	drop(out, unkeyed, ARRAY_LEN(unkeyed) - (is_cached ? 0 : METHODS_COUNT));
}

// part makes the request one for a part of a large object, whatever the client asked for.
static int part(struct exchange *exchange, struct http_message *out)
{
	static const struct slice own[] = {SLICE("range"),          SLICE("if-range"),
					   SLICE("if-none-match"),  SLICE("if-modified-since"),
					   SLICE("if-match"),       SLICE("if-unmodified-since"),
					   SLICE("accept-encoding")};
	struct http_field fields[3];
	uint32_t count = slicing_request(exchange, fields);
	int error = 0;
	drop(out, own, ARRAY_LEN(own));
	for (uint32_t i = 0; i < count; i++)
		error |= add(out, fields[i].name, fields[i].value);
	return error;
}

int forward_request(struct exchange *exchange, struct http_message *out)
{
	// The last is left where the caller's trace goes on.
	static const struct slice replaced[] = {
		SLICE("x-forwarded-for"), SLICE("x-forwarded-proto"),
		SLICE("forwarded"),       SLICE("via"),
		SLICE("expect"),          SLICE("traceparent"),
		SLICE("tracestate")};
	enum { FORWARDED_COUNT = 3 };
	const struct role *role = exchange->proxy->role;
	const struct http_message *request = &exchange->request;
	size_t first = role->is_first ? 0 : FORWARDED_COUNT;
	size_t count = ARRAY_LEN(replaced) - exchange->trace.is_taken - first;
	if (begin(exchange, request, replaced + first, count, out) != 0)
		return ENOMEM;
	out->expects_continue &= !role->is_first || exchange->proxy->limits.continue_timeout_ms > 0;
	if (request->protocol.bytes) {
		out->nonce[0] = random_u64(exchange->proxy->random);
		out->nonce[1] = random_u64(exchange->proxy->random);
	}
	if (role->is_first) {
		drop_unkeyed(out);
		if (add_forwarded(exchange, out) != 0)
			return ENOMEM;
	}
	if (add_trace(exchange, out) != 0 ||
	    (slicing_is_fetch(exchange) ? part(exchange, out) : condition(exchange, out)) != 0)
		return ENOMEM;
	if (add_via(exchange, request, out) != 0)
		return ENOMEM;
	exchange_policy_request(exchange, out);
	return 0;
}

size_t forward_cache_status(const struct exchange *exchange, char *out, size_t room)
{
	const struct proxy *proxy = exchange->proxy;
	if (!proxy->role->is_caching)
		return 0;
	struct cache_status status = {
		.name = proxy->cache_name,
		.answer = &exchange->answer,
		.is_answered = exchange->is_cache_answered,
		.is_stored = exchange->is_stored,
		.is_collapsed = exchange->is_collapsed,
		.is_survived = exchange->is_survived,
		.request = &exchange->request,
		.forward_status = exchange->forward_status,
	};
	return cache_status_format(&status, out, room);
}

// add_cache_status says what the cache did (edge only; other nodes have none), behind what from
// (NULL: nothing) has of it.
static int add_cache_status(struct exchange *exchange, const struct http_message *from,
			    struct http_message *out)
{
	struct proxy *proxy = exchange->proxy;
	if (!proxy->role->is_caching)
		return 0;
	char *text = arena_alloc(&proxy->scratch, CACHE_STATUS_BYTES);
	if (!text)
		return ENOMEM;
	struct slice own = slice_of(text, forward_cache_status(exchange, text, CACHE_STATUS_BYTES));
	return add(out, SLICE("cache-status"),
		   from ? join_all(&proxy->scratch, from, SLICE("cache-status"), own) : own);
}

// add_server_timing tells how long this node took until now (Server Timing, W3C), behind what the
// nodes before it said.
static int add_server_timing(struct exchange *exchange, struct http_message *out)
{
	char text[32];
	struct arena *arena = &exchange->proxy->scratch;
	if (!exchange->proxy->limits.has_server_timing)
		return 0;
	uint32_t age_us = exchange_age_us(exchange);
	int bytes = snprintf(text, sizeof(text), ";dur=%u.%03u", age_us / 1000, age_us % 1000);
	const struct slice parts[] = {slice_str(exchange->proxy->node),
				      slice_of(text, (size_t)bytes)};
	return add(out, SLICE("server-timing"), glue(arena, parts, ARRAY_LEN(parts)));
}

static int add_date(struct exchange *exchange, const struct http_message *from,
		    struct http_message *out)
{
	struct proxy *proxy = exchange->proxy;
	if (http_field_find(from, SLICE("date")).at)
		return 0;
	if (proxy->date_s != proxy->wall_s || !proxy->date[0])
		http_date(proxy->wall_s, proxy->date);
	proxy->date_s = proxy->wall_s;
	return add(out, SLICE("date"), slice_of(proxy->date, sizeof(proxy->date) - 1));
}

int forward_response(struct exchange *exchange, const struct http_message *response,
		     struct http_message *out)
{
	// The last three are for the cache.
	static const struct slice replaced[] = {SLICE("via"), SLICE("cache-status"),
						SLICE("surrogate-key"), SLICE("surrogate-control"),
						SLICE("cache-tag")};
	enum { TAGS_COUNT = 3 };
	bool is_caching = exchange->proxy->role->is_caching;
	size_t count = ARRAY_LEN(replaced) - (is_caching ? 0 : TAGS_COUNT);
	int error = begin(exchange, response, replaced, count, out);
	if (error)
		return error;
	error |= add_via(exchange, response, out);
	error |= add_date(exchange, response, out);
	error |= add_server_timing(exchange, out);
	error |= add_cache_status(exchange, response, out);
	exchange_policy_response(exchange, out);
	return error ? ENOMEM : 0;
}

// whole_bytes is the size of what the object answers for.
static uint64_t whole_bytes(const struct exchange *exchange)
{
	uint64_t total = exchange->slicing.total;
	return total ? total : cache_object_bytes(exchange->answer.object);
}

// content_range writes "bytes first-last/whole", or "bytes */whole" for a range that is beyond it
// (RFC 9110 14.4).
static struct slice content_range(const struct exchange *exchange)
{
	struct arena *arena = &exchange->proxy->scratch;
	const struct cache_answer *answer = &exchange->answer;
	struct slice whole = number(arena, whole_bytes(exchange));
	struct slice first = number(arena, answer->part_first);
	struct slice last = number(arena, answer->part_first + answer->part_bytes - 1);
	const struct slice part[] = {SLICE("bytes "), first, SLICE("-"), last, SLICE("/"), whole};
	const struct slice none[] = {SLICE("bytes */"), whole};
	return answer->verdict == CACHE_PARTIAL ? glue(arena, part, ARRAY_LEN(part))
						: glue(arena, none, ARRAY_LEN(none));
}

// set_frame sets status and length by what of the object is sent.
static int set_frame(struct exchange *exchange, struct http_message *out)
{
	const struct cache_answer *answer = &exchange->answer;
	out->is_chunked = false;
	out->content_length = whole_bytes(exchange);
	if (answer->verdict == CACHE_HIT)
		return 0;
	if (answer->verdict == CACHE_NOT_MODIFIED) {
		out->status = 304;
		out->content_length = HTTP_LENGTH_NONE;
		return 0;
	}
	bool is_part = answer->verdict == CACHE_PARTIAL;
	out->status = is_part ? 206 : 416;
	out->content_length = is_part ? answer->part_bytes : 0;
	return add(out, SLICE("content-range"), content_range(exchange));
}

// What becomes of a stored field in an answer.
enum stored_kind {
	STORED_KEPT,
	STORED_DATE,
	STORED_OF_BODY, // goes with it; Last-Modified is of use to a client without ETag only
	STORED_STATUS,  // Cache-Status: ours is joined to it
	STORED_OURS,    // written anew, or meant for the cache
};

static enum stored_kind named(struct slice name, const char *text, enum stored_kind kind)
{
	return memcmp(name.at, text, name.bytes) == 0 ? kind : STORED_KEPT;
}

static enum stored_kind stored_kind_of(struct slice name)
{
	switch (name.bytes) {
	case 3: return named(name, "age", STORED_OURS);
	case 4: return named(name, "date", STORED_DATE);
	case 9: return named(name, "cache-tag", STORED_OURS);
	case 12:
		return name.at[1] == 'a' ? named(name, "cache-status", STORED_STATUS)
					 : named(name, "content-type", STORED_OF_BODY);
	case 13:
		return name.at[0] == 's'   ? named(name, "surrogate-key", STORED_OURS)
		       : name.at[0] == 'l' ? named(name, "last-modified", STORED_OF_BODY)
					   : named(name, "content-range", STORED_OF_BODY);
	case 14: return named(name, "content-length", STORED_OF_BODY);
	case 16:
		return name.at[8] == 'e' ? named(name, "content-encoding", STORED_OF_BODY)
					 : named(name, "content-language", STORED_OF_BODY);
	case 17: return named(name, "surrogate-control", STORED_OURS);
	default: return STORED_KEPT;
	}
}

// add_stored adds what the client gets of the stored fields; *all are the kinds that were there, a
// bit each.
static void add_stored(const struct http_message *stored, bool has_body, struct http_message *out,
		       unsigned *all)
{
	unsigned added =
		1u << STORED_KEPT | 1u << STORED_DATE | (unsigned)has_body << STORED_OF_BODY;
	*all = 0;
	for (uint32_t i = 0; i < stored->field_count; i++) {
		unsigned kind = 1u << stored_kind_of(stored->fields[i].name);
		*all |= kind;
		if (kind & added)
			out->fields[out->field_count++] = stored->fields[i];
	}
}

// add_written adds the fields of an object's head, which are written ahead; false: they are not, or
// are not what this client gets.
static bool add_written(const struct exchange *exchange, const struct http_message *stored,
			struct http_message *out)
{
	const struct cache_answer *answer = &exchange->answer;
	if (answer->verdict != CACHE_HIT || exchange->slicing.total)
		return false;
	const struct http_written *written = cache_object_written(answer->object);
	if (!written || stored != cache_object_head(answer->object))
		return false;
	memcpy(out->fields, stored->fields, stored->field_count * sizeof(*stored->fields));
	out->field_count = stored->field_count;
	out->written = written;
	return true;
}

// add_received adds the Date of an object that has none: when it was received.
static int add_received(struct exchange *exchange, struct http_message *out)
{
	char text[30];
	http_date(cache_object_received_s(exchange->answer.object), text);
	return add(out, SLICE("date"), arena_copy(&exchange->proxy->scratch, slice_str(text)));
}

int forward_object(struct exchange *exchange, const struct http_message *stored,
		   struct http_message *out)
{
	struct cache_answer *answer = &exchange->answer;
	bool has_body = answer->verdict == CACHE_HIT || answer->verdict == CACHE_PARTIAL;
	unsigned all = 1u << STORED_DATE;
	if (begin_empty(exchange, stored, out) != 0)
		return ENOMEM;
	if (!add_written(exchange, stored, out)) {
		add_stored(stored, has_body, out, &all);
		if (set_frame(exchange, out) != 0)
			return ENOMEM;
	}
	if (!(all & 1u << STORED_DATE) && add_received(exchange, out) != 0)
		return ENOMEM;
	if (add(out, SLICE("age"), number(&exchange->proxy->scratch, answer->age_s)) != 0 ||
	    add_server_timing(exchange, out) != 0 ||
	    add_cache_status(exchange, all & 1u << STORED_STATUS ? stored : NULL, out) != 0)
		return ENOMEM;
	exchange_policy_response(exchange, out);
	return 0;
}

// retry_after is when a client may ask again, in seconds; empty where nobody can tell.
static struct slice retry_after(const struct exchange *exchange)
{
	switch (exchange->reason) {
	case COUNTER_exchange_client_rate:
	case COUNTER_exchange_service_rate: return SLICE("1");
	case COUNTER_exchange_maintenance: return SLICE("60");
	default: return (struct slice){0};
	}
}

// add_allow lists the methods that may be asked, of the service or in general (RFC 9110 15.5.6).
static int add_allow(struct exchange *exchange, struct http_message *out)
{
	char text[64];
	struct slice methods = exchange_policy_methods(exchange, text);
	if (methods.bytes)
		return add(out, SLICE("allow"), arena_copy(&exchange->proxy->scratch, methods));
	return add(out, SLICE("allow"), SLICE("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
}

int forward_reply(struct exchange *exchange, const struct forward_reply *reply,
		  struct http_message *out)
{
	bool has_content = reply->status != 204;
	struct http_message empty = {.status = reply->status,
				     .version = 11,
				     .content_length = has_content ? exchange->reply_body.bytes
								   : HTTP_LENGTH_NONE};
	int error = begin(exchange, &empty, NULL, 0, out);
	if (error)
		return error;
	if (has_content)
		error |= add(out, SLICE("content-type"),
			     reply->is_html ? SLICE("text/html; charset=utf-8")
					    : SLICE("text/plain; charset=utf-8"));
	error |= add(out, SLICE("cache-control"), SLICE("no-store"));
	error |= add_date(exchange, &empty, out);
	error |= add_server_timing(exchange, out);
	error |= add_cache_status(exchange, &empty, out);
	if (reply->location.bytes)
		error |= add(out, SLICE("location"), reply->location);
	if (reply->status == 405 || reply->status == 200)
		error |= add_allow(exchange, out);
	if (retry_after(exchange).bytes)
		error |= add(out, SLICE("retry-after"), retry_after(exchange));
	exchange_policy_response(exchange, out);
	return error ? ENOMEM : 0;
}
