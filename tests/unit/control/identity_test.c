// SPDX-License-Identifier: Apache-2.0
// The CA and its members through a real store: who is admitted, who is refused, and what a
// certificate looks like to OpenSSL.
#include "authority.h"
#include "control_fixture.h"
#include "keyfile.h"
#include "member.h"

#include <openssl/x509v3.h>

#define NOW_S  1800000000ull
#define LIFE_S 86400ull

struct world {
	struct fixture f; // registry
	struct store *local;
	struct authority *authority;
	struct member_options member;
	char token_path[128];
	bool is_on_node;
	bool is_late; // the instance is known only after one more look at the registry
};

static bool on_node(void *user, const char *service, const char *node)
{
	const struct world *w = user;
	return w->is_on_node && strcmp(service, "shop") == 0 && strcmp(node, "side-1") == 0;
}

static bool served(void *, const char *host)
{
	return strcmp(host, "shop.example") == 0;
}

static void catch_up(void *user)
{
	struct world *w = user;
	w->is_on_node |= w->is_late;
}

static void open_authority(struct world *w)
{
	char error[STORE_ERROR_BYTES] = "";
	struct authority_options options = {w->f.store, w->f.dir, "mesh.example", LIFE_S,
					    on_node,    served,   catch_up,       w};
	w->authority = authority_open(&options, NOW_S, error);
	if (!w->authority)
		printf("# %s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->authority);
}

static void world_open(struct world *w, const char *node, const char *name)
{
	memset(w, 0, sizeof(*w));
	fixture_open(&w->f);
	w->local = fixture_store(&w->f, "state.db");
	w->is_on_node = true;
	fixture_path(&w->f, "token", w->token_path);
	open_authority(w);
	w->member = (struct member_options){w->f.store, w->local, node, name, w->token_path, NULL};
}

static void world_close(struct world *w)
{
	authority_close(w->authority);
	store_close(w->local);
	fixture_close(&w->f);
}

static void give_token(struct world *w, const char *node, const char *role, uint64_t end_s)
{
	struct row_member member = {.location = "par"};
	char text[TOKEN_TEXT_BYTES];
	row_copy_text(member.node, sizeof(member.node), node);
	row_copy_text(member.role, sizeof(member.role), role);
	CU_ASSERT_EQUAL(authority_token(w->authority, &member, end_s, text), STORE_OK);
	CU_ASSERT(keyfile_write(NULL, w->token_path, text, 0600));
}

// seek asks, lets the CA answer, takes the answer. True when the slot has something new.
static bool seek(struct world *w, const char *slot, uint64_t now_s)
{
	member_seek(&w->member, slot, now_s);
	authority_run(w->authority, now_s);
	return member_seek(&w->member, slot, now_s);
}

static struct row_secret secret_of(struct world *w, const char *slot)
{
	struct row_secret secret;
	store_read(w->local, STORE_secret, slot, &secret, NULL);
	return secret;
}

static void a_token_admits_its_node_under_the_name_the_ca_knows(void)
{
	struct world w;
	char uri[PKI_NAME_BYTES];
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	struct row_secret secret = secret_of(&w, "node");
	X509 *cert = pki_cert_read(secret.chain);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cert);
	CU_ASSERT(pki_uri(cert, uri));
	CU_ASSERT_STRING_EQUAL(uri, "spiffe://mesh.example/edge/par/edge-1");
	X509_free(cert);
	world_close(&w);
}

static void a_certificate_has_the_profile_of_an_svid(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	struct row_secret secret = secret_of(&w, "node");
	X509 *cert = pki_cert_read(secret.chain);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cert);
	CU_ASSERT_EQUAL(X509_NAME_entry_count(X509_get_subject_name(cert)), 0);
	int critical = -1;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	CU_ASSERT_EQUAL(sk_GENERAL_NAME_num(names), 1);
	CU_ASSERT_EQUAL(critical, 1);
	GENERAL_NAMES_free(names);
	CU_ASSERT_EQUAL(X509_check_ca(cert), 0);
	CU_ASSERT_EQUAL(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	CU_ASSERT_EQUAL(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
	CU_ASSERT_EQUAL(pki_end_s(cert), NOW_S + LIFE_S);
	CU_ASSERT_EQUAL(pki_begin_s(cert), NOW_S - PKI_SKEW_S);
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get_serialNumber(cert), NULL);
	CU_ASSERT(BN_num_bits(serial) > 120);
	BN_free(serial);
	struct row_trust trust;
	store_read(w.f.store, STORE_trust, "bundle", &trust, NULL);
	CU_ASSERT_PTR_NULL(pki_verify(secret.chain, trust.bundle, NOW_S + 1));
	CU_ASSERT_PTR_NOT_NULL(pki_verify(secret.chain, trust.bundle, NOW_S + LIFE_S + 1));
	CU_ASSERT_PTR_NOT_NULL(pki_verify(secret.chain, trust.development, NOW_S + 1));
	X509_free(cert);
	world_close(&w);
}

static void check_refusal(struct world *w, const char *slot, uint64_t now_s, const char *why)
{
	struct row_svid svid;
	char key[STORE_KEY_BYTES];
	member_seek(&w->member, slot, now_s);
	authority_run(w->authority, now_s);
	snprintf(key, sizeof(key), "%s/%s", w->member.node, slot);
	CU_ASSERT_EQUAL(store_read(w->f.store, STORE_svid, key, &svid, NULL), STORE_OK);
	if (strcmp(svid.refusal, why) != 0)
		printf("# refused: '%s'\n", svid.refusal);
	CU_ASSERT_STRING_EQUAL(svid.refusal, why);
	CU_ASSERT_STRING_EQUAL(svid.chain, "");
	CU_ASSERT(!member_seek(&w->member, slot, now_s));
	CU_ASSERT_STRING_EQUAL(secret_of(w, slot).chain, "");
}

static void a_token_is_good_once(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	store_remove(w.local, STORE_secret, "node"); // somebody else with the same file
	check_refusal(&w, "node", NOW_S + 1, "join token: used before");
	world_close(&w);
}

static void a_token_expires(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	check_refusal(&w, "node", NOW_S + 60, "join token: expired");
	world_close(&w);
}

static void a_token_of_another_node_is_refused(void)
{
	struct world w;
	world_open(&w, "edge-2", "spiffe://mesh.example/edge/par/edge-2");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	check_refusal(&w, "node", NOW_S, "join token: made for another node");
	world_close(&w);
}

static void a_token_nobody_made_and_a_forged_one_are_refused(void)
{
	struct world w;
	char *text;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	text = keyfile_read(NULL, w.token_path);
	text[strlen(text) - 1] ^= 1; // right id, wrong secret
	CU_ASSERT(keyfile_write(NULL, w.token_path, text, 0600));
	check_refusal(&w, "node", NOW_S, "join token: the proof is wrong");
	text[0] ^= 1;
	CU_ASSERT(keyfile_write(NULL, w.token_path, text, 0600));
	check_refusal(&w, "node", NOW_S + MEMBER_RETRY_S, "join token: unknown");
	keyfile_free(text);
	world_close(&w);
}

static void the_registry_holds_no_secret_of_a_token(void)
{
	struct world w;
	char command[256];
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	member_seek(&w.member, "node", NOW_S); // the request is in the registry now
	snprintf(command, sizeof(command), "! cat %s/registry.db* | grep -qa \"$(cut -d. -f2 %s)\"",
		 w.f.dir, w.token_path);
	CU_ASSERT_EQUAL(system(command), 0);
	snprintf(command, sizeof(command), "! cat %s/registry.db* | grep -qa 'PRIVATE KEY'",
		 w.f.dir);
	CU_ASSERT_EQUAL(system(command), 0);
	world_close(&w);
}

static void a_node_renews_at_half_life_by_its_own_key(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	unlink(w.token_path);
	struct row_secret before = secret_of(&w, "node");
	CU_ASSERT(!seek(&w, "node", NOW_S + LIFE_S * 2 / 5));
	CU_ASSERT(seek(&w, "node", NOW_S + LIFE_S * 3 / 5));
	struct row_secret after = secret_of(&w, "node");
	CU_ASSERT_STRING_NOT_EQUAL(before.key, after.key);
	CU_ASSERT_EQUAL(after.end_s, NOW_S + LIFE_S * 3 / 5 + LIFE_S);
	world_close(&w);
}

static void a_node_whose_identity_expired_must_join_again(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	unlink(w.token_path);
	CU_ASSERT(!seek(&w, "node", NOW_S + LIFE_S + 1));
	give_token(&w, "edge-1", "edge", NOW_S + LIFE_S + 600);
	CU_ASSERT(seek(&w, "node", NOW_S + LIFE_S + 10));
	world_close(&w);
}

static void nobody_renews_for_another_node(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	struct row_member victim = {.node = "gw-1", .role = "gateway", .location = "fra"};
	store_put(w.f.store, STORE_member, "gw-1", &victim, STORE_ANY);
	// A request in gw-1's name, proved by edge-1's key.
	struct row_secret secret = secret_of(&w, "node");
	struct row_csr csr = {.node = "gw-1", .slot = "node"};
	EVP_PKEY *key = pki_key_read(secret.key);
	char *text = pki_csr_text(key);
	row_copy_text(csr.csr, sizeof(csr.csr), text);
	memcpy(csr.chain, secret.chain, sizeof(csr.chain));
	CU_ASSERT(pki_sign(key, text, csr.proof));
	store_put(w.f.store, STORE_csr, "gw-1/node", &csr, STORE_ANY);
	authority_run(w.authority, NOW_S);
	struct row_svid svid;
	CU_ASSERT_EQUAL(store_read(w.f.store, STORE_svid, "gw-1/node", &svid, NULL), STORE_OK);
	CU_ASSERT_STRING_EQUAL(svid.refusal, "identity: of another node");
	free(text);
	EVP_PKEY_free(key);
	world_close(&w);
}

static void a_removed_member_is_not_renewed(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	unlink(w.token_path);
	store_remove(w.f.store, STORE_member, "edge-1");
	CU_ASSERT(!seek(&w, "node", NOW_S + LIFE_S * 3 / 5));
	CU_ASSERT_EQUAL(secret_of(&w, "node").end_s, NOW_S + LIFE_S); // the old one is still shown
	world_close(&w);
}

static void a_sidecar_gets_the_names_of_services_on_its_node_only(void)
{
	struct world w;
	char uri[PKI_NAME_BYTES];
	world_open(&w, "side-1", "spiffe://mesh.example/sidecar/par/side-1");
	give_token(&w, "side-1", "sidecar", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	CU_ASSERT(seek(&w, "svc/shop", NOW_S));
	struct row_secret secret = secret_of(&w, "svc/shop");
	X509 *cert = pki_cert_read(secret.chain);
	CU_ASSERT(cert && pki_uri(cert, uri));
	CU_ASSERT_STRING_EQUAL(uri, "spiffe://mesh.example/svc/shop");
	X509_free(cert);
	check_refusal(&w, "svc/bank", NOW_S, "service: no instance on this node");
	check_refusal(&w, "dns/shop.example", NOW_S, "host: only an edge may have its name");
	check_refusal(&w, "everything", NOW_S, "no such kind of name");
	world_close(&w);
}

static void a_request_that_is_seen_before_its_instance_is_granted(void)
{
	struct world w;
	world_open(&w, "side-1", "spiffe://mesh.example/sidecar/par/side-1");
	give_token(&w, "side-1", "sidecar", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	w.is_on_node = false, w.is_late = true;
	CU_ASSERT(seek(&w, "svc/shop", NOW_S));
	world_close(&w);
}

static void an_edge_may_not_have_a_services_name(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	check_refusal(&w, "svc/shop", NOW_S, "service: only a sidecar may have its name");
	world_close(&w);
}

static void an_edge_gets_development_certificates_of_hosts_that_are_served(void)
{
	struct world w;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	CU_ASSERT(seek(&w, "node", NOW_S));
	CU_ASSERT(seek(&w, "dns/shop.example", NOW_S));
	struct row_secret secret = secret_of(&w, "dns/shop.example");
	struct row_trust trust;
	store_read(w.f.store, STORE_trust, "bundle", &trust, NULL);
	CU_ASSERT_PTR_NULL(pki_verify(secret.chain, trust.development, NOW_S + 1));
	CU_ASSERT_PTR_NOT_NULL(pki_verify(secret.chain, trust.bundle, NOW_S + 1));
	X509 *cert = pki_cert_read(secret.chain);
	CU_ASSERT_EQUAL(X509_check_host(cert, "shop.example", 0, 0, NULL), 1);
	CU_ASSERT_NOT_EQUAL(X509_check_host(cert, "bank.example", 0, 0, NULL), 1);
	X509_free(cert);
	check_refusal(&w, "dns/bank.example", NOW_S, "host: nobody serves it");
	world_close(&w);
}

static void the_names_in_a_request_are_ignored(void)
{
	struct world w;
	char path[128];
	char command[512];
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	fixture_path(&w.f, "csr", path);
	snprintf(command, sizeof(command),
		 "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
		 "%s.key "
		 "-subj /CN=root -addext "
		 "'subjectAltName=URI:spiffe://mesh.example/gateway/fra/gw-1' "
		 "-out %s 2>/dev/null",
		 path, path);
	CU_ASSERT_EQUAL(system(command), 0);
	char *text = keyfile_read(NULL, path);
	char *token = keyfile_read(NULL, w.token_path);
	struct row_csr csr = {.node = "edge-1", .slot = "node"};
	row_copy_text(csr.csr, sizeof(csr.csr), text);
	CU_ASSERT(token_id(token, csr.token_id, sizeof(csr.token_id)));
	token_prove(token, csr.csr, csr.proof);
	store_put(w.f.store, STORE_csr, "edge-1/node", &csr, STORE_ANY);
	authority_run(w.authority, NOW_S);
	struct row_svid svid;
	char uri[PKI_NAME_BYTES] = "";
	CU_ASSERT_EQUAL(store_read(w.f.store, STORE_svid, "edge-1/node", &svid, NULL), STORE_OK);
	X509 *cert = pki_cert_read(svid.chain);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cert);
	CU_ASSERT(pki_uri(cert, uri));
	CU_ASSERT_STRING_EQUAL(uri, "spiffe://mesh.example/edge/par/edge-1");
	X509_free(cert);
	keyfile_free(text);
	keyfile_free(token);
	world_close(&w);
}

static void a_ca_that_starts_again_is_the_same(void)
{
	struct world w;
	struct row_trust before;
	struct row_trust after;
	char command[256];
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	store_read(w.f.store, STORE_trust, "bundle", &before, NULL);
	give_token(&w, "edge-1", "edge", NOW_S + 60);
	authority_close(w.authority);
	open_authority(&w);
	store_read(w.f.store, STORE_trust, "bundle", &after, NULL);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	CU_ASSERT(seek(&w, "node", NOW_S)); // a token of before is still good
	snprintf(command, sizeof(command),
		 "cd %s && test \"$(stat -c %%a ca-key.pem development-ca-key.pem join-secret "
		 "state.db registry.db | sort -u)\" = 600",
		 w.f.dir);
	CU_ASSERT_EQUAL(system(command), 0);
	world_close(&w);
}

static void count_row(void *user, const struct store_row *)
{
	++*(unsigned *)user;
}

static void ticket_keys_rotate_and_three_are_kept(void)
{
	struct world w;
	unsigned count = 0;
	world_open(&w, "edge-1", "spiffe://mesh.example/edge/par/edge-1");
	authority_run(w.authority, NOW_S);
	authority_run(w.authority, NOW_S + 100);
	store_list(w.f.store, STORE_ticket_key, count_row, &count, NULL);
	CU_ASSERT_EQUAL(count, 1);
	for (unsigned i = 1; i < 8; i++)
		authority_run(w.authority, NOW_S + i * AUTHORITY_TICKET_PERIOD_S);
	count = 0;
	store_list(w.f.store, STORE_ticket_key, count_row, &count, NULL);
	CU_ASSERT_EQUAL(count, AUTHORITY_TICKET_KEY_COUNT);
	world_close(&w);
}

static void a_fleet_does_not_renew_at_once(void)
{
	uint64_t least = UINT64_MAX;
	uint64_t most = 0;
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t at = member_renew_s(NOW_S + i, NOW_S + i + LIFE_S) - (NOW_S + i);
		least = at < least ? at : least;
		most = at > most ? at : most;
	}
	CU_ASSERT(least >= LIFE_S * 45 / 100);
	CU_ASSERT(most <= LIFE_S * 55 / 100 + 1);
	CU_ASSERT(most - least > LIFE_S / 20);
}

UNIT_MAIN("identity",
	  {"a token admits its node under the name the CA knows",
	   a_token_admits_its_node_under_the_name_the_ca_knows},
	  {"a certificate has the profile of an SVID", a_certificate_has_the_profile_of_an_svid},
	  {"a token is good once", a_token_is_good_once}, {"a token expires", a_token_expires},
	  {"a token of another node is refused", a_token_of_another_node_is_refused},
	  {"a token nobody made and a forged one are refused",
	   a_token_nobody_made_and_a_forged_one_are_refused},
	  {"the registry holds no secret of a token", the_registry_holds_no_secret_of_a_token},
	  {"a node renews at half-life by its own key", a_node_renews_at_half_life_by_its_own_key},
	  {"a node whose identity expired must join again",
	   a_node_whose_identity_expired_must_join_again},
	  {"nobody renews for another node", nobody_renews_for_another_node},
	  {"a removed member is not renewed", a_removed_member_is_not_renewed},
	  {"a sidecar gets the names of services on its node only",
	   a_sidecar_gets_the_names_of_services_on_its_node_only},
	  {"a request that is seen before its instance is granted",
	   a_request_that_is_seen_before_its_instance_is_granted},
	  {"an edge may not have a service's name", an_edge_may_not_have_a_services_name},
	  {"an edge gets development certificates of hosts that are served",
	   an_edge_gets_development_certificates_of_hosts_that_are_served},
	  {"the names in a request are ignored", the_names_in_a_request_are_ignored},
	  {"a CA that starts again is the same", a_ca_that_starts_again_is_the_same},
	  {"ticket keys rotate and three are kept", ticket_keys_rotate_and_three_are_kept},
	  {"a fleet does not renew at once", a_fleet_does_not_renew_at_once})
