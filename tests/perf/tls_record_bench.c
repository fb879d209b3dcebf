// SPDX-License-Identifier: Apache-2.0
// What a record costs: sealed and opened by our record layer, and by SSL_write and SSL_read over
// memory BIOs with a copy out, in the same run. Both ends are ours, or both OpenSSL's. Rounds
// alternate; the median of the rounds is printed. Bounded: about two seconds.
#include "check.h"
#include "tls_rig.h"
#include "unit.h"

#include <time.h>

enum { ROUNDS = 15 };

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;
	return (*x > *y) - (*x < *y);
}

static double median(double *all)
{
	qsort(all, ROUNDS, sizeof(*all), compare);
	return all[ROUNDS / 2];
}

struct cost {
	double seal;
	double open;
};

static uint8_t text[TLS_PLAINTEXT_MAX];
static uint8_t wire[TLS_PLAINTEXT_MAX + 256];

// ours seals times records of bytes bytes and lets the other end open them where they lie.
static struct cost ours(struct rig_end *from, struct rig_end *to, uint32_t bytes, unsigned times)
{
	struct cost cost = {0};
	struct buf *buf = buf_new(&from->rig->bufs, BUF_BYTES);
	for (unsigned i = 0; i < times; i++) {
		uint32_t offset, wire_bytes;
		uint64_t start = now_ns();
		CHECK(tls_seal(from->conn, buf, bytes, &offset, &wire_bytes) == 0);
		cost.seal += (double)(now_ns() - start);
		start = now_ns();
		CHECK(tls_receive(to->conn, buf->data + offset, wire_bytes) == wire_bytes);
		cost.open += (double)(now_ns() - start);
	}
	buf_unref(buf);
	return (struct cost){cost.seal / times, cost.open / times};
}

static struct cost theirs(struct rig_peer *from, struct rig_peer *to, uint32_t bytes,
			  unsigned times)
{
	struct cost cost = {0};
	for (unsigned i = 0; i < times; i++) {
		uint64_t start = now_ns();
		CHECK(SSL_write(from->ssl, text, (int)bytes) == (int)bytes);
		int moved = BIO_read(from->out, wire, sizeof(wire));
		cost.seal += (double)(now_ns() - start);
		start = now_ns();
		BIO_write(to->in, wire, moved);
		CHECK(SSL_read(to->ssl, text, sizeof(text)) == (int)bytes);
		cost.open += (double)(now_ns() - start);
	}
	return (struct cost){cost.seal / times, cost.open / times};
}

static double clock_cost(void)
{
	uint64_t start = now_ns();
	for (unsigned i = 0; i < 1000; i++)
		now_ns();
	return (double)(now_ns() - start) / 1000;
}

static void compare_size(struct rig_end ends[2], struct rig_peer peers[2], uint32_t bytes)
{
	double all[4][ROUNDS];
	double clock = clock_cost();
	unsigned times = bytes > 4096 ? 320 : 3200;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct cost a = ours(&ends[0], &ends[1], bytes, times);
		struct cost b = theirs(&peers[0], &peers[1], bytes, times);
		all[0][i] = a.seal - clock;
		all[1][i] = b.seal - clock;
		all[2][i] = a.open - clock;
		all[3][i] = b.open - clock;
	}
	printf("# %5u bytes: seal %5.0f ns, SSL_write %5.0f ns; open %5.0f ns, SSL_read %5.0f ns\n",
	       bytes, median(all[0]), median(all[1]), median(all[2]), median(all[3]));
}

static void join(struct rig_peer peers[2], const struct rig_pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		rig_peer_init(&peers[i], i == 1, TLS1_3_VERSION);
		SSL_CTX_set_ciphersuites(peers[i].ctx, "TLS_AES_128_GCM_SHA256");
	}
	rig_peer_certify(&peers[1], pair);
	SSL_CTX_set_num_tickets(peers[1].ctx, 0);
	rig_peer_start(&peers[0], NULL);
	rig_peer_start(&peers[1], NULL);
	for (unsigned i = 0; i < 4; i++) {
		int moved = BIO_read(peers[i % 2].out, wire, sizeof(wire));
		if (moved > 0)
			BIO_write(peers[1 - i % 2].in, wire, moved);
		SSL_do_handshake(peers[1 - i % 2].ssl);
	}
	CHECK(SSL_is_init_finished(peers[0].ssl) && SSL_is_init_finished(peers[1].ssl));
}

static void a_record_s_cost_beside_openssl_s(void)
{
	struct rig_pair ca = rig_issue((struct rig_wish){.is_ca = true});
	struct rig_pair pair = rig_issue(
		(struct rig_wish){.issuer = &ca, .names = "URI:spiffe://" RIG_MESH "/svc/a"});
	struct rig rig;
	struct rig_end ends[2];
	struct rig_peer peers[2];
	rig_init_usual(&rig);
	rig_apply_trust(&rig, 1, &ca);
	rig_apply_identity(&rig, 1, "spiffe://" RIG_MESH "/svc/a", &pair);
	rig_accept(&ends[1], &rig,
		   (struct tls_accept){
			   .is_mesh = true, .peer_roles = TLS_PEER_SERVICE, .is_h2_offered = true});
	rig_connect(&ends[0], &rig,
		    (struct tls_connect){.server_name = "a.svc." RIG_MESH,
					 .peer = "spiffe://" RIG_MESH "/svc/a"});
	rig_pump_both(&ends[0], &ends[1]);
	CU_ASSERT_EQUAL_FATAL(ends[0].ready_count + ends[1].ready_count, 2);
	ends[1].is_deaf = true;
	join(peers, &pair);
	compare_size(ends, peers, 100);
	compare_size(ends, peers, 1024);
	compare_size(ends, peers, 16384);
	for (unsigned i = 0; i < 2; i++) {
		rig_end_free(&ends[i]);
		rig_peer_free(&peers[i]);
	}
	rig_fini(&rig);
	rig_pair_free(&pair);
	rig_pair_free(&ca);
}

UNIT_MAIN("tls_record_bench",
	  {"a record's cost, beside OpenSSL's", a_record_s_cost_beside_openssl_s})
