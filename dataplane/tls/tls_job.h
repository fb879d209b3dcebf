// SPDX-License-Identifier: Apache-2.0
// The public-key work of our own handshakes on other cores. What a worker would do itself, the
// X25519 exchange and the signature of one flight, is a job that a helper does, in another thread
// and a library context of its own, while the worker goes on with packets. The job's memory is the
// worker's; whose it is at a moment goes with the pointer, over rings that the caller has.
//
//   tls_run, tls_receive -> callbacks.job(job) ~~> tls_offload_do(helper, job) ~~>
//   tls_job_done(job)
//
// A handshake that is closed meanwhile leaves its job behind: what comes back for nobody is wiped.
#pragma once

#include "tls_server.h"

// What the thread that has the job reads and writes.
struct tls_asked {
	bool is_share;             // only a share is wanted: share is written
	struct tls_signer *signer; // borrowed: of the flight's certificate; NULL: nothing to sign
	enum tls_scheme scheme;
	uint32_t transcript_bytes;
	uint8_t transcript[TLS_HASH_MAX];
	struct tls_share share;         // ours
	uint8_t peer[TLS_X25519_BYTES]; // the client's
	// The answer.
	bool ok; // false: the client's share is of small order, or OpenSSL refuses
	uint8_t secret[TLS_SHARED_BYTES];
	uint32_t signature_bytes;
	uint8_t signature[TLS_SIGNATURE_MAX];
};

struct tls_job {
	struct tls_asked asked; // of who has the job
	// The worker's alone, whoever has the job:
	struct tls_handshake *handshake; // which waits for it; NULL: a share, or nobody any more
	bool is_out;                     // a helper has it
	struct list link;                // tls.jobs_out, oldest first, while it is out and in time
	uint64_t until_us;
	size_t hello_bytes; // of the ClientHello's records
	struct tls_answer answer;
	struct tls_flight flight;
	union tls_sha transcript;
	struct tls_asked own; // what is asked, for the worker to do
};

// tls_jobs_init takes memory for limits.job_count jobs and those of shares. False: no memory.
bool tls_jobs_init(struct tls *tls);

// tls_jobs_fini gives jobs back, also those that are out: no helper works any more.
void tls_jobs_fini(struct tls *tls);

// tls_job_send parks the handshake of flight, whose share of ours is share, until a helper has done
// what is left to do. False: there is no room, and nothing happened.
bool tls_job_send(struct tls_flight *flight, const struct tls_share *share, size_t hello_bytes);

// tls_job_take returns what the job of a handshake came to, done here when no helper did it in
// time. tls_job_leave follows.
struct tls_asked *tls_job_take(struct tls_job *job);

// tls_job_leave parts a handshake and its job, and wipes what was made.
void tls_job_leave(struct tls_handshake *handshake);

// tls_jobs_run lets handshakes go on whose helper is late, and asks for shares ahead.
void tls_jobs_run(struct tls *tls);
