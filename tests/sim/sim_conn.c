// SPDX-License-Identifier: Apache-2.0
// One HTTP connection of a simulated client or workload; see sim_conn.h.
#include "sim_conn.h"

#include "check.h"

static void on_opened(void *user, struct pool_id)
{
	struct sim_conn *conn = user;
	if (conn->ssl) {
		SSL_do_handshake(conn->ssl);
		return;
	}
	conn->is_ready = true;
	conn->owner->ready(conn, false);
}

static void on_readable(void *, struct pool_id) {}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct sim_conn *conn = user;
	conn->id = (struct pool_id){0};
	conn->is_gone = true;
	conn->owner->gone(conn, reason);
}

const struct tcp_events sim_conn_events = {
	.opened = on_opened,
	.readable = on_readable,
	.writable = on_readable,
	.closed = on_closed,
};

void sim_conn_init(struct sim_conn *conn, const struct sim_conn_plan *plan)
{
	*conn = (struct sim_conn){.tcp = plan->tcp, .bufs = plan->bufs, .owner = plan->owner};
	list_init(&conn->link);
	if (!plan->ssl_context)
		return;
	conn->ssl = SSL_new(plan->ssl_context);
	conn->in = BIO_new(BIO_s_mem());
	conn->out = BIO_new(BIO_s_mem());
	CHECK(conn->ssl && conn->in && conn->out);
	BIO_set_mem_eof_return(conn->in, -1);
	SSL_set_bio(conn->ssl, conn->in, conn->out);
	SSL_set_tlsext_host_name(conn->ssl, plan->server_name);
	if (SSL_CTX_get_verify_mode(plan->ssl_context) != SSL_VERIFY_NONE)
		SSL_set1_host(conn->ssl, plan->server_name);
	SSL_set_connect_state(conn->ssl);
}

// receive_wire takes what TCP has, through TLS's door or to `held` itself.
static void receive_wire(struct sim_conn *conn)
{
	for (;;) {
		struct slice run = tcp_peek(conn->tcp, conn->id);
		size_t taken = run.bytes;
		if (taken == 0)
			return;
		if (conn->ssl) {
			CHECK(BIO_write(conn->in, run.at, (int)taken) == (int)taken);
		} else {
			taken = run.bytes < sizeof(conn->held) - conn->held_bytes
					? run.bytes
					: sizeof(conn->held) - conn->held_bytes;
			memcpy(conn->held + conn->held_bytes, run.at, taken);
			conn->held_bytes += taken;
		}
		tcp_consume(conn->tcp, conn->id, taken);
		if (taken < run.bytes || (conn->ssl && BIO_pending(conn->in) > 1 << 18))
			return;
	}
}

static void note_handshake(struct sim_conn *conn)
{
	const unsigned char *alpn;
	unsigned alpn_bytes;
	if (!conn->ssl || conn->is_ready)
		return;
	SSL_do_handshake(conn->ssl);
	if (!SSL_is_init_finished(conn->ssl))
		return;
	SSL_get0_alpn_selected(conn->ssl, &alpn, &alpn_bytes);
	conn->is_ready = true;
	conn->owner->ready(conn, alpn_bytes == 2 && memcmp(alpn, "h2", 2) == 0);
}

// give hands held plaintext to HTTP, or all of it to the owner; returns how much was taken.
static size_t give(struct sim_conn *conn)
{
	struct slice bytes = slice_of(conn->held, conn->held_bytes);
	if (conn->http)
		return http_receive(conn->http, bytes);
	conn->owner->raw(conn, bytes);
	return bytes.bytes;
}

// receive_plain gives plaintext on until no more is taken.
static void receive_plain(struct sim_conn *conn)
{
	while (conn->is_ready) {
		if (conn->ssl && conn->held_bytes == 0) {
			int got = SSL_read(conn->ssl, conn->held, sizeof(conn->held));
			if (got <= 0)
				return;
			conn->held_bytes = (size_t)got;
		}
		if (conn->held_bytes == 0)
			return;
		size_t taken = give(conn);
		memmove(conn->held, conn->held + taken, conn->held_bytes - taken);
		conn->held_bytes -= taken;
		if (taken == 0 || !conn->ssl)
			return;
	}
}

// send_bytes hands bytes to TCP in buffers; true when all went.
static bool send_bytes(struct sim_conn *conn, const uint8_t *bytes, size_t count)
{
	struct buf *buf = buf_new(conn->bufs, count);
	if (!buf)
		return false;
	memcpy(buf->data, bytes, count);
	return tcp_send(conn->tcp, conn->id, buf, 0, (uint32_t)count) == 0;
}

static void send_wire(struct sim_conn *conn)
{
	uint8_t chunk[16384];
	while (tcp_send_room(conn->tcp, conn->id) >= BUF_BYTES) {
		int got = BIO_read(conn->out, chunk, sizeof(chunk));
		if (got <= 0 || !send_bytes(conn, chunk, (size_t)got))
			return;
	}
}

static void send_plain(struct sim_conn *conn)
{
	uint8_t chunk[16384];
	for (unsigned i = 0; i < 8 && conn->http && !conn->is_shut; i++) {
		bool has_room = tcp_send_room(conn->tcp, conn->id) >= 2 * BUF_BYTES;
		if (!has_room || (conn->ssl && BIO_pending(conn->out) > 1 << 16))
			return;
		size_t bytes = http_produce(conn->http, chunk, sizeof(chunk));
		if (bytes == 0)
			return;
		if (conn->ssl)
			CHECK(SSL_write(conn->ssl, chunk, (int)bytes) == (int)bytes);
		else
			CHECK(send_bytes(conn, chunk, bytes));
	}
}

void sim_conn_step(struct sim_conn *conn)
{
	if (conn->is_gone || pool_id_is_null(conn->id))
		return;
	if (!conn->is_deaf)
		receive_wire(conn);
	note_handshake(conn);
	receive_plain(conn);
	if (conn->http && !conn->is_end_told && tcp_at_end(conn->tcp, conn->id) &&
	    conn->held_bytes == 0) {
		conn->is_end_told = true;
		http_receive_end(conn->http);
	}
	send_plain(conn);
	if (conn->ssl)
		send_wire(conn);
	if (conn->http && http_is_done(conn->http))
		sim_conn_shut(conn);
}

void sim_conn_send(struct sim_conn *conn, struct slice bytes)
{
	if (conn->ssl)
		CHECK(SSL_write(conn->ssl, bytes.at, (int)bytes.bytes) == (int)bytes.bytes);
	else
		CHECK(send_bytes(conn, (const uint8_t *)bytes.at, bytes.bytes));
}

void sim_conn_shut(struct sim_conn *conn)
{
	if (conn->is_shut)
		return;
	conn->is_shut = true;
	if (conn->ssl && conn->is_ready) {
		SSL_shutdown(conn->ssl);
		send_wire(conn);
	}
	tcp_shutdown(conn->tcp, conn->id);
}

void sim_conn_fini(struct sim_conn *conn)
{
	if (!pool_id_is_null(conn->id))
		tcp_abort(conn->tcp, conn->id);
	conn->id = (struct pool_id){0};
	if (conn->http)
		http_conn_free(conn->http);
	conn->http = NULL;
	SSL_free(conn->ssl);
	conn->ssl = NULL;
}
