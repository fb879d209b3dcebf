// SPDX-License-Identifier: Apache-2.0
// Our own server handshake's two steps; see tls_server.h. Nothing is sent or kept before all that
// can be refused is done, so that until then OpenSSL may take over with the same bytes, and give
// the alert that fits. RFC 8446 4.1.1 (choices), 4.2.11 (PSK), 4.4.4 (Finished), 5 (records).
#include "tls_server.h"

#include "check.h"

#include <openssl/crypto.h>

#define CONTENT_CCS 20u

enum verdict { ANSWERED, WAITS, NOT_OURS };

bool tls_server_is_hearing(const struct tls_conn *conn)
{
	const struct tls_handshake *handshake = conn->handshake;
	return conn->state == TLS_STATE_HANDSHAKE && conn->is_server && !conn->ssl &&
	       !handshake->is_mesh && !handshake->is_own && conn->tls->limits.is_own_handshake;
}

void tls_server_fail(struct tls_conn *conn, uint8_t alert)
{
	tls_control_fail(conn, COUNTER_tls_handshake_failed, alert);
}

// choose_suite: ours first, but ChaCha20 for who prefers it, having no fast AES.
static unsigned choose_suite(const struct tls_hello *hello)
{
	unsigned suite = 0;
	if (hello->is_chacha_first)
		return TLS_SUITE_CHACHA20;
	while (!(hello->suites & 1u << suite))
		suite++;
	CHECK(suite < TLS_SUITE_COUNT);
	return suite;
}

// resume looks at the ticket offered. False: the client's proof does not fit its ticket.
static bool resume(struct tls_conn *conn, struct tls_answer *answer)
{
	struct tls *tls = conn->tls;
	const struct tls_hello *hello = answer->hello;
	struct tls_psk *psk = &answer->psk;
	answer->is_resumed =
		hello->identity.bytes && hello->has_psk_dhe &&
		tls_psk_open(tls, hello->identity, conn->handshake->server_name, psk) &&
		&tls->crypto.hashes[psk->hash] == answer->hash;
	if (!answer->is_resumed) {
		psk->began_s = tls->wall_s;
		answer->stage = answer->hash->no_psk;
		return true;
	}
	return tls_psk_verify(answer->hash, psk, hello, &answer->stage);
}

static enum verdict certify(struct tls_conn *conn, struct tls_answer *answer)
{
	switch (tls_select_choose(conn->tls, conn->handshake, &answer->cert)) {
	case TLS_CHOICE_WAITS: return WAITS;
	case TLS_CHOICE_NONE: return NOT_OURS;
	case TLS_CHOICE_CERT: break;
	}
	answer->scheme = tls_signer_choose(&answer->cert->signer, answer->hello->schemes);
	return answer->scheme == TLS_SCHEME_COUNT ? NOT_OURS : ANSWERED;
}

static bool agree(struct tls *tls, struct tls_answer *answer)
{
	bool has_x25519 = answer->hello->share_x25519.bytes > 0;
	struct slice peer = has_x25519 ? answer->hello->share_x25519 : answer->hello->share_p256;
	answer->group = has_x25519 ? TLS_GROUP_X25519 : TLS_GROUP_P256;
	if (!tls_shares_agree(&tls->shares, answer->group, peer, &answer->agreed))
		return false;
	counter_inc(tls->counters,
		    answer->agreed.was_ahead ? COUNTER_tls_shares_ahead : COUNTER_tls_shares_made);
	return true;
}

// remember keeps what the client's Finished will need.
static void remember(struct tls_conn *conn, const struct tls_answer *answer)
{
	struct tls_handshake *handshake = conn->handshake;
	if (!handshake)
		return; // closed: no buffer
	handshake->is_own = true;
	handshake->is_resumed = answer->is_resumed;
	handshake->alpn = slice_equal(answer->protocol, SLICE("h2")) ? TLS_ALPN_H2
			  : answer->protocol.bytes                   ? TLS_ALPN_HTTP1
								     : TLS_ALPN_NONE;
}

// answer_hello decides, and sends our flight when the handshake is ours.
static enum verdict answer_hello(struct tls_conn *conn, struct tls_answer *answer)
{
	const struct tls_hello *hello = answer->hello;
	struct tls *tls = conn->tls;
	char *name = conn->handshake->server_name;
	if (!tls_select_read_name(hello->server_name, name) && hello->has_server_name)
		return NOT_OURS;
	answer->suite = (uint8_t)choose_suite(hello);
	answer->hash = &tls->crypto.hashes[tls_suites[answer->suite].hash];
	if (!resume(conn, answer)) {
		tls_server_fail(conn, SSL_AD_DECRYPT_ERROR);
		return ANSWERED;
	}
	enum verdict verdict = answer->is_resumed ? ANSWERED : certify(conn, answer);
	if (verdict != ANSWERED)
		return verdict;
	answer->protocol = tls_select_protocol(conn->handshake, hello->alpn);
	if (hello->alpn.bytes && !answer->protocol.bytes)
		return NOT_OURS;
	if (!agree(tls, answer) || !tls_flight_send(conn, answer))
		return NOT_OURS;
	remember(conn, answer);
	return ANSWERED;
}

bool tls_server_hear(struct tls_conn *conn, const uint8_t *bytes, size_t count, size_t *taken)
{
	struct tls *tls = conn->tls;
	struct tls_hello hello;
	size_t wire_bytes = 0;
	*taken = 0;
	switch (tls_hello_read(slice_of(bytes, count), tls->hello_room, &hello, &wire_bytes)) {
	case TLS_HELLO_MORE: return count < BUF_BYTES;
	case TLS_HELLO_OPENSSL: return false;
	case TLS_HELLO_OURS: break;
	}
	struct tls_answer answer = {.hello = &hello};
	enum verdict verdict = answer_hello(conn, &answer);
	explicit_bzero(&answer, sizeof(answer));
	if (verdict == ANSWERED) {
		*taken = wire_bytes;
		tls->steps_left -= tls->steps_left > 0;
	}
	return verdict != NOT_OURS;
}

static void describe(const struct tls_conn *conn, struct tls_info *info)
{
	const struct tls_handshake *handshake = conn->handshake;
	*info = (struct tls_info){.is_resumed = handshake->is_resumed,
				  .is_tls13 = true,
				  .alpn = handshake->alpn,
				  .cipher = tls_suites[conn->write.suite].name};
	strcpy(info->server_name, handshake->server_name);
}

// finish makes the connection one of the record layer: the client has proved what it knows.
static void finish(struct tls_conn *conn)
{
	struct tls *tls = conn->tls;
	struct tls_handshake *handshake = conn->handshake;
	struct tls_info info;
	describe(conn, &info);
	tls->steps_left -= tls->steps_left > 0;
	tls_key_wipe(&tls->crypto, &conn->read);
	tls_key_install(&tls->crypto, &conn->read, conn->write.suite, handshake->secret[0]);
	conn->state = TLS_STATE_RECORD;
	conn->empty_count = 0;
	tls_handshake_end(conn);
	counter_inc(tls->counters, COUNTER_tls_handshakes_done);
	counter_inc(tls->counters, COUNTER_tls_handshakes_own);
	if (info.is_resumed)
		counter_inc(tls->counters, COUNTER_tls_handshakes_resumed);
	conn->events->ready(conn->user, &info);
}

// receive_finished gathers the client's Finished. It ends its record: the key changes behind it
// (RFC 8446 5.1).
static void receive_finished(struct tls_conn *conn, const uint8_t *bytes, uint32_t count)
{
	struct tls_handshake *handshake = conn->handshake;
	uint32_t total = 4 + tls_suites[conn->read.suite].secret_bytes;
	uint32_t run = MIN(count, total - handshake->received_bytes);
	memcpy(handshake->received + handshake->received_bytes, bytes, run);
	handshake->received_bytes += run;
	if (handshake->received[0] != handshake->finished[0])
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
	else if (handshake->received_bytes >= 4 &&
		 memcmp(handshake->received, handshake->finished, 4) != 0)
		tls_server_fail(conn, SSL_AD_DECODE_ERROR);
	else if (run < count)
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
	else if (handshake->received_bytes < total)
		return;
	else if (CRYPTO_memcmp(handshake->received, handshake->finished, total) != 0)
		tls_server_fail(conn, SSL_AD_DECRYPT_ERROR);
	else
		finish(conn);
}

static void receive_alert(struct tls_conn *conn, const uint8_t *bytes, uint32_t count)
{
	if (count != 2 || conn->handshake->received_bytes > 0)
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
	else if (bytes[1] == SSL_AD_CLOSE_NOTIFY)
		tls_conn_close(conn, COUNTER_tls_handshake_failed);
	else if (bytes[1] != SSL_AD_USER_CANCELLED)
		tls_conn_close(conn, tls_handshake_reason_of_alert(bytes[1]));
	else if (++conn->empty_count > TLS_EMPTY_MAX)
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
}

void tls_server_receive(struct tls_conn *conn, uint8_t type, const uint8_t *bytes, uint32_t count)
{
	if (type == TLS_CONTENT_ALERT)
		receive_alert(conn, bytes, count);
	else if (type == TLS_CONTENT_HANDSHAKE && count > 0)
		receive_finished(conn, bytes, count);
	else
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
}

void tls_server_receive_open(struct tls_conn *conn, uint8_t type, const uint8_t *bytes,
			     uint32_t count)
{
	bool is_ccs = type == CONTENT_CCS && count == 1 && bytes[0] == 1;
	if (type == TLS_CONTENT_ALERT)
		receive_alert(conn, bytes, count);
	else if (!is_ccs || ++conn->empty_count > TLS_EMPTY_MAX)
		tls_server_fail(conn, SSL_AD_UNEXPECTED_MESSAGE);
}
