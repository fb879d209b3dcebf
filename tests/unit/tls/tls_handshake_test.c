// SPDX-License-Identifier: Apache-2.0
// Handshakes of a public listener with OpenSSL clients: versions, cuts, bounds, budgets, tickets.
#include "tls_rig.h"
#include "unit.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <time.h>

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

struct site { // a worker with one default certificate
	struct rig rig;
	struct rig_pair pair;
};

static void site_init(struct site *site)
{
	rig_init_usual(&site->rig);
	site->pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&site->rig, 1, true, &site->pair));
}

static void site_fini(struct site *site)
{
	rig_fini(&site->rig);
	rig_pair_free(&site->pair);
}

// echo sends bytes both ways over a connection that has met.
static void echo(struct rig_end *end, struct rig_peer *peer, size_t chunk)
{
	static uint8_t big[20000];
	uint8_t got[3000];
	end->plain_bytes = 0;
	SSL_write(peer->ssl, big, sizeof(big));
	rig_pump(end, peer, chunk);
	CU_ASSERT_EQUAL(end->plain_bytes, sizeof(big));
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(rig_write(end, big, sizeof(got)), 0);
		rig_pump(end, peer, SIZE_MAX);
		CU_ASSERT_EQUAL(SSL_read(peer->ssl, got, sizeof(got)), sizeof(got));
	}
}

static void versions_and_cuts_do_not_matter(void)
{
	static const size_t chunks[] = {1, 3, 100, SIZE_MAX};
	static const char *const old[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
					  "ECDHE-ECDSA-AES256-GCM-SHA384",
					  "ECDHE-ECDSA-CHACHA20-POLY1305"};
	struct site site;
	site_init(&site);
	for (unsigned i = 0; i < 16; i++) {
		struct rig_peer peer;
		struct rig_end end;
		unsigned cipher = i / 4;
		rig_peer_init(&peer, false, cipher < 3 ? TLS1_2_VERSION : TLS1_3_VERSION);
		if (cipher < 3)
			SSL_CTX_set_cipher_list(peer.ctx, old[cipher]);
		rig_peer_start(&peer, "A.test");
		rig_accept(&end, &site.rig, web);
		rig_pump(&end, &peer, chunks[i % 4]);
		CU_ASSERT_EQUAL(peer.last, 1);
		CU_ASSERT_EQUAL_FATAL(end.ready_count, 1);
		CU_ASSERT_EQUAL(end.info.is_tls13, cipher == 3);
		CU_ASSERT_STRING_EQUAL(end.info.server_name, "a.test");
		CU_ASSERT_STRING_EQUAL(end.info.peer, "");
		echo(&end, &peer, chunks[i % 4]);
		SSL_shutdown(peer.ssl);
		rig_pump(&end, &peer, SIZE_MAX);
		CU_ASSERT_EQUAL(end.reason, COUNTER_tls_closed);
		rig_end_free(&end);
		rig_peer_free(&peer);
	}
	CU_ASSERT_EQUAL(rig_count(&site.rig, COUNTER_tls_handshakes_tls12), 12);
	CU_ASSERT_EQUAL(rig_count(&site.rig, COUNTER_tls_handshakes), 0);
	site_fini(&site);
}

static void tls_1_2_stops_and_resumes_its_reader_too(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	uint8_t bytes[40000] = {1, 2, 3};
	site_init(&site);
	rig_peer_init(&peer, false, TLS1_2_VERSION);
	rig_peer_start(&peer, NULL);
	rig_accept(&end, &site.rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	end.take_max = 100;
	SSL_write(peer.ssl, bytes, sizeof(bytes));
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.plain_bytes, 100);
	end.take_max = SIZE_MAX;
	CU_ASSERT(tls_resume(end.conn));
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.plain_bytes, sizeof(bytes));
	CU_ASSERT(memcmp(end.plain, bytes, sizeof(bytes)) == 0);
	SSL_write(peer.ssl, bytes, 100);
	char *wire = NULL;
	BIO_get_mem_data(peer.out, &wire);
	wire[20] ^= 1;
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_bad_record_mac);
	CU_ASSERT(SSL_read(peer.ssl, bytes, 1) <= 0);
	CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET,
			SSL_AD_BAD_RECORD_MAC);
	rig_end_free(&end);
	rig_peer_free(&peer);
	site_fini(&site);
}

// refused lets a peer of these versions and ciphers fail and returns why.
static enum counter refused(struct rig *rig, int version, const char *ciphers, const char *alpn)
{
	struct rig_peer peer;
	struct rig_end end;
	rig_peer_init(&peer, false, version);
	if (ciphers)
		SSL_CTX_set_cipher_list(peer.ctx, ciphers);
	rig_peer_start(&peer, NULL);
	if (alpn) {
		rig_peer_free(&peer);
		rig_peer_init(&peer, false, version);
		SSL_CTX_set_alpn_protos(peer.ctx, (const uint8_t *)alpn, (unsigned)strlen(alpn));
		rig_peer_start(&peer, NULL);
	}
	rig_accept(&end, rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.ready_count, 0);
	CU_ASSERT_EQUAL(end.closed_count, 1);
	CU_ASSERT_EQUAL(peer.last, -1);
	enum counter reason = end.reason;
	CU_ASSERT_EQUAL(rig_count(rig, reason), 1);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return reason;
}

static void what_we_do_not_share_is_refused_by_name(void)
{
	struct site site;
	site_init(&site);
	CU_ASSERT_EQUAL(refused(&site.rig, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL),
			COUNTER_tls_no_shared_cipher);
	CU_ASSERT_EQUAL(refused(&site.rig, TLS1_3_VERSION, NULL, "\x06spdy/9"),
			COUNTER_tls_no_shared_protocol);
	site_fini(&site);
	struct rig strict;
	rig_init(&strict, (struct tls_limits){.conn_count = 1,
					      .handshakes_at_once = 1,
					      .handshake_timeout_ms = 1000,
					      .certificate_count = 1});
	CU_ASSERT_EQUAL(refused(&strict, TLS1_2_VERSION, NULL, NULL),
			COUNTER_tls_no_shared_version);
	rig_fini(&strict);
}

static void bytes_that_are_not_tls_are_told_apart(void)
{
	static const struct {
		const char *bytes;
		enum counter reason;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", COUNTER_tls_not_tls},
		{"SSH-2.0-OpenSSH_9.2\r\n and more", COUNTER_tls_not_tls},
		{"\x15\x03\x01\x00\x02\x02\x28", COUNTER_tls_handshake_failed},
		{"\x16\x03\x01\x00\x05\x02\x01\x01\x01\x01", COUNTER_tls_handshake_failed},
	};
	struct site site;
	site_init(&site);
	for (unsigned i = 0; i < 4; i++) {
		struct rig_end end;
		size_t bytes = i < 2 ? strlen(cases[i].bytes) : i == 2 ? 7 : 10;
		rig_accept(&end, &site.rig, web);
		CU_ASSERT_EQUAL(rig_receive(&end, cases[i].bytes, bytes, SIZE_MAX), bytes);
		CU_ASSERT_EQUAL(end.closed_count, 1);
		CU_ASSERT_EQUAL(end.reason, cases[i].reason);
		rig_end_free(&end);
	}
	site_fini(&site);
}

static void connections_and_handshakes_are_bounded(void)
{
	struct rig rig;
	struct rig_end ends[4];
	rig_init(&rig, (struct tls_limits){.conn_count = 3,
					   .handshakes_at_once = 2,
					   .handshake_timeout_ms = 5000,
					   .certificate_count = 1});
	for (unsigned i = 0; i < 3; i++)
		rig_accept(&ends[i], &rig, web);
	CU_ASSERT_PTR_NOT_NULL(ends[1].conn);
	CU_ASSERT_PTR_NULL(ends[2].conn);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_handshakes_at_bound), 1);
	tls_set_time(rig.tls, 1000000 + 4999999, RIG_WALL_S);
	tls_run(rig.tls, 10);
	CU_ASSERT_EQUAL(ends[0].closed_count, 0);
	tls_set_time(rig.tls, 1000000 + 5000000, RIG_WALL_S);
	tls_run(rig.tls, 10);
	CU_ASSERT_EQUAL(ends[0].reason, COUNTER_tls_handshake_timeout);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_handshake_timeout), 2);
	rig_accept(&ends[2], &rig, web); // their handshakes are over, their connections are not
	rig_accept(&ends[3], &rig, web);
	CU_ASSERT_PTR_NOT_NULL(ends[2].conn);
	CU_ASSERT_PTR_NULL(ends[3].conn);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_conns_at_bound), 1);
	CU_ASSERT_EQUAL(tls_conn_count(rig.tls), 3);
	for (unsigned i = 0; i < 4; i++)
		rig_end_free(&ends[i]);
	rig_fini(&rig);
}

static void handshakes_wait_for_the_budget_of_the_loop(void)
{
	struct site site;
	struct rig_peer peers[4];
	struct rig_end ends[4];
	site_init(&site);
	tls_run(site.rig.tls, 1);
	for (unsigned i = 0; i < 4; i++) {
		rig_peer_init(&peers[i], false, TLS1_3_VERSION);
		rig_peer_start(&peers[i], "a.test");
		rig_accept(&ends[i], &site.rig, web);
		rig_pump(&ends[i], &peers[i], SIZE_MAX);
	}
	unsigned ready = 0;
	unsigned loops = 0;
	CU_ASSERT(tls_has_waiting(site.rig.tls));
	while (ready < 4 && loops++ < 20) {
		tls_run(site.rig.tls, 1);
		ready = 0;
		for (unsigned i = 0; i < 4; i++) {
			rig_pump(&ends[i], &peers[i], SIZE_MAX);
			ready += ends[i].ready_count;
		}
	}
	CU_ASSERT_EQUAL(ready, 4);
	CU_ASSERT(loops >= 6 && loops <= 10); // two steps each, one a loop
	CU_ASSERT(!tls_has_waiting(site.rig.tls));
	for (unsigned i = 0; i < 4; i++) {
		echo(&ends[i], &peers[i], 1000);
		rig_end_free(&ends[i]);
		rig_peer_free(&peers[i]);
	}
	site_fini(&site);
}

static void without_buffers_a_handshake_fails_by_name(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	struct buf *taken[130];
	unsigned count = 0;
	site_init(&site);
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	rig_peer_start(&peer, "a.test");
	rig_accept(&end, &site.rig, web);
	while (count < 128)
		taken[count++] = buf_new(&site.rig.bufs, 1);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_no_buffers);
	while (count > 0)
		buf_unref(taken[--count]);
	rig_end_free(&end);
	rig_peer_free(&peer);
	site_fini(&site);
}

static int no_random(unsigned char *, int)
{
	return 0;
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // RAND_METHOD has no successor here
static void without_randomness_it_is_our_fault(void)
{
	static const RAND_METHOD none = {.bytes = no_random};
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	site_init(&site);
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	rig_peer_start(&peer, "a.test");
	rig_accept(&end, &site.rig, web);
	const RAND_METHOD *usual = RAND_get_rand_method();
	RAND_set_rand_method(&none);
	char *wire = NULL;
	long bytes = BIO_get_mem_data(peer.out, &wire);
	rig_receive(&end, wire, (size_t)bytes, SIZE_MAX);
	RAND_set_rand_method(usual);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_openssl_refused);
	rig_end_free(&end);
	rig_peer_free(&peer);
	site_fini(&site);
}

// OpenSSL's clock, by which it judges a ticket's age; ours is tls_set_time's.
static time_t clock_ahead_s;

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += clock_ahead_s;
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

// start_again begins another handshake, that offers to resume session.
static void start_again(struct rig_peer *peer, SSL_SESSION *session)
{
	SSL_free(peer->ssl);
	peer->ssl = SSL_new(peer->ctx);
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	SSL_set_app_data(peer->ssl, peer);
	SSL_set_connect_state(peer->ssl);
	SSL_set_tlsext_host_name(peer->ssl, "a.test");
	SSL_set_session(peer->ssl, session);
	SSL_SESSION_free(session);
}

// visit connects once, with a session to resume (NULL: none), and returns the new session.
static SSL_SESSION *visit(struct site *site, int version, SSL_SESSION *session, bool *is_resumed)
{
	struct rig_peer peer;
	struct rig_end end;
	rig_peer_init(&peer, false, version);
	rig_peer_start(&peer, "a.test");
	if (session) {
		start_again(&peer, session);
		SSL_do_handshake(peer.ssl);
	}
	rig_accept(&end, &site->rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL_FATAL(end.ready_count, 1);
	echo(&end, &peer, SIZE_MAX); // the peer reads the ticket, then our sequence must fit
	*is_resumed = end.info.is_resumed;
	CU_ASSERT_EQUAL(SSL_session_reused(peer.ssl), end.info.is_resumed);
	SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_SESSION *next = SSL_get1_session(peer.ssl);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return next;
}

static void tickets_resume_over_workers_and_keys_that_rotate(void)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	for (unsigned v = 0; v < 2; v++) {
		struct site a, b;
		bool is_resumed;
		site_init(&a);
		site_init(&b);
		SSL_SESSION *session = visit(&a, versions[v], NULL, &is_resumed);
		CU_ASSERT(!is_resumed);
		session = visit(&a, versions[v], session, &is_resumed);
		CU_ASSERT(!is_resumed); // no key, no ticket
		rig_apply_ticket_key(&a.rig, 1);
		rig_apply_ticket_key(&b.rig, 1);
		session = visit(&a, versions[v], session, &is_resumed);
		CU_ASSERT(!is_resumed);
		session = visit(&b, versions[v], session, &is_resumed);
		CU_ASSERT(is_resumed); // another worker with the same key
		rig_apply_ticket_key(&a.rig, 2);
		session = visit(&a, versions[v], session, &is_resumed);
		CU_ASSERT(is_resumed); // under the older key; the new ticket is under the newer
		rig_remove(&a.rig, RECORD_TICKET_KEY, 1);
		session = visit(&a, versions[v], session, &is_resumed);
		CU_ASSERT(is_resumed);
		session = visit(&b, versions[v], session, &is_resumed);
		CU_ASSERT(!is_resumed); // b does not know key 2
		SSL_SESSION_free(session);
		CU_ASSERT_EQUAL(rig_count(&a.rig, COUNTER_tls_handshakes_resumed), 2);
		tls_mark(b.rig.tls); // a full set without keys
		tls_sweep(b.rig.tls);
		site_fini(&a);
		site_fini(&b);
	}
}

static void old_ticket_keys_make_room_for_new_ones(void)
{
	struct site site;
	bool is_resumed;
	site_init(&site);
	rig_apply_ticket_key(&site.rig, 10);
	SSL_SESSION *session = visit(&site, TLS1_3_VERSION, NULL, &is_resumed);
	for (uint64_t id = 1; id < 30; id++)
		rig_apply_ticket_key(&site.rig, id);
	session = visit(&site, TLS1_3_VERSION, session, &is_resumed);
	CU_ASSERT(!is_resumed);
	session = visit(&site, TLS1_3_VERSION, session, &is_resumed);
	CU_ASSERT(is_resumed);
	SSL_SESSION_free(session);
	site_fini(&site);
}

// A client that offers a ticket for as long as it likes is served all the same (RFC 8446 4.6.1).
static void an_expired_ticket_is_a_full_handshake(void)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	static const time_t ages_s[] = {7100, 7300, 1000000};
	for (unsigned i = 0; i < 6; i++) {
		struct site site;
		bool is_resumed;
		site_init(&site);
		rig_apply_ticket_key(&site.rig, 1);
		SSL_SESSION *session = visit(&site, versions[i % 2], NULL, &is_resumed);
		clock_ahead_s = ages_s[i / 2];
		tls_set_time(site.rig.tls, 1000000, RIG_WALL_S + (uint64_t)clock_ahead_s);
		SSL_SESSION_set_time(session, (long)time(NULL)); // as if it were new
		session = visit(&site, versions[i % 2], session, &is_resumed);
		CU_ASSERT_EQUAL(is_resumed, i / 2 == 0);
		session = visit(&site, versions[i % 2], session, &is_resumed);
		CU_ASSERT(is_resumed); // what came in its place
		clock_ahead_s = 0;
		SSL_SESSION_free(session);
		site_fini(&site);
	}
}

static void a_ticket_that_was_changed_is_a_full_handshake(void)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	for (unsigned i = 0; i < 6; i++) { // the key's name, the initial vector, the MAC
		struct site site;
		bool is_resumed;
		const uint8_t *ticket;
		size_t bytes;
		site_init(&site);
		rig_apply_ticket_key(&site.rig, 1);
		SSL_SESSION *session = visit(&site, versions[i % 2], NULL, &is_resumed);
		SSL_SESSION_get0_ticket(session, &ticket, &bytes);
		CU_ASSERT_FATAL(bytes > 64);
		const size_t places[] = {0, 20, bytes - 1};
		((uint8_t *)(uintptr_t)ticket)[places[i / 2]] ^= 1;
		session = visit(&site, versions[i % 2], session, &is_resumed);
		CU_ASSERT(!is_resumed);
		session = visit(&site, versions[i % 2], session, &is_resumed);
		CU_ASSERT(is_resumed);
		SSL_SESSION_free(session);
		site_fini(&site);
	}
}

// A client that has a ticket and sends count bytes with its ClientHello, though none were promised.
static void start_early(struct site *site, struct rig_peer *peer, size_t count)
{
	static uint8_t early[40000] = "POST / HTTP/1.1\r\n";
	bool is_resumed;
	size_t written = 0;
	SSL_SESSION *session = visit(site, TLS1_3_VERSION, NULL, &is_resumed);
	CU_ASSERT_EQUAL(SSL_SESSION_get_max_early_data(session), 0);
	SSL_SESSION_set_max_early_data(session, sizeof(early));
	rig_peer_init(peer, false, TLS1_3_VERSION);
	rig_peer_start(peer, "a.test");
	start_again(peer, session);
	CU_ASSERT_EQUAL(SSL_write_early_data(peer->ssl, early, count, &written), 1);
	CU_ASSERT_EQUAL(written, count);
}

// RFC 8446 8: without early data there is nothing to replay.
static void early_data_is_skipped_also_when_it_is_replayed(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end, again;
	char *wire = NULL;
	static char copy[8192];
	site_init(&site);
	rig_apply_ticket_key(&site.rig, 1);
	start_early(&site, &peer, 5000);
	size_t bytes = (size_t)BIO_get_mem_data(peer.out, &wire);
	CU_ASSERT_FATAL(bytes > 5000 && bytes < sizeof(copy));
	memcpy(copy, wire, bytes);
	rig_accept(&end, &site.rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.ready_count, 1);
	// Who sends early data is OpenSSL's, which does not know the ticket that was ours.
	CU_ASSERT_EQUAL(end.info.is_resumed, !rig_is_own());
	CU_ASSERT_EQUAL(end.plain_bytes, 0);
	CU_ASSERT_EQUAL(SSL_get_early_data_status(peer.ssl), SSL_EARLY_DATA_REJECTED);
	echo(&end, &peer, SIZE_MAX); // as it says all once more
	for (unsigned i = 0; i < 3; i++) {
		rig_accept(&again, &site.rig, web);
		CU_ASSERT_EQUAL(rig_receive(&again, copy, bytes, SIZE_MAX), bytes);
		CU_ASSERT_EQUAL(again.ready_count + again.closed_count, 0);
		CU_ASSERT_EQUAL(again.plain_bytes, 0);
		rig_end_free(&again);
	}
	rig_end_free(&end);
	rig_peer_free(&peer);
	site_fini(&site);
}

static void early_data_without_end_ends_the_connection(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	site_init(&site);
	rig_apply_ticket_key(&site.rig, 1);
	start_early(&site, &peer, 40000);
	rig_accept(&end, &site.rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.ready_count, 0);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_handshake_failed);
	CU_ASSERT_EQUAL(end.plain_bytes, 0);
	rig_end_free(&end);
	rig_peer_free(&peer);
	site_fini(&site);
}

UNIT_MAIN("tls_handshake", {"versions and cuts do not matter", versions_and_cuts_do_not_matter},
	  {"tls 1.2 stops and resumes its reader too", tls_1_2_stops_and_resumes_its_reader_too},
	  {"what we do not share is refused by name", what_we_do_not_share_is_refused_by_name},
	  {"bytes that are not tls are told apart", bytes_that_are_not_tls_are_told_apart},
	  {"connections and handshakes are bounded", connections_and_handshakes_are_bounded},
	  {"handshakes wait for the budget of the loop",
	   handshakes_wait_for_the_budget_of_the_loop},
	  {"without buffers a handshake fails by name", without_buffers_a_handshake_fails_by_name},
	  {"without randomness it is our fault", without_randomness_it_is_our_fault},
	  {"tickets resume over workers and keys that rotate",
	   tickets_resume_over_workers_and_keys_that_rotate},
	  {"old ticket keys make room for new ones", old_ticket_keys_make_room_for_new_ones},
	  {"an expired ticket is a full handshake", an_expired_ticket_is_a_full_handshake},
	  {"a ticket that was changed is a full handshake",
	   a_ticket_that_was_changed_is_a_full_handshake},
	  {"early data is skipped, also when it is replayed",
	   early_data_is_skipped_also_when_it_is_replayed},
	  {"early data without end ends the connection",
	   early_data_without_end_ends_the_connection})
