// SPDX-License-Identifier: Apache-2.0
// Names and values of heads on their way to nghttp2. It keeps a head until the frame is written,
// and would copy each name byte by byte, since it may have to make it lower case. The copies here
// lie one behind the other in pieces of the worker's slab, and are given back together, when no
// frame but DATA waits: that is at the end of most calls of http_produce.
#include "h2_priv.h"

uint8_t *h2_text_more(struct h2_conn *c, size_t bytes)
{
	struct h2_text *text = &c->text;
	struct slab *slab = c->base.limits->slab;
	const size_t room = H2_TEXT_BYTES_MAX;
	bool may_grow = slab && bytes <= room && text->piece_count < H2_TEXT_PIECES_MAX;
	uint8_t *piece = may_grow ? slab_take(slab, SLAB_PIECE_MAX) : NULL;
	if (!piece)
		return NULL;
	memcpy(piece, &text->piece, sizeof(text->piece));
	text->piece = piece;
	text->next = piece + sizeof(text->piece);
	text->room = room;
	text->piece_count++;
	return h2_text_take(c, bytes);
}

void h2_text_fini(struct h2_conn *c)
{
	struct h2_text *text = &c->text;
	while (text->piece) {
		uint8_t *piece = text->piece;
		memcpy(&text->piece, piece, sizeof(text->piece));
		slab_give(c->base.limits->slab, piece);
	}
	*text = (struct h2_text){0};
}

void h2_text_written(struct h2_conn *c)
{
	if (c->text.piece && nghttp2_session_get_outbound_queue_size(c->session) == 0)
		h2_text_fini(c);
}
