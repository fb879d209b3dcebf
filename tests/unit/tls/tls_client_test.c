// SPDX-License-Identifier: Apache-2.0
// The client of public servers against our own listener: what is agreed, who is trusted, tickets.
#include "tls_rig.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

struct site { // a worker with a certificate for a.test, valid today
	struct rig rig;
	struct rig_pair pair;
};

static void site_init(struct site *site)
{
	rig_init_usual(&site->rig);
	site->pair = rig_issue((struct rig_wish){.names = "DNS:a.test", .from_s = 1});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&site->rig, 1, true, &site->pair));
	rig_apply_ticket_key(&site->rig, 1);
}

static void site_fini(struct site *site)
{
	rig_fini(&site->rig);
	rig_pair_free(&site->pair);
}

// visit lets a client meet the listener, send 3,000 bytes each way, and close; returns what the
// client was told, or why it was closed before.
static struct tls_info visit(struct rig *rig, struct tls_client client, enum counter *reason)
{
	static uint8_t bytes[3000];
	struct rig_end here, there;
	rig_accept(&there, rig, web);
	rig_client(&here, rig, client);
	rig_pump_both(&here, &there);
	struct tls_info info = here.info;
	*reason = here.closed_count ? here.reason : COUNTER_tls_closed;
	if (here.ready_count > 0) {
		CU_ASSERT_EQUAL(rig_write(&here, bytes, sizeof(bytes)), 0);
		CU_ASSERT_EQUAL(rig_write(&there, bytes, sizeof(bytes)), 0);
		rig_pump_both(&here, &there);
		CU_ASSERT_EQUAL(here.plain_bytes, sizeof(bytes));
		CU_ASSERT_EQUAL(there.plain_bytes, sizeof(bytes));
		tls_close_notify(here.conn);
		rig_pump_both(&here, &there);
		CU_ASSERT_EQUAL(there.reason, COUNTER_tls_closed);
	}
	rig_end_free(&here);
	rig_end_free(&there);
	return info;
}

static void protocols_are_agreed(void)
{
	struct site site;
	enum counter reason;
	site_init(&site);
	struct tls_client client = {.server_name = "a.test", .is_h2_offered = true};
	struct tls_info info = visit(&site.rig, client, &reason);
	CU_ASSERT(info.is_tls13 && info.alpn == TLS_ALPN_H2 && !info.is_resumed);
	CU_ASSERT_STRING_EQUAL(info.cipher, "TLS_AES_128_GCM_SHA256");
	client = (struct tls_client){.server_name = "a.test", .is_http1_offered = true};
	CU_ASSERT_EQUAL(visit(&site.rig, client, &reason).alpn, TLS_ALPN_HTTP1);
	CU_ASSERT_EQUAL(site.rig.session_count, 0); // who wants no ticket hears of none
	site_fini(&site);
}

static void who_is_trusted_is_looked_at(void)
{
	char path[] = "/tmp/tls-client-XXXXXX";
	int fd = mkstemp(path);
	struct site site, other;
	enum counter reason;
	site_init(&site);
	site_init(&other);
	size_t bytes = strlen(site.pair.chain_pem);
	CU_ASSERT_EQUAL(write(fd, site.pair.chain_pem, bytes), (ssize_t)bytes);
	struct tls_client client = {.server_name = "a.test", .is_http1_offered = true};
	CU_ASSERT(!tls_client_trust(site.rig.tls, "/nonexistent/file"));
	CU_ASSERT(tls_client_trust(site.rig.tls, path));
	visit(&site.rig, client, &reason);
	CU_ASSERT_EQUAL(reason, COUNTER_tls_closed);
	client.server_name = "b.test";
	rig_apply_absent(&site.rig, "b.test", 60000); // it gets the default certificate
	visit(&site.rig, client, &reason);
	CU_ASSERT_EQUAL(reason, COUNTER_tls_handshake_failed); // not a name of the certificate
	client.server_name = "a.test";
	CU_ASSERT(tls_client_trust(other.rig.tls, path));
	visit(&other.rig, client, &reason);
	CU_ASSERT_EQUAL(reason, COUNTER_tls_handshake_failed); // signed by somebody else
	close(fd);
	unlink(path);
	site_fini(&site);
	site_fini(&other);
}

static void every_visit_brings_the_ticket_of_the_next(void)
{
	struct site site;
	enum counter reason;
	site_init(&site);
	struct tls_client client = {
		.server_name = "a.test", .is_h2_offered = true, .wants_session = true};
	CU_ASSERT(!visit(&site.rig, client, &reason).is_resumed);
	for (unsigned i = 1; i < 5; i++) {
		CU_ASSERT_EQUAL(site.rig.session_count, i);
		client.session = site.rig.session;
		site.rig.session = NULL;
		CU_ASSERT(visit(&site.rig, client, &reason).is_resumed);
		tls_session_free(client.session);
	}
	CU_ASSERT_EQUAL(rig_count(&site.rig, COUNTER_tls_handshakes_resumed), 2 * 4); // both ends
	site_fini(&site);
}

UNIT_MAIN("tls_client", {"protocols are agreed", protocols_are_agreed},
	  {"who is trusted is looked at", who_is_trusted_is_looked_at},
	  {"every visit brings the ticket of the next", every_visit_brings_the_ticket_of_the_next})
