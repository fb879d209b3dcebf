// SPDX-License-Identifier: Apache-2.0
// Our tickets (RFC 8446 4.2.11, 4.6.1) with OpenSSL clients: binders, names, ages, keys, and
// OpenSSL's own tickets beside them.
#include "tls_rig.h"
#include "unit.h"

#include "check.h"

#include <openssl/err.h>

#include <time.h>

static const struct tls_accept web = {.is_http1_offered = true};
static const char suites[] = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";

struct site {
	struct rig rig;
	struct rig_pair pair;
};

static void site_init(struct site *site, bool is_libssl)
{
	if (is_libssl)
		setenv("RIG_LIBSSL", "1", 1);
	rig_init_usual(&site->rig);
	unsetenv("RIG_LIBSSL");
	site->pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&site->rig, 1, true, &site->pair));
	rig_apply_ticket_key(&site->rig, 1);
	site->rig.cannot_ask = true; // unknown names get the default certificate
}

static void site_fini(struct site *site)
{
	rig_fini(&site->rig);
	rig_pair_free(&site->pair);
}

static void peer_start(struct rig_peer *peer, const char *name, SSL_SESSION *session)
{
	rig_peer_init(peer, false, TLS1_3_VERSION);
	rig_peer_resume(peer, name, session);
}

// visit connects as a client of name that offers session (NULL: none) and tells whether it was
// resumed; *session becomes the next one.
static bool visit(struct site *site, const char *name, SSL_SESSION **session)
{
	struct rig_peer peer;
	struct rig_end end;
	uint8_t byte;
	peer_start(&peer, name, *session);
	rig_accept(&end, &site->rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL_FATAL(end.ready_count, 1);
	CU_ASSERT_EQUAL(rig_write(&end, "x", 1), 0);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(SSL_read(peer.ssl, &byte, 1), 1);
	bool is_resumed = end.info.is_resumed;
	CU_ASSERT_EQUAL(SSL_session_reused(peer.ssl), is_resumed);
	SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(peer.ssl);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return is_resumed;
}

static void a_wrong_binder_ends_the_handshake(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	SSL_SESSION *session = NULL;
	site_init(&site, false);
	visit(&site, "a.test", &session);
	// From the end: each byte of the binder (SHA-256), then one of the client's random.
	for (unsigned i = 0; i < 33; i++) {
		char *wire = NULL;
		uint8_t byte;
		SSL_SESSION *once = SSL_SESSION_dup(session); // refused, it is never offered again
		peer_start(&peer, "a.test", once);
		SSL_SESSION_free(once);
		size_t bytes = (size_t)BIO_get_mem_data(peer.out, &wire);
		wire[i < 32 ? bytes - 1 - i : 20] ^= 1;
		rig_accept(&end, &site.rig, web);
		CU_ASSERT_EQUAL(rig_receive(&end, wire, bytes, SIZE_MAX), bytes);
		CU_ASSERT_EQUAL(end.closed_count, 1);
		CU_ASSERT_EQUAL(end.reason, COUNTER_tls_handshake_failed);
		ERR_clear_error();
		BIO_write(peer.in, end.out, (int)end.out_end);
		CU_ASSERT(SSL_read(peer.ssl, &byte, 1) <= 0);
		CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET,
				SSL_AD_DECRYPT_ERROR);
		rig_end_free(&end);
		rig_peer_free(&peer);
	}
	CU_ASSERT(visit(&site, "a.test", &session));
	SSL_SESSION_free(session);
	site_fini(&site);
}

static void a_ticket_serves_its_name_only(void)
{
	struct site site;
	SSL_SESSION *session = NULL;
	site_init(&site, false);
	CU_ASSERT(!visit(&site, "a.test", &session));
	CU_ASSERT(!visit(&site, "b.test", &session));
	CU_ASSERT(visit(&site, "B.test", &session));
	CU_ASSERT(!visit(&site, NULL, &session));
	CU_ASSERT(visit(&site, NULL, &session));
	CU_ASSERT(!visit(&site, "a.test", &session));
	SSL_SESSION_free(session);
	site_fini(&site);
}

// visit_later visits when it is late_s after the tests' time. The client believes its ticket new.
static bool visit_later(struct site *site, int64_t late_s, SSL_SESSION **session)
{
	tls_set_time(site->rig.tls, 1000000, (uint64_t)(RIG_WALL_S + late_s));
	if (*session)
		SSL_SESSION_set_time(*session, (long)time(NULL));
	return visit(site, "a.test", session);
}

static void a_ticket_lives_two_hours_and_a_chain_of_them_a_week(void)
{
	struct site site;
	SSL_SESSION *session = NULL;
	site_init(&site, false);
	visit_later(&site, 0, &session);
	CU_ASSERT(visit_later(&site, 7199, &session));
	CU_ASSERT(!visit_later(&site, 7199 + 7200, &session));
	CU_ASSERT(visit_later(&site, 7199 + 7200 - 60, &session)); // a clock behind
	CU_ASSERT(!visit_later(&site, 7199 + 7200 - 60 - 61, &session));
	const int64_t began_s = 7199 + 7200 - 60 - 61, week_s = 7 * 86400;
	for (int64_t age_s = 7000; age_s < week_s; age_s += 7000)
		CU_ASSERT(visit_later(&site, began_s + age_s, &session));
	CU_ASSERT(!visit_later(&site, began_s + week_s, &session));
	SSL_SESSION_free(session);
	site_fini(&site);
}

static void openssls_tickets_and_ours_are_strangers(void)
{
	struct site ours, openssls;
	SSL_SESSION *session = NULL;
	site_init(&ours, false);
	site_init(&openssls, true);
	CU_ASSERT(!visit(&ours, "a.test", &session));
	CU_ASSERT(!visit(&openssls, "a.test", &session));
	CU_ASSERT(visit(&openssls, "a.test", &session));
	CU_ASSERT(!visit(&ours, "a.test", &session));
	CU_ASSERT(visit(&ours, "a.test", &session));
	CU_ASSERT_EQUAL(rig_count(&ours.rig, COUNTER_tls_handshakes_own), 3);
	CU_ASSERT_EQUAL(rig_count(&openssls.rig, COUNTER_tls_handshakes_own), 0);
	SSL_SESSION_free(session);
	site_fini(&ours);
	site_fini(&openssls);
}

// A ticket of another hash than the suite that is chosen now: SHA-384 was first, then SHA-256.
static void a_ticket_of_another_hash_is_a_full_handshake(void)
{
	struct site site;
	SSL_SESSION *session = NULL;
	struct rig_peer peer;
	struct rig_end end;
	site_init(&site, false);
	for (unsigned i = 0; i < 2; i++) {
		rig_peer_init(&peer, false, TLS1_3_VERSION);
		SSL_CTX_set_ciphersuites(peer.ctx, i == 0 ? "TLS_AES_256_GCM_SHA384" : suites);
		peer.ssl = SSL_new(peer.ctx);
		peer.in = BIO_new(BIO_s_mem());
		peer.out = BIO_new(BIO_s_mem());
		SSL_set_bio(peer.ssl, peer.in, peer.out);
		SSL_set_connect_state(peer.ssl);
		if (session)
			SSL_set_session(peer.ssl, session);
		SSL_do_handshake(peer.ssl);
		rig_accept(&end, &site.rig, web);
		rig_pump(&end, &peer, SIZE_MAX);
		CU_ASSERT_EQUAL(end.ready_count, 1);
		CU_ASSERT(!end.info.is_resumed);
		CU_ASSERT_STRING_EQUAL(end.info.cipher, i == 0 ? "TLS_AES_256_GCM_SHA384"
							       : "TLS_AES_128_GCM_SHA256");
		rig_write(&end, "x", 1);
		rig_pump(&end, &peer, SIZE_MAX);
		SSL_read(peer.ssl, (uint8_t[1]){0}, 1);
		SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_SESSION_free(session);
		session = SSL_get1_session(peer.ssl);
		rig_end_free(&end);
		rig_peer_free(&peer);
	}
	SSL_SESSION_free(session);
	site_fini(&site);
}

// Each byte of the ticket, and each length.
static void an_altered_ticket_is_unknown(void)
{
	struct site site;
	SSL_SESSION *session = NULL;
	const uint8_t *ticket;
	size_t bytes = 1;
	site_init(&site, false);
	for (size_t at = 0; at < bytes; at++) {
		visit(&site, "a.test", &session);
		SSL_SESSION_get0_ticket(session, &ticket, &bytes);
		((uint8_t *)(uintptr_t)ticket)[at] ^= 0x80;
		CU_ASSERT(!visit(&site, "a.test", &session));
	}
	CU_ASSERT(visit(&site, "a.test", &session));
	SSL_SESSION_free(session);
	site_fini(&site);
}

// The ticket is part of our flight (RFC 8446 4.6.1), so it is there before the client's Finished is
// judged; who then says something else is told so behind it, and may yet resume: it has the secret.
static void a_ticket_comes_with_the_flight(void)
{
	struct site site;
	struct rig_peer peer;
	struct rig_end end;
	SSL_SESSION *session = NULL;
	site_init(&site, false);
	for (unsigned visits = 0; visits < 3; visits++) {
		char *wire = NULL;
		uint8_t byte;
		peer_start(&peer, "a.test", session);
		size_t bytes = (size_t)BIO_get_mem_data(peer.out, &wire);
		rig_accept(&end, &site.rig, web);
		CU_ASSERT_EQUAL(rig_receive(&end, wire, bytes, SIZE_MAX), bytes);
		BIO_write(peer.in, end.out, (int)end.out_end);
		CU_ASSERT_EQUAL(SSL_do_handshake(peer.ssl), 1);
		CU_ASSERT_EQUAL(SSL_session_reused(peer.ssl), visits > 0);
		const SSL_SESSION *without = SSL_get_session(peer.ssl);
		CU_ASSERT(SSL_read(peer.ssl, &byte, 1) <= 0);
		CU_ASSERT(SSL_get_session(peer.ssl) != without);
		CU_ASSERT(SSL_SESSION_is_resumable(SSL_get_session(peer.ssl)));
		CU_ASSERT_EQUAL(end.ready_count, 0);
		SSL_SESSION_free(session);
		session = SSL_SESSION_dup(SSL_get_session(peer.ssl)); // before an alert spoils it
		size_t before = end.out_end;
		rig_receive(&end, "\x17\3\3\0\x11zzzzzzzzzzzzzzzzz", 22, SIZE_MAX); // no Finished
		CU_ASSERT_EQUAL(end.reason, COUNTER_tls_bad_record_mac);
		BIO_write(peer.in, end.out + before, (int)(end.out_end - before));
		ERR_clear_error();
		CU_ASSERT(SSL_read(peer.ssl, &byte, 1) <= 0);
		CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET,
				SSL_AD_BAD_RECORD_MAC);
		rig_end_free(&end);
		rig_peer_free(&peer);
	}
	CU_ASSERT(visit(&site, "a.test", &session));
	SSL_SESSION_free(session);
	site_fini(&site);
}

UNIT_MAIN("tls_psk", {"a wrong binder ends the handshake", a_wrong_binder_ends_the_handshake},
	  {"a ticket serves its name only", a_ticket_serves_its_name_only},
	  {"a ticket lives two hours, and a chain of them a week",
	   a_ticket_lives_two_hours_and_a_chain_of_them_a_week},
	  {"OpenSSL's tickets and ours are strangers", openssls_tickets_and_ours_are_strangers},
	  {"a ticket of another hash is a full handshake",
	   a_ticket_of_another_hash_is_a_full_handshake},
	  {"an altered ticket is unknown", an_altered_ticket_is_unknown},
	  {"a ticket comes with the flight", a_ticket_comes_with_the_flight})
