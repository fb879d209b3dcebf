// SPDX-License-Identifier: Apache-2.0
// A connection of the load generator: TCP, TLS, HTTP, pumped inside TCP's events; see load.h.
#include "load.h"

#include "check.h"

#include <errno.h>

// doom ends the session after the event that found it over.
static void doom(struct load_session *session)
{
	if (session->is_over)
		return;
	session->is_over = true;
	list_remove(&session->link);
	list_append(&session->load->over, &session->link);
}

// requests_max is how many are asked on the connection in all.
static uint64_t requests_max(const struct load_session *session)
{
	return session->is_fresh ? 1 : session->load->options->per_connection;
}

static bool is_wanted(const struct load_session *session)
{
	bool is_used_up = session->begun >= requests_max(session);
	return session->is_ready && !session->is_ending && !session->is_shut && !session->is_over &&
	       !is_used_up && session->under_way < session->load->options->streams;
}

static bool can_ask(const struct load_session *session)
{
	return is_wanted(session) && session->http && http_can_request(session->http);
}

void load_session_ask(struct load_session *session, uint64_t due_ns)
{
	if (load_exchange_begin(session, due_ns))
		session->begun++;
	else
		session->is_ending = true;
}

// next_due tells when the next request of a session is due, if it is by now. With a connection a
// piece of work, its first request was due when the connection was.
static bool next_due(struct load_session *session, uint64_t *due_ns)
{
	struct load *load = session->load;
	uint64_t now_ns = load_clock_ns();
	if (requests_max(session) == LOAD_FOR_EVER)
		return load->phase != LOAD_OPENING &&
		       load_schedule_take(&load->schedule, now_ns, due_ns);
	*due_ns = session->begun == 0 ? session->due_ns : now_ns;
	return true;
}

void load_session_fill(struct load_session *session)
{
	uint64_t due_ns;
	while (can_ask(session) && next_due(session, &due_ns))
		load_session_ask(session, due_ns);
}

static void send(void *user, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct load_session *session = user;
	tcp_send(session->load->stack->tcp, session->tcp, buf, offset, bytes);
}

// send_record seals bytes of plaintext in buf, a short one in a small buffer, and sends them.
static void send_record(struct load_session *session, struct buf *buf, uint32_t offset,
			uint32_t bytes)
{
	struct host_stack *stack = session->load->stack;
	uint32_t wire_offset = offset, wire_bytes = bytes;
	if (offset + bytes + TLS_RECORD_TAIL <= BUF_SMALL_BYTES) {
		struct buf *small = buf_new(&stack->bufs, BUF_SMALL_BYTES);
		if (small) {
			memcpy(small->data + offset, buf->data + offset, bytes);
			buf_unref(buf);
			buf = small;
		}
	}
	if (session->tls && tls_seal(session->tls, buf, bytes, &wire_offset, &wire_bytes) != 0) {
		buf_unref(buf);
		doom(session);
		return;
	}
	tcp_send(stack->tcp, session->tcp, buf, wire_offset, wire_bytes);
}

static void pump_out(struct load_session *session)
{
	struct host_stack *stack = session->load->stack;
	uint32_t offset = session->tls ? TLS_RECORD_HEAD + TLS_NONCE_ROOM : 0;
	while (session->http && !session->is_over && !session->is_shut &&
	       http_wants_to_send(session->http)) {
		if (tcp_send_room(stack->tcp, session->tcp) < BUF_BYTES)
			return; // `writable` follows
		struct buf *buf = buf_new(&stack->bufs, BUF_BYTES);
		if (!buf) {
			list_remove(&session->link);
			list_append(&session->load->starved, &session->link);
			return;
		}
		size_t bytes = http_produce(session->http, buf->data + offset, TLS_PLAINTEXT_MAX);
		if (bytes == 0) {
			buf_unref(buf);
			return;
		}
		send_record(session, buf, offset, (uint32_t)bytes);
	}
}

// is_used_up: nothing more will be asked on this connection.
static bool is_used_up(const struct load_session *session)
{
	const struct load_options *options = session->load->options;
	if (!session->is_ready || session->under_way > 0 || options->hold_s > 0)
		return false;
	return session->is_ending || session->begun >= requests_max(session);
}

void load_session_flush(struct load_session *session)
{
	struct load *load = session->load;
	if (session->is_over)
		return;
	list_remove(&session->link);
	pump_out(session);
	if (!session->is_over && !session->is_shut && is_used_up(session))
		load_session_shut(session);
	if (!session->is_over && list_is_empty(&session->link) && can_ask(session))
		list_append(&load->willing, &session->link);
}

void load_session_shut(struct load_session *session)
{
	if (session->is_shut)
		return;
	session->is_shut = true;
	if (session->tls && session->is_ready)
		tls_close_notify(session->tls);
	tcp_shutdown(session->load->stack->tcp, session->tcp);
}

static size_t deliver(struct load_session *session, struct slice bytes)
{
	if (!session->http || session->is_over || session->is_shut)
		return bytes.bytes;
	return http_receive(session->http, bytes);
}

static size_t on_plaintext(void *user, struct slice bytes)
{
	return deliver(user, bytes);
}

static void become_ready(struct load_session *session, bool is_resumed)
{
	struct load *load = session->load;
	session->is_ready = true;
	load->opening_count--;
	load_tally_connection(&load->tally, load_clock_ns(), session->due_ns, is_resumed);
	// Within tls_run no event of TCP follows that would ask and send.
	list_remove(&session->link);
	list_append(&load->starved, &session->link);
	if (load->options->per_connection == 0)
		return;
	session->http = http_conn_new(session->is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, false,
				      &load->http_limits, &load_exchange_events, session);
	CHECK(session->http);
}

static void on_ready(void *user, const struct tls_info *info)
{
	struct load_session *session = user;
	struct load_tally *tally = &session->load->tally;
	session->is_h2 = info->alpn == TLS_ALPN_H2;
	if (!tally->tls[0])
		snprintf(tally->tls, sizeof(tally->tls), "%s %s %s",
			 info->is_tls13 ? "TLSv1.3" : "TLSv1.2", info->cipher,
			 session->is_h2 ? "h2" : "http/1.1");
	become_ready(session, info->is_resumed);
}

static void on_tls_closed(void *user, enum counter)
{
	struct load_session *session = user;
	if (session->is_ready && !session->is_shut) {
		session->is_ending = true; // close_notify: what was asked is lost, if anything was
		if (session->http)
			http_receive_end(session->http);
		load_session_shut(session);
	} else if (!session->is_ready) {
		doom(session);
	}
}

static const struct tls_events tls_events = {
	.send = send,
	.ready = on_ready,
	.plaintext = on_plaintext,
	.closed = on_tls_closed,
};

static void start_tls(struct load_session *session)
{
	struct load *load = session->load;
	const struct load_options *options = load->options;
	bool is_one = options->is_resuming_one;
	struct ssl_session_st *ticket =
		load->ticket_count ? load->tickets[load->ticket_count - 1] : NULL;
	struct tls_client client = {
		.server_name = options->host,
		.is_h2_offered = options->http == 2,
		.is_http1_offered = options->http == 1,
		.wants_session = options->is_resuming || (is_one && !ticket),
		.session = ticket,
		.events = &tls_events,
		.user = session,
	};
	session->tls = tls_client_new(load->tls, &client);
	if (ticket && !is_one) {
		tls_session_free(ticket);
		load->ticket_count--;
	}
	if (!session->tls)
		doom(session);
}

static void on_opened(void *user, struct pool_id)
{
	struct load_session *session = user;
	if (!session->load->options->is_plain) {
		start_tls(session);
		return;
	}
	become_ready(session, false);
	load_session_fill(session);
	load_session_flush(session);
}

// take moves what arrived up.
static void take(struct load_session *session)
{
	struct tcp *tcp = session->load->stack->tcp;
	while (!session->is_over) {
		struct slice run = tcp_peek(tcp, session->tcp);
		if (run.bytes == 0)
			break;
		size_t taken = session->tls ? tls_receive(session->tls,
							  (uint8_t *)(uintptr_t)run.at, run.bytes)
					    : deliver(session, run);
		tcp_consume(tcp, session->tcp, taken);
		if (taken == 0)
			break;
	}
}

static void on_readable(void *user, struct pool_id)
{
	struct load_session *session = user;
	take(session);
	if (session->is_over)
		return;
	if (tcp_at_end(session->load->stack->tcp, session->tcp)) {
		session->is_ending = true;
		if (session->http && !session->is_shut)
			http_receive_end(session->http);
		load_session_shut(session);
		return;
	}
	load_session_fill(session);
	load_session_flush(session);
}

static void on_writable(void *user, struct pool_id)
{
	load_session_flush(user);
}

static void on_tcp_closed(void *user, struct pool_id, enum counter)
{
	struct load_session *session = user;
	session->tcp = (struct pool_id){0};
	doom(session);
}

static const struct tcp_events tcp_events = {on_opened, on_readable, on_writable, on_tcp_closed};

void load_session_open(struct load *load, uint64_t due_ns, bool is_fresh)
{
	const struct load_options *options = load->options;
	struct list *link = list_pop(&load->free);
	CHECK(link);
	struct load_session *session = container_of(link, struct load_session, link);
	*session = (struct load_session){.load = load, .due_ns = due_ns, .is_fresh = is_fresh};
	list_init(&session->link);
	uint32_t turn = load->opened++;
	const struct endpoint_addr *to =
		&options->targets[turn / options->address_count % options->target_count];
	struct tcp_connect connect = {
		.remote = to->addr,
		.remote_port = to->port,
		.local = options->sources[turn % options->address_count],
		.events = &tcp_events,
		.user = session,
	};
	load->session_count++;
	load->fresh_count += is_fresh;
	load->opening_count++;
	if (tcp_connect_to(load->stack->tcp, &connect, &session->tcp) != 0)
		doom(session);
}

void load_session_end(struct load_session *session)
{
	struct load *load = session->load;
	if (!session->is_ready) {
		load->opening_count--;
		load->tally.errors[session->tls ? LOAD_ERROR_handshake : LOAD_ERROR_connect]++;
	}
	if (session->http && session->under_way > 0)
		http_receive_end(session->http);
	if (!pool_id_is_null(session->tcp))
		tcp_abort(load->stack->tcp, session->tcp);
	if (session->http)
		http_conn_free(session->http);
	if (session->tls)
		tls_free(session->tls);
	CHECK(session->under_way == 0);
	load->fresh_count -= session->is_fresh;
	list_remove(&session->link);
	*session = (struct load_session){.load = load};
	list_append(&load->free, &session->link);
	load->session_count--;
}
