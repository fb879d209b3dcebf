// SPDX-License-Identifier: Apache-2.0
// Records of what was sent; see tcp_sent.h. Work per ACK is in proportion to the records it ends,
// which were made one a transmission, but for the search for SACK blocks, which has its bound.
#include "tcp_sent.h"

#include "check.h"

static struct tcp_sent *of_seq(const struct tcp_sent_queue *queue, struct list *node)
{
	return node == &queue->by_seq ? NULL : container_of(node, struct tcp_sent, by_seq);
}

static struct tcp_sent *of_time(struct list *node)
{
	return container_of(node, struct tcp_sent, by_time);
}

static struct tcp_sent *after(const struct tcp_sent_queue *queue, const struct tcp_sent *record)
{
	return of_seq(queue, record->by_seq.next);
}

static struct tcp_sent *before(const struct tcp_sent_queue *queue, const struct tcp_sent *record)
{
	return of_seq(queue, record->by_seq.previous);
}

struct tcp_sent *tcp_sent_first(const struct tcp_sent_queue *queue)
{
	return of_seq(queue, queue->by_seq.next);
}

struct tcp_sent *tcp_sent_last(const struct tcp_sent_queue *queue)
{
	return of_seq(queue, queue->by_seq.previous);
}

struct tcp_sent *tcp_sent_first_lost(const struct tcp_sent_queue *queue)
{
	if (list_is_empty(&queue->lost))
		return NULL;
	return of_time(queue->lost.next);
}

static uint32_t length_of(const struct tcp_sent *record)
{
	return seq_distance(record->range.start, record->range.end);
}

// bytes_in is the sum over all records of this state.
static uint32_t *bytes_in(struct tcp_sent_queue *queue, enum tcp_sent_state state)
{
	switch (state) {
	case TCP_SENT_FLYING: return &queue->flying_bytes;
	case TCP_SENT_LOST: return &queue->lost_bytes;
	default: return &queue->sacked_bytes;
	}
}

// enter puts record into a state, at the end of the state's list.
static void enter(struct tcp_sent_queue *queue, struct tcp_sent *record, enum tcp_sent_state state)
{
	*bytes_in(queue, record->state) -= length_of(record);
	*bytes_in(queue, state) += length_of(record);
	record->state = (uint8_t)state;
	list_remove(&record->by_time);
	if (state == TCP_SENT_FLYING)
		list_append(&queue->flying, &record->by_time);
	else if (state == TCP_SENT_LOST)
		list_append(&queue->lost, &record->by_time);
}

// make takes a free record, NULL at a bound.
static struct tcp_sent *make(struct tcp_sent_queue *queue, const struct tcp_sent *like)
{
	struct tcp_sent *record = queue->count < TCP_SENT_MAX ? pool_new(queue->pool, NULL) : NULL;
	if (!record)
		return NULL;
	*record = *like;
	list_init(&record->by_seq);
	list_init(&record->by_time);
	queue->count++;
	return record;
}

// drop gives a record back whose bytes are accounted for elsewhere.
static void drop(struct tcp_sent_queue *queue, struct tcp_sent *record)
{
	list_remove(&record->by_seq);
	list_remove(&record->by_time);
	if (queue->hint == record)
		queue->hint = NULL;
	queue->count--;
	pool_free(queue->pool, record);
}

// split cuts record in two at at, within it; returns the second part or NULL without a free record.
static struct tcp_sent *split(struct tcp_sent_queue *queue, struct tcp_sent *record,
			      struct tcp_seq at)
{
	struct tcp_sent *second = make(queue, record);
	if (!second)
		return NULL;
	second->range.start = at;
	record->range.end = at;
	list_prepend(&record->by_seq, &second->by_seq);
	if (record->state != TCP_SENT_SACKED)
		list_prepend(&record->by_time, &second->by_time);
	return second;
}

// join makes second, right behind first and in the same state, part of it.
static void join(struct tcp_sent_queue *queue, struct tcp_sent *first, struct tcp_sent *second)
{
	first->range.end = second->range.end;
	if (queue->hint == second)
		queue->hint = first;
	drop(queue, second);
}

// is_one_burst is true when fresh, right behind record, left with it and in segments like its own.
static bool is_one_burst(const struct tcp_sent *record, const struct tcp_sent *fresh)
{
	return record->state == TCP_SENT_FLYING && record->sent_us == fresh->sent_us &&
	       record->segment_bytes == fresh->segment_bytes &&
	       record->is_again == fresh->is_again &&
	       length_of(record) % record->segment_bytes == 0;
}

// stamp takes over when and amid what record left now.
static void stamp(struct tcp_sent *record, const struct tcp_sent *fresh)
{
	record->sent_us = fresh->sent_us;
	record->delivered_bytes = fresh->delivered_bytes;
	record->delivered_ago_us = fresh->delivered_ago_us;
	record->first_ago_us = fresh->first_ago_us;
	record->segment_bytes = fresh->segment_bytes;
	record->is_app_limited = fresh->is_app_limited;
}

void tcp_sent_init(struct tcp_sent_queue *queue, struct pool *pool)
{
	*queue = (struct tcp_sent_queue){.pool = pool};
	list_init(&queue->by_seq);
	list_init(&queue->flying);
	list_init(&queue->lost);
}

void tcp_sent_clear(struct tcp_sent_queue *queue)
{
	struct tcp_sent *record;
	while ((record = tcp_sent_first(queue)))
		drop(queue, record);
	queue->flying_bytes = queue->lost_bytes = queue->sacked_bytes = 0;
}

bool tcp_sent_has_room(const struct tcp_sent_queue *queue)
{
	const struct tcp_sent *last = tcp_sent_last(queue);
	return (last && last->state == TCP_SENT_FLYING) ||
	       (queue->count < TCP_SENT_MAX && queue->pool->free_count > 0);
}

bool tcp_sent_add(struct tcp_sent_queue *queue, const struct tcp_sent *fresh)
{
	struct tcp_sent *last = tcp_sent_last(queue);
	bool is_burst = last && is_one_burst(last, fresh);
	struct tcp_sent *record = is_burst ? NULL : make(queue, fresh);
	if (record) {
		record->state = TCP_SENT_FLYING;
		list_append(&queue->by_seq, &record->by_seq);
		list_append(&queue->flying, &record->by_time);
		queue->flying_bytes += length_of(record);
		return true;
	}
	CHECK(last && last->state == TCP_SENT_FLYING);
	queue->flying_bytes += length_of(fresh);
	last->range.end = fresh->range.end;
	last->is_again |= fresh->is_again;
	if (!is_burst)
		stamp(last, fresh);
	enter(queue, last, TCP_SENT_FLYING); // at the end: it is the last that left
	return is_burst;
}

bool tcp_sent_again(struct tcp_sent_queue *queue, struct tcp_sent *record, uint32_t bytes,
		    const struct tcp_sent *fresh)
{
	bool is_whole = bytes >= length_of(record);
	bool is_split = is_whole || split(queue, record, seq_plus(record->range.start, bytes));
	stamp(record, fresh);
	record->is_again = true;
	enter(queue, record, TCP_SENT_FLYING);
	struct tcp_sent *previous = before(queue, record);
	if (previous && is_one_burst(previous, record)) {
		join(queue, previous, record);
		enter(queue, previous, TCP_SENT_FLYING);
	}
	return is_split;
}

struct tcp_sent *tcp_sent_tail(struct tcp_sent_queue *queue)
{
	struct tcp_sent *last = tcp_sent_last(queue);
	if (!last || length_of(last) <= last->segment_bytes)
		return last;
	uint32_t whole = (length_of(last) - 1) / last->segment_bytes * last->segment_bytes;
	struct tcp_sent *tail = split(queue, last, seq_plus(last->range.start, whole));
	return tail ? tail : last;
}

// is_sure is RFC 8985 6.2 step 2: false when it may have been an earlier transmission that arrived.
// Only what is acknowledged cumulatively is echoed (RFC 7323 4.3).
static bool is_sure(const struct tcp_sent_news *news, const struct tcp_sent *record)
{
	if (!record->is_again)
		return true;
	uint32_t sent_ms = (uint32_t)(record->sent_us / 1000);
	bool is_echoed = news->has_echo && record->state != TCP_SENT_SACKED;
	if (is_echoed && seq_before(seq_of(news->echo_ms), seq_of(sent_ms)))
		return false;
	return news->now_us - record->sent_us >= news->min_rtt_us;
}

// is_later is RACK_sent_after: by time, then by sequence.
static bool is_later(const struct tcp_sent *record, uint64_t sent_us, struct tcp_seq end)
{
	return record->sent_us > sent_us ||
	       (record->sent_us == sent_us && seq_before(end, record->range.end));
}

// deliver gathers what the arrival of record tells.
static void deliver(struct tcp_sent_news *news, const struct tcp_sent *record)
{
	struct tcp_seq end = record->range.end;
	news->end = news->delivered_bytes ? seq_later(news->end, end) : end;
	news->delivered_bytes += length_of(record);
	if (!news->has_newest || is_later(record, news->newest.sent_us, news->newest.range.end)) {
		news->newest = *record;
		news->has_newest = true;
	}
	bool is_rack = !news->has_rack || is_later(record, news->rack_us, news->rack_end);
	if (is_rack && is_sure(news, record)) {
		news->has_rack = true;
		news->rack_us = record->sent_us;
		news->rack_end = end;
	}
	if (record->is_again) {
		news->has_again = true;
		return;
	}
	struct tcp_seq start = record->range.start;
	news->once_start = news->has_once ? seq_earlier(news->once_start, start) : start;
	news->once_us = news->has_once ? MIN(news->once_us, record->sent_us) : record->sent_us;
	news->has_once = true;
}

void tcp_sent_acked(struct tcp_sent_queue *queue, struct tcp_seq una, struct tcp_sent_news *news)
{
	struct tcp_sent *record;
	while ((record = tcp_sent_first(queue)) && seq_before(record->range.start, una)) {
		struct tcp_sent part = *record;
		part.range.end = seq_earlier(part.range.end, una);
		if (part.state != TCP_SENT_SACKED)
			deliver(news, &part);
		*bytes_in(queue, record->state) -= length_of(&part);
		record->range.start = part.range.end;
		if (length_of(record) == 0)
			drop(queue, record);
	}
}

// nearest is where the search for seq starts: at either end or where the last block was.
static struct tcp_sent *nearest(const struct tcp_sent_queue *queue, struct tcp_seq seq)
{
	struct tcp_sent *last = tcp_sent_last(queue);
	struct tcp_sent *hint = queue->hint;
	if (!last || !seq_before(seq, last->range.start))
		return last;
	struct tcp_sent *first = tcp_sent_first(queue);
	uint32_t from_first = seq_distance(first->range.start, seq);
	uint32_t from_last = seq_distance(seq, last->range.start);
	struct tcp_sent *end = from_first < from_last ? first : last;
	if (!hint)
		return end;
	uint32_t from_hint = seq_before(seq, hint->range.start)
				     ? seq_distance(seq, hint->range.start)
				     : seq_distance(hint->range.start, seq);
	return from_hint <= MIN(from_first, from_last) ? hint : end;
}

// find looks for the first record that ends after seq; NULL for none, or when the walk is over: the
// next search goes on from there.
static struct tcp_sent *find(struct tcp_sent_queue *queue, struct tcp_seq seq,
			     struct tcp_sent_news *news)
{
	struct tcp_sent *at = nearest(queue, seq);
	while (at && news->walk_count < TCP_SENT_WALK) {
		struct tcp_sent *previous = before(queue, at);
		news->walk_count++;
		if (!seq_before(seq, at->range.end))
			at = after(queue, at);
		else if (previous && seq_before(seq, at->range.start) &&
			 seq_before(seq, previous->range.end))
			at = previous;
		else
			return at;
	}
	queue->hint = at ? at : queue->hint;
	news->is_walk_over |= at != NULL;
	return NULL;
}

// cut reduces record to the segments of it that block holds whole; NULL for none, or for want of
// records.
static struct tcp_sent *cut(struct tcp_sent_queue *queue, struct tcp_sent *record,
			    struct tcp_range block)
{
	uint32_t segment = record->segment_bytes;
	struct tcp_seq start = record->range.start;
	struct tcp_seq end = record->range.end;
	if (seq_before(start, block.start)) {
		uint32_t skip = seq_distance(start, block.start) + segment - 1;
		start = seq_plus(start, skip / segment * segment);
	}
	if (seq_before(block.end, end)) {
		if (!seq_before(record->range.start, block.end))
			return NULL;
		uint32_t held = seq_distance(record->range.start, block.end);
		end = seq_plus(record->range.start, held / segment * segment);
	}
	if (!seq_before(start, end))
		return NULL;
	if (seq_before(record->range.start, start))
		record = split(queue, record, start);
	if (record && seq_before(end, record->range.end) && !split(queue, record, end))
		return NULL;
	return record;
}

// hold marks record SACKed and joins its neighbours to it; returns what it became.
static struct tcp_sent *hold(struct tcp_sent_queue *queue, struct tcp_sent *record,
			     struct tcp_sent_news *news)
{
	enter(queue, record, TCP_SENT_SACKED);
	deliver(news, record);
	struct tcp_sent *next = after(queue, record);
	struct tcp_sent *previous = before(queue, record);
	if (next && next->state == TCP_SENT_SACKED)
		join(queue, record, next);
	if (!previous || previous->state != TCP_SENT_SACKED)
		return record;
	join(queue, previous, record);
	return previous;
}

void tcp_sent_sacked(struct tcp_sent_queue *queue, struct tcp_range block,
		     struct tcp_sent_news *news)
{
	struct tcp_sent *at = find(queue, block.start, news);
	while (at && seq_before(at->range.start, block.end)) {
		struct tcp_sent *part = NULL;
		if (at->state != TCP_SENT_SACKED)
			part = cut(queue, at, block);
		if (part) {
			at = hold(queue, part, news);
		}
		queue->hint = at;
		at = after(queue, at);
	}
}

void tcp_sent_lose(struct tcp_sent_queue *queue, struct tcp_sent *record)
{
	CHECK(record->state == TCP_SENT_FLYING);
	enter(queue, record, TCP_SENT_LOST);
}

void tcp_sent_lose_first(struct tcp_sent_queue *queue)
{
	struct tcp_sent *first = tcp_sent_first(queue);
	if (!first || first->state != TCP_SENT_FLYING)
		return;
	if (length_of(first) > first->segment_bytes)
		split(queue, first, seq_plus(first->range.start, first->segment_bytes));
	tcp_sent_lose(queue, first);
}

void tcp_sent_lose_due(struct tcp_sent_queue *queue, uint64_t due_us)
{
	struct list *node;
	list_for_each (node, &queue->by_seq) {
		struct tcp_sent *record = of_seq(queue, node);
		bool is_due = record->sent_us <= due_us || record == tcp_sent_first(queue);
		if (record->state == TCP_SENT_LOST || (record->state == TCP_SENT_FLYING && is_due))
			enter(queue, record, TCP_SENT_LOST);
	}
}

void tcp_sent_unlose(struct tcp_sent_queue *queue)
{
	while (!list_is_empty(&queue->lost)) {
		struct tcp_sent *record = of_time(queue->lost.previous);
		struct list *node = queue->flying.next;
		while (node != &queue->flying && of_time(node)->sent_us < record->sent_us)
			node = node->next; // hardly ever: the lost left before the others
		enter(queue, record, TCP_SENT_FLYING);
		list_remove(&record->by_time);
		list_append(node, &record->by_time);
	}
}

void tcp_sent_renege(struct tcp_sent_queue *queue)
{
	struct list *node;
	list_for_each (node, &queue->by_seq) {
		struct tcp_sent *record = of_seq(queue, node);
		if (record->state == TCP_SENT_SACKED)
			enter(queue, record, TCP_SENT_LOST);
	}
}
