// SPDX-License-Identifier: Apache-2.0
// One request and its answer, which is judged by what the mix says of it; see load.h.
#include "load.h"

#include "check.h"

static const uint8_t zeros[16384]; // what is uploaded

static void give_back(struct load_session *session, struct load_exchange *exchange)
{
	struct load *load = session->load;
	list_append(&load->idle, &exchange->link);
	session->under_way--;
	load->under_way--;
}

static void fail(struct load_session *session, struct load_exchange *exchange,
		 enum load_error error)
{
	session->load->tally.errors[error]++;
	give_back(session, exchange);
}

// finish judges a complete answer.
static void finish(struct load_session *session, struct load_exchange *exchange)
{
	const struct load_item *item = exchange->item;
	bool is_short = item->bytes != LOAD_LENGTH_ANY && exchange->bytes != item->bytes;
	if (exchange->status != item->status) {
		fail(session, exchange, LOAD_ERROR_status);
		return;
	}
	if (exchange->is_wrong || is_short) {
		fail(session, exchange, LOAD_ERROR_body);
		return;
	}
	load_tally_answer(&session->load->tally, load_clock_ns(), exchange->due_ns, exchange->bytes,
			  session->is_fresh);
	if (exchange->uploaded < item->upload_bytes)
		http_reset(session->http, exchange->stream); // answered before all was said
	give_back(session, exchange);
}

static void on_head(void *user, uint32_t, void *stream_user, const struct http_message *message,
		    bool is_end)
{
	struct load_exchange *exchange = stream_user;
	if (!exchange || message->status < 200)
		return;
	exchange->status = message->status;
	if (is_end)
		finish(user, exchange);
}

static void on_body(void *user, uint32_t stream, void *stream_user, struct slice bytes)
{
	struct load_session *session = user;
	struct load_exchange *exchange = stream_user;
	http_consume(session->http, stream, bytes.bytes);
	if (!exchange)
		return;
	struct slice wanted = slice_skip(exchange->item->body, (size_t)exchange->bytes);
	if (exchange->item->body.at && !slice_equal(slice_head(wanted, bytes.bytes), bytes))
		exchange->is_wrong = true;
	exchange->bytes += bytes.bytes;
}

static void on_end(void *user, uint32_t, void *stream_user, const struct http_field *, uint32_t)
{
	if (stream_user)
		finish(user, stream_user);
}

static void on_reset(void *user, uint32_t, void *stream_user, struct http_fault)
{
	struct load_session *session = user;
	bool is_lost = session->is_over || session->is_ending;
	if (stream_user)
		fail(session, stream_user, is_lost ? LOAD_ERROR_lost : LOAD_ERROR_reset);
}

static struct slice on_pull(void *, uint32_t, void *stream_user, size_t max, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	struct load_exchange *exchange = stream_user;
	uint64_t left = exchange->item->upload_bytes - exchange->uploaded;
	size_t run = (size_t)MIN(left, (uint64_t)MIN(max, sizeof(zeros)));
	exchange->uploaded += run;
	*is_end = run == left;
	return slice_of(zeros, run);
}

static void on_sent(void *, uint32_t, void *) {}

static void on_closed(void *user, struct http_fault)
{
	struct load_session *session = user;
	session->is_ending = true;
	if (!session->is_shut)
		session->load->tally.closed_by_peer++;
}

const struct http_events load_exchange_events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.pull = on_pull,
	.sent = on_sent,
	.closed = on_closed,
};

bool load_exchange_begin(struct load_session *session, uint64_t due_ns)
{
	struct load *load = session->load;
	static struct http_field fields[] = {
		{SLICE("user-agent"), SLICE("millrace-loadgen")},
	};
	struct list *link = list_pop(&load->idle);
	CHECK(link); // there is one for each stream of each connection
	struct load_exchange *exchange = container_of(link, struct load_exchange, link);
	const struct load_item *item = load_mix_pick(&load->options->mix, &load->random);
	struct http_message message = {
		.method = http_method_of(slice_str(item->method)),
		.method_text = slice_str(item->method),
		.scheme = load->options->is_plain ? SLICE("http") : SLICE("https"),
		.authority = slice_str(load->options->host),
		.target = slice_str(item->target),
		.version = session->is_h2 ? 20 : 11,
		.content_length = item->upload_bytes ? item->upload_bytes : HTTP_LENGTH_NONE,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
	};
	*exchange = (struct load_exchange){.item = item, .due_ns = due_ns};
	list_init(&exchange->link);
	if (http_request(session->http, &message, item->upload_bytes > 0, exchange,
			 &exchange->stream) != 0) {
		list_append(&load->idle, &exchange->link);
		return false;
	}
	session->under_way++;
	load->under_way++;
	return true;
}
