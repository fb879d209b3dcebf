// SPDX-License-Identifier: Apache-2.0
// The life of a connection as its owner sees it: see tls.h. Bytes go to the handshake, to our
// record layer or to OpenSSL's TLS 1.2, whichever the connection is in.
#include "tls_server.h"

#include "check.h"

#include <errno.h>
#include <openssl/err.h>

#define EVICT_AGE_US 10000u // a younger handshake is not ended for another

bool tls_conn_take_spare(struct tls *tls)
{
	if (!tls->spare)
		tls->spare = buf_new(tls->bufs, BUF_BYTES);
	if (!tls->spare)
		counter_inc(tls->counters, COUNTER_tls_buffers_short);
	return tls->spare != NULL;
}

static void return_spare(struct tls *tls)
{
	if (tls->spare)
		buf_unref(tls->spare);
	tls->spare = NULL;
}

void tls_held_drop(struct tls_held *held)
{
	if (held->buf)
		buf_unref(held->buf);
	*held = (struct tls_held){0};
}

// hold_room makes sure that held's buffer has room for total bytes. False: no buffer.
static bool hold_room(struct tls *tls, struct tls_held *held, size_t total)
{
	if (held->buf && held->buf->bytes >= total)
		return true;
	struct buf *buf = buf_new(tls->bufs, total);
	if (!buf) {
		counter_inc(tls->counters, COUNTER_tls_buffers_short);
		return false;
	}
	if (held->buf) {
		memcpy(buf->data, held->buf->data + held->start, held->end - held->start);
		held->end -= held->start;
		held->start = 0;
		buf_unref(held->buf);
	}
	held->buf = buf;
	return true;
}

size_t tls_held_append(struct tls *tls, struct tls_held *held, const uint8_t *bytes, size_t count,
		       size_t total)
{
	CHECK(held->end <= total);
	size_t run = MIN(count, total - held->end);
	if (run == 0 || !hold_room(tls, held, total))
		return 0;
	memcpy(held->buf->data + held->end, bytes, run);
	held->end += (uint32_t)run;
	return run;
}

// forget gives back everything but the connection itself.
static void forget(struct tls_conn *conn)
{
	tls_handshake_end(conn);
	SSL_free(conn->ssl);
	conn->ssl = NULL;
	tls_held_drop(&conn->held);
	tls_held_drop(&conn->raw);
	conn->is_held_plain = false;
	tls_key_wipe(&conn->tls->crypto, &conn->read);
	tls_key_wipe(&conn->tls->crypto, &conn->write);
	conn->state = TLS_STATE_CLOSED;
}

void tls_conn_close(struct tls_conn *conn, enum counter reason)
{
	if (conn->state == TLS_STATE_CLOSED)
		return;
	counter_inc(conn->tls->counters, reason);
	forget(conn);
	conn->events->closed(conn->user, reason);
}

void tls_conn_deliver(struct tls_conn *conn, uint8_t *bytes, uint32_t count)
{
	struct tls *tls = conn->tls;
	size_t taken = conn->events->plaintext(conn->user, slice_of(bytes, count));
	CHECK(taken <= count);
	if (taken == count || conn->state == TLS_STATE_CLOSED)
		return;
	struct tls_held *held = &conn->held;
	uint32_t left = count - (uint32_t)taken;
	if (held->buf && bytes >= held->buf->data && bytes < held->buf->data + held->buf->bytes) {
		held->start = (uint32_t)(bytes - held->buf->data) + (uint32_t)taken;
	} else {
		// An event may have used the spare for another connection.
		if (!tls_conn_take_spare(tls)) {
			tls_conn_close(conn, COUNTER_tls_no_buffers);
			return;
		}
		held->buf = tls->spare;
		held->start = 0;
		tls->spare = NULL;
		memcpy(held->buf->data, bytes + taken, left);
	}
	held->end = held->start + left;
	conn->is_held_plain = true;
}

// is_deaf: nothing is read any more.
static bool is_deaf(const struct tls_conn *conn)
{
	return conn->state == TLS_STATE_CLOSED || conn->state == TLS_STATE_SENDING;
}

// shake goes on with a handshake; returns how many bytes it took.
static size_t shake(struct tls_conn *conn, uint8_t *bytes, size_t count)
{
	struct tls_handshake *handshake = conn->handshake;
	size_t taken = 0;
	if (handshake->job && tls_server_go_on(conn, count, &taken))
		return taken;
	if (handshake->skip_bytes) {
		taken = MIN(count, handshake->skip_bytes);
		handshake->skip_bytes -= (uint32_t)taken;
		return taken;
	}
	if (handshake->is_own)
		return tls_record_receive(conn, bytes, count);
	if (tls_server_is_hearing(conn) && tls_server_hear(conn, bytes, count, &taken))
		return taken;
	return tls_handshake_step(conn, bytes, count);
}

// feed gives wire bytes to whatever the connection is now; returns how many it took.
static size_t feed(struct tls_conn *conn, uint8_t *bytes, size_t count)
{
	size_t taken = 0;
	while (taken < count && !is_deaf(conn)) {
		uint8_t before = conn->state;
		size_t run = 0;
		if (conn->state == TLS_STATE_HANDSHAKE && conn->handshake->wait == TLS_WAIT_NONE)
			run = shake(conn, bytes + taken, count - taken);
		else if (conn->state == TLS_STATE_RECORD)
			run = tls_record_receive(conn, bytes + taken, count - taken);
		else if (conn->state == TLS_STATE_LEGACY)
			run = tls_legacy_receive(conn, bytes + taken, count - taken);
		taken += run;
		if (run == 0 && conn->state == before)
			break;
	}
	return is_deaf(conn) ? count : taken;
}

// feed_raw feeds what was taken while the handshake waited. True when none of it is left.
static bool feed_raw(struct tls_conn *conn)
{
	if (!conn->raw.buf)
		return true;
	struct buf *buf = conn->raw.buf;
	buf_ref(buf);
	size_t left = conn->raw.end - conn->raw.start;
	size_t taken = feed(conn, buf->data + conn->raw.start, left);
	conn->raw.start += (uint32_t)taken;
	if (taken == left)
		tls_held_drop(&conn->raw);
	buf_unref(buf);
	return taken == left;
}

static bool must_wait(struct tls_conn *conn)
{
	if (conn->state != TLS_STATE_HANDSHAKE)
		return false;
	if (conn->handshake->wait == TLS_WAIT_NONE && conn->tls->steps_left == 0) {
		counter_inc(conn->tls->counters, COUNTER_tls_handshakes_delayed);
		tls_handshake_wait(conn->handshake, TLS_WAIT_BUDGET);
	}
	return conn->handshake->wait != TLS_WAIT_NONE;
}

// keep keeps wire bytes for later: few in a small buffer, since each client may begin and wait.
static size_t keep(struct tls_conn *conn, const uint8_t *bytes, size_t count)
{
	size_t most = conn->raw.end + count <= BUF_SMALL_BYTES ? BUF_SMALL_BYTES : BUF_BYTES;
	return tls_held_append(conn->tls, &conn->raw, bytes, count, most);
}

// take feeds what is kept and what is new; keeps what must wait, and a ClientHello in pieces.
static size_t take(struct tls_conn *conn, uint8_t *bytes, size_t count)
{
	size_t taken = 0;
	if (must_wait(conn))
		return keep(conn, bytes, count);
	if (conn->raw.buf && tls_server_is_hearing(conn))
		taken = keep(conn, bytes, count);
	if (feed_raw(conn))
		taken += feed(conn, bytes + taken, count - taken);
	if (tls_server_is_hearing(conn))
		taken += keep(conn, bytes + taken, count - taken);
	return taken;
}

size_t tls_receive(struct tls_conn *conn, uint8_t *bytes, size_t count)
{
	if (is_deaf(conn))
		return count;
	if (conn->is_busy || conn->is_held_plain)
		return 0;
	conn->is_busy = true;
	size_t taken = take(conn, bytes, count);
	conn->is_busy = false;
	return_spare(conn->tls);
	return is_deaf(conn) ? count : taken;
}

void tls_conn_continue(struct tls_conn *conn)
{
	conn->is_busy = true;
	if (conn->state == TLS_STATE_HANDSHAKE && !conn->raw.buf)
		shake(conn, NULL, 0);
	else
		feed_raw(conn);
	conn->is_busy = false;
	return_spare(conn->tls);
}

bool tls_resume(struct tls_conn *conn)
{
	if (conn->is_busy)
		return false;
	if (!conn->is_held_plain)
		return true;
	conn->is_busy = true;
	struct buf *buf = conn->held.buf;
	buf_ref(buf);
	conn->is_held_plain = false;
	tls_conn_deliver(conn, buf->data + conn->held.start, conn->held.end - conn->held.start);
	bool is_done = !conn->is_held_plain;
	if (is_done) {
		tls_held_drop(&conn->held);
		feed_raw(conn);
	}
	buf_unref(buf);
	conn->is_busy = false;
	return_spare(conn->tls);
	return is_done && !conn->is_held_plain;
}

static bool may_send(const struct tls_conn *conn)
{
	bool is_open = conn->state == TLS_STATE_RECORD || conn->state == TLS_STATE_LEGACY ||
		       conn->state == TLS_STATE_SENDING;
	return is_open && !conn->is_write_closed;
}

int tls_seal(struct tls_conn *conn, struct buf *buf, uint32_t bytes, uint32_t *offset,
	     uint32_t *wire_bytes)
{
	const struct tls_text text = {.buf = buf, .bytes = bytes};
	return tls_seal_text(conn, &text, offset, wire_bytes);
}

int tls_seal_text(struct tls_conn *conn, const struct tls_text *text, uint32_t *offset,
		  uint32_t *wire_bytes)
{
	struct tls *tls = conn->tls;
	struct buf *buf = text->buf;
	uint32_t bytes = text->bytes;
	CHECK(bytes > 0 && bytes <= TLS_PLAINTEXT_MAX);
	CHECK(buf->bytes >= TLS_PLAIN_AT + bytes + TLS_RECORD_TAIL);
	if (!may_send(conn))
		return EPIPE;
	counter_inc(tls->counters, COUNTER_tls_records_sealed);
	counter_add(tls->counters, COUNTER_tls_bytes_sealed, bytes);
	if (conn->state == TLS_STATE_LEGACY) {
		gaps_fill(text->gaps, buf->data + TLS_PLAIN_AT);
		return tls_legacy_seal(conn, buf, bytes, offset, wire_bytes);
	}
	uint32_t most = tls->limits.rekey_record_count;
	if (conn->write.sequence >= (most ? most : TLS_REKEY_RECORDS) &&
	    !tls_control_update_write(conn))
		return EPIPE;
	*offset = TLS_NONCE_ROOM;
	*wire_bytes = tls_record_seal(conn, text, TLS_CONTENT_DATA);
	if (*wire_bytes > 0)
		return 0;
	tls_conn_close(conn, COUNTER_tls_openssl_refused);
	return EPIPE;
}

void tls_close_notify(struct tls_conn *conn)
{
	if (!may_send(conn))
		return;
	conn->is_write_closed = true;
	if (conn->state == TLS_STATE_LEGACY)
		tls_legacy_close_notify(conn);
	else
		tls_control_alert(conn, SSL_AD_CLOSE_NOTIFY);
}

void tls_free(struct tls_conn *conn)
{
	struct tls *tls = conn->tls;
	CHECK(!conn->is_busy);
	forget(conn);
	pool_free(&tls->conns, conn);
	counter_set(tls->counters, COUNTER_tls_conns, tls->conns.in_use);
}

// make_room ends the oldest handshake that only waits for its client, so that those who begin and
// say nothing keep nobody out.
static void make_room(struct tls *tls)
{
	if (tls->handshakes.in_use < tls->handshakes.capacity)
		return;
	struct list *node = tls->handshakes_by_start.next;
	for (; node != &tls->handshakes_by_start; node = node->next) {
		struct tls_handshake *oldest = container_of(node, struct tls_handshake, start_link);
		uint64_t most_us = tls->now_us + tls->limits.handshake_timeout_ms * 1000ull;
		if (oldest->deadline_us + EVICT_AGE_US > most_us)
			return;
		if (oldest->conn->is_server && !oldest->conn->is_busy &&
		    oldest->wait == TLS_WAIT_NONE) {
			tls_conn_close(oldest->conn, COUNTER_tls_handshake_evicted);
			return;
		}
	}
}

struct tls_conn *tls_conn_make(struct tls *tls, const struct tls_events *events, void *user)
{
	make_room(tls);
	struct tls_handshake *handshake = pool_new(&tls->handshakes, NULL);
	if (!handshake) {
		counter_inc(tls->counters, COUNTER_tls_handshakes_at_bound);
		return NULL;
	}
	struct tls_conn *conn = pool_new(&tls->conns, NULL);
	if (!conn) {
		pool_free(&tls->handshakes, handshake);
		counter_inc(tls->counters, COUNTER_tls_conns_at_bound);
		return NULL;
	}
	conn->tls = tls;
	conn->events = events;
	conn->user = user;
	conn->handshake = handshake;
	tls_handshake_begin(conn);
	counter_set(tls->counters, COUNTER_tls_conns, tls->conns.in_use);
	return conn;
}

struct tls_conn *tls_conn_refuse(struct tls_conn *conn)
{
	counter_inc(conn->tls->counters, COUNTER_tls_openssl_refused);
	tls_free(conn);
	return NULL;
}

struct tls_conn *tls_accept_new(struct tls *tls, const struct tls_accept *accept)
{
	if (accept->is_mesh && (!tls->trust.store || tls->identities.in_use == 0)) {
		counter_inc(tls->counters, COUNTER_tls_no_identity);
		return NULL;
	}
	struct tls_conn *conn = tls_conn_make(tls, accept->events, accept->user);
	if (!conn)
		return NULL;
	struct tls_handshake *handshake = conn->handshake;
	conn->is_server = true;
	handshake->is_mesh = accept->is_mesh;
	handshake->peer_roles = accept->peer_roles;
	handshake->is_h2_offered = accept->is_h2_offered;
	handshake->is_http1_offered = accept->is_http1_offered;
	return conn;
}

struct tls_conn *tls_connect_new(struct tls *tls, const struct tls_connect *connect)
{
	static const uint8_t h2[] = {2, 'h', '2'};
	CHECK(strlen(connect->server_name) < RECORD_HOST_BYTES);
	CHECK(connect->peer[0] && strlen(connect->peer) < RECORD_PEER_BYTES);
	struct tls_identity *identity = tls_identity_for_hop(tls, connect->identity);
	if (!identity)
		counter_inc(tls->counters, COUNTER_tls_no_identity);
	struct tls_conn *conn =
		identity ? tls_conn_make(tls, connect->events, connect->user) : NULL;
	if (!conn)
		return NULL;
	conn->handshake->is_mesh = true;
	strcpy(conn->handshake->wanted_peer, connect->peer);
	if (!tls_handshake_start(conn, identity->ctx) ||
	    !SSL_set_tlsext_host_name(conn->ssl, connect->server_name) ||
	    SSL_set_alpn_protos(conn->ssl, h2, sizeof(h2)) != 0)
		return tls_conn_refuse(conn);
	conn->is_busy = true;
	tls_handshake_step(conn, NULL, 0);
	conn->is_busy = false;
	return conn;
}
