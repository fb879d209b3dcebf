// SPDX-License-Identifier: Apache-2.0
// A handshake, which is OpenSSL's (RFC 8446 4, RFC 5246 7), and the take-over after it: the traffic
// secrets of its key schedule (tls_schedule.c) become keys of our record layer, then the SSL object
// goes. Reading starts at sequence 0; writing at the number of records (tickets) already sent under
// the new key.
#include "tls_job.h"

#include "check.h"

#include <openssl/err.h>

struct tls_handshake *tls_handshake_of(const SSL *ssl)
{
	struct tls_conn *conn = SSL_get_ex_data(ssl, 0);
	return conn ? conn->handshake : NULL;
}

// on_message counts the records that leave under our traffic key, which exists once its secret was
// noted.
static void on_message(int is_write, int, int content, const void *, size_t, SSL *ssl, void *)
{
	struct tls_handshake *handshake = tls_handshake_of(ssl);
	if (handshake && is_write && content == SSL3_RT_HEADER &&
	    handshake->has_secret[handshake->conn->is_server])
		handshake->sent_record_count++;
}

void tls_handshake_observe(SSL_CTX *ctx)
{
	SSL_CTX_set_msg_callback(ctx, on_message);
}

void tls_handshake_begin(struct tls_conn *conn)
{
	struct tls *tls = conn->tls;
	struct tls_handshake *handshake = conn->handshake;
	handshake->conn = conn;
	handshake->refusal = TLS_NO_REASON;
	handshake->deadline_us = tls->now_us + (uint64_t)tls->limits.handshake_timeout_ms * 1000;
	list_init(&handshake->wait_link);
	list_append(&tls->handshakes_by_start, &handshake->start_link);
	counter_inc(tls->counters, COUNTER_tls_handshakes_started);
	counter_set(tls->counters, COUNTER_tls_handshakes, tls->handshakes.in_use);
}

bool tls_handshake_start(struct tls_conn *conn, SSL_CTX *ctx)
{
	conn->ssl = SSL_new(ctx);
	if (!conn->ssl || !SSL_set_ex_data(conn->ssl, 0, conn) ||
	    !tls_bio_attach(conn->tls, conn->ssl))
		return false;
	if (conn->is_server)
		SSL_set_accept_state(conn->ssl);
	else
		SSL_set_connect_state(conn->ssl);
	return true;
}

// hear makes OpenSSL's part of a server's handshake when its client has begun to speak. False: the
// connection is closed.
static bool hear(struct tls_conn *conn)
{
	struct tls *tls = conn->tls;
	SSL_CTX *ctx = tls->public_ctx;
	if (conn->handshake->is_mesh) {
		struct tls_identity *identity = tls_identity_for_hop(tls, NULL);
		if (!identity) {
			tls_conn_close(conn, COUNTER_tls_no_identity);
			return false;
		}
		ctx = identity->ctx;
	}
	if (!tls_handshake_start(conn, ctx)) {
		tls_conn_close(conn, COUNTER_tls_openssl_refused);
		return false;
	}
	if (!conn->handshake->is_mesh && tls->ticket_key_count == 0) {
		SSL_set_options(conn->ssl, SSL_OP_NO_TICKET);
		SSL_set_num_tickets(conn->ssl, 0);
	}
	return true;
}

void tls_handshake_end(struct tls_conn *conn)
{
	struct tls *tls = conn->tls;
	struct tls_handshake *handshake = conn->handshake;
	if (!handshake)
		return;
	tls_handshake_wait(handshake, TLS_WAIT_NONE);
	tls_job_leave(handshake);
	list_remove(&handshake->start_link);
	explicit_bzero(handshake, sizeof(*handshake));
	pool_free(&tls->handshakes, handshake);
	conn->handshake = NULL;
	counter_set(tls->counters, COUNTER_tls_handshakes, tls->handshakes.in_use);
}

void tls_handshake_wait(struct tls_handshake *handshake, enum tls_wait wait)
{
	struct tls *tls = handshake->conn->tls;
	if (handshake->wait == wait)
		return;
	if (handshake->wait == TLS_WAIT_CERT)
		tls->cert_waiting_count--;
	list_remove(&handshake->wait_link);
	handshake->wait = wait;
	if (wait == TLS_WAIT_BUDGET)
		list_append(&tls->runnable, &handshake->wait_link);
	if (wait == TLS_WAIT_CERT) {
		list_append(&tls->cert_waiting, &handshake->wait_link);
		tls->cert_waiting_count++;
	}
}

void tls_handshake_refuse(struct tls_handshake *handshake, enum counter reason, uint8_t alert)
{
	handshake->refusal = reason;
	handshake->refusal_alert = alert;
}

enum counter tls_handshake_reason_of_alert(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED: return COUNTER_tls_alert_certificate;
	default: return COUNTER_tls_alert_received;
	}
}

// ssl_reason takes the queue of errors down to libssl's own: a provider's may lie before it.
static int ssl_reason(void)
{
	unsigned long error;
	while ((error = ERR_get_error()))
		if (ERR_GET_LIB(error) == ERR_LIB_SSL ||
		    ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
			return ERR_GET_REASON(error);
	return 0;
}

enum counter tls_handshake_last_reason(void)
{
	int reason = ssl_reason();
	if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
		return tls_handshake_reason_of_alert(reason - SSL_AD_REASON_OFFSET);
	switch (reason) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER: return COUNTER_tls_not_tls;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_NO_PROTOCOLS_AVAILABLE: return COUNTER_tls_no_shared_version;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return COUNTER_tls_no_shared_cipher;
	case SSL_R_NO_APPLICATION_PROTOCOL: return COUNTER_tls_no_shared_protocol;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return COUNTER_tls_peer_no_certificate;
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return COUNTER_tls_bad_record_mac;
	case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
	case SSL_R_DATA_LENGTH_TOO_LONG:
	case SSL_R_PACKET_LENGTH_TOO_LONG: return COUNTER_tls_record_overflow;
	case ERR_R_INTERNAL_ERROR: // no randomness, no memory: not the peer's doing
	case ERR_R_MALLOC_FAILURE: return COUNTER_tls_openssl_refused;
	default: return COUNTER_tls_handshake_failed;
	}
}

static enum tls_alpn alpn_of(SSL *ssl)
{
	const unsigned char *at = NULL;
	unsigned bytes = 0;
	SSL_get0_alpn_selected(ssl, &at, &bytes);
	if (slice_equal(slice_of(at, bytes), SLICE("h2")))
		return TLS_ALPN_H2;
	return bytes ? TLS_ALPN_HTTP1 : TLS_ALPN_NONE;
}

// text_max_of tells what OpenSSL promised by max_fragment_length, 0: nothing.
static uint32_t text_max_of(SSL *ssl)
{
	uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl));
	return mode == TLSEXT_max_fragment_length_DISABLED ? 0 : 256u << mode;
}

static void describe(struct tls_conn *conn, struct tls_info *info)
{
	*info = (struct tls_info){
		.is_resumed = SSL_session_reused(conn->ssl),
		.is_tls13 = SSL_version(conn->ssl) == TLS1_3_VERSION,
		.alpn = alpn_of(conn->ssl),
		.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(conn->ssl)),
		.text_max = text_max_of(conn->ssl),
	};
	const char *name = SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);
	for (size_t i = 0; name && name[i] && i < sizeof(info->server_name) - 1; i++)
		info->server_name[i] =
			name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	memcpy(info->peer, conn->handshake->peer, sizeof(info->peer));
}

// take_over makes the record layer ours. False: OpenSSL did not tell what is needed.
static bool take_over(struct tls_conn *conn)
{
	struct tls_handshake *handshake = conn->handshake;
	struct tls_crypto *crypto = &conn->tls->crypto;
	uint16_t id = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(conn->ssl));
	unsigned suite = 0;
	while (suite < TLS_SUITE_COUNT && tls_suites[suite].id != id)
		suite++;
	bool has_both = handshake->has_secret[0] && handshake->has_secret[1];
	if (suite == TLS_SUITE_COUNT || !has_both || SSL_has_pending(conn->ssl))
		return false;
	tls_key_install(crypto, &conn->read, suite, handshake->secret[!conn->is_server]);
	tls_key_install(crypto, &conn->write, suite, handshake->secret[conn->is_server]);
	conn->write.sequence = handshake->sent_record_count;
	conn->state = TLS_STATE_RECORD;
	SSL_free(conn->ssl);
	conn->ssl = NULL;
	return true;
}

static void finish(struct tls_conn *conn)
{
	struct counters *counters = conn->tls->counters;
	struct tls_info info;
	describe(conn, &info);
	bool is_kept = !info.is_tls13 || conn->handshake->is_kept;
	if (!is_kept && !take_over(conn)) {
		tls_conn_close(conn, COUNTER_tls_openssl_refused);
		return;
	}
	if (is_kept)
		conn->state = TLS_STATE_LEGACY;
	if (!info.is_tls13)
		counter_inc(counters, COUNTER_tls_handshakes_tls12);
	tls_handshake_end(conn);
	counter_inc(counters, COUNTER_tls_handshakes_done);
	if (info.is_resumed)
		counter_inc(counters, COUNTER_tls_handshakes_resumed);
	conn->events->ready(conn->user, &info);
}

static void fail(struct tls_conn *conn, int error)
{
	if (conn->tls->io.is_short)
		tls_conn_close(conn, COUNTER_tls_no_buffers);
	else if (error == SSL_ERROR_SSL)
		tls_conn_close(conn, tls_handshake_last_reason());
	else
		tls_conn_close(conn, COUNTER_tls_handshake_failed);
}

size_t tls_handshake_step(struct tls_conn *conn, const uint8_t *bytes, size_t count)
{
	struct tls *tls = conn->tls;
	struct tls_handshake *handshake = conn->handshake;
	if (!conn->ssl && !hear(conn))
		return 0;
	OSSL_HANDSHAKE_STATE before = SSL_get_state(conn->ssl);
	tls_bio_begin(tls, bytes, count);
	ERR_clear_error();
	tls->crypto.schedule->handshake = handshake;
	int result = SSL_do_handshake(conn->ssl);
	tls->crypto.schedule->handshake = NULL;
	int error = SSL_get_error(conn->ssl, result);
	size_t taken = count - tls->io.in_left;
	// Bytes that only make a record longer cost nothing; what moves the state does.
	if (SSL_get_state(conn->ssl) != before && tls->steps_left > 0)
		tls->steps_left--;
	tls_bio_flush(conn);
	if (handshake->refusal != TLS_NO_REASON && handshake->refusal_alert)
		tls_control_fail(conn, handshake->refusal, handshake->refusal_alert);
	else if (handshake->refusal != TLS_NO_REASON)
		tls_conn_close(conn, handshake->refusal);
	else if (result == 1)
		finish(conn);
	else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_X509_LOOKUP)
		fail(conn, error);
	return taken;
}
