// SPDX-License-Identifier: Apache-2.0
// What a handshake costs the server side: by our own, with key shares made ahead and without, with
// its public-key work done by a helper, whose time is not the worker's, and by libssl, in the same
// run. P-256 certificate, X25519, TLS_AES_128_GCM_SHA256, one ticket; the
// client is OpenSSL's and not counted. Rounds alternate; medians and minima are printed, and the
// median of each handshake's longest step, which nothing divides. About ten seconds.
#include "check.h"
#include "tls_rig.h"
#include "unit.h"

#include <time.h>

enum { ROUNDS = 9, TIMES = 30, WAYS = 4, RIGS = 3 };

static const struct tls_accept web = {.is_http1_offered = true};
static const char *const ways[WAYS] = {"libssl", "ours", "ours, shares ahead", "ours, by a helper"};

static struct tls_offload *offload;
static double longest_us; // step of a handshake

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

// work does the jobs that are out; returns the worker's time, in which handshakes go on.
static double work(struct rig *rig)
{
	double all_us = 0;
	while (rig->job_count > 0) {
		struct tls_job *job = rig->jobs[--rig->job_count];
		tls_offload_do(offload, job);
		double start = now_us();
		tls_job_done(rig->tls, job);
		tls_run(rig->tls, UINT32_MAX);
		double took = now_us() - start;
		longest_us = MAX(longest_us, took);
		all_us += took;
	}
	return all_us;
}

// receive gives the server what the client has sent; returns its time in us.
static double receive(struct rig_end *end, struct rig_peer *peer)
{
	static uint8_t wire[8192];
	int bytes = BIO_read(peer->out, wire, sizeof(wire));
	CHECK(bytes > 0);
	double start = now_us();
	CHECK(tls_receive(end->conn, wire, (size_t)bytes) == (size_t)bytes);
	double took = now_us() - start;
	longest_us = MAX(longest_us, took);
	took += work(end->rig);
	BIO_write(peer->in, end->out + end->out_start, (int)(end->out_end - end->out_start));
	end->out_start = end->out_end;
	return took;
}

// shake returns the us of one handshake; *session is resumed if there is one, and becomes the next.
static double shake(struct rig *rig, SSL_SESSION **session)
{
	struct rig_peer peer;
	struct rig_end end;
	uint8_t byte;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	peer.ssl = SSL_new(peer.ctx);
	peer.in = BIO_new(BIO_s_mem());
	peer.out = BIO_new(BIO_s_mem());
	SSL_set_bio(peer.ssl, peer.in, peer.out);
	SSL_set_connect_state(peer.ssl);
	SSL_set_tlsext_host_name(peer.ssl, "a.test");
	if (*session)
		SSL_set_session(peer.ssl, *session);
	SSL_do_handshake(peer.ssl);
	rig_accept(&end, rig, web);
	double took = receive(&end, &peer);
	CHECK(SSL_do_handshake(peer.ssl) == 1);
	took += receive(&end, &peer);
	CHECK(end.ready_count == 1 && end.info.is_resumed == (*session != NULL));
	if (*session) {
		CHECK(SSL_read(peer.ssl, &byte, 1) <= 0); // the ticket
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(peer.ssl);
	}
	SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return took;
}

// first_session shakes hands for a ticket.
static SSL_SESSION *first_session(struct rig *rig)
{
	struct rig_peer peer;
	struct rig_end end;
	uint8_t byte;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	rig_peer_start(&peer, "a.test");
	rig_accept(&end, rig, web);
	rig_pump(&end, &peer, SIZE_MAX);
	work(rig);
	rig_pump(&end, &peer, SIZE_MAX);
	CHECK(end.ready_count == 1 && SSL_read(peer.ssl, &byte, 1) <= 0);
	SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_SESSION *session = SSL_get1_session(peer.ssl);
	rig_end_free(&end);
	rig_peer_free(&peer);
	return session;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

int main(void)
{
	static double all[2][WAYS][ROUNDS], longest[2][WAYS][ROUNDS];
	struct rig rigs[RIGS]; // libssl's, ours, with a helper
	struct rig_pair pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	SSL_SESSION *sessions[RIGS];
	CHECK((offload = tls_offload_new(0)));
	for (unsigned i = 0; i < RIGS; i++) {
		if (i == 0)
			setenv("RIG_LIBSSL", "1", 1);
		if (i == 2)
			rig_init_jobs(&rigs[i]);
		else
			rig_init_usual(&rigs[i]);
		unsetenv("RIG_LIBSSL");
		CHECK(!rig_apply_cert(&rigs[i], 1, true, &pair));
		rig_apply_ticket_key(&rigs[i], 1);
		sessions[i] = first_session(&rigs[i]);
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned way = 0; way < WAYS; way++)
			for (unsigned n = 0; n < 2 * TIMES; n++) {
				unsigned which = way == 3 ? 2 : way > 0;
				struct rig *rig = &rigs[which];
				bool is_resumed = n % 2 == 1;
				SSL_SESSION *none = NULL;
				if (way == 2)
					CHECK(tls_prepare(rig->tls));
				longest_us = 0;
				double took = shake(rig, is_resumed ? &sessions[which] : &none);
				all[is_resumed][way][round] += took / TIMES;
				longest[is_resumed][way][round] += longest_us / TIMES;
			}
	for (unsigned is_resumed = 0; is_resumed < 2; is_resumed++)
		for (unsigned way = 0; way < WAYS; way++) {
			double *us = all[is_resumed][way], *step_us = longest[is_resumed][way];
			qsort(us, ROUNDS, sizeof(*us), compare);
			qsort(step_us, ROUNDS, sizeof(*step_us), compare);
			printf("%-8s %-20s median %6.1f us, least %6.1f; longest step %6.1f, least "
			       "%6.1f\n",
			       is_resumed ? "resumed" : "full", ways[way], us[ROUNDS / 2], us[0],
			       step_us[ROUNDS / 2], step_us[0]);
		}
	for (unsigned i = 0; i < RIGS; i++) {
		SSL_SESSION_free(sessions[i]);
		rig_fini(&rigs[i]);
	}
	tls_offload_free(offload);
	rig_pair_free(&pair);
	return 0;
}
