// SPDX-License-Identifier: Apache-2.0
// nghttp2's memory. What comes and goes with frames and streams, and the entries of HPACK's tables,
// are pieces of the worker's slab; what a session is made of, and keeps as long as it lives, is
// malloc's. So is what the slab has no room for, counted: memory that is short slows connections
// down before it ends any.
#include "h2_priv.h"

#include "check.h"

static bool has_slab(const struct h2_conn *c)
{
	return c->session && c->base.limits->slab;
}

static bool is_frame_room(const struct h2_conn *c, const void *piece)
{
	return c->base.limits->frame_room && piece == c->base.limits->frame_room->bytes;
}

// take_first takes what a session is made of.
static void *take_first(struct h2_conn *c, size_t bytes)
{
	bool is_frames = bytes > H2_FRAME_BYTES && bytes <= HTTP_FRAME_ROOM;
	if (is_frames && c->base.is_server && c->base.limits->frame_room)
		return c->base.limits->frame_room->bytes;
	return malloc(bytes);
}

static void *take(size_t bytes, void *user)
{
	struct h2_conn *c = user;
	if (!c->session)
		return take_first(c, bytes);
	if (!has_slab(c))
		return malloc(bytes);
	void *piece = slab_take(c->base.limits->slab, bytes);
	if (piece)
		return piece;
	if (c->base.limits->counters)
		counter_inc(c->base.limits->counters, COUNTER_http_h2_memory_outside);
	return malloc(bytes);
}

static void give(void *piece, void *user)
{
	struct h2_conn *c = user;
	if (has_slab(c) && slab_has(c->base.limits->slab, piece))
		slab_give(c->base.limits->slab, piece);
	else if (!is_frame_room(c, piece))
		free(piece);
}

static void *take_cleared(size_t count, size_t bytes, void *user)
{
	if (!has_slab(user))
		return calloc(count, bytes);
	void *piece = count && bytes > SIZE_MAX / count ? NULL : take(count * bytes, user);
	return piece ? memset(piece, 0, count * bytes) : NULL;
}

static void *take_again(void *piece, size_t bytes, void *user)
{
	struct h2_conn *c = user;
	if (!piece)
		return take(bytes, user);
	CHECK(!is_frame_room(c, piece));
	if (!has_slab(c) || !slab_has(c->base.limits->slab, piece))
		return realloc(piece, bytes);
	size_t before = slab_piece_bytes(c->base.limits->slab, piece);
	if (bytes <= before)
		return piece;
	void *larger = take(bytes, user);
	if (!larger)
		return NULL;
	memcpy(larger, piece, before);
	slab_give(c->base.limits->slab, piece);
	return larger;
}

void *h2_memory_take(struct h2_conn *c, size_t bytes)
{
	return take(bytes, c);
}

void h2_memory_give(struct h2_conn *c, void *piece)
{
	give(piece, c);
}

static void *take_for_hpack(void *user, size_t bytes)
{
	return take(bytes, user);
}

static void give_for_hpack(void *user, void *piece)
{
	give(piece, user);
}

struct hpack_memory h2_hpack_memory(struct h2_conn *c)
{
	return (struct hpack_memory){c, take_for_hpack, give_for_hpack};
}

nghttp2_mem h2_memory_of(struct h2_conn *c)
{
	return (nghttp2_mem){c, take, give, take_cleared, take_again};
}
