// SPDX-License-Identifier: Apache-2.0
// Which responses are compressed, and what that makes of their heads (RFC 9110 8.4, 8.8.1, 12.5.3,
// 12.5.5; RFC 9111 5.2.2.6); see compress.h.
#include "compress.h"

#include "exchange_policy.h"
#include "http_field.h"
#include "proxy_priv.h"

#include "check.h"

static bool has(const struct http_message *message, struct slice name)
{
	return http_field_find(message, name).at != NULL;
}

// is_listed is true when a field that is a list has this member, whatever its case.
static bool is_listed(const struct http_message *message, struct slice name, struct slice member)
{
	for (uint32_t i = 0; i < message->field_count; i++) {
		struct slice list = message->fields[i].value, item;
		if (!slice_equal(message->fields[i].name, name))
			continue;
		while (http_next_item(&list, &item))
			if (slice_equal_nocase(item, member))
				return true;
	}
	return false;
}

// is_on tells whether this node compresses for the exchange's service. What secrets and a
// stranger's words lie in one response may leak by its length (BREACH): such services switch it
// off.
static bool is_on(const struct exchange *exchange)
{
	const struct proxy *proxy = exchange->proxy;
	const struct policy_entry *entry = exchange_policy(exchange);
	return proxy->role->is_first && proxy->compressor.limits.contexts > 0 &&
	       !exchange->request.protocol.bytes && !(entry && entry->policy.is_uncompressed);
}

void compress_request(struct exchange *exchange)
{
	struct http_message *request = &exchange->request;
	uint32_t kept = 0;
	if (!is_on(exchange))
		return;
	struct coding_accept accepts = coding_accept_read(request);
	if (has(request, SLICE("range")) && !accepts.refuses_identity)
		accepts.codings = 0;
	exchange->accepts = accepts;
	// In a new array: the request may be without the field. Without room it stays as it is.
	struct http_field *fields = arena_alloc(
		&exchange->arena, (request->field_count + 1) * sizeof(struct http_field));
	if (!fields)
		return;
	for (uint32_t i = 0; i < request->field_count; i++)
		if (!slice_equal(request->fields[i].name, SLICE("accept-encoding")))
			fields[kept++] = request->fields[i];
	fields[kept++] =
		(struct http_field){SLICE("accept-encoding"), coding_accept_text(&accepts)};
	request->fields = fields;
	request->field_count = kept;
}

// matches is true when type (without parameters) is meant by a member of the list of types.
static bool matches(struct slice member, struct slice type)
{
	if (member.bytes < 2)
		return false;
	if (member.at[0] == '+') {
		size_t skipped = type.bytes > member.bytes ? type.bytes - member.bytes : 0;
		return slice_equal_nocase(slice_skip(type, skipped), member);
	}
	if (((member.at[0] ^ type.at[0]) & ~0x20) != 0) // letters of another kind: the usual case
		return false;
	if (member.at[member.bytes - 1] != '*')
		return slice_equal_nocase(type, member);
	member.bytes--;
	return slice_equal_nocase(slice_head(type, member.bytes), member) &&
	       !slice_equal_nocase(type, SLICE("text/event-stream"));
}

static bool is_type_listed(const struct compressor *compressor, const struct http_message *response)
{
	struct slice type = http_field_find(response, SLICE("content-type"));
	type = slice_trim(slice_head(type, slice_find(type, ';')));
	for (uint32_t i = 0; type.bytes && i < compressor->type_count; i++)
		if (matches(compressor->types[i], type))
			return true;
	return false;
}

// is_whole: a status whose content is the page itself or words about it.
static bool is_whole(uint16_t status)
{
	return status == 200 || status == 203 || status == 403 || status == 404 || status == 410;
}

static bool is_fixing(struct slice name)
{
	switch (name.bytes) {
	case 6: return slice_equal(name, SLICE("digest"));
	case 11:
		return slice_equal(name, SLICE("content-md5")) ||
		       slice_equal(name, SLICE("repr-digest"));
	case 13: return slice_equal(name, SLICE("content-range"));
	case 14: return slice_equal(name, SLICE("content-digest"));
	case 16: return slice_equal(name, SLICE("content-encoding"));
	default: return false;
	}
}

// is_fixed: fields that would not be true of other bytes, or bytes that are coded already.
static bool is_fixed(const struct http_message *response)
{
	for (uint32_t i = 0; i < response->field_count; i++)
		if (is_fixing(response->fields[i].name))
			return true;
	return false;
}

// is_compressible tells whether the response is one for whose form Accept-Encoding decides.
static bool is_compressible(const struct exchange *exchange, const struct http_message *response)
{
	const struct compressor *compressor = &exchange->proxy->compressor;
	if (!is_on(exchange) || !is_whole(response->status) ||
	    response->content_length < compressor->limits.minimum_bytes ||
	    !is_type_listed(compressor, response) || is_fixed(response))
		return false;
	if (is_listed(response, SLICE("cache-control"), SLICE("no-transform")) ||
	    is_listed(&exchange->request, SLICE("cache-control"), SLICE("no-transform")))
		return false;
	return response->field_count <= HTTP_FIELDS_MAX &&
	       http_field_find(response, SLICE("etag")).bytes + 2 <= COMPRESS_ETAG_BYTES;
}

// copy makes *head a copy of response without the field called name; empty: with all.
static void copy(const struct http_message *response, struct slice name, struct compress_head *head)
{
	head->message = *response;
	head->message.fields = head->fields;
	head->message.field_count = 0;
	for (uint32_t i = 0; i < response->field_count; i++)
		if (!slice_equal(response->fields[i].name, name))
			head->fields[head->message.field_count++] = response->fields[i];
}

static void add(struct compress_head *head, struct slice name, struct slice value)
{
	head->fields[head->message.field_count++] = (struct http_field){name, value};
}

static void add_vary(struct compress_head *head)
{
	const struct http_message *message = &head->message;
	if (!is_listed(message, SLICE("vary"), SLICE("accept-encoding")) &&
	    !is_listed(message, SLICE("vary"), SLICE("*")))
		add(head, SLICE("vary"), SLICE("accept-encoding"));
}

// weak writes the weak form of a strong ETag into head->etag.
static struct slice weak(struct slice etag, struct compress_head *head)
{
	memcpy(head->etag, "W/", 2);
	memcpy(head->etag + 2, etag.at, etag.bytes);
	return slice_of(head->etag, etag.bytes + 2);
}

static void weaken(struct compress_head *head)
{
	for (uint32_t i = 0; i < head->message.field_count; i++) {
		struct http_field *field = &head->fields[i];
		if (slice_equal(field->name, SLICE("etag")) &&
		    slice_starts(field->value, SLICE("\"")))
			field->value = weak(field->value, head);
	}
}

// is_confirmed_weakly tells whether what a 304 is about is of ours: what was stored, or the client
// has, bears the weak form of this ETag.
static bool is_confirmed_weakly(const struct exchange *exchange, struct slice weak_etag)
{
	const struct cache_answer *answer = &exchange->answer;
	if (exchange->is_validating && answer->stale)
		return slice_equal(http_field_find(cache_object_head(answer->stale), SLICE("etag")),
				   weak_etag);
	return is_listed(&exchange->request, SLICE("if-none-match"), weak_etag);
}

static const struct http_message *confirm(const struct exchange *exchange,
					  const struct http_message *response,
					  struct compress_head *head)
{
	const struct cache_object *stale = exchange->is_validating ? exchange->answer.stale : NULL;
	struct slice etag = http_field_find(response, SLICE("etag"));
	bool is_weak = exchange->accepts.codings && slice_starts(etag, SLICE("\"")) &&
		       etag.bytes + 2 <= COMPRESS_ETAG_BYTES &&
		       is_confirmed_weakly(exchange, weak(etag, head));
	bool is_varying =
		stale && has(response, SLICE("vary")) &&
		is_listed(cache_object_head(stale), SLICE("vary"), SLICE("accept-encoding"));
	if ((!is_weak && !is_varying) || response->field_count > HTTP_FIELDS_MAX)
		return response;
	copy(response, SLICE(""), head);
	add_vary(head);
	if (is_weak)
		weaken(head);
	return &head->message;
}

const struct http_message *compress_object(struct exchange *exchange,
					   const struct http_message *stored,
					   struct compress_head *head)
{
	const struct cache_answer *answer = &exchange->answer;
	if (answer->verdict == CACHE_NOT_MODIFIED) {
		struct http_message confirming = *stored;
		confirming.status = 304;
		const struct http_message *confirmed =
			compress_response(exchange, &confirming, false, head);
		return confirmed == &confirming ? stored : confirmed;
	}
	if (answer->verdict != CACHE_HIT)
		return stored;
	bool has_body = cache_object_growth(answer->object) == CACHE_WHOLE &&
			cache_object_bytes(answer->object) > 0;
	return compress_response(exchange, stored, has_body, head);
}

const struct http_message *compress_response(struct exchange *exchange,
					     const struct http_message *response, bool has_body,
					     struct compress_head *head)
{
	if (response->status == 304 && is_on(exchange))
		return confirm(exchange, response, head);
	if (!is_compressible(exchange, response))
		return response;
	enum coding coding = coding_accept_choose(&exchange->accepts);
	uint64_t bytes = response->content_length;
	bool is_asked_for_head = exchange->request.method == HTTP_HEAD;
	bool is_coded = coding != CODING_IDENTITY && (has_body || is_asked_for_head);
	if (is_coded && !is_asked_for_head)
		is_coded = compress_begin(exchange, coding, bytes == HTTP_LENGTH_NONE ? 0 : bytes);
	copy(response, is_coded ? SLICE("accept-ranges") : SLICE(""), head);
	add_vary(head);
	if (!is_coded)
		return &head->message;
	weaken(head);
	add(head, SLICE("content-encoding"), coding_name(coding));
	head->message.content_length = HTTP_LENGTH_NONE;
	return &head->message;
}
