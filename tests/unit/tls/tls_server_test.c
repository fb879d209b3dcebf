// SPDX-License-Identifier: Apache-2.0
// Our own server handshake with OpenSSL clients (RFC 8446 4): every suite, group and kind of key,
// bytes in any pieces, what the client may and may not send behind our flight.
#include "tls_rig.h"
#include "unit.h"

#include "check.h"

#include <openssl/err.h>

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

struct scene { // a worker and a client that has our flight; its answer was not delivered yet
	struct rig rig;
	struct rig_pair pair;
	struct rig_peer peer;
	struct rig_end end;
	uint8_t reply[512]; // change_cipher_spec, Finished
	size_t reply_bytes;
	struct rig_forger forger; // under the client's handshake key
};

static void worker_init(struct scene *scene, const char *key)
{
	rig_init_usual(&scene->rig);
	scene->pair = rig_issue((struct rig_wish){.names = "DNS:a.test", .key = key});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&scene->rig, 1, true, &scene->pair));
}

static void worker_fini(struct scene *scene)
{
	rig_fini(&scene->rig);
	rig_pair_free(&scene->pair);
}

static void call(struct scene *scene)
{
	rig_peer_init(&scene->peer, false, TLS1_3_VERSION);
	rig_peer_start(&scene->peer, "a.test");
	rig_accept(&scene->end, &scene->rig, web);
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(scene->peer.out, &wire);
	CU_ASSERT_EQUAL(rig_receive(&scene->end, wire, bytes, SIZE_MAX), bytes);
	BIO_reset(scene->peer.out);
	BIO_write(scene->peer.in, scene->end.out, (int)scene->end.out_end);
	scene->end.out_start = scene->end.out_end;
	CU_ASSERT_EQUAL(SSL_do_handshake(scene->peer.ssl), 1);
	scene->reply_bytes = (size_t)BIO_get_mem_data(scene->peer.out, &wire);
	CU_ASSERT_FATAL(scene->reply_bytes > 6 && scene->reply_bytes < sizeof(scene->reply));
	memcpy(scene->reply, wire, scene->reply_bytes);
	BIO_reset(scene->peer.out);
	struct rig_peer early = scene->peer;
	memcpy(early.secret, early.handshake_secret, sizeof(early.secret));
	rig_forger_init(&scene->forger, &early);
}

static void hang_up(struct scene *scene)
{
	rig_end_free(&scene->end);
	rig_peer_free(&scene->peer);
}

// told is the alert that the client was sent; 0: none.
static int told(struct scene *scene)
{
	uint8_t byte;
	size_t left = scene->end.out_end - scene->end.out_start;
	if (left == 0)
		return 0;
	BIO_write(scene->peer.in, scene->end.out + scene->end.out_start, (int)left);
	ERR_clear_error();
	CU_ASSERT(SSL_read(scene->peer.ssl, &byte, 1) <= 0);
	return ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET;
}

// open_finished decrypts the client's Finished, 36 bytes, as it is in reply.
static void open_finished(const struct scene *scene, uint8_t finished[36])
{
	const uint8_t *record = scene->reply + 6;
	int done = 0;
	CU_ASSERT_EQUAL_FATAL(scene->reply_bytes, 6 + 5 + 36 + 1 + 16);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_DecryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, scene->forger.key, scene->forger.iv);
	EVP_DecryptUpdate(ctx, finished, &done, record + 5, 36);
	EVP_CIPHER_CTX_free(ctx);
	CU_ASSERT_EQUAL(finished[0], 20);
}

// echo sends bytes both ways.
static void echo(struct rig_end *end, struct rig_peer *peer)
{
	uint8_t bytes[3000] = {1, 2, 3}, got[3000];
	end->plain_bytes = 0;
	SSL_write(peer->ssl, bytes, sizeof(bytes));
	rig_pump(end, peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end->plain_bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(rig_write(end, bytes, sizeof(bytes)), 0);
	rig_pump(end, peer, SIZE_MAX);
	CU_ASSERT_EQUAL(SSL_read(peer->ssl, got, sizeof(got)), sizeof(got));
	CU_ASSERT(memcmp(got, bytes, sizeof(got)) == 0);
}

struct variant {
	const char *suite;
	const char *groups;
	int group;    // that is agreed upon
	bool is_bare; // no SNI, no ALPN, no session id
};

// visit connects once; returns the session, which it may resume.
static SSL_SESSION *visit(struct rig *rig, const struct variant *v, SSL_SESSION *session)
{
	struct rig_peer peer;
	struct rig_end end;
	const unsigned char *alpn = NULL;
	unsigned alpn_bytes = 0;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	CU_ASSERT(SSL_CTX_set_ciphersuites(peer.ctx, v->suite));
	CU_ASSERT_EQUAL(SSL_CTX_set1_groups_list(peer.ctx, v->groups), 1);
	if (v->is_bare)
		SSL_CTX_clear_options(peer.ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	else
		SSL_CTX_set_alpn_protos(peer.ctx, (const uint8_t *)"\x02hx\x02h2", 6);
	rig_peer_start(&peer, NULL);
	SSL_free(peer.ssl);
	peer.ssl = SSL_new(peer.ctx);
	SSL_set_app_data(peer.ssl, &peer);
	peer.in = BIO_new(BIO_s_mem());
	peer.out = BIO_new(BIO_s_mem());
	SSL_set_bio(peer.ssl, peer.in, peer.out);
	SSL_set_connect_state(peer.ssl);
	if (!v->is_bare)
		SSL_set_tlsext_host_name(peer.ssl, "a.test");
	if (session)
		SSL_set_session(peer.ssl, session);
	SSL_do_handshake(peer.ssl);
	rig_accept(&end, rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL_FATAL(end.ready_count, 1);
	CU_ASSERT_EQUAL(peer.last, 1);
	CU_ASSERT_STRING_EQUAL(end.info.cipher, v->suite);
	CU_ASSERT_STRING_EQUAL(SSL_get_cipher_name(peer.ssl), v->suite);
	CU_ASSERT_EQUAL(SSL_get_negotiated_group(peer.ssl), v->group);
	CU_ASSERT_STRING_EQUAL(end.info.server_name, v->is_bare ? "" : "a.test");
	CU_ASSERT_EQUAL(end.info.alpn, v->is_bare ? TLS_ALPN_NONE : TLS_ALPN_H2);
	SSL_get0_alpn_selected(peer.ssl, &alpn, &alpn_bytes);
	CU_ASSERT_EQUAL(alpn_bytes, v->is_bare ? 0 : 2);
	CU_ASSERT_EQUAL(end.info.is_resumed, session != NULL);
	CU_ASSERT_EQUAL(SSL_session_reused(peer.ssl), session != NULL);
	echo(&end, &peer);
	echo(&end, &peer);
	SSL_SESSION *next = SSL_get1_session(peer.ssl);
	CU_ASSERT(SSL_SESSION_is_resumable(next));
	SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return next;
}

static void every_suite_group_and_key_is_ours(void)
{
	static const char *const keys[] = {"P-256", "P-384", "ED25519", "RSA"};
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};
	static const struct variant groups[] = {
		{.groups = "X25519", .group = NID_X25519},
		{.groups = "P-256:X25519", .group = NID_X9_62_prime256v1},
		{.groups = "X25519:P-384", .group = NID_X25519, .is_bare = true},
	};
	for (unsigned k = 0; k < 4; k++) {
		struct scene scene;
		worker_init(&scene, keys[k]);
		rig_apply_ticket_key(&scene.rig, 1);
		for (unsigned i = 0; i < 9; i++) {
			struct variant v = groups[i / 3];
			v.suite = suites[i % 3];
			SSL_SESSION *first = visit(&scene.rig, &v, NULL);
			SSL_SESSION *second = visit(&scene.rig, &v, first);
			SSL_SESSION *third = visit(&scene.rig, &v, second);
			SSL_SESSION_free(first);
			SSL_SESSION_free(second);
			SSL_SESSION_free(third);
		}
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_handshakes_own), 27);
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_handshakes_done), 27);
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_handshakes_resumed), 18);
		worker_fini(&scene);
	}
}

static void what_is_not_ordinary_is_openssls(void)
{
	static const struct {
		const char *key;
		const char *groups;
		const char *schemes;
	} cases[] = {
		{"P-521", "X25519", NULL},                // a key we do not sign with
		{"P-256", "P-384", NULL},                 // a group we have no shares of
		{"P-256", "P-521:X25519", NULL},          // HelloRetryRequest
		{"RSA", "X25519", "rsa_pss_rsae_sha512"}, // a hash that we do not keep
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct scene scene;
		worker_init(&scene, cases[i].key);
		rig_peer_init(&scene.peer, false, TLS1_3_VERSION);
		SSL_CTX_set1_groups_list(scene.peer.ctx, cases[i].groups);
		if (cases[i].schemes)
			CU_ASSERT_EQUAL(SSL_CTX_set1_sigalgs_list(scene.peer.ctx, cases[i].schemes),
					1);
		rig_peer_start(&scene.peer, "a.test");
		rig_accept(&scene.end, &scene.rig, web);
		rig_pump(&scene.end, &scene.peer, 7);
		CU_ASSERT_EQUAL(scene.peer.last, 1);
		CU_ASSERT_EQUAL(scene.end.ready_count, 1);
		echo(&scene.end, &scene.peer);
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_handshakes_own), 0);
		hang_up(&scene);
		worker_fini(&scene);
	}
}

// The ClientHello, and the client's answer with data behind it, cut in two at each byte.
static void cuts_do_not_matter(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	size_t cut = 1, bytes = 2;
	for (; cut < bytes; cut++) {
		rig_peer_init(&scene.peer, false, TLS1_3_VERSION);
		rig_peer_start(&scene.peer, "a.test");
		rig_accept(&scene.end, &scene.rig, web);
		char *wire = NULL;
		bytes = (size_t)BIO_get_mem_data(scene.peer.out, &wire);
		CU_ASSERT_EQUAL(rig_receive(&scene.end, wire, cut, SIZE_MAX), cut);
		CU_ASSERT_EQUAL(scene.end.out_end, 0);
		CU_ASSERT_EQUAL(rig_receive(&scene.end, wire + cut, bytes - cut, SIZE_MAX),
				bytes - cut);
		BIO_reset(scene.peer.out);
		rig_pump(&scene.end, &scene.peer, SIZE_MAX);
		CU_ASSERT_EQUAL(scene.end.ready_count, 1);
		hang_up(&scene);
	}
	for (cut = 1, bytes = 2; cut < bytes; cut++) {
		call(&scene);
		SSL_write(scene.peer.ssl, "hello", 5);
		char *wire = NULL;
		size_t more = (size_t)BIO_get_mem_data(scene.peer.out, &wire);
		bytes = scene.reply_bytes + more;
		CU_ASSERT_FATAL(bytes < sizeof(scene.reply));
		memcpy(scene.reply + scene.reply_bytes, wire, more);
		CU_ASSERT_EQUAL(rig_receive(&scene.end, scene.reply, cut, SIZE_MAX), cut);
		CU_ASSERT_EQUAL(rig_receive(&scene.end, scene.reply + cut, bytes - cut, SIZE_MAX),
				bytes - cut);
		CU_ASSERT_EQUAL(scene.end.ready_count, 1);
		CU_ASSERT_EQUAL(scene.end.plain_bytes, 5);
		hang_up(&scene);
	}
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_handshakes_own),
			rig_count(&scene.rig, COUNTER_tls_handshakes_done));
	worker_fini(&scene);
}

static void a_finished_that_was_changed_is_a_bad_record(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	size_t at = 6 + 5, bytes = at + 1; // behind the change_cipher_spec and the record's head
	for (; at < bytes; at++) {
		call(&scene);
		bytes = scene.reply_bytes;
		scene.reply[at] ^= 1;
		rig_receive(&scene.end, scene.reply, bytes, SIZE_MAX);
		CU_ASSERT_EQUAL(scene.end.ready_count, 0);
		CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_bad_record_mac);
		CU_ASSERT_EQUAL(told(&scene), SSL_AD_BAD_RECORD_MAC);
		hang_up(&scene);
	}
	worker_fini(&scene);
}

static void a_wrong_finished_is_refused_whichever_byte(void)
{
	struct scene scene;
	uint8_t finished[36];
	worker_init(&scene, NULL);
	for (unsigned at = 0; at < sizeof(finished); at++) {
		call(&scene);
		open_finished(&scene, finished);
		finished[at] ^= 0x40;
		rig_forge(&scene.forger, &scene.end, 22, slice_of(finished, 36), at);
		CU_ASSERT_EQUAL(scene.end.ready_count, 0);
		CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_handshake_failed);
		CU_ASSERT_EQUAL(told(&scene), at == 0  ? SSL_AD_UNEXPECTED_MESSAGE
					      : at < 4 ? SSL_AD_DECODE_ERROR
						       : SSL_AD_DECRYPT_ERROR);
		hang_up(&scene);
	}
	worker_fini(&scene);
}

static void a_finished_may_come_in_pieces_and_padded(void)
{
	struct scene scene;
	uint8_t finished[36];
	worker_init(&scene, NULL);
	for (unsigned at = 1; at < sizeof(finished); at++) {
		call(&scene);
		open_finished(&scene, finished);
		rig_forge(&scene.forger, &scene.end, 22, slice_of(finished, at), at);
		CU_ASSERT_EQUAL(scene.end.ready_count + scene.end.closed_count, 0);
		rig_forge(&scene.forger, &scene.end, 22, slice_of(finished + at, 36 - at), 300);
		CU_ASSERT_EQUAL(scene.end.ready_count, 1);
		echo(&scene.end, &scene.peer);
		hang_up(&scene);
	}
	worker_fini(&scene);
}

// What else comes encrypted: type, bytes (behind the Finished when that is said), the alert.
static void other_messages_end_it(void)
{
	static const struct {
		uint8_t type;
		bool is_behind; // in the record of the Finished
		struct slice bytes;
		int alert; // 0: none is sent
		enum counter reason;
	} cases[] = {
		{22, true, {"\x18\0\0\1\0", 5}, 10, COUNTER_tls_handshake_failed}, // KeyUpdate
		{22, true, {"\x18", 1}, 10, COUNTER_tls_handshake_failed},
		{22, false, {"\x18\0\0\1\0", 5}, 10, COUNTER_tls_handshake_failed},
		{22, false, {"\x0b\0\0\0", 4}, 10, COUNTER_tls_handshake_failed}, // Certificate
		{22, false, {"", 0}, 10, COUNTER_tls_handshake_failed},
		{23, false, {"GET", 3}, 10, COUNTER_tls_handshake_failed},
		{20, false, {"\1", 1}, 10, COUNTER_tls_handshake_failed},
		{21, false, {"\2\x28", 2}, 0, COUNTER_tls_alert_received},
		{21, false, {"\2\x2a", 2}, 0, COUNTER_tls_alert_certificate},
		{21, false, {"\1\0", 2}, 0, COUNTER_tls_handshake_failed}, // close_notify
		{21, false, {"\2", 1}, 10, COUNTER_tls_handshake_failed},
	};
	struct scene scene;
	uint8_t bytes[64];
	worker_init(&scene, NULL);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count = cases[i].is_behind ? 36 : 0;
		call(&scene);
		open_finished(&scene, bytes);
		memcpy(bytes + count, cases[i].bytes.at, cases[i].bytes.bytes);
		count += cases[i].bytes.bytes;
		rig_forge(&scene.forger, &scene.end, cases[i].type, slice_of(bytes, count), 0);
		CU_ASSERT_EQUAL(scene.end.ready_count, 0);
		CU_ASSERT_EQUAL(scene.end.reason, cases[i].reason);
		CU_ASSERT_EQUAL(told(&scene), cases[i].alert);
		hang_up(&scene);
	}
	worker_fini(&scene);
}

// Records that are not encrypted (RFC 8446 5, D.4), each said count times.
static void bare_records_are_few_and_known(void)
{
	static const struct {
		struct slice bytes;
		unsigned count;
		int alert;           // 0: none
		enum counter reason; // COUNTER_COUNT: it goes on
	} cases[] = {
		{{"\x14\3\3\0\1\1", 6}, 32, 0, COUNTER_COUNT},
		{{"\x14\3\3\0\1\1", 6}, 33, 10, COUNTER_tls_handshake_failed},
		{{"\x14\3\3\0\1\2", 6}, 1, 10, COUNTER_tls_handshake_failed},
		{{"\x14\3\3\0\2\1\1", 7}, 1, 10, COUNTER_tls_handshake_failed},
		{{"\x14\3\3\0\0", 5}, 1, 10, COUNTER_tls_handshake_failed},
		{{"\x15\3\3\0\2\2\x30", 7}, 1, 0, COUNTER_tls_alert_certificate},
		{{"\x15\3\3\0\2\1\x5a", 7}, 32, 0, COUNTER_COUNT}, // user_canceled
		{{"\x15\3\3\0\2\1\x5a", 7}, 33, 10, COUNTER_tls_handshake_failed},
		{{"\x16\3\3\0\1\x14", 6}, 1, 10, COUNTER_tls_handshake_failed},
		{{"\x18\3\3\0\1\1", 6}, 1, 10, COUNTER_tls_handshake_failed},
		{{"\x17\3\3\x41\1", 5}, 1, 22, COUNTER_tls_record_overflow},
		{{"\x17\3\3\0\x10", 5}, 1, 20, COUNTER_tls_bad_record_mac},
	};
	struct scene scene;
	worker_init(&scene, NULL);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		call(&scene);
		for (unsigned n = 0; n < cases[i].count; n++)
			rig_receive(&scene.end, cases[i].bytes.at, cases[i].bytes.bytes, SIZE_MAX);
		if (cases[i].reason == COUNTER_COUNT) {
			rig_receive(&scene.end, scene.reply + 6, scene.reply_bytes - 6, SIZE_MAX);
			CU_ASSERT_EQUAL(scene.end.ready_count, 1);
			echo(&scene.end, &scene.peer);
		} else {
			CU_ASSERT_EQUAL(scene.end.reason, cases[i].reason);
			CU_ASSERT_EQUAL(told(&scene), cases[i].alert);
		}
		hang_up(&scene);
	}
	worker_fini(&scene);
}

static void shares_are_made_ahead_and_used_once(void)
{
	struct scene scene;
	unsigned made = 0;
	worker_init(&scene, NULL);
	CU_ASSERT(!tls_prepare(scene.rig.tls)); // nobody has come yet
	for (unsigned i = 0; i < 67; i++) {
		call(&scene);
		rig_receive(&scene.end, scene.reply, scene.reply_bytes, SIZE_MAX);
		CU_ASSERT_EQUAL(scene.end.ready_count, 1);
		hang_up(&scene);
		while (i == 0 && tls_prepare(scene.rig.tls))
			made++;
	}
	CU_ASSERT_EQUAL(made, 64);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_shares_ahead), 64);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_shares_made), 3);
	CU_ASSERT(tls_prepare(scene.rig.tls));
	worker_fini(&scene);
}

static void the_flight_is_one_send(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	call(&scene);
	CU_ASSERT_EQUAL(scene.end.event_count, 1);
	CU_ASSERT_EQUAL(scene.end.out[0], 22);
	size_t at = 5 + ((size_t)scene.end.out[3] << 8 | scene.end.out[4]);
	CU_ASSERT(memcmp(scene.end.out + at, "\x14\3\3\0\1\1\x17\3\3", 9) == 0);
	at += 6;
	at += 5 + ((size_t)scene.end.out[at + 3] << 8 | scene.end.out[at + 4]);
	CU_ASSERT_EQUAL(at, scene.end.out_end);
	hang_up(&scene);
	worker_fini(&scene);
}

static void the_beginning_of_a_hello_takes_a_small_buffer(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	struct buf_pool *bufs = &scene.rig.bufs;
	uint32_t large_count = bufs->large_free, small_count = bufs->small_free;
	rig_peer_init(&scene.peer, false, TLS1_3_VERSION);
	rig_peer_start(&scene.peer, "a.test");
	rig_accept(&scene.end, &scene.rig, web);
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(scene.peer.out, &wire);
	for (size_t i = 0; i + 1 < bytes; i++) {
		CU_ASSERT_EQUAL(rig_receive(&scene.end, wire + i, 1, 1), 1);
		CU_ASSERT_EQUAL(bufs->large_free, large_count);
		CU_ASSERT_EQUAL(bufs->small_free, small_count - 1);
	}
	CU_ASSERT_EQUAL(scene.end.out_end, 0);
	rig_receive(&scene.end, wire + bytes - 1, 1, 1);
	CU_ASSERT(scene.end.out_end > 0);
	CU_ASSERT_EQUAL(bufs->small_free, small_count);
	hang_up(&scene);
	worker_fini(&scene);
}

UNIT_MAIN("tls_server", {"every suite, group and key is ours", every_suite_group_and_key_is_ours},
	  {"what is not ordinary is OpenSSL's", what_is_not_ordinary_is_openssls},
	  {"cuts do not matter", cuts_do_not_matter},
	  {"a Finished that was changed is a bad record",
	   a_finished_that_was_changed_is_a_bad_record},
	  {"a wrong Finished is refused, whichever byte",
	   a_wrong_finished_is_refused_whichever_byte},
	  {"a Finished may come in pieces and padded", a_finished_may_come_in_pieces_and_padded},
	  {"other messages end it", other_messages_end_it},
	  {"bare records are few and known", bare_records_are_few_and_known},
	  {"shares are made ahead and used once", shares_are_made_ahead_and_used_once},
	  {"the flight is one send", the_flight_is_one_send},
	  {"the beginning of a hello takes a small buffer",
	   the_beginning_of_a_hello_takes_a_small_buffer})
