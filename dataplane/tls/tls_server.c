// SPDX-License-Identifier: Apache-2.0
// Our own server handshake's two steps; see tls_server.h. Nothing is sent or kept before all that
// can be refused is done, so that until then OpenSSL may take over with the same bytes, and give
// the alert that fits. RFC 8446 4.1.1 (choices), 4.2.11 (PSK), 4.4.4 (Finished), 5 (records).
#include "tls_server.h"

#include "check.h"
#include "tls_job.h"

#include <openssl/crypto.h>

#define CONTENT_CCS 20u

enum verdict { ANSWERED, WAITS, PARKED, NOT_OURS };

bool tls_server_is_hearing(const struct tls_conn *conn)
{
	const struct tls_handshake *handshake = conn->handshake;
	return conn->state == TLS_STATE_HANDSHAKE && conn->is_server && !conn->ssl &&
	       !handshake->is_mesh && !handshake->is_own && !handshake->is_left &&
	       conn->tls->limits.is_own_handshake;
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
	struct tls_cert *cert = NULL;
	switch (tls_select_choose(conn->tls, conn->handshake, &cert)) {
	case TLS_CHOICE_WAITS: return WAITS;
	case TLS_CHOICE_NONE: return NOT_OURS;
	case TLS_CHOICE_CERT: break;
	}
	if (!cert->signer)
		return NOT_OURS;
	answer->signer = cert->signer;
	answer->scheme = tls_signer_choose(cert->signer, answer->hello->schemes);
	return answer->scheme == TLS_SCHEME_COUNT ? NOT_OURS : ANSWERED;
}

static void count_share(struct tls *tls, bool was_ahead)
{
	counter_inc(tls->counters, was_ahead ? COUNTER_tls_shares_ahead : COUNTER_tls_shares_made);
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

// begin starts a flight; without a buffer conn is closed. False: OpenSSL refuses.
static bool begin(struct tls_flight *flight, struct tls_conn *conn, struct tls_answer *answer)
{
	if (tls_flight_begin(flight, conn, answer))
		return true;
	if (!flight->buf)
		tls_conn_close(conn, COUNTER_tls_no_buffers);
	return false;
}

// send_here makes the rest of a flight in this step.
static bool send_here(struct tls_flight *flight)
{
	uint8_t signature[TLS_SIGNATURE_MAX];
	uint32_t bytes = 0;
	return (!flight->answer->signer || tls_flight_sign(flight, signature, &bytes)) &&
	       tls_flight_send(flight, slice_of(signature, bytes));
}

// send_by_job gives the work on our share to a helper, or does it here when none has room.
static enum verdict send_by_job(struct tls_conn *conn, struct tls_answer *answer,
				size_t hello_bytes)
{
	struct tls *tls = conn->tls;
	struct tls_flight flight = {0};
	struct tls_share share = {0};
	enum verdict verdict = NOT_OURS;
	if (tls_shares_take(&tls->shares, &share, &answer->agreed.was_ahead)) {
		count_share(tls, answer->agreed.was_ahead);
		memcpy(answer->agreed.open, share.open, sizeof(share.open));
		answer->agreed.open_bytes = sizeof(share.open);
		if (!begin(&flight, conn, answer))
			verdict = conn->handshake ? NOT_OURS : ANSWERED;
		else if (tls_job_send(&flight, &share, hello_bytes))
			verdict = PARKED;
		else if (tls_x25519_agree(&tls->shares.x25519, share.private,
					  (const uint8_t *)answer->hello->share_x25519.at,
					  answer->agreed.secret) &&
			 send_here(&flight))
			verdict = ANSWERED;
	}
	OPENSSL_cleanse(&share, sizeof(share));
	if (verdict != PARKED)
		tls_flight_drop(&flight);
	return verdict;
}

// send_now makes the whole flight in this step.
static enum verdict send_now(struct tls_conn *conn, struct tls_answer *answer)
{
	struct tls *tls = conn->tls;
	const struct tls_hello *hello = answer->hello;
	struct tls_flight flight;
	struct slice peer =
		answer->group == TLS_GROUP_X25519 ? hello->share_x25519 : hello->share_p256;
	if (!tls_shares_agree(&tls->shares, answer->group, peer, &answer->agreed))
		return NOT_OURS;
	count_share(tls, answer->agreed.was_ahead);
	bool ok = begin(&flight, conn, answer);
	if (!conn->handshake)
		return ANSWERED;
	ok = ok && send_here(&flight);
	tls_flight_drop(&flight);
	return ok ? ANSWERED : NOT_OURS;
}

// answer_hello decides, and sends our flight when the handshake is ours.
static enum verdict answer_hello(struct tls_conn *conn, struct tls_answer *answer,
				 size_t hello_bytes)
{
	const struct tls_hello *hello = answer->hello;
	char *name = conn->handshake->server_name;
	if (!tls_select_read_name(hello->server_name, name) && hello->has_server_name)
		return NOT_OURS;
	answer->suite = (uint8_t)choose_suite(hello);
	answer->hash = &conn->tls->crypto.hashes[tls_suites[answer->suite].hash];
	answer->group = hello->share_x25519.bytes ? TLS_GROUP_X25519 : TLS_GROUP_P256;
	answer->has_psk_dhe = hello->has_psk_dhe;
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
	bool is_job = conn->tls->callbacks.job && answer->group == TLS_GROUP_X25519;
	verdict = is_job ? send_by_job(conn, answer, hello_bytes) : send_now(conn, answer);
	if (verdict == ANSWERED)
		remember(conn, answer);
	return verdict;
}

static void count_step(struct tls *tls)
{
	tls->steps_left -= tls->steps_left > 0;
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
	enum verdict verdict = answer_hello(conn, &answer, wire_bytes);
	explicit_bzero(&answer, sizeof(answer));
	if (verdict == ANSWERED)
		*taken = wire_bytes;
	if (verdict == ANSWERED || verdict == PARKED)
		count_step(tls);
	return verdict != NOT_OURS;
}

// send_rest sends what follows a job. False: OpenSSL refuses.
static bool send_rest(struct tls_job *job)
{
	const struct tls_asked *asked = tls_job_take(job);
	struct tls_answer *answer = &job->answer;
	if (!asked->ok)
		return false;
	memcpy(answer->agreed.secret, asked->secret, sizeof(answer->agreed.secret));
	answer->hash->transcript = job->transcript;
	return tls_flight_send(&job->flight, slice_of(asked->signature, asked->signature_bytes));
}

bool tls_server_go_on(struct tls_conn *conn, size_t count, size_t *taken)
{
	struct tls *tls = conn->tls;
	struct tls_handshake *handshake = conn->handshake;
	struct tls_job *job = handshake->job;
	size_t left = job->hello_bytes;
	count_step(tls);
	if (!send_rest(job)) {
		handshake->is_left = true;
		tls_job_leave(handshake);
		return false;
	}
	*taken = count;
	if (!conn->handshake)
		return true; // closed by who sends
	remember(conn, &job->answer);
	tls_job_leave(handshake);
	*taken = MIN(count, left);
	handshake->skip_bytes = (uint32_t)(left - *taken);
	return true;
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
	count_step(tls);
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
