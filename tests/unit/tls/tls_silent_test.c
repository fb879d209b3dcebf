// SPDX-License-Identifier: Apache-2.0
// What a server keeps of clients that connect and say nothing: none of OpenSSL's memory. Its
// objects are counted as they are made; SSL_new is wrapped by the linker, in this program alone.
#include "tls_rig.h"
#include "unit.h"

#define EDGE "spiffe://" RIG_MESH "/edge/par/e1"

static unsigned made_count;
static bool is_refused; // the next one is

SSL *__real_SSL_new(SSL_CTX *ctx);
SSL *__wrap_SSL_new(SSL_CTX *ctx);

SSL *__wrap_SSL_new(SSL_CTX *ctx)
{
	made_count++;
	return is_refused ? NULL : __real_SSL_new(ctx);
}

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};
static const struct tls_accept from_edges = {
	.is_mesh = true, .peer_roles = TLS_PEER_EDGE, .is_h2_offered = true};

// A worker with a public certificate and an identity between nodes.
struct node {
	struct rig rig;
	struct rig_pair site, ca, edge;
};

static void node_init(struct node *node)
{
	rig_init_usual(&node->rig);
	node->site = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	node->ca = rig_issue((struct rig_wish){.is_ca = true});
	node->edge = rig_issue((struct rig_wish){.issuer = &node->ca, .names = "URI:" EDGE});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&node->rig, 1, true, &node->site));
	CU_ASSERT_PTR_NULL(rig_apply_trust(&node->rig, 1, &node->ca));
	CU_ASSERT_PTR_NULL(rig_apply_identity(&node->rig, 2, EDGE, &node->edge));
	made_count = 0;
}

static void node_fini(struct node *node)
{
	rig_fini(&node->rig);
	rig_pair_free(&node->site);
	rig_pair_free(&node->ca);
	rig_pair_free(&node->edge);
}

static void who_says_nothing_costs_no_object_and_times_out(void)
{
	struct node node;
	struct rig_end ends[2];
	node_init(&node);
	rig_accept(&ends[0], &node.rig, web);
	rig_accept(&ends[1], &node.rig, from_edges);
	CU_ASSERT_EQUAL(rig_count(&node.rig, COUNTER_tls_handshakes), 2);
	tls_run(node.rig.tls, 10);
	CU_ASSERT(!tls_has_waiting(node.rig.tls));
	tls_set_time(node.rig.tls, UINT32_MAX, RIG_WALL_S);
	tls_run(node.rig.tls, 10);
	CU_ASSERT_EQUAL(made_count, 0);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(ends[i].closed_count, 1);
		CU_ASSERT_EQUAL(ends[i].reason, COUNTER_tls_handshake_timeout);
		rig_end_free(&ends[i]);
	}
	CU_ASSERT_EQUAL(rig_count(&node.rig, COUNTER_tls_handshakes), 0);
	node_fini(&node);
}

static void the_first_byte_makes_it_once(void)
{
	struct node node;
	struct rig_end end;
	struct rig_peer peer;
	node_init(&node);
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	rig_peer_start(&peer, "a.test");
	rig_accept(&end, &node.rig, web);
	made_count = 0; // the peer has one, too
	char *wire = NULL;
	CU_ASSERT_FATAL(BIO_get_mem_data(peer.out, &wire) > 1);
	CU_ASSERT_EQUAL(rig_receive(&end, wire, 1, 1), 1);
	CU_ASSERT_EQUAL(made_count, !rig_is_own());
	CU_ASSERT_EQUAL(BIO_read(peer.out, (char[1]){0}, 1), 1);
	rig_pump(&end, &peer, 1);
	CU_ASSERT_EQUAL(end.ready_count, 1);
	CU_ASSERT_EQUAL(made_count, !rig_is_own()); // a handshake of ours needs none
	rig_end_free(&end);
	rig_peer_free(&peer);
	node_fini(&node);
}

static void without_memory_for_it_the_connection_ends(void)
{
	struct node node;
	struct rig_end end;
	node_init(&node);
	rig_accept(&end, &node.rig, web);
	CU_ASSERT_PTR_NOT_NULL_FATAL(end.conn);
	is_refused = true;
	CU_ASSERT_EQUAL(rig_receive(&end, "GET", 3, SIZE_MAX), 3); // never ours
	is_refused = false;
	CU_ASSERT_EQUAL(end.closed_count, 1);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_openssl_refused);
	rig_end_free(&end);
	node_fini(&node);
}

static void an_identity_that_went_meanwhile_is_missed(void)
{
	struct node node;
	struct rig_end end;
	node_init(&node);
	rig_accept(&end, &node.rig, from_edges);
	rig_remove(&node.rig, RECORD_IDENTITY, 2);
	CU_ASSERT_EQUAL(rig_receive(&end, "\x16\x03\x01", 3, SIZE_MAX), 3);
	CU_ASSERT_EQUAL(made_count, 0);
	CU_ASSERT_EQUAL(end.reason, COUNTER_tls_no_identity);
	CU_ASSERT_EQUAL(rig_count(&node.rig, COUNTER_tls_no_identity), 1);
	rig_end_free(&end);
	node_fini(&node);
}

UNIT_MAIN("tls_silent",
	  {"who says nothing costs no object and times out",
	   who_says_nothing_costs_no_object_and_times_out},
	  {"the first byte makes it once", the_first_byte_makes_it_once},
	  {"without memory for it the connection ends", without_memory_for_it_the_connection_ends},
	  {"an identity that went meanwhile is missed", an_identity_that_went_meanwhile_is_missed})
