// SPDX-License-Identifier: Apache-2.0
// Who waits for a place at an endpoint; see upstream_line.h.
#include "upstream_line.h"

#include "proxy_priv.h"

#include "check.h"

#include <errno.h>

struct upstream_line *upstream_line_find(const struct upstream_bucket *bucket,
					 const struct upstream_key *key)
{
	struct list *node;
	list_for_each (node, &bucket->lines) {
		struct upstream_line *line = container_of(node, struct upstream_line, link);
		if (memcmp(&line->key, key, sizeof(*key)) == 0)
			return line;
	}
	return NULL;
}

static struct upstream_line *line_new(struct proxy *proxy, struct upstream_bucket *bucket,
				      const struct upstream_key *key)
{
	struct upstream_line *line = pool_new(&proxy->lines, NULL);
	CHECK(line); // there is one for each that may wait
	line->key = *key;
	list_init(&line->link);
	list_init(&line->stirred);
	list_init(&line->uploads);
	list_init(&line->others);
	list_append(&bucket->lines, &line->link);
	return line;
}

static void free_empty(struct proxy *proxy, struct upstream_line *line)
{
	if (line->is_serving || !list_is_empty(&line->uploads) || !list_is_empty(&line->others))
		return;
	list_remove(&line->link);
	list_remove(&line->stirred);
	pool_free(&proxy->lines, line);
}

int upstream_line_join(struct upstream_bucket *bucket, const struct upstream_key *key,
		       struct exchange *exchange, bool is_upload)
{
	struct proxy *proxy = exchange->proxy;
	CHECK(!exchange->line && list_is_empty(&exchange->wait_link));
	if (proxy->waiting_count >= proxy->limits.waiting_count)
		return ENOBUFS;
	struct upstream_line *line = upstream_line_find(bucket, key);
	if (!line)
		line = line_new(proxy, bucket, key);
	exchange->line = line;
	exchange->ticket = proxy->next_ticket++;
	list_append(is_upload ? &line->uploads : &line->others, &exchange->up_link);
	list_append(&proxy->queue, &exchange->wait_link);
	proxy->waiting_count++;
	return 0;
}

void upstream_line_leave(struct exchange *exchange)
{
	struct upstream_line *line = exchange->line;
	if (!line)
		return;
	exchange->line = NULL;
	list_remove(&exchange->up_link);
	free_empty(exchange->proxy, line);
}

static struct exchange *exchange_at(struct list *node)
{
	return container_of(node, struct exchange, up_link);
}

void upstream_line_note_ended(struct exchange *exchange)
{
	struct upstream_line *line = exchange->line;
	if (!line)
		return;
	struct list *after = &line->others;
	while (after->previous != &line->others &&
	       exchange_at(after->previous)->ticket > exchange->ticket)
		after = after->previous;
	list_remove(&exchange->up_link);
	list_append(after, &exchange->up_link);
	upstream_line_stir(exchange->proxy, line);
}

void upstream_line_stir(struct proxy *proxy, struct upstream_line *line)
{
	if (list_is_empty(&line->stirred))
		list_append(&proxy->stirred, &line->stirred);
}

static struct exchange *first_of(const struct list *list)
{
	return list_is_empty(list) ? NULL : exchange_at(list->next);
}

// next_of is who is to have a place next: who came first, but no more uploads than may be.
static struct exchange *next_of(const struct upstream_bucket *bucket,
				const struct upstream_line *line)
{
	struct exchange *upload = first_of(&line->uploads), *other = first_of(&line->others);
	bool is_others = !upload || (other && other->ticket < upload->ticket);
	return is_others || upstream_must_hold(bucket, &line->key, upload) ? other : upload;
}

bool upstream_line_serve(struct proxy *proxy, struct upstream_bucket *bucket,
			 struct upstream_line *line)
{
	struct exchange *exchange;
	int error = 0;
	line->is_serving = true;
	while (error != EAGAIN && error != ENOBUFS && (exchange = next_of(bucket, line))) {
		error = upstream_take(bucket, &line->key, exchange);
		if (error == EHOSTUNREACH)
			exchange_try_failed(exchange, COUNTER_exchange_connect_failed, true);
	}
	line->is_serving = false;
	if (error == ENOBUFS) // whose connection ends makes room, not only one of this endpoint's
		upstream_line_stir(proxy, line);
	free_empty(proxy, line);
	return error != ENOBUFS;
}
