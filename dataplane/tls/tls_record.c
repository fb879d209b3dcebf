// SPDX-License-Identifier: Apache-2.0
// The record layer of TLS 1.3 (RFC 8446 5), after the take-over and behind the flight of a
// handshake of ours: a record that lies in one run is opened where it lies, a cut one is gathered
// in a buffer first; sealing is in place.
//
//   seal: | nonce room 16 | head 5 | plaintext ... | type 1 | tag 16 |
//         0               16       21
#include "tls_server.h"

#include "check.h"

#include <openssl/err.h>

#define OPEN_MAX 2u // bytes of a change_cipher_spec or an alert

// check_open looks at the head of a record that is not encrypted: a handshake of ours takes the
// short ones.
static bool check_open(struct tls_conn *conn, uint32_t body_bytes)
{
	if (!conn->handshake)
		tls_control_fail(conn, COUNTER_tls_unexpected_message, SSL_AD_UNEXPECTED_MESSAGE);
	else if (body_bytes == 0 || body_bytes > OPEN_MAX)
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
	return conn->state != TLS_STATE_CLOSED;
}

// check_head looks at a record's head and tells the length of its body; false: closed.
static bool check_head(struct tls_conn *conn, const uint8_t *head, uint32_t *body_bytes)
{
	*body_bytes = (uint32_t)head[3] << 8 | head[4];
	if (head[0] != TLS_CONTENT_DATA)
		return check_open(conn, *body_bytes);
	if (*body_bytes > TLS_CIPHERTEXT_MAX) {
		tls_control_fail(conn, COUNTER_tls_record_overflow, SSL_AD_RECORD_OVERFLOW);
		return false;
	}
	if (*body_bytes <= TLS_TAG_BYTES) {
		tls_control_fail(conn, COUNTER_tls_bad_record_mac, SSL_AD_BAD_RECORD_MAC);
		return false;
	}
	return true;
}

// unpad finds the content type behind the plaintext (RFC 8446 5.4); 0 when there is none.
static uint8_t unpad(const uint8_t *inner, uint32_t *bytes)
{
	while (*bytes > 0 && inner[*bytes - 1] == 0)
		--*bytes;
	return *bytes > 0 ? inner[--*bytes] : 0;
}

static void receive_data(struct tls_conn *conn, uint8_t *bytes, uint32_t count)
{
	if (conn->message_have > 0) {
		tls_control_fail(conn, COUNTER_tls_unexpected_message, SSL_AD_UNEXPECTED_MESSAGE);
		return;
	}
	if (count == 0) {
		if (++conn->empty_count > TLS_EMPTY_MAX)
			tls_control_fail(conn, COUNTER_tls_empty_records,
					 SSL_AD_UNEXPECTED_MESSAGE);
		return;
	}
	conn->empty_count = 0;
	conn->update_count = 0;
	counter_add(conn->tls->counters, COUNTER_tls_bytes_opened, count);
	tls_conn_deliver(conn, bytes, count);
}

// open_record opens the whole record at record and acts on it.
static void open_record(struct tls_conn *conn, uint8_t *record, uint32_t body_bytes)
{
	uint32_t bytes = body_bytes - TLS_TAG_BYTES;
	uint8_t *inner = record + TLS_RECORD_HEAD;
	if (record[0] != TLS_CONTENT_DATA) {
		tls_server_receive_open(conn, record[0], inner, body_bytes);
		return;
	}
	if (!tls_key_open(&conn->tls->crypto, &conn->read, record, body_bytes)) {
		tls_control_fail(conn, COUNTER_tls_bad_record_mac, SSL_AD_BAD_RECORD_MAC);
		return;
	}
	if (!conn->handshake)
		counter_inc(conn->tls->counters, COUNTER_tls_records_opened);
	if (bytes > TLS_PLAINTEXT_MAX + 1) {
		tls_control_fail(conn, COUNTER_tls_record_overflow, SSL_AD_RECORD_OVERFLOW);
		return;
	}
	uint8_t type = unpad(inner, &bytes);
	if (conn->handshake)
		tls_server_receive(conn, type, inner, bytes);
	else if (type == TLS_CONTENT_DATA)
		receive_data(conn, inner, bytes);
	else
		tls_control_receive(conn, type, inner, bytes);
}

// gather copies a cut record together, and opens it when it is whole; returns the bytes taken.
static size_t gather(struct tls_conn *conn, const uint8_t *bytes, size_t count)
{
	struct tls *tls = conn->tls;
	struct tls_held *held = &conn->held;
	size_t taken = 0;
	uint32_t body_bytes = 0;
	if (held->end < TLS_RECORD_HEAD) {
		taken = tls_held_append(tls, held, bytes, count, TLS_RECORD_HEAD);
		if (held->end < TLS_RECORD_HEAD)
			return taken;
	}
	if (!check_head(conn, held->buf->data, &body_bytes))
		return taken;
	uint32_t total = TLS_RECORD_HEAD + body_bytes;
	taken += tls_held_append(tls, held, bytes + taken, count - taken, total);
	if (held->end < total)
		return taken;
	counter_inc(tls->counters, COUNTER_tls_records_gathered);
	struct buf *buf = held->buf;
	buf_ref(buf); // the record stays while it is acted on, whatever becomes of held
	open_record(conn, buf->data, body_bytes);
	if (!conn->is_held_plain)
		tls_held_drop(held);
	buf_unref(buf);
	return taken;
}

// is_reading: the connection's records are ours to open.
static bool is_reading(const struct tls_conn *conn)
{
	return conn->state == TLS_STATE_RECORD || conn->state == TLS_STATE_HANDSHAKE;
}

size_t tls_record_receive(struct tls_conn *conn, uint8_t *bytes, size_t count)
{
	size_t taken = 0;
	uint32_t body_bytes;
	while (taken < count && is_reading(conn) && !conn->is_held_plain) {
		uint8_t *at = bytes + taken;
		size_t left = count - taken;
		bool is_whole = false;
		if (!conn->held.buf && left >= TLS_RECORD_HEAD) {
			if (!check_head(conn, at, &body_bytes))
				break;
			is_whole = left >= TLS_RECORD_HEAD + body_bytes;
		}
		if (is_whole) {
			if (!tls_conn_take_spare(conn->tls))
				break;
			taken += TLS_RECORD_HEAD + body_bytes;
			open_record(conn, at, body_bytes);
			continue;
		}
		size_t run = gather(conn, at, left);
		taken += run;
		if (run == 0)
			break;
	}
	return taken;
}

uint32_t tls_record_seal(struct tls_conn *conn, const struct tls_text *text, enum tls_content type)
{
	uint32_t bytes = text->bytes;
	CHECK(text->buf->bytes >= TLS_PLAIN_AT + bytes + TLS_RECORD_TAIL);
	uint8_t *record = text->buf->data + TLS_NONCE_ROOM;
	record[TLS_RECORD_HEAD + bytes] = (uint8_t)type;
	if (!tls_key_seal(&conn->tls->crypto, &conn->write, record, bytes + 1, text->gaps))
		return 0;
	return TLS_RECORD_HEAD + bytes + 1 + TLS_TAG_BYTES;
}
