// SPDX-License-Identifier: Apache-2.0
// A tiny relay between two versions: client -> (server end, client end) -> origin, in all four
// combinations. Messages pass through the one model; whatever is said in one version arrives in the
// other, and a slow reader stops the first sender.
#include "http_side.h"

#define RELAY_BYTES 8192u // of body held per direction

// One direction of the relayed exchange.
struct lane {
	char bytes[RELAY_BYTES + HTTP1_BODY_WINDOW_BYTES * 2];
	size_t used, lent; // lent: given by pull, dropped at the next pull
	bool is_over;
	struct http_field trailers[4];
	char trailer_text[4][32];
	uint32_t trailer_count;
	size_t used_max;
};

struct relay {
	struct http_conn *in, *out; // towards the client, towards the origin
	uint32_t in_stream, out_stream;
	struct lane up, down;
	unsigned resets;
};

static void lane_drop_lent(struct lane *lane)
{
	memmove(lane->bytes, lane->bytes + lane->lent, lane->used - lane->lent);
	lane->used -= lane->lent;
	lane->lent = 0;
}

static void lane_end(struct lane *lane, const struct http_field *trailers, uint32_t count)
{
	lane->is_over = true;
	for (uint32_t i = 0; i < count && i < 4; i++) {
		size_t name = trailers[i].name.bytes, value = trailers[i].value.bytes;
		memcpy(lane->trailer_text[i], trailers[i].name.at, name);
		memcpy(lane->trailer_text[i] + name, trailers[i].value.at, value);
		lane->trailers[lane->trailer_count++] =
			(struct http_field){slice_of(lane->trailer_text[i], name),
					    slice_of(lane->trailer_text[i] + name, value)};
	}
}

static void lane_put(struct lane *lane, struct slice bytes)
{
	CHECK(lane->used + bytes.bytes <= sizeof(lane->bytes));
	memcpy(lane->bytes + lane->used, bytes.at, bytes.bytes);
	lane->used += bytes.bytes;
	lane->used_max = MAX(lane->used_max, lane->used);
}

static struct slice lane_pull(struct lane *lane, size_t max, bool *is_end,
			      const struct http_field **trailers, uint32_t *count)
{
	lane_drop_lent(lane);
	lane->lent = MIN(max, lane->used);
	*is_end = lane->is_over && lane->lent == lane->used;
	*trailers = lane->trailers;
	*count = lane->trailer_count;
	return slice_of(lane->bytes, lane->lent);
}

static void in_head(void *user, uint32_t stream, void *, const struct http_message *m, bool is_end)
{
	struct relay *relay = user;
	struct http_message copy = *m;
	relay->up = relay->down = (struct lane){0};
	relay->in_stream = stream;
	copy.scheme = SLICE("http");
	relay->up.is_over = is_end;
	CU_ASSERT_EQUAL(http_request(relay->out, &copy, !is_end, NULL, &relay->out_stream), 0);
}

static void in_body(void *user, uint32_t, void *, struct slice bytes)
{
	struct relay *relay = user;
	lane_put(&relay->up, bytes);
	http_resume(relay->out, relay->out_stream);
}

static void in_end(void *user, uint32_t, void *, const struct http_field *trailers, uint32_t count)
{
	struct relay *relay = user;
	lane_end(&relay->up, trailers, count);
	http_resume(relay->out, relay->out_stream);
}

static struct slice in_pull(void *user, uint32_t, void *, size_t max, bool *is_end,
			    const struct http_field **trailers, uint32_t *count)
{
	struct relay *relay = user;
	struct slice bytes = lane_pull(&relay->down, max, is_end, trailers, count);
	http_consume(relay->out, relay->out_stream, bytes.bytes);
	return bytes;
}

static void out_head(void *user, uint32_t, void *, const struct http_message *m, bool is_end)
{
	struct relay *relay = user;
	relay->down.is_over = is_end;
	CU_ASSERT_EQUAL(http_respond(relay->in, relay->in_stream, m, !is_end), 0);
}

static void out_body(void *user, uint32_t, void *, struct slice bytes)
{
	struct relay *relay = user;
	lane_put(&relay->down, bytes);
	http_resume(relay->in, relay->in_stream);
}

static void out_end(void *user, uint32_t, void *, const struct http_field *trailers, uint32_t count)
{
	struct relay *relay = user;
	lane_end(&relay->down, trailers, count);
	http_resume(relay->in, relay->in_stream);
}

static struct slice out_pull(void *user, uint32_t, void *, size_t max, bool *is_end,
			     const struct http_field **trailers, uint32_t *count)
{
	struct relay *relay = user;
	struct slice bytes = lane_pull(&relay->up, max, is_end, trailers, count);
	http_consume(relay->in, relay->in_stream, bytes.bytes);
	return bytes;
}

static void on_reset(void *user, uint32_t, void *, struct http_fault)
{
	((struct relay *)user)->resets++;
}

static void on_sent(void *, uint32_t, void *) {}
static void on_closed(void *, struct http_fault) {}

static const struct http_events in_events = {in_head, in_body, in_end,   on_reset,
					     in_pull, on_sent, on_closed};
static const struct http_events out_events = {out_head, out_body, out_end,  on_reset,
					      out_pull, on_sent,  on_closed};

struct way {
	struct side *client, *origin;
	struct relay relay;
	struct side in, out; // only to move bytes
	struct pipe pipes[4];
};

static void way_run(struct way *way, size_t room, size_t split)
{
	for (unsigned i = 0; i < 1000000; i++) {
		size_t moved = pipe_move(&way->pipes[0], way->client, &way->in, room, split);
		moved += pipe_move(&way->pipes[1], &way->out, way->origin, room, split);
		moved += pipe_move(&way->pipes[2], way->origin, &way->out, room, split);
		moved += pipe_move(&way->pipes[3], &way->in, way->client, room, split);
		if (moved == 0)
			return;
	}
	CU_FAIL("way_run does not come to rest");
}

static struct way *way_new(enum http_version first, enum http_version second)
{
	struct way *way = calloc(1, sizeof(*way));
	CHECK(way);
	way->client = side_new(first, false, NULL);
	way->origin = side_new(second, true, NULL);
	way->relay.in = way->in.conn =
		http_conn_new(first, true, &side_limits, &in_events, &way->relay);
	way->relay.out = way->out.conn =
		http_conn_new(second, false, &side_limits, &out_events, &way->relay);
	return way;
}

static void way_free(struct way *way)
{
	http_conn_free(way->relay.in);
	http_conn_free(way->relay.out);
	side_free(way->client);
	side_free(way->origin);
	free(way);
}

static void answer_with_trailers(struct side *side, struct call *call)
{
	call->send_trailers[0] = (struct http_field){SLICE("t"), SLICE("u")};
	call->send_trailer_count = 1;
	side_respond(side, call, 200, 300000, false);
}

static void a_relayed_exchange_is_whole_in_every_combination(void)
{
	static const size_t rooms[] = {64, 1000, 16384};
	for (unsigned i = 0; i < 24; i++) {
		struct way *way = way_new(i % 2, i / 2 % 2);
		bool is_length_told = i / 4 % 2;
		way->origin->on_end = answer_with_trailers;
		for (unsigned n = 0; n < 3; n++) {
			struct call *call = side_request(way->client, HTTP_POST, "/x?y", 200000,
							 is_length_told);
			way_run(way, rooms[i / 8], i % 3 ? SIZE_MAX : 99);
			struct call *served = &way->origin->calls[n];
			CU_ASSERT_EQUAL(served->body_bytes, 200000);
			CU_ASSERT_EQUAL(call->body_bytes, 300000);
			CU_ASSERT_EQUAL(served->body_wrong + call->body_wrong, 0);
			CU_ASSERT_STRING_EQUAL(served->target, "/x?y");
			CU_ASSERT_STRING_EQUAL(served->authority, "shop.example");
			CU_ASSERT_STRING_EQUAL(served->fields, "x-test=1;");
			CU_ASSERT_STRING_EQUAL(call->trailers, "t=u;");
			CU_ASSERT(call->has_ended && call->has_sent && served->has_sent);
		}
		CU_ASSERT_EQUAL(way->relay.resets, 0);
		way_free(way);
	}
}

static void a_slow_client_stops_the_origin_in_every_combination(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct way *way = way_new(i % 2, i / 2);
		way->origin->answer = answer_with_trailers;
		way->client->keeps_body = true;
		struct call *call = side_request(way->client, HTTP_GET, "/", UINT64_MAX, true);
		way_run(way, 16384, SIZE_MAX);
		CU_ASSERT(call->body_bytes <= HTTP1_BODY_WINDOW_BYTES);
		CU_ASSERT(way->relay.down.used_max <= HTTP1_BODY_WINDOW_BYTES * 2);
		CU_ASSERT(!call->has_ended);
		for (unsigned n = 0; n < 1000 && !call->has_ended; n++) {
			http_consume(way->client->conn, call->stream, call->unconsumed);
			call->unconsumed = 0;
			way_run(way, 16384, SIZE_MAX);
		}
		CU_ASSERT_EQUAL(call->body_bytes, 300000);
		CU_ASSERT_EQUAL(call->body_wrong, 0);
		way_free(way);
	}
}

UNIT_MAIN("http_relay",
	  {"a relayed exchange is whole in every combination",
	   a_relayed_exchange_is_whole_in_every_combination},
	  {"a slow client stops the origin in every combination",
	   a_slow_client_stops_the_origin_in_every_combination})
