// SPDX-License-Identifier: Apache-2.0
// Silly windows (h2_crumb.c): a client, nghttp2, that gives back each frame's window as it comes,
// or that stands still, before a server whose memory's runs end everywhere.
#include "counter.h"
#include "http_side.h"

#include <nghttp2/nghttp2.h>

#include <inttypes.h>

enum { BODY = 3000000, RUN = 4096, FLIGHT = 200000 };

struct reader {
	nghttp2_session *session;
	struct side *server;
	unsigned frames, crumbs; // DATA that came; of those shorter than a crumb is allowed to be
	uint64_t bytes[8];       // of each stream
	int32_t last;            // the stream that DATA came for
	unsigned turns;          // how often that was another one than before
	uint64_t other_bytes;    // of the second, when the first was whole
	int32_t still;           // a stream whose bytes are not given back
	bool is_mute;            // its PINGs are not answered
	size_t room;             // how much the server says at a time
};

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct reader *reader = user;
	if (frame->hd.type != NGHTTP2_DATA)
		return 0;
	int32_t id = frame->hd.stream_id, bytes = (int32_t)frame->hd.length;
	reader->frames++;
	reader->crumbs += bytes < 1024;
	reader->bytes[id] += (uint64_t)bytes;
	reader->turns += id != reader->last;
	reader->last = id;
	if (id == 1 && reader->bytes[1] == BODY)
		reader->other_bytes = reader->bytes[3];
	if (id != reader->still)
		nghttp2_submit_window_update(session, NGHTTP2_FLAG_NONE, 0, bytes);
	return 0;
}

static void answer_large(struct side *side, struct call *call)
{
	CU_ASSERT_EQUAL(side_respond(side, call, 200, BODY, true), 0);
}

static void to_server(struct reader *reader)
{
	const uint8_t *bytes;
	ssize_t count;
	while ((count = nghttp2_session_mem_send(reader->session, &bytes)) > 0)
		if (!reader->is_mute || bytes[3] != NGHTTP2_PING)
			side_feed(reader->server, slice_of(bytes, (size_t)count), SIZE_MAX);
}

// all lets both talk until neither has more to say: the server as much as it may, of which the
// client reads a frame at a time.
static void all(struct reader *reader)
{
	static uint8_t flight[FLIGHT];
	size_t used = 0, said;
	do {
		to_server(reader);
		while ((said = http_produce(reader->server->conn, flight + used,
					    MIN(FLIGHT - used, reader->room))))
			used += said;
		size_t frame = 9 + (size_t)flight[0] * 65536 + flight[1] * 256u + flight[2];
		size_t read = MIN(frame, used);
		nghttp2_session_mem_recv(reader->session, flight, read);
		used -= read;
		memmove(flight, flight + read, used);
	} while (used > 0 || nghttp2_session_want_write(reader->session));
}

static void open_reader(struct reader *reader)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
	*reader = (struct reader){0};
	nghttp2_option_new(&option);
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	CHECK(nghttp2_session_client_new2(&reader->session, callbacks, reader, option) == 0);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	reader->server = side_new(HTTP_VERSION_2, true, NULL);
	reader->server->answer = answer_large;
	reader->server->pull_max = RUN;
	reader->room = FLIGHT;
	nghttp2_submit_settings(reader->session, 0, &window, 1);
}

static void close_reader(struct reader *reader)
{
	nghttp2_session_del(reader->session);
	side_free(reader->server);
}

static void ask_as(struct reader *reader, const char *priority)
{
	const char *const texts[][2] = {{":method", "GET"},
					{":scheme", "https"},
					{":authority", "a"},
					{":path", "/"},
					{"priority", priority}};
	nghttp2_nv fields[ARRAY_LEN(texts)];
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)texts[i][0],
					 (uint8_t *)(uintptr_t)texts[i][1], strlen(texts[i][0]),
					 strlen(texts[i][1]), NGHTTP2_NV_FLAG_NONE};
	CHECK(nghttp2_submit_request(reader->session, NULL, fields, ARRAY_LEN(fields), NULL, NULL) >
	      0);
}

static void ask(struct reader *reader)
{
	ask_as(reader, "u=3");
}

static void who_gives_back_frame_by_frame_gets_no_crumbs(void)
{
	struct reader reader;
	open_reader(&reader);
	ask(&reader);
	all(&reader);
	CU_ASSERT_EQUAL(reader.bytes[1], BODY);
	CU_ASSERT_EQUAL(reader.server->closed_count, 0);
	printf("# %u frames, %u crumbs\n", reader.frames, reader.crumbs);
	CU_ASSERT(reader.crumbs < BODY / RUN);
	close_reader(&reader);
}

// RFC 9218 10: of equals that are not incremental the second gets no crumbs that the first left.
static void a_crumb_is_no_other_streams_either(void)
{
	struct reader reader;
	open_reader(&reader);
	ask(&reader);
	ask(&reader);
	all(&reader);
	CU_ASSERT_EQUAL(reader.bytes[1], BODY);
	CU_ASSERT_EQUAL(reader.bytes[3], BODY);
	CU_ASSERT_EQUAL(reader.turns, 2);
	close_reader(&reader);
}

// RFC 9218 4.2: those who share have the same turns behind a wait as before it.
static void a_wait_for_more_than_crumbs_changes_no_turn(void)
{
	for (size_t room = 16384; room <= FLIGHT; room += 16384) {
		struct reader reader;
		open_reader(&reader);
		reader.room = room;
		ask_as(&reader, "u=3, i");
		ask_as(&reader, "u=3, i");
		all(&reader);
		printf("# %zu at a time: %" PRIu64 " of the second when the first was whole\n",
		       room, reader.other_bytes);
		CU_ASSERT(reader.other_bytes > BODY * 9ull / 10);
		CU_ASSERT_EQUAL(reader.bytes[3], BODY);
		close_reader(&reader);
	}
}

// A window that another stream's reader holds: what is left of it is used, a round trip later.
static void a_narrow_window_is_used_when_no_more_comes(void)
{
	struct reader reader;
	open_reader(&reader);
	reader.still = 1;
	ask(&reader);
	all(&reader);
	CU_ASSERT_EQUAL(reader.bytes[1], 65535);
	nghttp2_submit_window_update(reader.session, NGHTTP2_FLAG_NONE, 0, 10);
	all(&reader);
	CU_ASSERT_EQUAL(reader.bytes[1], 65545);
	reader.still = 0;
	nghttp2_submit_window_update(reader.session, NGHTTP2_FLAG_NONE, 0, 65545);
	all(&reader);
	CU_ASSERT_EQUAL(reader.bytes[1], BODY);
	close_reader(&reader);
}

static void a_ping_that_is_not_answered_holds_only_crumbs(void)
{
	struct reader reader;
	open_reader(&reader);
	reader.still = 1, reader.is_mute = true;
	ask(&reader);
	all(&reader);
	CU_ASSERT(reader.bytes[1] > 65535 - 1024 && reader.bytes[1] <= 65535);
	nghttp2_submit_window_update(reader.session, NGHTTP2_FLAG_NONE, 0, 10);
	all(&reader);
	CU_ASSERT(reader.bytes[1] <= 65535);
	nghttp2_submit_window_update(reader.session, NGHTTP2_FLAG_NONE, 0, 2000);
	all(&reader);
	CU_ASSERT(reader.bytes[1] > 65545);
	close_reader(&reader);
}

UNIT_MAIN("h2_crumb",
	  {"who gives back frame by frame gets no crumbs",
	   who_gives_back_frame_by_frame_gets_no_crumbs},
	  {"a crumb is no other stream's either", a_crumb_is_no_other_streams_either},
	  {"a wait for more than crumbs changes no turn",
	   a_wait_for_more_than_crumbs_changes_no_turn},
	  {"a narrow window is used when no more comes",
	   a_narrow_window_is_used_when_no_more_comes},
	  {"a PING that is not answered holds only crumbs",
	   a_ping_that_is_not_answered_holds_only_crumbs})
