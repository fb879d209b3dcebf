// SPDX-License-Identifier: Apache-2.0
// Silly windows, the sender's half (RFC 9113 5.2, 6.9; RFC 1122 4.2.3.4 has TCP's): to a client
// that gives back each frame's window as it comes, the next frame is as long as that one was,
// every end of our memory's runs cuts one in two, and in the end all frames are crumbs. So a
// stream that has used up its windows waits for more than a crumb, while the peer owes that much
// and for a round trip at most: then the peer's owner has no more to give, and a crumb is better
// than nothing. While one waits for the connection's window all do: what is left of it is not for
// another stream, which would come out of its turn (RFC 9218 10), by crumbs. nghttp2 forgets whose
// turn it was, so what each was served is kept here, as tags of start-time fair queueing (Goyal,
// Vin, Cheng 1996): behind the wait turns go on where they were.
//
//   windows spent, some bytes more ... DATA waits, PING ->
//                      WINDOW_UPDATE, enough ............... DATA
//                                           <- PING ACK .... DATA, also a crumb
#include "h2_priv.h"

const uint8_t h2_crumb_ping[8] = "a crumb?";

static bool is_narrow(const struct h2_conn *c)
{
	return nghttp2_session_get_remote_window_size(c->session) < (int32_t)H2_CRUMB_BYTES;
}

// hold keeps those that wait in the order in which they are to go on: who was served least first.
static void hold(struct h2_conn *c, struct h2_stream *stream)
{
	struct list *place = &c->streams;
	list_remove(&stream->link);
	for (struct list *link = place->previous; link != &c->streams; link = link->previous) {
		const struct h2_stream *other = h2_stream_at(link);
		if (!other->is_held)
			continue;
		if (other->finish_tag <= stream->finish_tag)
			break;
		place = link;
	}
	list_append(place, &stream->link); // before it
	stream->is_held = true;
}

bool h2_crumb_waits(struct h2_conn *c, struct h2_stream *stream, size_t window)
{
	struct h2_crumb *crumb = &c->crumb;
	bool is_turn_kept = crumb->is_asked && is_narrow(c);
	if (window >= H2_CRUMB_BYTES || crumb->owed_bytes < H2_CRUMB_BYTES)
		return false;
	if (!stream->is_spent && !is_turn_kept)
		return false;
	if (!crumb->is_asked &&
	    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, h2_crumb_ping) != 0)
		return false;
	crumb->is_asked = true;
	hold(c, stream);
	return true;
}

static void release(struct h2_conn *c)
{
	struct list *link;
	list_for_each (link, &c->streams) {
		struct h2_stream *stream = h2_stream_at(link);
		if (!stream->is_held)
			continue;
		stream->is_held = false;
		stream->is_spent = false;
		nghttp2_session_resume_data(c->session, (int32_t)stream->id);
	}
}

void h2_crumb_served(struct h2_conn *c, struct h2_stream *stream, size_t bytes)
{
	c->crumb.virtual_time = stream->finish_tag;
	stream->finish_tag += bytes;
}

void h2_crumb_joins(const struct h2_conn *c, struct h2_stream *stream)
{
	stream->finish_tag = MAX(stream->finish_tag, c->crumb.virtual_time);
}

void h2_crumb_sent(struct h2_conn *c, size_t bytes)
{
	c->crumb.owed_bytes += bytes;
}

void h2_crumb_window(struct h2_conn *c, int32_t stream, uint32_t bytes)
{
	struct h2_crumb *crumb = &c->crumb;
	if (stream == 0)
		crumb->owed_bytes -= MIN((uint64_t)bytes, crumb->owed_bytes);
	if (crumb->is_asked && !is_narrow(c))
		release(c);
}

void h2_crumb_turned(struct h2_conn *c)
{
	if (!c->crumb.is_asked)
		return;
	c->crumb.is_asked = false;
	h2_note_moved(c, 0); // the PING was ours
	release(c);
}
