// SPDX-License-Identifier: Apache-2.0
// Handshakes whose public-key work is done elsewhere: what comes back late, for nobody, for a
// certificate that is gone, or not at all.
#include "tls_rig.h"
#include "unit.h"

#include "check.h"

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

struct scene { // a worker, its helper, and one client
	struct rig rig;
	struct rig_pair pair;
	struct tls_offload *offload;
	struct rig_peer peer;
	struct rig_end end;
	uint64_t now_us;
};

static void worker_init(struct scene *scene, const char *key)
{
	*scene = (struct scene){.now_us = 1000000};
	rig_init_jobs(&scene->rig);
	scene->pair = rig_issue((struct rig_wish){.names = "DNS:a.test", .key = key});
	scene->offload = tls_offload_new(3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene->offload);
	CU_ASSERT_PTR_NULL(rig_apply_cert(&scene->rig, 1, true, &scene->pair));
}

static void worker_fini(struct scene *scene)
{
	rig_fini(&scene->rig);
	rig_pair_free(&scene->pair);
	tls_offload_free(scene->offload);
}

static uint64_t count(const struct scene *scene, enum counter counter)
{
	return rig_count(&scene->rig, counter);
}

// knock starts a client and gives the worker its ClientHello; returns how much of it was taken.
static size_t knock(struct scene *scene, struct rig_end *end, struct rig_peer *peer,
		    SSL_SESSION *session)
{
	rig_peer_init(peer, false, TLS1_3_VERSION);
	rig_peer_resume(peer, "a.test", session);
	rig_accept(end, &scene->rig, web);
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(peer->out, &wire);
	size_t taken = rig_receive(end, wire, bytes, SIZE_MAX);
	if (taken == bytes)
		BIO_reset(peer->out);
	return taken;
}

static void call(struct scene *scene)
{
	CU_ASSERT(knock(scene, &scene->end, &scene->peer, NULL) > 0);
}

static void hang_up(struct scene *scene)
{
	rig_end_free(&scene->end);
	rig_peer_free(&scene->peer);
}

// turn is a turn of the worker, us later.
static void turn(struct scene *scene, uint64_t us)
{
	scene->now_us += us;
	tls_set_time(scene->rig.tls, scene->now_us, RIG_WALL_S);
	tls_run(scene->rig.tls, UINT32_MAX);
}

// work does all jobs that are out, the last first.
static void work(struct scene *scene)
{
	struct rig *rig = &scene->rig;
	while (rig->job_count > 0) {
		struct tls_job *job = rig->jobs[--rig->job_count];
		tls_offload_do(scene->offload, job);
		tls_job_done(rig->tls, job);
	}
}

// settle works and turns until nothing is asked any more.
static void settle(struct scene *scene)
{
	do {
		work(scene);
		turn(scene, 10);
	} while (scene->rig.job_count > 0);
}

// echo ends the handshake and sends bytes both ways.
static void echo(struct scene *scene)
{
	struct rig_end *end = &scene->end;
	struct rig_peer *peer = &scene->peer;
	uint8_t bytes[3000] = {1, 2, 3}, got[3000];
	rig_pump(end, peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end->ready_count, 1);
	CU_ASSERT_EQUAL_FATAL(SSL_is_init_finished(peer->ssl), 1);
	end->plain_bytes = 0;
	SSL_write(peer->ssl, bytes, sizeof(bytes));
	rig_pump(end, peer, SIZE_MAX);
	CU_ASSERT_EQUAL(end->plain_bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(rig_write(end, bytes, sizeof(bytes)), 0);
	rig_pump(end, peer, SIZE_MAX);
	CU_ASSERT_EQUAL(SSL_read(peer->ssl, got, sizeof(got)), sizeof(got));
	CU_ASSERT(memcmp(got, bytes, sizeof(got)) == 0);
}

static bool shows(struct scene *scene, const struct rig_pair *pair)
{
	X509 *shown = SSL_get1_peer_certificate(scene->peer.ssl);
	bool is_same = shown && X509_cmp(shown, pair->certificate) == 0;
	X509_free(shown);
	return is_same;
}

static void every_kind_of_key_signs_elsewhere(void)
{
	static const char *const keys[] = {"P-256", "P-384", "ED25519", "RSA"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct scene scene;
		worker_init(&scene, keys[i]);
		for (unsigned j = 1; j <= 3; j++) {
			call(&scene);
			CU_ASSERT_EQUAL(scene.end.out_end, 0);
			CU_ASSERT_EQUAL(scene.rig.job_count, 1);
			settle(&scene);
			CU_ASSERT(scene.end.out_end > 0);
			echo(&scene);
			CU_ASSERT(shows(&scene, &scene.pair));
			CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_sent), j);
			CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_done), j);
			CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_handshakes_own), j);
			hang_up(&scene);
		}
		CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 0);
		worker_fini(&scene);
	}
}

static void a_resumed_handshake_has_its_exchange_done_elsewhere(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	rig_apply_ticket_key(&scene.rig, 1);
	call(&scene);
	settle(&scene);
	echo(&scene);
	SSL_SESSION *session = SSL_get1_session(scene.peer.ssl);
	SSL_set_shutdown(scene.peer.ssl, SSL_SENT_SHUTDOWN);
	hang_up(&scene);
	CU_ASSERT(knock(&scene, &scene.end, &scene.peer, session) > 0);
	CU_ASSERT_EQUAL(scene.end.out_end, 0);
	settle(&scene);
	echo(&scene);
	CU_ASSERT(scene.end.info.is_resumed);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_done), 2);
	SSL_SESSION_free(session);
	hang_up(&scene);
	worker_fini(&scene);
}

static void an_answer_for_a_connection_that_ended_is_dropped(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	call(&scene);
	hang_up(&scene);
	CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 1);
	CU_ASSERT_EQUAL(buf_pool_in_use(&scene.rig.bufs), 0);
	// Its place may have been taken by another one, whose answer comes first.
	call(&scene);
	CU_ASSERT_EQUAL(scene.rig.job_count, 2);
	work(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_stale), 1);
	CU_ASSERT_EQUAL(scene.end.out_end, 0);
	settle(&scene);
	echo(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_done), 1);
	CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 0);
	hang_up(&scene);
	worker_fini(&scene);
}

static void a_worker_may_end_while_jobs_are_out(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	call(&scene);
	hang_up(&scene);
	call(&scene);
	tls_offload_do(scene.offload, scene.rig.jobs[1]);
	hang_up(&scene);
	worker_fini(&scene); // nothing leaks: told by the sanitizer
}

static void a_certificate_may_go_while_it_signs(void)
{
	struct scene scene;
	struct rig_pair next = rig_issue((struct rig_wish){.names = "DNS:a.test", .key = "P-384"});
	worker_init(&scene, NULL);
	call(&scene);
	CU_ASSERT_PTR_NULL(rig_apply_cert(&scene.rig, 1, true, &next));
	settle(&scene);
	echo(&scene);
	CU_ASSERT(shows(&scene, &scene.pair));
	hang_up(&scene);
	call(&scene);
	rig_remove(&scene.rig, RECORD_CERT, 1);
	settle(&scene);
	echo(&scene);
	CU_ASSERT(shows(&scene, &next));
	hang_up(&scene);
	rig_pair_free(&next);
	worker_fini(&scene);
}

static void what_has_no_room_is_done_by_the_worker(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	scene.rig.job_room = 0;
	call(&scene);
	CU_ASSERT(scene.end.out_end > 0);
	echo(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_full), 1);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_sent), 0);
	CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 0);
	hang_up(&scene);
	worker_fini(&scene);
}

static void as_many_jobs_are_out_as_may_be(void)
{
	struct scene scene;
	struct rig_peer peers[4];
	struct rig_end ends[4];
	worker_init(&scene, NULL);
	for (unsigned i = 0; i < 4; i++)
		knock(&scene, &ends[i], &peers[i], NULL);
	call(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_sent), 4);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_full), 1);
	CU_ASSERT(scene.end.out_end > 0);
	turn(&scene, 10); // shares are asked for beyond that
	CU_ASSERT_EQUAL(scene.rig.job_count, 4 + TLS_SHARE_JOBS);
	for (unsigned i = 0; i < 4; i++) { // who left keeps the place until the answer is there
		rig_end_free(&ends[i]);
		rig_peer_free(&peers[i]);
	}
	hang_up(&scene);
	call(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_full), 2);
	settle(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_stale), 4);
	hang_up(&scene);
	call(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_sent), 5);
	hang_up(&scene);
	worker_fini(&scene);
}

static void the_worker_does_what_comes_back_too_late(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	call(&scene);
	turn(&scene, 49999);
	CU_ASSERT_EQUAL(scene.end.out_end, 0);
	rig_remove(&scene.rig, RECORD_CERT, 1); // it goes on with what it began with
	turn(&scene, 1);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_late), 1);
	CU_ASSERT(scene.end.out_end > 0);
	echo(&scene);
	CU_ASSERT(shows(&scene, &scene.pair));
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_done), 0);
	settle(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_stale), 1);
	CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 0);
	hang_up(&scene);
	worker_fini(&scene);
}

// spoil makes the client's X25519 share one of small order; returns the hello's bytes.
static size_t spoil(struct rig_peer *peer, uint8_t hello[1024])
{
	static const uint8_t head[] = {0, 0x1d, 0, 32}; // group, length
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(peer->out, &wire);
	CU_ASSERT_FATAL(bytes <= 1024);
	memcpy(hello, wire, bytes);
	uint8_t *at = memmem(hello, bytes, head, sizeof(head));
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	memset(at + sizeof(head), 0, 32);
	return bytes;
}

static void what_openssl_must_refuse_it_refuses_with_its_alert(void)
{
	uint8_t hello[1024];
	struct scene scene;
	worker_init(&scene, NULL);
	rig_peer_init(&scene.peer, false, TLS1_3_VERSION);
	rig_peer_start(&scene.peer, "a.test");
	size_t bytes = spoil(&scene.peer, hello);
	rig_accept(&scene.end, &scene.rig, web);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, hello, bytes, 100), bytes);
	CU_ASSERT_EQUAL(scene.rig.job_count, 1);
	settle(&scene);
	CU_ASSERT_EQUAL(scene.end.closed_count, 1);
	CU_ASSERT(scene.end.out_end >= 7);
	CU_ASSERT_EQUAL(scene.end.out[0], 21); // an alert, open
	struct rig_end other;                  // as without a helper
	scene.rig.job_room = 0;
	rig_accept(&other, &scene.rig, web);
	rig_receive(&other, hello, bytes, SIZE_MAX);
	CU_ASSERT_EQUAL(other.reason, scene.end.reason);
	CU_ASSERT_EQUAL_FATAL(other.out_end, scene.end.out_end);
	CU_ASSERT(memcmp(other.out, scene.end.out, other.out_end) == 0);
	rig_end_free(&other);
	hang_up(&scene);
	worker_fini(&scene);
}

static void what_comes_meanwhile_is_kept(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	rig_peer_init(&scene.peer, false, TLS1_3_VERSION);
	rig_peer_start(&scene.peer, "a.test");
	rig_accept(&scene.end, &scene.rig, web);
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(scene.peer.out, &wire);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, wire, bytes, 1), bytes);
	CU_ASSERT_EQUAL(rig_receive(&scene.end, "\x14\3\3\0\1\1", 6, 1), 6);
	CU_ASSERT_EQUAL(scene.end.out_end, 0);
	BIO_reset(scene.peer.out);
	settle(&scene);
	echo(&scene);
	hang_up(&scene);
	worker_fini(&scene);
}

static void a_hello_that_could_not_be_kept_is_passed_over(void)
{
	struct scene scene;
	struct buf *taken[128];
	unsigned taken_count = 0;
	worker_init(&scene, NULL);
	struct buf_pool *bufs = &scene.rig.bufs;
	while (bufs->large_free + bufs->small_free > 1)
		taken[taken_count++] = buf_new(bufs, bufs->large_free ? BUF_BYTES : 1);
	CU_ASSERT_EQUAL(knock(&scene, &scene.end, &scene.peer, NULL), 0);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_jobs_sent), 1);
	CU_ASSERT_EQUAL(scene.rig.job_count, 1);
	settle(&scene);
	CU_ASSERT(scene.end.out_end > 0);
	while (taken_count > 0)
		buf_unref(taken[--taken_count]);
	echo(&scene); // the ClientHello once more
	hang_up(&scene);
	worker_fini(&scene);
}

static void shares_come_from_helpers(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	turn(&scene, 10);
	CU_ASSERT_EQUAL(scene.rig.job_count, 0); // nobody came yet
	for (unsigned i = 0; i < 70; i++) {
		call(&scene);
		settle(&scene);
		echo(&scene);
		hang_up(&scene);
	}
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_shares_made), 1);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_shares_ahead), 69);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_shares_offloaded), 64 + 69);
	CU_ASSERT(!tls_prepare(scene.rig.tls));
	worker_fini(&scene);
}

static void a_helper_without_room_for_shares_is_asked_later(void)
{
	struct scene scene;
	worker_init(&scene, NULL);
	scene.rig.job_room = 1;
	call(&scene);
	turn(&scene, 10);
	CU_ASSERT_EQUAL(scene.rig.job_count, 1);
	CU_ASSERT_EQUAL(tls_jobs_count(scene.rig.tls), 1);
	settle(&scene);
	echo(&scene);
	CU_ASSERT_EQUAL(count(&scene, COUNTER_tls_shares_offloaded), 64);
	hang_up(&scene);
	worker_fini(&scene);
}

UNIT_MAIN("tls_job", {"every kind of key signs elsewhere", every_kind_of_key_signs_elsewhere},
	  {"a resumed handshake has its exchange done elsewhere",
	   a_resumed_handshake_has_its_exchange_done_elsewhere},
	  {"an answer for a connection that ended is dropped",
	   an_answer_for_a_connection_that_ended_is_dropped},
	  {"a worker may end while jobs are out", a_worker_may_end_while_jobs_are_out},
	  {"a certificate may go while it signs", a_certificate_may_go_while_it_signs},
	  {"what has no room is done by the worker", what_has_no_room_is_done_by_the_worker},
	  {"as many jobs are out as may be", as_many_jobs_are_out_as_may_be},
	  {"the worker does what comes back too late", the_worker_does_what_comes_back_too_late},
	  {"what OpenSSL must refuse, it refuses with its alert",
	   what_openssl_must_refuse_it_refuses_with_its_alert},
	  {"what comes meanwhile is kept", what_comes_meanwhile_is_kept},
	  {"a hello that could not be kept is passed over",
	   a_hello_that_could_not_be_kept_is_passed_over},
	  {"shares come from helpers", shares_come_from_helpers},
	  {"a helper without room for shares is asked later",
	   a_helper_without_room_for_shares_is_asked_later})
