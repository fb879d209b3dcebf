// SPDX-License-Identifier: Apache-2.0
// Hops between nodes: who is let in, who is refused and by which counter, in both directions,
// against ourselves and against OpenSSL.
#include "tls_peer.h"
#include "tls_rig.h"
#include "unit.h"

#define EDGE    "spiffe://" RIG_MESH "/edge/par/e1"
#define GATEWAY "spiffe://" RIG_MESH "/gateway/ams/g1"
#define SHOP    "spiffe://" RIG_MESH "/svc/shop"
#define CART    "spiffe://" RIG_MESH "/svc/cart"

// pair_of makes a leaf named name under ca.
static struct rig_pair pair_of(const struct rig_pair *ca, const char *name)
{
	char names[300];
	snprintf(names, sizeof(names), "URI:%s", name);
	return rig_issue((struct rig_wish){.issuer = ca, .names = names});
}

// node makes a worker with one identity.
static void node(struct rig *rig, const struct rig_pair *ca, const char *name)
{
	struct rig_pair pair = pair_of(ca, name);
	rig_init_usual(rig);
	CU_ASSERT_PTR_NULL(rig_apply_trust(rig, 1, ca));
	CU_ASSERT_PTR_NULL(rig_apply_identity(rig, 1, name, &pair));
	rig_pair_free(&pair);
}

static const struct tls_accept from_edges = {
	.is_mesh = true, .peer_roles = TLS_PEER_EDGE, .is_h2_offered = true};

// meet lets a caller and a callee meet; the callee accepts roles, the caller means peer.
static void meet(struct rig *caller, struct rig *callee, unsigned roles, const char *peer,
		 struct rig_end ends[2])
{
	rig_accept(
		&ends[1], callee,
		(struct tls_accept){.is_mesh = true, .peer_roles = roles, .is_h2_offered = true});
	rig_connect(&ends[0], caller,
		    (struct tls_connect){.server_name = "ams.gateway." RIG_MESH, .peer = peer});
	CU_ASSERT_PTR_NOT_NULL_FATAL(ends[0].conn);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ends[1].conn);
	rig_pump_both(&ends[0], &ends[1]);
}

static void part(struct rig_end ends[2])
{
	rig_end_free(&ends[0]);
	rig_end_free(&ends[1]);
}

static void the_meant_peers_meet_and_exchange_bytes(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig edge, gateway;
	struct rig_end ends[2];
	node(&edge, &ca, EDGE);
	node(&gateway, &ca, GATEWAY);
	const char *wanted[] = {GATEWAY, "spiffe://" RIG_MESH "/gateway/ams/"};
	for (unsigned i = 0; i < 2; i++) {
		meet(&edge, &gateway, TLS_PEER_EDGE | TLS_PEER_GATEWAY, wanted[i], ends);
		CU_ASSERT_EQUAL(ends[0].ready_count, 1);
		CU_ASSERT_EQUAL(ends[1].ready_count, 1);
		CU_ASSERT_STRING_EQUAL(ends[0].info.peer, GATEWAY);
		CU_ASSERT_STRING_EQUAL(ends[1].info.peer, EDGE);
		CU_ASSERT_STRING_EQUAL(ends[1].info.server_name, "ams.gateway." RIG_MESH);
		CU_ASSERT_EQUAL(ends[0].info.alpn, TLS_ALPN_H2);
		CU_ASSERT(ends[0].info.is_tls13 && !ends[0].info.is_resumed);
		CU_ASSERT_EQUAL(rig_write(&ends[0], "question", 8), 0);
		CU_ASSERT_EQUAL(rig_write(&ends[1], "answer", 6), 0);
		rig_pump_both(&ends[0], &ends[1]);
		CU_ASSERT_EQUAL(ends[1].plain_bytes, 8);
		CU_ASSERT_EQUAL(ends[0].plain_bytes, 6);
		CU_ASSERT(memcmp(ends[0].plain, "answer", 6) == 0);
		part(ends);
	}
	rig_fini(&edge);
	rig_fini(&gateway);
	rig_pair_free(&ca);
}

static void the_connector_refuses_a_peer_it_did_not_mean(void)
{
	static const char *const wanted[] = {"spiffe://" RIG_MESH "/gateway/par/", SHOP,
					     GATEWAY "2", "spiffe://" RIG_MESH "/gateway/ams/g"};
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig edge, gateway;
	struct rig_end ends[2];
	node(&edge, &ca, EDGE);
	node(&gateway, &ca, GATEWAY);
	for (unsigned i = 0; i < 4; i++) {
		meet(&edge, &gateway, TLS_PEER_EDGE, wanted[i], ends);
		CU_ASSERT_EQUAL(ends[0].ready_count, 0);
		CU_ASSERT_EQUAL(ends[0].reason, COUNTER_tls_peer_wrong_name);
		CU_ASSERT_EQUAL(ends[1].ready_count, 0);
		CU_ASSERT_EQUAL(ends[1].reason, COUNTER_tls_alert_certificate);
		part(ends);
	}
	CU_ASSERT_EQUAL(rig_count(&edge, COUNTER_tls_peer_wrong_name), 4);
	rig_fini(&edge);
	rig_fini(&gateway);
	rig_pair_free(&ca);
}

static void the_acceptor_refuses_a_role_that_may_not_call(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig sidecar, gateway;
	struct rig_end ends[2];
	node(&sidecar, &ca, SHOP);
	node(&gateway, &ca, GATEWAY);
	meet(&sidecar, &gateway, TLS_PEER_EDGE | TLS_PEER_GATEWAY, GATEWAY, ends);
	CU_ASSERT_EQUAL(ends[1].ready_count, 0);
	CU_ASSERT_EQUAL(ends[1].reason, COUNTER_tls_peer_wrong_role);
	// TLS 1.3: the caller was ready before it was refused.
	CU_ASSERT_EQUAL(ends[0].ready_count, 1);
	CU_ASSERT_EQUAL(ends[0].reason, COUNTER_tls_alert_certificate);
	CU_ASSERT_EQUAL(rig_count(&gateway, COUNTER_tls_peer_wrong_role), 1);
	part(ends);
	rig_fini(&sidecar);
	rig_fini(&gateway);
	rig_pair_free(&ca);
}

// refused lets OpenSSL call our gateway with pair (NULL: none) and returns the gateway's reason.
static enum counter refused(struct rig *gateway, const struct rig_pair *pair)
{
	struct rig_peer peer;
	struct rig_end end;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	if (pair)
		rig_peer_certify(&peer, pair);
	rig_peer_start(&peer, "ams.gateway." RIG_MESH);
	rig_accept(&end, gateway, from_edges);
	CU_ASSERT_PTR_NOT_NULL_FATAL(end.conn);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.ready_count + end.closed_count, 1);
	enum counter reason = end.ready_count ? COUNTER_COUNT : end.reason;
	if (!end.ready_count)
		CU_ASSERT_EQUAL(rig_count(gateway, reason), 1);
	char byte;
	CU_ASSERT(SSL_read(peer.ssl, &byte, 1) <= 0);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return reason;
}

static void each_bad_certificate_has_its_own_counter(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair other = rig_issue((struct rig_wish){.is_ca = true});
	const char *two = "URI:" EDGE ",URI:" EDGE "2";
	const struct {
		struct rig_wish wish;
		enum counter reason;
	} cases[] = {
		{{.issuer = &ca, .names = "URI:" EDGE ",DNS:e1.test"}, COUNTER_COUNT},
		{{.issuer = &other, .names = "URI:" EDGE}, COUNTER_tls_peer_other_ca},
		{{.issuer = NULL, .names = "URI:" EDGE}, COUNTER_tls_peer_other_ca},
		{{.issuer = &ca, .names = "URI:" EDGE, .to_s = RIG_WALL_S - 1},
		 COUNTER_tls_peer_expired},
		{{.issuer = &ca, .names = "URI:" EDGE, .from_s = RIG_WALL_S + 60},
		 COUNTER_tls_peer_not_yet_valid},
		{{.issuer = &ca, .names = "URI:" EDGE, .usage = "serverAuth"},
		 COUNTER_tls_peer_unfit},
		{{.issuer = &ca, .names = two}, COUNTER_tls_peer_no_name},
		{{.issuer = &ca, .names = "DNS:edge.test"}, COUNTER_tls_peer_no_name},
		{{.issuer = &ca}, COUNTER_tls_peer_no_name},
		{{.issuer = &ca, .names = "URI:https://" RIG_MESH "/edge/par/e1"},
		 COUNTER_tls_peer_no_name},
		{{.issuer = &ca, .names = "URI:spiffe://other.test/edge/par/e1"},
		 COUNTER_tls_peer_wrong_mesh},
		{{.issuer = &ca, .names = "URI:" SHOP}, COUNTER_tls_peer_wrong_role},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig gateway;
		struct rig_pair pair = rig_issue(cases[i].wish);
		node(&gateway, &ca, GATEWAY);
		CU_ASSERT_EQUAL(refused(&gateway, &pair), cases[i].reason);
		rig_fini(&gateway);
		rig_pair_free(&pair);
	}
	struct rig gateway;
	node(&gateway, &ca, GATEWAY);
	CU_ASSERT_EQUAL(refused(&gateway, NULL), COUNTER_tls_peer_no_certificate);
	rig_fini(&gateway);
	rig_pair_free(&ca);
	rig_pair_free(&other);
}

static void tls_1_2_and_tickets_do_not_exist_between_nodes(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair pair = pair_of(&ca, EDGE);
	struct rig gateway;
	struct rig_peer peer;
	struct rig_end end;
	node(&gateway, &ca, GATEWAY);
	rig_apply_ticket_key(&gateway, 1);
	rig_peer_init(&peer, false, TLS1_2_VERSION);
	rig_peer_certify(&peer, &pair);
	rig_peer_start(&peer, NULL);
	rig_accept(&end, &gateway, from_edges);
	rig_pump(&end, &peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_no_shared_version);
	rig_end_free(&end);
	rig_peer_free(&peer);

	rig_peer_init(&peer, false, TLS1_3_VERSION);
	rig_peer_certify(&peer, &pair);
	rig_peer_start(&peer, NULL);
	rig_accept(&end, &gateway, from_edges);
	rig_pump(&end, &peer, SIZE_MAX);
	char byte;
	CU_ASSERT_EQUAL(SSL_read(peer.ssl, &byte, 1), -1);
	CU_ASSERT_EQUAL(end.ready_count, 1);
	CU_ASSERT(!SSL_SESSION_is_resumable(SSL_get0_session(peer.ssl)));
	rig_end_free(&end);
	rig_peer_free(&peer);
	rig_fini(&gateway);
	rig_pair_free(&pair);
	rig_pair_free(&ca);
}

static void a_sidecar_shows_the_identity_that_the_name_asks_for(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair cart = pair_of(&ca, CART);
	struct rig gateway, sidecar;
	struct rig_end a, b;
	node(&gateway, &ca, GATEWAY);
	node(&sidecar, &ca, SHOP);
	CU_ASSERT_PTR_NULL(rig_apply_identity(&sidecar, 2, CART, &cart));
	for (unsigned i = 0; i < 2; i++) {
		rig_accept(&b, &sidecar,
			   (struct tls_accept){.is_mesh = true, .peer_roles = TLS_PEER_GATEWAY});
		rig_connect(&a, &gateway,
			    (struct tls_connect){.server_name = i ? "cart.svc." RIG_MESH
								  : "shop.svc." RIG_MESH,
						 .peer = i ? CART : SHOP});
		rig_pump_both(&a, &b);
		CU_ASSERT_EQUAL(a.ready_count, 0); // no protocol in common: h2 is not offered
		CU_ASSERT_EQUAL(b.reason, COUNTER_tls_no_shared_protocol);
		rig_end_free(&a);
		rig_end_free(&b);
		rig_accept(&b, &sidecar,
			   (struct tls_accept){.is_mesh = true,
					       .peer_roles = TLS_PEER_GATEWAY,
					       .is_h2_offered = true});
		rig_connect(&a, &gateway,
			    (struct tls_connect){.server_name = i ? "cart.svc." RIG_MESH
								  : "shop.svc." RIG_MESH,
						 .peer = i ? CART : SHOP});
		rig_pump_both(&a, &b);
		CU_ASSERT_EQUAL(a.ready_count, 1);
		CU_ASSERT_STRING_EQUAL(a.info.peer, i ? CART : SHOP);
		rig_end_free(&a);
		rig_end_free(&b);
	}
	rig_fini(&gateway);
	rig_fini(&sidecar);
	rig_pair_free(&cart);
	rig_pair_free(&ca);
}

static void we_call_openssl_and_skip_its_tickets(void)
{
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};
	static const uint8_t text[5000] = {7};
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair pair = pair_of(&ca, GATEWAY);
	struct rig edge;
	node(&edge, &ca, EDGE);
	for (unsigned i = 0; i < 6; i++) {
		struct rig_peer peer;
		struct rig_end end;
		uint8_t got[sizeof(text)];
		size_t chunk = i < 3 ? 1 : SIZE_MAX;
		rig_peer_init(&peer, true, TLS1_3_VERSION);
		rig_peer_certify(&peer, &pair);
		SSL_CTX_set_ciphersuites(peer.ctx, suites[i % 3]);
		SSL_CTX_set_num_tickets(peer.ctx, 5);
		rig_peer_start(&peer, NULL);
		rig_connect(&end, &edge, (struct tls_connect){.server_name = "x", .peer = GATEWAY});
		rig_pump(&end, &peer, chunk);
		CU_ASSERT_EQUAL(peer.last, 1);
		CU_ASSERT_EQUAL_FATAL(end.ready_count, 1);
		CU_ASSERT_STRING_EQUAL(end.info.cipher, suites[i % 3]);
		SSL_write(peer.ssl, text, sizeof(text));
		SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
		SSL_write(peer.ssl, text, sizeof(text));
		rig_pump(&end, &peer, chunk);
		CU_ASSERT_EQUAL(end.plain_bytes, 2 * sizeof(text));
		CU_ASSERT_EQUAL(rig_write(&end, text, sizeof(text)), 0);
		rig_pump(&end, &peer, chunk);
		CU_ASSERT_EQUAL(SSL_read(peer.ssl, got, sizeof(got)), sizeof(got));
		CU_ASSERT(memcmp(got, text, sizeof(got)) == 0);
		CU_ASSERT_EQUAL(end.closed_count, 0);
		rig_end_free(&end);
		rig_peer_free(&peer);
	}
	rig_fini(&edge);
	rig_pair_free(&pair);
	rig_pair_free(&ca);
}

static void without_identity_or_trust_nothing_starts(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair pair = pair_of(&ca, EDGE);
	struct rig rig;
	struct rig_end end;
	rig_init_usual(&rig);
	rig_accept(&end, &rig, from_edges);
	CU_ASSERT_PTR_NULL(end.conn);
	tls_mark(rig.tls);
	rig_apply_identity(&rig, 1, EDGE, &pair);
	rig_accept(&end, &rig, from_edges);
	CU_ASSERT_PTR_NULL(end.conn);
	rig_apply_trust(&rig, 1, &ca);
	rig_connect(&end, &rig,
		    (struct tls_connect){.server_name = "x", .peer = SHOP, .identity = CART});
	CU_ASSERT_PTR_NULL(end.conn);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_no_identity), 3);
	rig_accept(&end, &rig, from_edges);
	CU_ASSERT_PTR_NOT_NULL(end.conn);
	rig_end_free(&end);
	tls_mark(rig.tls); // a full set without them
	tls_sweep(rig.tls);
	rig_accept(&end, &rig, from_edges);
	CU_ASSERT_PTR_NULL(end.conn);
	CU_ASSERT_EQUAL(rig_count(&rig, COUNTER_tls_identities), 0);
	rig_fini(&rig);
	rig_pair_free(&pair);
	rig_pair_free(&ca);
}

static void a_new_bundle_ends_the_old_ca_at_once(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair next = rig_issue((struct rig_wish){.is_ca = true});
	struct rig edge, gateway;
	struct rig_end ends[2];
	node(&edge, &ca, EDGE);
	node(&gateway, &ca, GATEWAY);
	rig_apply_trust(&gateway, 2, &next);
	meet(&edge, &gateway, TLS_PEER_EDGE, GATEWAY, ends);
	CU_ASSERT_EQUAL(ends[1].reason, COUNTER_tls_peer_other_ca);
	part(ends);
	rig_fini(&edge);
	rig_fini(&gateway);
	rig_pair_free(&ca);
	rig_pair_free(&next);
}

static void names_are_read_strictly(void)
{
	static const struct {
		const char *name;
		enum tls_peer_form form;
		unsigned role;
	} cases[] = {
		{EDGE, TLS_PEER_FORM_OK, TLS_PEER_EDGE},
		{GATEWAY, TLS_PEER_FORM_OK, TLS_PEER_GATEWAY},
		{SHOP, TLS_PEER_FORM_OK, TLS_PEER_SERVICE},
		{"spiffe://other/svc/shop", TLS_PEER_FORM_OTHER, 0},
		{"spiffe://" RIG_MESH ".evil/svc/shop", TLS_PEER_FORM_OTHER, 0},
		{"spiffe:///svc/shop", TLS_PEER_FORM_OTHER, 0},
		{"SPIFFE://" RIG_MESH "/svc/shop", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/svc/shop/", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/svc//shop", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/svc/..", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/svc/sh%6fp", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/svc/shop?x", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/edge/par", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH "/admin/par/e1", TLS_PEER_FORM_BAD, 0},
		{"spiffe://" RIG_MESH, TLS_PEER_FORM_BAD, 0},
		{"", TLS_PEER_FORM_BAD, 0},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned role = 0;
		CU_ASSERT_EQUAL(tls_peer_parse(slice_str(cases[i].name), SLICE(RIG_MESH), &role),
				cases[i].form);
		CU_ASSERT_EQUAL(role, cases[i].role);
	}
}

UNIT_MAIN("tls_peer",
	  {"the meant peers meet and exchange bytes", the_meant_peers_meet_and_exchange_bytes},
	  {"the connector refuses a peer it did not mean",
	   the_connector_refuses_a_peer_it_did_not_mean},
	  {"the acceptor refuses a role that may not call",
	   the_acceptor_refuses_a_role_that_may_not_call},
	  {"each bad certificate has its own counter", each_bad_certificate_has_its_own_counter},
	  {"tls 1.2 and tickets do not exist between nodes",
	   tls_1_2_and_tickets_do_not_exist_between_nodes},
	  {"a sidecar shows the identity that the name asks for",
	   a_sidecar_shows_the_identity_that_the_name_asks_for},
	  {"we call openssl and skip its tickets", we_call_openssl_and_skip_its_tickets},
	  {"without identity or trust nothing starts", without_identity_or_trust_nothing_starts},
	  {"a new bundle ends the old ca at once", a_new_bundle_ends_the_old_ca_at_once},
	  {"names are read strictly", names_are_read_strictly})
