// SPDX-License-Identifier: Apache-2.0
// Jobs for helpers; see tls_job.h.
#include "tls_job.h"

#include "check.h"

#include <openssl/err.h>

struct tls_offload {
	uint32_t index;
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	struct tls_shares shares;
	struct tls_hash hashes[TLS_HASH_COUNT];
};

struct tls_offload *tls_offload_new(uint32_t index)
{
	CHECK(index < TLS_OFFLOADS_MAX);
	struct tls_offload *offload = calloc(1, sizeof(*offload));
	if (!offload)
		return NULL;
	offload->index = index;
	offload->lib = OSSL_LIB_CTX_new();
	offload->provider = offload->lib ? OSSL_PROVIDER_load(offload->lib, "default") : NULL;
	if (offload->provider &&
	    tls_hash_init(&offload->hashes[TLS_HASH_SHA256], offload->lib, TLS_HASH_SHA256) &&
	    tls_hash_init(&offload->hashes[TLS_HASH_SHA384], offload->lib, TLS_HASH_SHA384) &&
	    tls_shares_init(&offload->shares, offload->lib, offload->provider))
		return offload;
	tls_offload_free(offload);
	return NULL;
}

void tls_offload_free(struct tls_offload *offload)
{
	if (!offload)
		return;
	tls_shares_fini(&offload->shares);
	for (unsigned i = 0; i < TLS_HASH_COUNT; i++)
		tls_hash_fini(&offload->hashes[i]);
	if (offload->provider)
		OSSL_PROVIDER_unload(offload->provider);
	OSSL_LIB_CTX_free(offload->lib);
	free(offload);
}

static bool sign(struct tls_asked *asked, struct tls_signing *signing,
		 const struct tls_hash *hashes)
{
	struct slice transcript = slice_of(asked->transcript, asked->transcript_bytes);
	asked->signature_bytes = signing ? tls_signing_sign(signing, hashes, asked->scheme,
							    transcript, asked->signature)
					 : 0;
	return asked->signature_bytes > 0;
}

static bool agree(struct tls_asked *asked, const struct tls_shares *shares)
{
	return tls_x25519_agree(&shares->x25519, asked->share.private, asked->peer, asked->secret);
}

void tls_offload_do(struct tls_offload *offload, struct tls_job *job)
{
	struct tls_asked *asked = &job->asked;
	if (asked->is_share) {
		asked->ok = tls_shares_make(&offload->shares, &asked->share);
	} else {
		asked->ok = agree(asked, &offload->shares);
		if (asked->ok && asked->signer)
			asked->ok = sign(asked,
					 tls_signer_copy(asked->signer, offload->index,
							 offload->lib, offload->hashes),
					 offload->hashes);
	}
	if (!asked->ok)
		ERR_clear_error();
}

bool tls_jobs_init(struct tls *tls)
{
	list_init(&tls->jobs_out);
	return !tls->callbacks.job || pool_init(&tls->jobs, tls->limits.job_count + TLS_SHARE_JOBS,
						sizeof(struct tls_job)) == 0;
}

static void free_job(struct tls *tls, struct tls_job *job)
{
	tls_signer_unref(job->asked.signer);
	OPENSSL_cleanse(job, sizeof(*job));
	pool_free(&tls->jobs, job);
	counter_set(tls->counters, COUNTER_tls_jobs, tls->jobs.in_use);
}

void tls_jobs_fini(struct tls *tls)
{
	for (uint32_t i = 0; i < tls->jobs.capacity; i++) {
		struct tls_job *job = pool_at(&tls->jobs, i);
		if (job)
			free_job(tls, job);
	}
	pool_fini(&tls->jobs);
}

// give hands a job to a helper. False: no room there.
static bool give(struct tls *tls, struct tls_job *job)
{
	list_init(&job->link);
	job->is_out = tls->callbacks.job(tls->callbacks.user, job);
	return job->is_out;
}

static void fill(struct tls_job *job, const struct tls_flight *flight,
		 const struct tls_share *share)
{
	const struct tls_answer *answer = flight->answer;
	struct tls_asked *asked = &job->own;
	if (answer->signer) {
		tls_signer_ref(answer->signer);
		asked->signer = answer->signer;
		asked->scheme = answer->scheme;
		asked->transcript_bytes = answer->hash->bytes;
		tls_transcript_tell(answer->hash, asked->transcript);
	}
	asked->share = *share;
	memcpy(asked->peer, answer->hello->share_x25519.at, sizeof(asked->peer));
	job->asked = job->own;
}

// park keeps what the rest of the flight needs; the ClientHello is read no more.
static void park(struct tls_job *job, const struct tls_flight *flight)
{
	job->handshake = flight->conn->handshake;
	job->handshake->job = job;
	job->transcript = flight->answer->hash->transcript;
	job->answer = *flight->answer;
	job->answer.hello = NULL;
	job->flight = *flight;
	job->flight.answer = &job->answer;
	tls_handshake_wait(job->handshake, TLS_WAIT_JOB);
}

// jobs_left is how many handshakes may give their work away: some jobs are kept for shares.
static uint32_t jobs_left(const struct tls *tls)
{
	uint32_t handshakes = tls->jobs.in_use - tls->share_jobs;
	return handshakes < tls->limits.job_count ? tls->limits.job_count - handshakes : 0;
}

bool tls_job_send(struct tls_flight *flight, const struct tls_share *share, size_t hello_bytes)
{
	struct tls *tls = flight->conn->tls;
	struct tls_job *job = jobs_left(tls) ? pool_new(&tls->jobs, NULL) : NULL;
	if (job)
		fill(job, flight, share);
	if (!job || !give(tls, job)) {
		if (job)
			free_job(tls, job);
		counter_inc(tls->counters, COUNTER_tls_jobs_full);
		return false;
	}
	job->hello_bytes = hello_bytes;
	job->until_us = tls->now_us + tls->limits.job_time_ms * 1000ull;
	list_append(&tls->jobs_out, &job->link);
	park(job, flight);
	counter_inc(tls->counters, COUNTER_tls_jobs_sent);
	counter_set(tls->counters, COUNTER_tls_jobs, tls->jobs.in_use);
	return true;
}

static void take_share(struct tls *tls, struct tls_job *job)
{
	tls->share_jobs--;
	if (job->asked.ok && tls_shares_add(&tls->shares, &job->asked.share))
		counter_inc(tls->counters, COUNTER_tls_shares_offloaded);
	free_job(tls, job);
}

void tls_job_done(struct tls *tls, struct tls_job *job)
{
	CHECK(job->is_out);
	job->is_out = false;
	list_remove(&job->link);
	if (job->asked.is_share) {
		take_share(tls, job);
	} else if (job->handshake) {
		tls_handshake_wait(job->handshake, TLS_WAIT_BUDGET);
	} else {
		counter_inc(tls->counters, COUNTER_tls_jobs_stale);
		free_job(tls, job);
	}
}

struct tls_asked *tls_job_take(struct tls_job *job)
{
	struct tls *tls = job->handshake->conn->tls;
	struct tls_asked *asked = &job->own;
	if (!job->is_out) {
		counter_inc(tls->counters, COUNTER_tls_jobs_done);
		return &job->asked;
	}
	counter_inc(tls->counters, COUNTER_tls_jobs_late);
	asked->ok = agree(asked, &tls->shares) &&
		    (!asked->signer || sign(asked, &asked->signer->own, tls->crypto.hashes));
	return asked;
}

void tls_job_leave(struct tls_handshake *handshake)
{
	struct tls *tls = handshake->conn->tls;
	struct tls_job *job = handshake->job;
	if (!job)
		return;
	handshake->job = NULL;
	job->handshake = NULL;
	list_remove(&job->link);
	tls_flight_drop(&job->flight);
	OPENSSL_cleanse(&job->answer, sizeof(job->answer));
	OPENSSL_cleanse(&job->flight, sizeof(job->flight));
	OPENSSL_cleanse(&job->transcript, sizeof(job->transcript));
	OPENSSL_cleanse(&job->own, sizeof(job->own));
	if (!job->is_out)
		free_job(tls, job);
}

// end_late lets the worker do what no helper did in time.
static void end_late(struct tls *tls)
{
	while (!list_is_empty(&tls->jobs_out)) {
		struct tls_job *job = container_of(tls->jobs_out.next, struct tls_job, link);
		if (job->until_us > tls->now_us)
			return;
		list_remove(&job->link);
		tls_handshake_wait(job->handshake, TLS_WAIT_BUDGET);
	}
}

void tls_jobs_run(struct tls *tls)
{
	end_late(tls);
	while (tls->share_jobs < TLS_SHARE_JOBS &&
	       tls_shares_wanted(&tls->shares) > tls->share_jobs) {
		struct tls_job *job = pool_new(&tls->jobs, NULL);
		if (!job)
			return;
		job->asked.is_share = true;
		if (!give(tls, job)) {
			free_job(tls, job);
			return;
		}
		tls->share_jobs++;
	}
}

uint32_t tls_jobs_count(const struct tls *tls)
{
	return tls->jobs.in_use;
}
