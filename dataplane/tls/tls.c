// SPDX-License-Identifier: Apache-2.0
// The worker's TLS: memory and library context taken at start, the rows that control sends, the
// time, and the work that is done once a loop.
#include "tls_job.h"

#include "check.h"

static bool init(struct tls *tls)
{
	const struct tls_limits *limits = &tls->limits;
	list_init(&tls->handshakes_by_start);
	list_init(&tls->runnable);
	list_init(&tls->cert_waiting);
	list_init(&tls->certs_by_use);
	list_init(&tls->absents);
	tls->steps_left = UINT32_MAX;
	return pool_init(&tls->conns, limits->conn_count, sizeof(struct tls_conn)) == 0 &&
	       pool_init(&tls->handshakes, limits->handshakes_at_once,
			 sizeof(struct tls_handshake)) == 0 &&
	       pool_init(&tls->certs, limits->certificate_count, sizeof(struct tls_cert)) == 0 &&
	       pool_init(&tls->identities, TLS_IDENTITIES_MAX, sizeof(struct tls_identity)) == 0 &&
	       tls_jobs_init(tls) && tls_crypto_init(&tls->crypto) && tls_select_init(tls) &&
	       tls_shares_init(&tls->shares, tls->crypto.lib, tls->crypto.provider) &&
	       (tls->bio_method = tls_bio_method_new()) &&
	       (tls->public_ctx = tls_identity_ctx_new(tls, false));
}

struct tls *tls_new(const struct tls_limits *limits, const struct tls_callbacks *callbacks,
		    struct buf_pool *bufs, struct counters *counters)
{
	CHECK(limits->certificate_count > 0);
	struct tls *tls = calloc(1, sizeof(*tls));
	if (!tls)
		return NULL;
	tls->limits = *limits;
	tls->callbacks = *callbacks;
	tls->bufs = bufs;
	tls->counters = counters;
	if (init(tls))
		return tls;
	tls_free_all(tls);
	return NULL;
}

void tls_free_all(struct tls *tls)
{
	for (uint32_t i = 0; i < tls->conns.capacity; i++) {
		struct tls_conn *conn = pool_at(&tls->conns, i);
		if (conn)
			tls_free(conn);
	}
	if (tls->buckets) {
		tls_identity_sweep(tls, true);
		tls_select_sweep(tls, true);
	}
	tls_ticket_sweep(tls, true);
	tls_jobs_fini(tls);
	SSL_CTX_free(tls->public_ctx);
	SSL_CTX_free(tls->client_ctx);
	BIO_meth_free(tls->bio_method);
	tls_shares_fini(&tls->shares);
	tls_crypto_fini(&tls->crypto);
	free(tls->buckets);
	pool_fini(&tls->conns);
	pool_fini(&tls->handshakes);
	pool_fini(&tls->certs);
	pool_fini(&tls->identities);
	OPENSSL_cleanse(tls, sizeof(*tls));
	free(tls);
}

static const char *remove_row(struct tls *tls, const struct record_remove *row)
{
	switch (row->type) {
	case RECORD_CERT:
	case RECORD_IDENTITY: tls_identity_remove(tls, row->type, row->id); return NULL;
	case RECORD_TICKET_KEY: tls_ticket_remove(tls, row->id); return NULL;
	default: return "not a row of tls";
	}
}

static const char *apply(struct tls *tls, const struct record *record, uint64_t now_us)
{
	const struct record_cert_absent *absent = record->payload;
	switch (record->type) {
	case RECORD_CERT: return tls_identity_apply_cert(tls, record);
	case RECORD_IDENTITY: return tls_identity_apply_identity(tls, record);
	case RECORD_TRUST: return tls_identity_apply_trust(tls, record);
	case RECORD_CERT_ABSENT:
		tls_select_add_absent(tls, absent->host,
				      now_us + (uint64_t)absent->lifetime_ms * 1000);
		return NULL;
	case RECORD_TICKET_KEY: return tls_ticket_apply(tls, record->payload);
	case RECORD_REMOVE: return remove_row(tls, record->payload);
	default: return "not a row of tls";
	}
}

const char *tls_apply(struct tls *tls, const struct record *record, uint64_t now_us)
{
	tls->now_us = MAX(tls->now_us, now_us);
	const char *wrong = apply(tls, record, now_us);
	if (wrong)
		counter_inc(tls->counters, COUNTER_tls_row_refused);
	else if (record->type == RECORD_CERT || record->type == RECORD_CERT_ABSENT)
		tls->has_cert_news = true;
	return wrong;
}

void tls_mark(struct tls *tls)
{
	tls->mark++;
}

void tls_sweep(struct tls *tls)
{
	tls_identity_sweep(tls, false);
	tls_select_sweep(tls, false);
	tls_ticket_sweep(tls, false);
}

void tls_spans(const struct tls *tls, struct spans *spans)
{
	pool_spans(&tls->conns, spans);
	pool_spans(&tls->handshakes, spans);
	pool_spans(&tls->jobs, spans);
}

void tls_set_time(struct tls *tls, uint64_t now_us, uint64_t wall_s)
{
	tls->now_us = now_us;
	tls->wall_s = wall_s;
}

static void end_late_handshakes(struct tls *tls)
{
	while (!list_is_empty(&tls->handshakes_by_start)) {
		struct tls_handshake *first = container_of(tls->handshakes_by_start.next,
							   struct tls_handshake, start_link);
		if (first->deadline_us > tls->now_us)
			break;
		tls_conn_close(first->conn, COUNTER_tls_handshake_timeout);
	}
}

void tls_run(struct tls *tls, uint32_t budget)
{
	tls->steps_left = budget;
	end_late_handshakes(tls);
	tls_select_wake(tls);
	if (tls->callbacks.job)
		tls_jobs_run(tls);
	while (tls->steps_left > 0 && !list_is_empty(&tls->runnable)) {
		struct tls_handshake *first =
			container_of(tls->runnable.next, struct tls_handshake, wait_link);
		tls_handshake_wait(first, TLS_WAIT_NONE);
		tls_conn_continue(first->conn);
	}
}

bool tls_prepare(struct tls *tls)
{
	return tls->limits.is_own_handshake && !tls->callbacks.job &&
	       tls_shares_prepare(&tls->shares);
}

bool tls_has_waiting(const struct tls *tls)
{
	return !list_is_empty(&tls->runnable) ||
	       (tls->has_cert_news && !list_is_empty(&tls->cert_waiting));
}

uint32_t tls_conn_count(const struct tls *tls)
{
	return tls->conns.in_use;
}
