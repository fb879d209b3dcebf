// SPDX-License-Identifier: Apache-2.0
// Which certificate and protocol a client gets, what happens while nobody knows, and certificates
// that change under live connections.
#include "tls_rig.h"
#include "unit.h"

#include <openssl/err.h>

struct talk { // one client at a listener
	struct rig_peer peer;
	struct rig_end end;
};

static void begin(struct talk *talk, struct rig *rig, const char *name)
{
	rig_peer_init(&talk->peer, false, TLS1_3_VERSION);
	rig_peer_start(&talk->peer, name);
	rig_accept(&talk->end, rig,
		   (struct tls_accept){.is_h2_offered = true, .is_http1_offered = true});
	rig_pump(&talk->end, &talk->peer, SIZE_MAX);
}

static void go_on(struct talk *talk, struct rig *rig)
{
	tls_run(rig->tls, 10);
	rig_pump(&talk->end, &talk->peer, SIZE_MAX);
}

static bool got(const struct talk *talk, const struct rig_pair *pair)
{
	X509 *shown = SSL_get0_peer_certificate(talk->peer.ssl);
	return talk->end.ready_count == 1 && shown && X509_cmp(shown, pair->certificate) == 0;
}

static void end(struct talk *talk)
{
	rig_end_free(&talk->end);
	rig_peer_free(&talk->peer);
}

// gets is begin, got and end in one.
static bool gets(struct rig *rig, const char *name, const struct rig_pair *pair)
{
	struct talk talk;
	begin(&talk, rig, name);
	bool is_got = got(&talk, pair);
	end(&talk);
	return is_got;
}

static struct rig_pair issue(const char *names)
{
	return rig_issue((struct rig_wish){.names = names});
}

static void names_choose_the_certificate(void)
{
	struct rig rig;
	struct rig_pair exact = issue("DNS:www.shop.test,DNS:Other.test,IP:192.0.2.1");
	struct rig_pair wild = issue("DNS:*.shop.test");
	struct rig_pair fallback = issue("DNS:default.test");
	rig_init_usual(&rig);
	rig.cannot_ask = true;
	rig_apply_cert(&rig, 1, false, &exact);
	rig_apply_cert(&rig, 2, false, &wild);
	rig_apply_cert(&rig, 3, true, &fallback);
	CU_ASSERT(gets(&rig, "www.shop.test", &exact));
	CU_ASSERT(gets(&rig, "WWW.SHOP.TEST", &exact));
	CU_ASSERT(gets(&rig, "other.test", &exact));
	CU_ASSERT(gets(&rig, "api.shop.test", &wild));
	CU_ASSERT(gets(&rig, "a.b.shop.test", &fallback)); // one label only
	CU_ASSERT(gets(&rig, "shop.test", &fallback));
	CU_ASSERT(gets(&rig, "*.shop.test", &fallback)); // not a host name
	CU_ASSERT(gets(&rig, NULL, &fallback));
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_certificates), 3);
	rig_remove(&rig, RECORD_CERT, 1);
	CU_ASSERT(gets(&rig, "www.shop.test", &wild));
	CU_ASSERT(gets(&rig, "other.test", &fallback));
	rig_fini(&rig);
	rig_pair_free(&exact);
	rig_pair_free(&wild);
	rig_pair_free(&fallback);
}

static int alert_of(struct talk *talk)
{
	ERR_clear_error();
	SSL_do_handshake(talk->peer.ssl);
	return ERR_GET_REASON(ERR_peek_error()) - SSL_AD_REASON_OFFSET;
}

// is_refused begins a handshake that must end with this counter.
static bool is_refused(struct rig *rig, const char *name, enum counter reason)
{
	struct talk talk;
	begin(&talk, rig, name);
	bool is = talk.end.ready_count == 0 && talk.end.closed_count == 1 &&
		  talk.end.reason == reason;
	end(&talk);
	return is;
}

static void nobody_s_name_is_refused_without_default(void)
{
	struct rig rig;
	struct talk talk;
	rig_init_usual(&rig);
	rig.cannot_ask = true;
	CU_ASSERT(is_refused(&rig, "x.test", COUNTER_tls_unrecognized_name));
	CU_ASSERT(is_refused(&rig, NULL, COUNTER_tls_no_certificate));
	rig_peer_init(&talk.peer, false, TLS1_3_VERSION);
	rig_peer_start(&talk.peer, "x.test");
	rig_accept(&talk.end, &rig, (struct tls_accept){.is_h2_offered = true});
	char *wire = NULL;
	long bytes = BIO_get_mem_data(talk.peer.out, &wire);
	rig_receive(&talk.end, wire, (size_t)bytes, SIZE_MAX);
	BIO_write(talk.peer.in, talk.end.out, (int)talk.end.out_end);
	CU_ASSERT_EQUAL(alert_of(&talk), SSL_AD_UNRECOGNIZED_NAME);
	end(&talk);
	rig_fini(&rig);
}

static void a_handshake_waits_for_the_certificate_that_was_asked_for(void)
{
	struct rig rig;
	struct talk talks[3];
	struct rig_pair pair = issue("DNS:new.test");
	struct rig_pair other = issue("DNS:unrelated.test");
	rig_init_usual(&rig);
	for (unsigned i = 0; i < 3; i++)
		begin(&talks[i], &rig, "new.test");
	CU_ASSERT_EQUAL(rig.wanted_count, 1); // asked once for all
	CU_ASSERT_STRING_EQUAL(rig.wanted, "new.test");
	rig_apply_cert(&rig, 5, false, &other);
	tls_run(rig.tls, 10);
	CU_ASSERT_EQUAL(talks[0].end.event_count, 0);
	CU_ASSERT(!tls_has_waiting(rig.tls));
	rig_apply_cert(&rig, 6, false, &pair);
	CU_ASSERT(tls_has_waiting(rig.tls));
	for (unsigned i = 0; i < 3; i++) {
		go_on(&talks[i], &rig);
		CU_ASSERT(got(&talks[i], &pair));
		end(&talks[i]);
	}
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits), 3);
	rig_fini(&rig);
	rig_pair_free(&pair);
	rig_pair_free(&other);
}

static void an_absence_is_remembered_for_its_lifetime(void)
{
	struct rig rig;
	struct talk talk;
	struct rig_pair fallback = issue("DNS:default.test");
	rig_init_usual(&rig);
	begin(&talk, &rig, "none.test");
	rig_apply_absent(&rig, "none.test", 1000);
	go_on(&talk, &rig);
	CU_ASSERT_EQUAL(talk.end.reason, COUNTER_tls_unrecognized_name);
	end(&talk);
	CU_ASSERT(is_refused(&rig, "none.test", COUNTER_tls_unrecognized_name));
	rig_apply_cert(&rig, 1, true, &fallback);
	CU_ASSERT(gets(&rig, "none.test", &fallback));
	CU_ASSERT_EQUAL(rig.wanted_count, 1);
	tls_set_time(rig.tls, 1000000 + 1000000, RIG_WALL_S);
	begin(&talk, &rig, "none.test"); // the absence is over: asked again
	CU_ASSERT_EQUAL(rig.wanted_count, 2);
	CU_ASSERT_EQUAL(talk.end.event_count, 0);
	end(&talk);
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "n%u.test", i);
		rig_apply_absent(&rig, name, 100000);
	}
	CU_ASSERT(gets(&rig, "n2999.test", &fallback));
	begin(&talk, &rig, "n1.test"); // forgotten: the number is bounded
	CU_ASSERT_EQUAL(rig.wanted_count, 3);
	end(&talk);
	rig_fini(&rig);
	rig_pair_free(&fallback);
}

static void waiting_is_bounded_in_time_and_number(void)
{
	struct rig rig;
	struct talk talks[5];
	struct rig_pair fallback = issue("DNS:default.test");
	static const char *const names[] = {"a.test", "b.test", "c.test", "d.test", "e.test"};
	rig_init_usual(&rig);
	rig_apply_cert(&rig, 1, true, &fallback);
	for (unsigned i = 0; i < 5; i++)
		begin(&talks[i], &rig, names[i]);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits), 4);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits_at_bound), 1);
	CU_ASSERT(got(&talks[4], &fallback));
	tls_set_time(rig.tls, 1000000 + 3000000, RIG_WALL_S);
	for (unsigned i = 0; i < 4; i++) {
		go_on(&talks[i], &rig);
		CU_ASSERT(got(&talks[i], &fallback));
	}
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits_timed_out), 4);
	CU_ASSERT(gets(&rig, "a.test", &fallback)); // the next one does not wait as well
	CU_ASSERT_EQUAL(rig.wanted_count, 4);
	for (unsigned i = 0; i < 5; i++)
		end(&talks[i]);
	rig_fini(&rig);
	rig_pair_free(&fallback);
}

// Without a certificate the hello goes on to OpenSSL, which looks for one too.
static void a_hello_that_may_not_wait_counts_once(void)
{
	struct rig rig;
	struct talk talks[5];
	static const char *const names[] = {"a.test", "b.test", "c.test", "d.test", "e.test"};
	rig_init_usual(&rig);
	for (unsigned i = 0; i < 5; i++)
		begin(&talks[i], &rig, names[i]);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits), 4);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_cert_waits_at_bound), 1);
	CU_ASSERT_EQUAL(talks[4].end.reason, COUNTER_tls_unrecognized_name);
	for (unsigned i = 0; i < 5; i++)
		end(&talks[i]);
	rig_fini(&rig);
}

static void the_handshake_s_own_deadline_ends_a_wait_too(void)
{
	struct rig rig;
	struct talk talk;
	rig_init_usual(&rig);
	begin(&talk, &rig, "slow.test");
	tls_set_time(rig.tls, 1000000 + 10000000, RIG_WALL_S);
	tls_run(rig.tls, 10);
	CU_ASSERT_EQUAL(talk.end.reason, COUNTER_tls_handshake_timeout);
	end(&talk);
	begin(&talk, &rig, "slow.test");
	rig_end_free(&talk.end); // the client left while it waited
	tls_set_time(rig.tls, 1000000 + 30000000, RIG_WALL_S);
	tls_run(rig.tls, 10);
	rig_peer_free(&talk.peer);
	rig_fini(&rig);
}

static void protocols_are_chosen_in_our_order(void)
{
	static const struct {
		const char *list;
		bool is_h2_offered;
		enum tls_alpn alpn;
	} cases[] = {
		{"\x08http/1.1\x02h2", true, TLS_ALPN_H2},
		{"\x08http/1.1", true, TLS_ALPN_HTTP1},
		{"\x08http/1.0", true, TLS_ALPN_HTTP1},
		{"\x02h2\x08http/1.1", false, TLS_ALPN_HTTP1},
		{NULL, true, TLS_ALPN_NONE},
	};
	struct rig rig;
	struct rig_pair pair = issue("DNS:a.test");
	rig_init_usual(&rig);
	rig_apply_cert(&rig, 1, true, &pair);
	for (unsigned i = 0; i < 4; i++) {
		struct talk talk;
		const char *list = cases[i].list;
		rig_peer_init(&talk.peer, false, TLS1_3_VERSION);
		if (list)
			SSL_CTX_set_alpn_protos(talk.peer.ctx, (const uint8_t *)list,
						(unsigned)strlen(list));
		rig_peer_start(&talk.peer, "a.test");
		rig_accept(&talk.end, &rig,
			   (struct tls_accept){.is_h2_offered = cases[i].is_h2_offered,
					       .is_http1_offered = true});
		rig_pump(&talk.end, &talk.peer, SIZE_MAX);
		CU_ASSERT_EQUAL(talk.end.ready_count, 1);
		CU_ASSERT_EQUAL(talk.end.info.alpn, cases[i].alpn);
		end(&talk);
	}
	rig_fini(&rig);
	rig_pair_free(&pair);
}

static void a_certificate_is_replaced_while_connections_live(void)
{
	struct rig rig;
	struct talk old, half;
	struct rig_pair first = issue("DNS:a.test");
	struct rig_pair second = issue("DNS:a.test");
	rig_init_usual(&rig);
	rig_apply_cert(&rig, 1, false, &first);
	begin(&old, &rig, "a.test");
	rig_peer_init(&half.peer, false, TLS1_3_VERSION);
	rig_peer_start(&half.peer, "a.test");
	rig_accept(&half.end, &rig, (struct tls_accept){.is_h2_offered = true});
	char *wire = NULL;
	long bytes = BIO_get_mem_data(half.peer.out, &wire);
	rig_receive(&half.end, wire, (size_t)bytes, SIZE_MAX); // our flight is out
	BIO_reset(half.peer.out);
	tls_mark(rig.tls);
	rig_apply_cert(&rig, 1, false, &second);
	tls_sweep(rig.tls);
	rig_pump(&half.end, &half.peer, SIZE_MAX);
	CU_ASSERT(got(&half, &first));
	CU_ASSERT(gets(&rig, "a.test", &second));
	SSL_write(old.peer.ssl, "still here", 10);
	rig_pump(&old.end, &old.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(old.end.plain_bytes, 10);
	tls_mark(rig.tls); // a full set without it
	tls_sweep(rig.tls);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_certificates), 0);
	SSL_write(old.peer.ssl, "and here", 8);
	rig_pump(&old.end, &old.peer, SIZE_MAX);
	CU_ASSERT_EQUAL(old.end.plain_bytes, 18);
	end(&old);
	end(&half);
	rig_fini(&rig);
	rig_pair_free(&first);
	rig_pair_free(&second);
}

static void the_least_used_certificate_makes_room(void)
{
	struct rig rig;
	struct rig_pair pairs[4];
	static const char *const names[] = {"DNS:a.test", "DNS:b.test", "DNS:c.test", "DNS:d.test"};
	rig_init(&rig, (struct tls_limits){.conn_count = 4,
					   .handshakes_at_once = 4,
					   .handshake_timeout_ms = 1000,
					   .certificate_count = 3});
	for (unsigned i = 0; i < 4; i++)
		pairs[i] = issue(names[i]);
	for (unsigned i = 0; i < 3; i++)
		rig_apply_cert(&rig, i + 1, i == 0, &pairs[i]);
	CU_ASSERT(gets(&rig, "c.test", &pairs[2]));
	CU_ASSERT(gets(&rig, "b.test", &pairs[1]));
	rig_apply_cert(&rig, 4, false, &pairs[3]); // a is the default and stays; c goes
	CU_ASSERT(gets(&rig, "b.test", &pairs[1]));
	CU_ASSERT(gets(&rig, "d.test", &pairs[3]));
	CU_ASSERT(gets(&rig, "c.test", &pairs[0]));
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_certificates_evicted), 1);
	rig_fini(&rig);
	for (unsigned i = 0; i < 4; i++)
		rig_pair_free(&pairs[i]);
}

static void rows_that_cannot_be_used_are_refused(void)
{
	struct rig rig;
	struct rig_pair a = issue("DNS:a.test");
	struct rig_pair b = issue("DNS:b.test");
	struct rig_pair mixed = {.chain_pem = a.chain_pem, .key_pem = b.key_pem};
	struct rig_pair text = {.chain_pem = (char *)"no certificate", .key_pem = a.key_pem};
	struct rig_pair no_key = {.chain_pem = a.chain_pem, .key_pem = (char *)"no key"};
	char *cut = strdup(a.chain_pem);
	cut[200] = '!';
	struct rig_pair broken = {.chain_pem = cut, .key_pem = a.key_pem};
	rig_init_usual(&rig);
	CU_ASSERT_PTR_NOT_NULL(rig_apply_cert(&rig, 1, true, &mixed));
	CU_ASSERT_PTR_NOT_NULL(rig_apply_cert(&rig, 1, true, &text));
	CU_ASSERT_PTR_NOT_NULL(rig_apply_cert(&rig, 1, true, &no_key));
	CU_ASSERT_PTR_NOT_NULL(rig_apply_cert(&rig, 1, true, &broken));
	CU_ASSERT_PTR_NOT_NULL(rig_apply_identity(&rig, 1, "spiffe://mesh.test/svc/a", &mixed));
	CU_ASSERT_PTR_NOT_NULL(rig_apply_trust(&rig, 1, &text));
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_row_refused), 6);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_certificates), 0);
	rig_fini(&rig);
	rig_pair_free(&a);
	rig_pair_free(&b);
	free(cut);
}

UNIT_MAIN("tls_select", {"names choose the certificate", names_choose_the_certificate},
	  {"nobody's name is refused without default", nobody_s_name_is_refused_without_default},
	  {"a handshake waits for the certificate that was asked for",
	   a_handshake_waits_for_the_certificate_that_was_asked_for},
	  {"an absence is remembered for its lifetime", an_absence_is_remembered_for_its_lifetime},
	  {"waiting is bounded in time and number", waiting_is_bounded_in_time_and_number},
	  {"a hello that may not wait counts once", a_hello_that_may_not_wait_counts_once},
	  {"the handshake's own deadline ends a wait too",
	   the_handshake_s_own_deadline_ends_a_wait_too},
	  {"protocols are chosen in our order", protocols_are_chosen_in_our_order},
	  {"a certificate is replaced while connections live",
	   a_certificate_is_replaced_while_connections_live},
	  {"the least used certificate makes room", the_least_used_certificate_makes_room},
	  {"rows that cannot be used are refused", rows_that_cannot_be_used_are_refused})
