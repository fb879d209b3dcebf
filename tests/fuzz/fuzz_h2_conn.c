// SPDX-License-Identifier: Apache-2.0
// Any frames to an HTTP/2 server (behind a good preface) and client; the owner answers, stalls,
// resets and shuts down as the input says.
#include "check.h"
#include "http.h"
#include "slab.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct owner {
	struct http_conn *conn;
	bool is_server;
	uint8_t mood; // what to do with an exchange
	unsigned closed;
};

static void on_head(void *user, uint32_t stream, void *, const struct http_message *m, bool)
{
	struct owner *owner = user;
	CHECK(m->field_count <= 16);
	if (!owner->is_server)
		return;
	CHECK(m->authority.bytes > 0);
	struct http_message answer = {.status = 200, .content_length = HTTP_LENGTH_NONE};
	if (owner->mood & 1)
		http_respond(owner->conn, stream, &answer, owner->mood & 2);
	if (owner->mood & 4)
		http_reset(owner->conn, stream);
}

static void on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	struct owner *owner = user;
	CHECK(bytes.bytes > 0);
	if (owner->mood & 8)
		http_consume(owner->conn, stream, bytes.bytes);
	if (owner->mood & 16)
		http_reset(owner->conn, stream);
}

static void on_end(void *, uint32_t, void *, const struct http_field *, uint32_t count)
{
	CHECK(count <= 16);
}

static void on_reset(void *, uint32_t, void *, struct http_fault fault)
{
	CHECK(fault.counter > 0);
}

static struct slice on_pull(void *user, uint32_t stream, void *, size_t max, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	struct owner *owner = user;
	if (owner->mood & 32)
		http_reset(owner->conn, stream);
	*is_end = owner->mood & 64;
	return slice_head(SLICE("some bytes of a body"), max);
}

static void on_sent(void *, uint32_t, void *) {}

static void on_closed(void *user, struct http_fault)
{
	CHECK(((struct owner *)user)->closed++ == 0);
}

static const struct http_events events = {on_head, on_body, on_end,   on_reset,
					  on_pull, on_sent, on_closed};
static struct http_window_budget budget = {.max_bytes = 5000};
static struct slab slab; // small: malloc has its turn
static uint8_t frames[HTTP_FRAME_ROOM];
static struct http_frame_room frame_room = {.bytes = frames};
static const struct http_limits limits = {.head_bytes = 4096,
					  .field_count = 16,
					  .target_bytes = 128,
					  .stream_count = 4,
					  .stream_window_bytes = 1000,
					  .conn_window_bytes = 70000,
					  .stream_window_max_bytes = 4000,
					  .window_growth_bytes = 5000,
					  .window_budget = &budget,
					  .slab = &slab,
					  .frame_room = &frame_room,
					  .reset_budget = 10};

static void ask(struct owner *owner)
{
	struct http_message m = {.method_text = SLICE("GET"),
				 .target = SLICE("/"),
				 .authority = SLICE("a"),
				 .content_length = HTTP_LENGTH_NONE};
	uint32_t stream;
	if (http_can_request(owner->conn))
		http_request(owner->conn, &m, owner->mood & 1, NULL, &stream);
}

static void drain(struct owner *owner)
{
	uint8_t out[300];
	for (unsigned i = 0; i < 64 && http_produce(owner->conn, out, sizeof(out)) > 0; i++)
		memset(frames, 0xee, sizeof(frames)); // another connection's
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 3)
		return 0;
	struct owner owner = {.is_server = !(data[0] & 128), .mood = data[1]};
	struct slice text = slice_of(data + 3, bytes - 3);
	CHECK(slab_init(&slab, 4 * SLAB_PAGE_BYTES) == 0);
	size_t step = data[2] ? data[2] : SIZE_MAX;
	owner.conn = http_conn_new(HTTP_VERSION_2, owner.is_server, &limits, &events, &owner);
	CHECK(owner.conn);
	if (owner.is_server)
		http_receive(owner.conn, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	while (text.bytes > 0) {
		if (!owner.is_server)
			ask(&owner);
		drain(&owner);
		size_t taken = http_receive(owner.conn, slice_head(text, step));
		text = slice_skip(text, taken);
		CHECK(http_stream_count(owner.conn) <= limits.stream_count);
		if (taken == 0)
			break;
	}
	if (owner.is_server && data[0] & 2)
		http_drain(owner.conn);
	drain(&owner);
	if (data[0] & 1)
		http_shutdown(owner.conn);
	drain(&owner);
	http_receive_end(owner.conn);
	CHECK(http_stream_count(owner.conn) == 0 && http_is_done(owner.conn));
	http_conn_free(owner.conn);
	CHECK(budget.granted_bytes == 0);
	for (uint32_t i = 0; i < slab.page_count; i++)
		CHECK(slab.pages[i].used == 0);
	slab_fini(&slab);
	return 0;
}
