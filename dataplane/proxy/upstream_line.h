// SPDX-License-Identifier: Apache-2.0
// Requests that wait for a place at an endpoint stand in its line, in the order in which they came.
// A line lives while somebody stands in it. It is looked at when something has happened to one of
// the endpoint's connections, once a turn, and each look ends at the first who finds no place: so
// who waits costs nothing while nothing comes free.
#pragma once

#include "upstream.h"

struct upstream_line {
	struct upstream_key key;
	struct list link;    // bucket->lines
	struct list stirred; // proxy->stirred: to be looked at
	struct list uploads; // exchange.up_link: of those that owed a part of their bodies, and ...
	struct list others;  // ... of those that did not; both by exchange.ticket
	bool is_serving; // being looked at: it is not freed, and who comes now stands at its end
};

// upstream_line_find returns the endpoint's line, or NULL when nobody waits for it.
struct upstream_line *upstream_line_find(const struct upstream_bucket *bucket,
					 const struct upstream_key *key);

// upstream_line_join puts the exchange, which waits for nothing else, at the end of the endpoint's
// line. Returns 0, or ENOBUFS: limits.waiting_count.
int upstream_line_join(struct upstream_bucket *bucket, const struct upstream_key *key,
		       struct exchange *exchange, bool is_upload);

// upstream_line_leave takes the exchange out of its line.
void upstream_line_leave(struct exchange *exchange);

// upstream_line_note_ended: the client's message is complete, nothing holds the exchange any more.
void upstream_line_note_ended(struct exchange *exchange);

// upstream_line_stir has a line looked at in this turn.
void upstream_line_stir(struct proxy *proxy, struct upstream_line *line);

// upstream_line_serve gives places to those in front for as long as there are any; the line may be
// gone then. False: a connection could not be had; the line is looked at in the next turn, too.
bool upstream_line_serve(struct proxy *proxy, struct upstream_bucket *bucket,
			 struct upstream_line *line);
