// SPDX-License-Identifier: Apache-2.0
// A transport carries one HTTP connection over TCP and TLS; see transport.h.
#include "transport.h"

#include "proxy_priv.h"

#include "check.h"

#include <errno.h>

enum {
	RUNS_PER_SERVICE = 16,   // received runs handled before others get their turn
	RECORDS_PER_SERVICE = 8, // records sent before others get their turn
	RECORDS_PER_PUSH = 3,    // sent while they are in the core's cache: a burst of TCP's
	DISCARD_MAX = 131072,    // bytes behind our end that are still taken
};

static void on_opened(void *user, struct pool_id)
{
	struct transport *transport = user;
	upstream_tcp_opened(transport);
	transport_touch(transport);
}

static void on_writable(void *user, struct pool_id)
{
	transport_touch(user);
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct transport *transport = user;
	transport->tcp = (struct pool_id){0};
	transport_doom(transport, reason);
}

// deliver gives plaintext to HTTP; returns how many bytes were taken.
static size_t deliver(struct transport *transport, struct slice bytes)
{
	if (transport->is_doomed || transport->is_discarding)
		return bytes.bytes;
	CHECK(transport->http);
	size_t taken = http_receive(transport->http, bytes);
	transport->is_held = taken < bytes.bytes;
	transport->events->received(transport);
	return taken;
}

static void on_tls_send(void *user, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct transport *transport = user;
	tcp_send(transport->proxy->tcp, transport->tcp, buf, offset, bytes);
	transport_touch(transport);
}

static void on_tls_ready(void *user, const struct tls_info *info)
{
	struct transport *transport = user;
	transport->is_ready = true;
	if (info->text_max)
		transport->text_max = (uint16_t)info->text_max;
	transport_touch(transport);
	if (!transport->is_doomed)
		transport->events->ready(transport, info);
}

static size_t on_tls_plaintext(void *user, struct slice bytes)
{
	return deliver(user, bytes);
}

static void on_tls_closed(void *user, enum counter reason)
{
	struct transport *transport = user;
	if (reason != COUNTER_tls_closed || !transport->is_ready) {
		transport_shut(transport); // the alert goes first
		transport_doom(transport, reason);
		return;
	}
	if (transport->http && !transport->is_end_told) {
		transport->is_end_told = true;
		http_receive_end(transport->http);
	}
	transport_touch(transport);
}

static const struct tls_events tls_events = {
	.send = on_tls_send,
	.ready = on_tls_ready,
	.plaintext = on_tls_plaintext,
	.closed = on_tls_closed,
};

void transport_init(struct transport *transport, struct proxy *proxy,
		    const struct transport_events *events, struct pool_id tcp)
{
	*transport = (struct transport){.proxy = proxy,
					.events = events,
					.tcp = tcp,
					.reason = COUNTER_tcp_closed,
					.text_max = TLS_PLAINTEXT_MAX};
	list_init(&transport->busy);
}

static int start_plain(struct transport *transport)
{
	transport->is_ready = true;
	transport->events->ready(transport, NULL);
	return 0;
}

int transport_accept(struct transport *transport, struct tls_accept *accept)
{
	if (!accept)
		return start_plain(transport);
	accept->events = &tls_events;
	accept->user = transport;
	transport->tls = tls_accept_new(transport->proxy->tls, accept);
	return transport->tls ? 0 : ENOBUFS;
}

int transport_connect(struct transport *transport, struct tls_connect *connect)
{
	if (!connect)
		return start_plain(transport);
	connect->events = &tls_events;
	connect->user = transport;
	transport->tls = tls_connect_new(transport->proxy->tls, connect);
	return transport->tls ? 0 : ENOBUFS;
}

void transport_touch(struct transport *transport)
{
	if (transport->is_starved)
		list_remove(&transport->busy);
	transport->is_starved = false;
	if (list_is_empty(&transport->busy))
		list_append(&transport->proxy->busy, &transport->busy);
}

void transport_doom(struct transport *transport, enum counter reason)
{
	if (!transport->is_doomed) {
		transport->is_doomed = true;
		transport->reason = (uint16_t)reason;
	}
	transport_touch(transport);
}

void transport_shut(struct transport *transport)
{
	if (transport->is_shut)
		return;
	transport->is_shut = true;
	transport->is_discarding = true;
	if (transport->tls && transport->is_ready && !transport->is_half_closed)
		tls_close_notify(transport->tls);
	tcp_shutdown(transport->proxy->tcp, transport->tcp);
	transport->events->shut(transport);
	transport_touch(transport);
}

// half_close tells the peer that no more comes, and goes on reading: one end of a tunnel.
static void half_close(struct transport *transport)
{
	if (transport->is_half_closed || transport->is_shut)
		return;
	transport->is_half_closed = true;
	if (transport->tls)
		tls_close_notify(transport->tls);
	tcp_shutdown(transport->proxy->tcp, transport->tcp);
}

// stop_discarding: the peer goes on and on behind our end. Its window closes, so that it can still
// read what we said; who has broken the rules is reset.
static bool stop_discarding(struct transport *transport)
{
	if (transport->is_faulty && transport->is_shut) {
		counter_inc(transport->proxy->counters, COUNTER_exchange_downstream_talked_on);
		transport->is_shut = false; // a reset, now
		transport_doom(transport, COUNTER_exchange_downstream_talked_on);
	}
	return false;
}

// pump_in moves received bytes up. True when it stopped only because its turn is over.
static bool pump_in(struct transport *transport)
{
	struct tcp *tcp = transport->proxy->tcp;
	if (transport->tls && transport->is_ready && !transport->is_discarding &&
	    !tls_resume(transport->tls))
		return false;
	for (unsigned runs = 0; runs < RUNS_PER_SERVICE; runs++) {
		struct slice run = tcp_peek(tcp, transport->tcp);
		if (run.bytes == 0 || transport->is_doomed)
			return false;
		if (transport->discarded_bytes > DISCARD_MAX)
			return stop_discarding(transport);
		size_t taken = run.bytes;
		if (transport->is_discarding)
			transport->discarded_bytes += (uint32_t)run.bytes;
		else
			taken = transport->tls
					? tls_receive(transport->tls, (uint8_t *)run.at, run.bytes)
					: deliver(transport, run);
		tcp_consume(tcp, transport->tcp, taken);
		// A handshake that took less waits for its turn: there is no event for that.
		if (taken < run.bytes && !transport->is_discarding)
			return transport->tls && !transport->is_ready;
	}
	return true;
}

// note_end tells HTTP, or the end of a discarding transport, that the peer has finished.
static void note_end(struct transport *transport)
{
	if (!tcp_at_end(transport->proxy->tcp, transport->tcp))
		return;
	// What TLS still holds comes before the end.
	if (transport->tls && transport->is_ready && !transport->is_discarding &&
	    !tls_resume(transport->tls))
		return;
	if (transport->is_shut || !transport->http) {
		transport_doom(transport, (enum counter)transport->reason);
		return;
	}
	if (!transport->is_end_told) {
		transport->is_end_told = true;
		http_receive_end(transport->http);
	}
}

// What a peer says behind our own FIN has to be taken at once: with its FIN the connection is gone.
static void on_readable(void *user, struct pool_id)
{
	struct transport *transport = user;
	transport_touch(transport);
	if (!transport->is_half_closed || transport->is_doomed)
		return;
	while (pump_in(transport)) {
	}
	note_end(transport);
}

const struct tcp_events transport_tcp_events = {
	.opened = on_opened,
	.readable = on_readable,
	.writable = on_writable,
	.closed = on_closed,
};

// send_record seals (on TLS) bytes of plaintext with gaps at offset of buf and hands them to TCP,
// moving a short record, which has none, into a small buffer first so that large ones are free for
// those who fill them.
static void send_record(struct transport *transport, struct buf *buf, uint32_t offset,
			uint32_t bytes, const struct gaps *gaps)
{
	uint32_t wire_offset = offset, wire_bytes = bytes;
	if (offset + bytes + TLS_RECORD_TAIL <= BUF_SMALL_BYTES && buf->bytes > BUF_SMALL_BYTES) {
		struct buf *small = buf_new(transport->proxy->bufs, BUF_SMALL_BYTES);
		if (small) {
			memcpy(small->data + offset, buf->data + offset, bytes);
			buf_unref(buf);
			buf = small;
		}
	}
	const struct tls_text text = {buf, bytes, gaps};
	int error = transport->tls ? tls_seal_text(transport->tls, &text, &wire_offset, &wire_bytes)
				   : 0;
	lending_end(transport->proxy);
	if (error) {
		buf_unref(buf);
		transport_doom(transport, (enum counter)transport->reason);
		return;
	}
	tcp_send(transport->proxy->tcp, transport->tcp, buf, wire_offset, wire_bytes);
}

// record_buf takes a buffer for the next record, a small one where that is enough, and sets how
// many bytes of plaintext go into it from offset on; NULL: there is none.
static struct buf *record_buf(const struct transport *transport, uint32_t offset, size_t *room)
{
	size_t small = BUF_SMALL_BYTES - TLS_RECORD_TAIL - offset;
	bool is_small = http_produce_most(transport->http) <= small;
	*room = is_small ? MIN(small, transport->text_max) : transport->text_max;
	return buf_new(transport->proxy->bufs, is_small ? BUF_SMALL_BYTES : BUF_BYTES);
}

// pump_out moves what HTTP has to say down. True when it stopped only because its turn is over.
static bool pump_out(struct transport *transport)
{
	struct proxy *proxy = transport->proxy;
	uint32_t offset = transport->tls ? TLS_RECORD_HEAD + TLS_NONCE_ROOM : 0;
	for (unsigned records = 0; records < RECORDS_PER_SERVICE; records++) {
		if (transport->is_doomed || transport->is_shut || !transport->http ||
		    !http_wants_to_send(transport->http))
			return false;
		if (tcp_send_room(proxy->tcp, transport->tcp) < BUF_BYTES)
			return false; // `writable` follows
		size_t room;
		struct buf *buf = record_buf(transport, offset, &room);
		if (!buf) {
			counter_inc(proxy->counters, COUNTER_exchange_buffers_waited);
			transport->is_starved = true;
			return false;
		}
		struct gaps gaps;
		gaps.count = 0; // the rest is looked at no further
		size_t bytes = http_produce_gaps(transport->http, buf->data + offset, room,
						 transport->tls ? &gaps : NULL);
		if (bytes == 0) {
			lending_end(proxy);
			buf_unref(buf);
			return false;
		}
		send_record(transport, buf, offset, (uint32_t)bytes, &gaps);
		if (records % RECORDS_PER_PUSH == RECORDS_PER_PUSH - 1)
			tcp_push(proxy->tcp, transport->tcp);
	}
	return true;
}

// destroy frees the connection; the owner frees itself in `gone`.
static void destroy(struct transport *transport)
{
	struct proxy *proxy = transport->proxy;
	list_remove(&transport->busy);
	if (!pool_id_is_null(transport->tcp)) {
		if (transport->is_shut)
			tcp_release(proxy->tcp, transport->tcp);
		else
			tcp_abort(proxy->tcp, transport->tcp);
	}
	transport->tcp = (struct pool_id){0};
	transport->events->gone(transport, (enum counter)transport->reason);
}

// has_more tells whether another service would find anything. Mostly it was touched for what this
// one has done.
static bool has_more(const struct transport *transport)
{
	struct tcp *tcp = transport->proxy->tcp;
	if (list_is_empty(&transport->busy))
		return false;
	if (!transport->http || transport->is_shut || transport->is_held)
		return true;
	return http_wants_to_send(transport->http) || tcp_peek(tcp, transport->tcp).bytes > 0 ||
	       tcp_at_end(tcp, transport->tcp);
}

// rest takes it off the busy list: until it is touched, or there is a buffer to send from.
static void rest(struct transport *transport)
{
	list_remove(&transport->busy);
	if (transport->is_starved)
		list_append(&transport->proxy->starved, &transport->busy);
}

void transport_service(struct transport *transport)
{
	bool is_busy = false;
	transport->is_starved = false;
	if (!transport->is_doomed && !pool_id_is_null(transport->tcp)) {
		bool was_ready = transport->is_ready;
		is_busy = pump_in(transport);
		if (!transport->is_doomed && !is_busy)
			note_end(transport);
		is_busy |= !was_ready && transport->is_ready; // TLS may hold what came with it
		is_busy |= pump_out(transport);
		if (transport->http && http_has_said_all(transport->http))
			half_close(transport);
		if (transport->http && !transport->is_shut && http_is_done(transport->http))
			transport_shut(transport);
	}
	transport->events->serviced(transport);
	if (transport->is_doomed)
		destroy(transport);
	else if (is_busy || has_more(transport))
		transport_touch(transport);
	else
		rest(transport);
}
