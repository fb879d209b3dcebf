// SPDX-License-Identifier: Apache-2.0
// TLS 1.2 (RFC 5246) stays inside OpenSSL: SSL_read and SSL_write behind the same facade. Public
// listeners only, AEAD ciphers only, no renegotiation.
#include "tls_priv.h"

#include "check.h"

#include <errno.h>
#include <openssl/err.h>

static void close_for(struct tls_conn *conn, int error)
{
	if (error == SSL_ERROR_ZERO_RETURN) {
		tls_close_notify(conn);
		tls_conn_close(conn, COUNTER_tls_closed);
	} else {
		tls_conn_close(conn, tls_handshake_last_reason());
	}
}

// read_one offers one record's plaintext; false when there is nothing more for now. *in is what is
// left of the wire bytes: an event may use OpenSSL for another connection, so they are lent anew.
static bool read_one(struct tls_conn *conn, struct slice *in)
{
	struct tls *tls = conn->tls;
	if (!tls_conn_take_spare(tls))
		return false;
	tls_bio_begin(tls, (const uint8_t *)in->at, in->bytes);
	ERR_clear_error();
	int bytes = SSL_read(conn->ssl, tls->spare->data, TLS_PLAINTEXT_MAX);
	int error = SSL_get_error(conn->ssl, bytes);
	*in = slice_skip(*in, in->bytes - tls->io.in_left);
	tls_bio_flush(conn);
	if (bytes <= 0) {
		if (error != SSL_ERROR_WANT_READ)
			close_for(conn, error);
		return false;
	}
	counter_inc(tls->counters, COUNTER_tls_records_opened);
	counter_add(tls->counters, COUNTER_tls_bytes_opened, (uint64_t)bytes);
	struct buf *buf = tls->spare; // lent as what is held: no copy when it is not taken
	tls->spare = NULL;
	conn->held = (struct tls_held){.buf = buf};
	buf_ref(buf);
	tls_conn_deliver(conn, buf->data, (uint32_t)bytes);
	if (!conn->is_held_plain)
		tls_held_drop(&conn->held);
	buf_unref(buf);
	return true;
}

size_t tls_legacy_receive(struct tls_conn *conn, const uint8_t *bytes, size_t count)
{
	struct slice in = slice_of(bytes, count);
	bool has_more = true;
	while (has_more && conn->state == TLS_STATE_LEGACY && !conn->is_held_plain)
		has_more = read_one(conn, &in);
	return count - in.bytes;
}

int tls_legacy_seal(struct tls_conn *conn, struct buf *buf, uint32_t bytes, uint32_t *offset,
		    uint32_t *wire_bytes)
{
	struct tls *tls = conn->tls;
	tls_bio_begin(tls, NULL, 0);
	tls->io.seal_at = buf->data;
	tls->io.seal_room = buf->bytes;
	tls->io.seal_bytes = 0;
	ERR_clear_error();
	int written = SSL_write(conn->ssl, buf->data + TLS_PLAIN_AT, (int)bytes);
	*offset = 0;
	*wire_bytes = (uint32_t)tls->io.seal_bytes;
	tls->io.seal_at = NULL;
	if (written == (int)bytes)
		return 0;
	tls_conn_close(conn, COUNTER_tls_openssl_refused);
	return EPIPE;
}

void tls_legacy_close_notify(struct tls_conn *conn)
{
	tls_bio_begin(conn->tls, NULL, 0);
	ERR_clear_error();
	SSL_shutdown(conn->ssl);
	tls_bio_flush(conn);
}
