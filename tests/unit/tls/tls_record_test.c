// SPDX-License-Identifier: Apache-2.0
// The record layer after the take-over, against OpenSSL as the client: sizes, cuts, back-pressure,
// keys that change, alerts, and what a peer must not send.
#include "tls_rig.h"
#include "unit.h"

#include <errno.h>
#include <openssl/err.h>

struct scene { // a public listener and an OpenSSL client that have met
	struct rig rig;
	struct rig_pair pair;
	struct rig_peer peer;
	struct rig_end end;
};

static void meet(struct scene *scene, const char *suites, struct tls_limits limits)
{
	limits.conn_count = limits.handshakes_at_once = limits.certificate_count = 4;
	limits.handshake_timeout_ms = 1000;
	rig_init(&scene->rig, limits);
	scene->pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&scene->rig, 1, true, &scene->pair));
	rig_apply_ticket_key(&scene->rig, 7);
	rig_peer_init(&scene->peer, false, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(scene->peer.ctx, suites);
	rig_peer_start(&scene->peer, "a.test");
	rig_accept(&scene->end, &scene->rig, (struct tls_accept){.is_h2_offered = true});
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene->end.conn);
	rig_pump(&scene->end, &scene->peer, SIZE_MAX);
	CU_ASSERT_EQUAL_FATAL(scene->end.ready_count, 1);
}

static void meet_usual(struct scene *scene)
{
	meet(scene, "TLS_AES_128_GCM_SHA256", (struct tls_limits){0});
}

static void part(struct scene *scene)
{
	rig_end_free(&scene->end);
	rig_peer_free(&scene->peer);
	rig_fini(&scene->rig);
	rig_pair_free(&scene->pair);
}

static const uint8_t *pattern(size_t bytes)
{
	static uint8_t all[200000];
	for (size_t i = 0; i < bytes; i++)
		all[i] = (uint8_t)(i * 131 >> 3);
	return all;
}

// says writes count bytes on the peer's side, pumps and compares what we opened.
static void peer_says(struct scene *scene, size_t count, size_t chunk)
{
	const uint8_t *bytes = pattern(count);
	scene->end.plain_bytes = 0;
	CU_ASSERT_EQUAL(SSL_write(scene->peer.ssl, bytes, (int)count), (int)count);
	rig_pump(&scene->end, &scene->peer, chunk);
	CU_ASSERT_EQUAL_FATAL(scene->end.plain_bytes, count);
	CU_ASSERT(memcmp(scene->end.plain, bytes, count) == 0);
}

static void we_say(struct scene *scene, uint32_t count)
{
	uint8_t *got = malloc(count);
	uint32_t total = 0;
	CU_ASSERT_EQUAL(rig_write(&scene->end, pattern(count), count), 0);
	rig_pump(&scene->end, &scene->peer, SIZE_MAX);
	int n;
	while (total < count &&
	       (n = SSL_read(scene->peer.ssl, got + total, (int)(count - total))) > 0)
		total += (uint32_t)n;
	CU_ASSERT_EQUAL(total, count);
	CU_ASSERT(memcmp(got, pattern(count), count) == 0);
	free(got);
}

static void bytes_arrive_whole_whatever_the_cipher_size_and_cut(void)
{
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};
	static const size_t sizes[] = {1, 2, 100, 1024, 2030, 2048, 16383, 16384, 16385, 100000};
	static const size_t chunks[] = {1, 7, 1448, 16000, SIZE_MAX};
	for (unsigned s = 0; s < 3; s++) {
		struct scene scene;
		meet(&scene, suites[s], (struct tls_limits){0});
		CU_ASSERT_STRING_EQUAL(scene.end.info.cipher, suites[s]);
		for (unsigned i = 0; i < 10; i++)
			for (unsigned c = i > 8; c < 5; c++)
				peer_says(&scene, sizes[i], chunks[c]);
		for (unsigned i = 0; i < 8; i++)
			we_say(&scene, (uint32_t)sizes[i]);
		CU_ASSERT(rig_count(&scene.rig, COUNTER_tls_records_gathered) > 0);
		part(&scene);
	}
}

static void many_records_come_in_one_feed(void)
{
	struct scene scene;
	meet_usual(&scene);
	for (unsigned i = 0; i < 500; i++)
		SSL_write(scene.peer.ssl, "0123456789", 1 + (int)(i % 10));
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 2750);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_records_opened), 500);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_records_gathered), 0);
	part(&scene);
}

static void plaintext_that_is_not_taken_stops_the_wire(void)
{
	struct scene scene;
	meet_usual(&scene);
	const uint8_t *bytes = pattern(60000);
	SSL_write(scene.peer.ssl, bytes, 60000);
	scene.end.take_max = 1000;
	char *wire = NULL;
	long left = BIO_get_mem_data(scene.peer.out, &wire);
	size_t taken = rig_receive(&scene.end, wire, (size_t)left, SIZE_MAX);
	CU_ASSERT(taken > 16384 && taken < 17000); // one record
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 1000);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, wire + taken, 100, SIZE_MAX), 0);
	CU_ASSERT_EQUAL(buf_pool_in_use(&scene.rig.bufs), 1);
	CU_ASSERT(!tls_resume(scene.end.conn));
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 2000);
	scene.end.take_max = 0;
	CU_ASSERT(!tls_resume(scene.end.conn));
	scene.end.take_max = SIZE_MAX;
	CU_ASSERT(tls_resume(scene.end.conn));
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 16384);
	CU_ASSERT_EQUAL(buf_pool_in_use(&scene.rig.bufs), 0);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, wire + taken, (size_t)left - taken, 1448),
			(size_t)left - taken);
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 60000);
	CU_ASSERT(memcmp(scene.end.plain, bytes, 60000) == 0);
	part(&scene);
}

static void without_buffers_bytes_wait_and_nothing_is_lost(void)
{
	struct scene scene;
	struct buf *taken[130];
	unsigned count = 0;
	meet_usual(&scene);
	SSL_write(scene.peer.ssl, pattern(5000), 5000);
	while ((taken[count] = buf_new(&scene.rig.bufs, BUF_BYTES)))
		count++;
	while ((taken[count] = buf_new(&scene.rig.bufs, 1)))
		count++;
	char *wire = NULL;
	long left = BIO_get_mem_data(scene.peer.out, &wire);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, wire, (size_t)left, SIZE_MAX), 0);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, wire, 100, SIZE_MAX), 0);
	CU_ASSERT(rig_count(&scene.rig, COUNTER_tls_buffers_short) >= 2);
	while (count > 0)
		buf_unref(taken[--count]);
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(scene.end.plain_bytes, 5000);
	part(&scene);
}

static void the_peer_changes_keys_and_asks_for_ours(void)
{
	struct scene scene;
	meet_usual(&scene);
	static const int kinds[] = {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED,
				    SSL_KEY_UPDATE_REQUESTED};
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT(SSL_key_update(scene.peer.ssl, kinds[i]));
		peer_says(&scene, 3000, i ? 1 : SIZE_MAX);
		we_say(&scene, 3000);
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_sent), i);
	}
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_received), 3);
	part(&scene);
}

static void our_key_changes_after_the_bound_of_records(void)
{
	struct scene scene;
	meet(&scene, "TLS_AES_256_GCM_SHA384", (struct tls_limits){.rekey_record_count = 10});
	for (unsigned i = 0; i < 35; i++)
		we_say(&scene, 100 + i);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_sent), 3);
	peer_says(&scene, 100, SIZE_MAX);
	part(&scene);
}

static void too_many_key_updates_end_the_connection(void)
{
	struct scene scene;
	meet_usual(&scene);
	for (unsigned i = 0; i < 40; i++) {
		SSL_key_update(scene.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(scene.peer.ssl);
	}
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_key_update_flood);
	part(&scene);
}

static void both_sides_say_goodbye(void)
{
	struct scene scene;
	meet_usual(&scene);
	SSL_shutdown(scene.peer.ssl);
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(scene.end.closed_count, 1);
	CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_closed);
	CU_ASSERT_EQUAL(rig_write(&scene.end, "x", 1), 0); // RFC 8446 6.1: we may go on
	tls_close_notify(scene.end.conn);
	CU_ASSERT_EQUAL(rig_write(&scene.end, "x", 1), EPIPE);
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	char said;
	CU_ASSERT(SSL_read(scene.peer.ssl, &said, 1) == 1 && said == 'x');
	CU_ASSERT_EQUAL(SSL_shutdown(scene.peer.ssl), 1);
	unsigned events = scene.end.event_count;
	CU_ASSERT_EQUAL(rig_receive(&scene.end, "anything", 8, SIZE_MAX), 8);
	tls_close_notify(scene.end.conn);
	CU_ASSERT_EQUAL(scene.end.event_count, events);
	part(&scene);

	meet_usual(&scene);
	tls_close_notify(scene.end.conn);
	tls_close_notify(scene.end.conn);
	CU_ASSERT_EQUAL(rig_write(&scene.end, "x", 1), EPIPE);
	rig_pump(&scene.end, &scene.peer, SIZE_MAX);
	char byte;
	CU_ASSERT_EQUAL(SSL_read(scene.peer.ssl, &byte, 1), 0);
	CU_ASSERT_EQUAL(SSL_get_shutdown(scene.peer.ssl), SSL_RECEIVED_SHUTDOWN);
	peer_says(&scene, 500, SIZE_MAX); // the other direction is still open
	part(&scene);
}

// alert_at_peer returns the alert that ended the peer's connection.
static int alert_at_peer(struct scene *scene)
{
	char byte;
	ERR_clear_error();
	SSL_read(scene->peer.ssl, &byte, 1);
	return ERR_GET_REASON(ERR_peek_error()) - SSL_AD_REASON_OFFSET;
}

static void an_altered_record_is_refused_and_the_peer_told(void)
{
	for (unsigned at = 5; at < 40; at += 17) {
		struct scene scene;
		meet_usual(&scene);
		SSL_write(scene.peer.ssl, pattern(24), 24);
		char *wire = NULL;
		long bytes = BIO_get_mem_data(scene.peer.out, &wire);
		wire[at] ^= 1;
		rig_receive(&scene.end, wire, (size_t)bytes, at % 2 ? SIZE_MAX : 1);
		CU_ASSERT_EQUAL(scene.end.plain_bytes, 0);
		CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_bad_record_mac);
		CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_bad_record_mac), 1);
		rig_pump(&scene.end, &scene.peer, SIZE_MAX);
		CU_ASSERT_EQUAL(alert_at_peer(&scene), SSL_AD_BAD_RECORD_MAC);
		part(&scene);
	}
}

static void bare_records_are_judged_by_their_head(void)
{
	static const struct {
		uint8_t head[5];
		enum counter reason;
	} cases[] = {
		{{20, 3, 3, 0, 1}, COUNTER_tls_unexpected_message},
		{{21, 3, 3, 0, 2}, COUNTER_tls_unexpected_message},
		{{22, 3, 3, 0, 40}, COUNTER_tls_unexpected_message},
		{{23, 3, 3, 0x41, 1}, COUNTER_tls_record_overflow},
		{{23, 3, 3, 0xff, 0xff}, COUNTER_tls_record_overflow},
		{{23, 3, 3, 0, 16}, COUNTER_tls_bad_record_mac},
		{{23, 3, 3, 0, 0}, COUNTER_tls_bad_record_mac},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned chunk = 1; chunk < 10; chunk += 4) {
			struct scene scene;
			meet_usual(&scene);
			rig_receive(&scene.end, cases[i].head, 5, chunk);
			CU_ASSERT_EQUAL(scene.end.reason, cases[i].reason);
			CU_ASSERT_EQUAL(scene.end.closed_count, 1);
			part(&scene);
		}
}

static void a_cut_record_waits(void)
{
	struct scene scene;
	meet_usual(&scene);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, "\x17\x03\x03\x01\x00rest", 9, SIZE_MAX), 9);
	CU_ASSERT_EQUAL(scene.end.closed_count, 0);
	CU_ASSERT_EQUAL(buf_pool_in_use(&scene.rig.bufs), 1);
	part(&scene);
}

struct forged {
	uint8_t type;
	struct slice bytes;
	size_t pad;
	unsigned repeat;
	enum counter reason; // COUNTER_COUNT: stays open
};

static void sealed_records_are_judged_by_what_is_in_them(void)
{
	static const uint8_t zeros[16400];
	const struct forged cases[] = {
		{23, SLICE("data"), 0, 3, COUNTER_COUNT},
		{23, SLICE("data"), 5000, 1, COUNTER_COUNT},
		{23, {(const char *)zeros, 16384}, 0, 1, COUNTER_COUNT},
		{23, {(const char *)zeros, 16385}, 0, 1, COUNTER_tls_record_overflow},
		{23, {0}, 0, 32, COUNTER_COUNT},
		{23, {0}, 0, 33, COUNTER_tls_empty_records},
		{0, {0}, 100, 1, COUNTER_tls_unexpected_message},
		{22, {0}, 0, 1, COUNTER_tls_unexpected_message},
		{21, {0}, 0, 1, COUNTER_tls_unexpected_message},
		{20, SLICE("\x01"), 0, 1, COUNTER_tls_unexpected_message},
		{99, SLICE("data"), 0, 1, COUNTER_tls_unexpected_message},
		{21, SLICE("\x02"), 0, 1, COUNTER_tls_malformed_message},
		{21, SLICE("\x02\x28\x28"), 0, 1, COUNTER_tls_malformed_message},
		{21, SLICE("\x01\x00"), 0, 1, COUNTER_tls_closed},
		{21, SLICE("\x01\x5a"), 0, 3, COUNTER_COUNT},
		{21, SLICE("\x01\x5a"), 0, 40, COUNTER_tls_empty_records},
		{21, SLICE("\x02\x28"), 0, 1, COUNTER_tls_alert_received},
		{21, SLICE("\x02\x2e"), 0, 1, COUNTER_tls_alert_certificate},
		{22, SLICE("\x18\0\0\1\2"), 0, 1, COUNTER_tls_malformed_message},
		{22, SLICE("\x18\0\0\2\0\0"), 0, 1, COUNTER_tls_malformed_message},
		{22, SLICE("\x18\0\0\1\0\x18"), 0, 1, COUNTER_tls_unexpected_message},
		{22, SLICE("\x04\0\0\1\0"), 0, 1, COUNTER_tls_unexpected_message},
		{22, SLICE("\x01\0\0\1\0"), 0, 1, COUNTER_tls_unexpected_message},
		{22, SLICE("\x18\0"), 0, 1, COUNTER_COUNT},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene scene;
		struct rig_forger forger;
		meet_usual(&scene);
		rig_forger_init(&forger, &scene.peer);
		for (unsigned n = 0; n < cases[i].repeat; n++)
			rig_forge(&forger, &scene.end, cases[i].type, cases[i].bytes, cases[i].pad);
		CU_ASSERT_EQUAL(scene.end.closed_count, cases[i].reason != COUNTER_COUNT);
		if (scene.end.closed_count)
			CU_ASSERT_EQUAL(scene.end.reason, cases[i].reason);
		part(&scene);
	}
}

static void a_message_may_be_cut_over_records_but_not_mixed(void)
{
	struct scene scene;
	struct rig_forger forger;
	meet_usual(&scene);
	rig_forger_init(&forger, &scene.peer);
	rig_forge(&forger, &scene.end, 22, SLICE("\x18\0"), 0);
	rig_forge(&forger, &scene.end, 22, SLICE("\0\1"), 3);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_received), 0);
	rig_forge(&forger, &scene.end, 22, SLICE("\1"), 0);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_received), 1);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_key_updates_sent), 1);
	CU_ASSERT_EQUAL(scene.end.closed_count, 0);
	part(&scene);
	meet_usual(&scene);
	rig_forger_init(&forger, &scene.peer);
	rig_forge(&forger, &scene.end, 22, SLICE("\x18\0"), 0);
	rig_forge(&forger, &scene.end, 23, SLICE("data"), 0);
	CU_ASSERT_EQUAL(scene.end.reason, COUNTER_tls_unexpected_message);
	part(&scene);
}

// reads_all lets the peer read count bytes, and compares them.
static bool reads_all(struct rig_peer *peer, const uint8_t *wanted, size_t count)
{
	uint8_t got[4096];
	size_t have = 0;
	int run;
	while (have < count && (run = SSL_read(peer->ssl, got, sizeof(got))) > 0) {
		if (have + (size_t)run > count || memcmp(got, wanted + have, (size_t)run) != 0)
			return false;
		have += (size_t)run;
	}
	return have == count;
}

static void a_client_gets_records_as_short_as_it_was_promised(void)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene;
		rig_init(&scene.rig, (struct tls_limits){.conn_count = 4,
							 .handshakes_at_once = 4,
							 .certificate_count = 4,
							 .handshake_timeout_ms = 1000,
							 .is_tls12_allowed = true});
		scene.pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
		CU_ASSERT_PTR_NULL(rig_apply_cert(&scene.rig, 1, true, &scene.pair));
		rig_peer_init(&scene.peer, false, versions[i]);
		SSL_CTX_set_tlsext_max_fragment_length(scene.peer.ctx,
						       TLSEXT_max_fragment_length_1024);
		rig_peer_start(&scene.peer, "a.test");
		rig_accept(&scene.end, &scene.rig, (struct tls_accept){.is_h2_offered = true});
		rig_pump(&scene.end, &scene.peer, SIZE_MAX);
		CU_ASSERT_EQUAL_FATAL(scene.end.ready_count, 1);
		SSL_SESSION *session = SSL_get0_session(scene.peer.ssl);
		bool is_promised = SSL_SESSION_get_max_fragment_length(session) != 0;
		uint32_t most = scene.end.info.text_max;
		CU_ASSERT_EQUAL(most, is_promised ? 1024 : 0);
		if (!most)
			most = TLS_PLAINTEXT_MAX;
		for (unsigned n = 0; n < 3; n++) {
			CU_ASSERT_EQUAL(rig_write(&scene.end, pattern(most), most), 0);
			rig_pump(&scene.end, &scene.peer, SIZE_MAX);
			CU_ASSERT(reads_all(&scene.peer, pattern(most), most));
		}
		part(&scene);
	}
}

UNIT_MAIN("tls_record",
	  {"bytes arrive whole whatever the cipher, size and cut",
	   bytes_arrive_whole_whatever_the_cipher_size_and_cut},
	  {"many records come in one feed", many_records_come_in_one_feed},
	  {"plaintext that is not taken stops the wire",
	   plaintext_that_is_not_taken_stops_the_wire},
	  {"without buffers bytes wait and nothing is lost",
	   without_buffers_bytes_wait_and_nothing_is_lost},
	  {"the peer changes keys and asks for ours", the_peer_changes_keys_and_asks_for_ours},
	  {"our key changes after the bound of records",
	   our_key_changes_after_the_bound_of_records},
	  {"too many key updates end the connection", too_many_key_updates_end_the_connection},
	  {"both sides say goodbye", both_sides_say_goodbye},
	  {"an altered record is refused and the peer told",
	   an_altered_record_is_refused_and_the_peer_told},
	  {"bare records are judged by their head", bare_records_are_judged_by_their_head},
	  {"a cut record waits", a_cut_record_waits},
	  {"sealed records are judged by what is in them",
	   sealed_records_are_judged_by_what_is_in_them},
	  {"a message may be cut over records but not mixed",
	   a_message_may_be_cut_over_records_but_not_mixed},
	  {"a client gets records as short as it was promised",
	   a_client_gets_records_as_short_as_it_was_promised})
