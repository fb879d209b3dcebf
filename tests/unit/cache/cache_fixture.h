// SPDX-License-Identifier: Apache-2.0
// Heads from text, and one cache with a record of what it answered.
#pragma once

#include "cache.h"
#include "unit.h"

#include <stdlib.h>

#define FIXTURE_ASKERS 64u

// A head whose fields come from "name: value\n" lines.
struct head {
	struct http_message message;
	struct http_field fields[48];
};

// head_fields reads the lines into a head; text outlives it.
static inline void head_fields(struct head *head, const char *text)
{
	head->message.fields = head->fields;
	head->message.field_count = 0;
	while (*text) {
		const char *end = strchr(text, '\n');
		size_t length = end ? (size_t)(end - text) : strlen(text);
		struct slice line = slice_of(text, length);
		size_t colon = slice_find(line, ':');
		struct http_field *field = &head->fields[head->message.field_count++];
		field->name = slice_head(line, colon);
		field->value = slice_trim(slice_skip(line, colon + 1));
		text += length + (end != NULL);
	}
}

// request_of makes a GET of https://h.example<target>.
static inline struct head *request_of(struct head *head, const char *target, const char *fields)
{
	*head = (struct head){.message = {.method = HTTP_GET,
					  .method_text = SLICE("GET"),
					  .scheme = SLICE("https"),
					  .authority = SLICE("h.example"),
					  .target = slice_str(target),
					  .version = 20,
					  .content_length = HTTP_LENGTH_NONE}};
	head_fields(head, fields);
	return head;
}

// response_of makes a response of unknown length.
static inline struct head *response_of(struct head *head, uint16_t status, const char *fields)
{
	*head = (struct head){
		.message = {.status = status, .version = 20, .content_length = HTTP_LENGTH_NONE}};
	head_fields(head, fields);
	return head;
}

struct fixture {
	struct cache *cache;
	struct counters counters;
	uint64_t now_us, wall_s;
	struct cache_answer answers[FIXTURE_ASKERS];
	uint32_t answer_counts[FIXTURE_ASKERS];
};

// fixture_answered records an answer.
static inline void fixture_answered(void *owner, struct pool_id asker,
				    const struct cache_answer *answer)
{
	struct fixture *f = owner;
	f->answers[asker.index] = *answer;
	f->answer_counts[asker.index]++;
}

// fixture_limits are those of a small shard alone on its node.
static inline struct cache_limits fixture_limits(void)
{
	return (struct cache_limits){.memory_bytes = 4 << 20,
				     .object_count = 256,
				     .object_bytes = 1 << 20,
				     .waiter_count = 16,
				     .wait_ms = 1000,
				     .worker_count = 1,
				     .key_secret = {{1, 2}}};
}

// fixture_tick lets time pass.
static inline void fixture_tick(struct fixture *f, uint64_t us)
{
	f->now_us += us;
	cache_set_time(f->cache, f->now_us, f->wall_s + f->now_us / 1000000);
	cache_run(f->cache);
}

// fixture_new makes it with these limits.
static inline struct fixture *fixture_new(const struct cache_limits *limits)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->cache = cache_new(limits, fixture_answered, f, &f->counters);
	f->wall_s = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
	fixture_tick(f, 0);
	return f;
}

// fixture_free ends it; nothing may be out.
static inline void fixture_free(struct fixture *f)
{
	CU_ASSERT_EQUAL(cache_in_flight(f->cache), 0);
	cache_free(f->cache);
	free(f);
}

// ask asks as asker and returns the answer if there is one at once, else NULL.
static inline struct cache_answer *ask(struct fixture *f, uint32_t asker, const char *target,
				       const char *fields)
{
	struct head head;
	uint32_t before = f->answer_counts[asker];
	cache_ask(f->cache, &request_of(&head, target, fields)->message, NULL,
		  (struct pool_id){asker, 1});
	return f->answer_counts[asker] > before ? &f->answers[asker] : NULL;
}

// return_answer returns all that an answer brought.
static inline void return_answer(struct fixture *f, struct cache_answer *answer)
{
	if (answer->object)
		cache_release(f->cache, answer->object);
	if (answer->stale)
		cache_release(f->cache, answer->stale);
	if (answer->fill)
		cache_fill_abandon(answer->fill);
	answer->object = answer->stale = NULL;
	answer->fill = NULL;
}

// respond gives a whole response to a fill; returns COUNTER_COUNT, or why it was not stored.
static inline enum counter respond(struct cache_fill *fill, const char *target,
				   const char *request_fields, const char *fields, const char *body)
{
	struct head request, response;
	enum counter why;
	request_of(&request, target, request_fields);
	response_of(&response, 200, fields);
	if (!cache_fill_begin(fill, &request.message, &response.message, &why))
		return why;
	if (!cache_fill_write(fill, slice_str(body)))
		return COUNTER_cache_not_stored_memory;
	cache_fill_end(fill);
	return COUNTER_COUNT;
}

// store makes target stored with body, fresh for a minute.
static inline void store(struct fixture *f, const char *target, const char *body)
{
	struct cache_answer *answer = ask(f, 0, target, "");
	CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(respond(answer->fill, target, "", "cache-control: max-age=60", body),
			COUNTER_COUNT);
}

// is_hit asks and is true when body comes back; the loan is returned.
static inline bool is_hit(struct fixture *f, const char *target, const char *fields,
			  const char *body)
{
	struct cache_answer *answer = ask(f, 63, target, fields);
	if (!answer)
		return false;
	struct slice all = answer->object ? cache_object_read(answer->object, 0, 4096) : SLICE("");
	bool is_same = answer->verdict == CACHE_HIT && slice_equal(all, slice_str(body));
	return_answer(f, answer);
	return is_same;
}
