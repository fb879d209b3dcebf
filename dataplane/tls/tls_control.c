// SPDX-License-Identifier: Apache-2.0
// What is not data after the handshake: alerts (RFC 8446 6), KeyUpdate (4.6.3), and the peer's
// NewSessionTicket (4.6.1), which is skipped: hops between nodes do not resume. A message may be
// cut over records, but not mixed with other records, and a KeyUpdate must end its record (5.1).
#include "tls_priv.h"

#include "bytes.h"
#include "check.h"

#include <openssl/err.h>

enum { MESSAGE_NEW_SESSION_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };

// send seals count bytes into a record of their own, or sends them bare before there are keys.
static bool send_record(struct tls_conn *conn, enum tls_content type, const uint8_t *bytes,
			uint32_t count)
{
	struct buf *buf = buf_new(conn->tls->bufs, TLS_PLAIN_AT + count + TLS_RECORD_TAIL);
	if (!buf)
		return false;
	memcpy(buf->data + TLS_PLAIN_AT, bytes, count);
	uint32_t wire_bytes = TLS_RECORD_HEAD + count;
	if (conn->write.serial) {
		const struct tls_text text = {.buf = buf, .bytes = count};
		wire_bytes = tls_record_seal(conn, &text, type);
	} else {
		struct bytes_writer w = bytes_write_to(buf->data + TLS_NONCE_ROOM, TLS_RECORD_HEAD);
		bytes_put_u8(&w, (uint8_t)type);
		bytes_put_u16(&w, 0x0303);
		bytes_put_u16(&w, (uint16_t)count);
	}
	if (wire_bytes == 0) {
		buf_unref(buf);
		return false;
	}
	conn->events->send(conn->user, buf, TLS_NONCE_ROOM, wire_bytes);
	return true;
}

void tls_control_alert(struct tls_conn *conn, uint8_t alert)
{
	bool is_fatal = alert != SSL_AD_CLOSE_NOTIFY;
	send_record(conn, TLS_CONTENT_ALERT, (uint8_t[]){is_fatal ? 2 : 1, alert}, 2);
}

void tls_control_fail(struct tls_conn *conn, enum counter reason, uint8_t alert)
{
	if (!conn->is_write_closed)
		tls_control_alert(conn, alert);
	conn->is_write_closed = true;
	tls_conn_close(conn, reason);
}

bool tls_control_update_write(struct tls_conn *conn)
{
	static const uint8_t update[] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 0}; // update_not_requested
	if (!send_record(conn, TLS_CONTENT_HANDSHAKE, update, sizeof(update))) {
		tls_conn_close(conn, COUNTER_tls_no_buffers);
		return false;
	}
	tls_key_update(&conn->tls->crypto, &conn->write);
	counter_inc(conn->tls->counters, COUNTER_tls_key_updates_sent);
	return true;
}

// RFC 8446 6.1: the peer's end is not ours.
static void receive_end(struct tls_conn *conn)
{
	if (conn->is_write_closed) {
		tls_conn_close(conn, COUNTER_tls_closed);
		return;
	}
	counter_inc(conn->tls->counters, COUNTER_tls_closed);
	conn->state = TLS_STATE_SENDING;
	conn->events->closed(conn->user, COUNTER_tls_closed);
}

static void receive_alert(struct tls_conn *conn, const uint8_t *bytes, uint32_t count)
{
	if (count != 2) {
		tls_control_fail(conn, COUNTER_tls_malformed_message, SSL_AD_DECODE_ERROR);
	} else if (bytes[1] == SSL_AD_CLOSE_NOTIFY) {
		receive_end(conn);
	} else if (bytes[1] == SSL_AD_USER_CANCELLED) {
		if (++conn->empty_count > TLS_EMPTY_MAX)
			tls_control_fail(conn, COUNTER_tls_empty_records,
					 SSL_AD_UNEXPECTED_MESSAGE);
	} else {
		tls_conn_close(conn, tls_handshake_reason_of_alert(bytes[1]));
	}
}

static void receive_key_update(struct tls_conn *conn, uint8_t request)
{
	counter_inc(conn->tls->counters, COUNTER_tls_key_updates_received);
	if (request > 1) {
		tls_control_fail(conn, COUNTER_tls_malformed_message, SSL_AD_ILLEGAL_PARAMETER);
		return;
	}
	if (++conn->update_count > TLS_UPDATES_MAX) {
		tls_control_fail(conn, COUNTER_tls_key_update_flood, SSL_AD_UNEXPECTED_MESSAGE);
		return;
	}
	tls_key_update(&conn->tls->crypto, &conn->read);
	if (request == 1 && !conn->is_write_closed)
		tls_control_update_write(conn);
}

static uint32_t message_bytes(const struct tls_conn *conn)
{
	return (uint32_t)conn->message_head[1] << 16 | (uint32_t)conn->message_head[2] << 8 |
	       conn->message_head[3];
}

// begin_message looks at a complete message head. False: the connection was closed.
static bool begin_message(struct tls_conn *conn)
{
	uint8_t type = conn->message_head[0];
	conn->message_left = message_bytes(conn);
	if (type == MESSAGE_KEY_UPDATE && conn->message_left != 1) {
		tls_control_fail(conn, COUNTER_tls_malformed_message, SSL_AD_DECODE_ERROR);
		return false;
	}
	bool is_ticket = type == MESSAGE_NEW_SESSION_TICKET && !conn->is_server;
	if (type != MESSAGE_KEY_UPDATE && !is_ticket) {
		tls_control_fail(conn, COUNTER_tls_unexpected_message, SSL_AD_UNEXPECTED_MESSAGE);
		return false;
	}
	return true;
}

static void receive_messages(struct tls_conn *conn, const uint8_t *bytes, uint32_t count)
{
	while (count > 0) {
		if (conn->message_have < 4) {
			conn->message_head[conn->message_have++] = *bytes++;
			count--;
			if (conn->message_have == 4 && !begin_message(conn))
				return;
		} else if (conn->message_head[0] == MESSAGE_KEY_UPDATE) {
			conn->message_have = 0;
			if (count == 1)
				receive_key_update(conn, *bytes);
			else
				tls_control_fail(conn, COUNTER_tls_unexpected_message,
						 SSL_AD_UNEXPECTED_MESSAGE);
			return;
		} else {
			uint32_t run = MIN(count, conn->message_left);
			bytes += run;
			count -= run;
			conn->message_left -= run;
		}
		if (conn->message_have == 4 && conn->message_left == 0)
			conn->message_have = 0;
	}
}

void tls_control_receive(struct tls_conn *conn, uint8_t type, const uint8_t *bytes, uint32_t count)
{
	bool is_message = type == TLS_CONTENT_HANDSHAKE;
	bool is_known = is_message || type == TLS_CONTENT_ALERT;
	// RFC 8446 5.1: no empty fragments of these, nothing between the pieces of a message.
	if (!is_known || count == 0 || (!is_message && conn->message_have > 0))
		tls_control_fail(conn, COUNTER_tls_unexpected_message, SSL_AD_UNEXPECTED_MESSAGE);
	else if (is_message)
		receive_messages(conn, bytes, count);
	else
		receive_alert(conn, bytes, count);
}
