// SPDX-License-Identifier: Apache-2.0
// What becomes of a frame; see relay_link.h.
#include "relay_link.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum draw { // what a random number of a frame is for
	DRAW_LOSS,
	DRAW_DUPLICATE,
	DRAW_REORDER,
	DRAW_JITTER,
	DRAW_COUNT,
};

#define KEY(name)                                                                                  \
	{                                                                                          \
#name, offsetof(struct relay_shape, name)                                          \
	}
static const struct {
	const char *name;
	size_t offset;
} keys[] = {
	KEY(delay_us),    KEY(jitter_us),     KEY(reorder_us),  KEY(reorder_ppm),
	KEY(loss_ppm),    KEY(duplicate_ppm), KEY(spared),      KEY(rate_kbit),
	KEY(queue_bytes), KEY(mark_bytes),    KEY(police_kbit), KEY(police_bytes),
};

static bool set(struct relay_shape *shape, const char *word)
{
	const char *equals = strchr(word, '=');
	for (size_t i = 0; equals && i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t length = (size_t)(equals - word);
		if (strlen(keys[i].name) != length || strncmp(keys[i].name, word, length) != 0)
			continue;
		char *end;
		unsigned long long value = strtoull(equals + 1, &end, 10);
		memcpy((char *)shape + keys[i].offset, &(uint64_t){value}, sizeof(uint64_t));
		return *end == 0 && end != equals + 1;
	}
	return false;
}

bool relay_shape_parse(const char *text, struct relay_shape *shape)
{
	char copy[512], *rest = copy;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return false;
	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		if (*word == 0 || set(shape, word))
			continue;
		fprintf(stderr, "relay: no such shape: %s\n", word);
		return false;
	}
	return true;
}

// draw is a random number below bound that only the seed, the frame and the purpose decide
// (splitmix64's finalizer).
static uint64_t draw(const struct relay_link *link, enum draw purpose, uint64_t bound)
{
	uint64_t x = link->seed + (link->count.frames * DRAW_COUNT + purpose) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % bound;
}

static bool happens(const struct relay_link *link, enum draw purpose, uint64_t ppm)
{
	return ppm > 0 && draw(link, purpose, RELAY_MILLION) < ppm;
}

// is_policed is a token bucket: true for a frame that finds too few tokens in it.
static bool is_policed(struct relay_link *link, uint64_t now_ns, uint32_t bytes)
{
	const struct relay_shape *shape = &link->shape;
	if (shape->police_kbit == 0)
		return false;
	uint64_t full_ns = link->full_ns > now_ns ? link->full_ns : now_ns;
	full_ns += bytes * 8000000ull / shape->police_kbit;
	if ((full_ns - now_ns) * shape->police_kbit / 8000000 > shape->police_bytes)
		return true;
	link->full_ns = full_ns;
	return false;
}

// queue puts a frame into the queue: false when it is full, else free_ns is when it has left.
static bool queue(struct relay_link *link, uint64_t now_ns, uint32_t bytes, bool *is_marked)
{
	const struct relay_shape *shape = &link->shape;
	if (shape->rate_kbit == 0) {
		link->free_ns = now_ns;
		return true;
	}
	uint64_t begin_ns = link->free_ns > now_ns ? link->free_ns : now_ns;
	// kbit/s is bit/ms: ns * kbit / 8e6 are bytes.
	uint64_t waiting = (begin_ns - now_ns) * shape->rate_kbit / 8000000;
	if (shape->queue_bytes && waiting + bytes > shape->queue_bytes)
		return false;
	*is_marked = shape->mark_bytes && waiting > shape->mark_bytes;
	link->free_ns = begin_ns + bytes * 8000000ull / shape->rate_kbit;
	if (waiting + bytes > link->count.queue_max_bytes)
		link->count.queue_max_bytes = waiting + bytes;
	return true;
}

// arrive is when a frame that has left the queue is at the other end.
static uint64_t arrive(struct relay_link *link)
{
	const struct relay_shape *shape = &link->shape;
	uint64_t due_ns = link->free_ns + shape->delay_us * 1000;
	if (shape->jitter_us)
		due_ns += draw(link, DRAW_JITTER, shape->jitter_us * 1000);
	if (happens(link, DRAW_REORDER, shape->reorder_ppm)) {
		link->count.reordered++;
		return due_ns + shape->reorder_us * 1000;
	}
	if (due_ns < link->last_ns)
		due_ns = link->last_ns;
	link->last_ns = due_ns;
	return due_ns;
}

struct relay_fate relay_link_take(struct relay_link *link, uint64_t now_ns, uint32_t bytes)
{
	struct relay_fate fate = {0};
	struct relay_count *count = &link->count;
	count->frames++;
	count->bytes += bytes;
	if (count->frames > link->shape.spared && happens(link, DRAW_LOSS, link->shape.loss_ppm)) {
		count->lost++;
		return fate;
	}
	if (is_policed(link, now_ns, bytes)) {
		count->policed++;
		return fate;
	}
	if (!queue(link, now_ns, bytes, &fate.is_marked)) {
		count->queue_full++;
		return fate;
	}
	fate.copies = 1;
	fate.due_ns[0] = fate.due_ns[1] = arrive(link);
	if (happens(link, DRAW_DUPLICATE, link->shape.duplicate_ppm)) {
		count->duplicated++;
		fate.copies = 2;
	}
	return fate;
}
