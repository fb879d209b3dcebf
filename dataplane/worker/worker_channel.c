// SPDX-License-Identifier: Apache-2.0
// Records to modules, events to control; see worker_channel.h. One line a record type.
#include "worker_channel.h"

#include "worker.h"

#include "check.h"
#include "siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct channel_region *channel_region_new(struct handover_fds *fds, uint32_t worker_count,
					  const char **why)
{
	struct channel_region *region = calloc(1, sizeof(*region));
	*why = "memory is short";
	if (!region)
		return NULL;
	region->fds = *fds;
	handover_fds_init(fds);
	*why = "descriptors for another number of workers";
	if (region->fds.worker_count == worker_count)
		*why = region_attach(&region->region, region->fds.region, worker_count);
	else
		close(region->fds.region);
	region->fds.region = -1;
	if (*why) {
		handover_fds_close(&region->fds);
		free(region);
		return NULL;
	}
	atomic_init(&region->references, worker_count + 1);
	return region;
}

void channel_region_release(struct channel_region *region)
{
	// acq_rel: the last one sees what all others did with the mapping before it unmaps.
	if (atomic_fetch_sub_explicit(&region->references, 1, memory_order_acq_rel) != 1)
		return;
	region_detach(&region->region);
	handover_fds_close(&region->fds);
	free(region);
}

void channel_init(struct channel *channel, struct worker *worker, uint32_t worker_index)
{
	channel->worker = worker;
	channel->worker_index = worker_index;
	channel->state = CHANNEL_DETACHED;
	channel->attached = NULL;
	channel->alive_due_us = 0;
	atomic_init(&channel->offered, NULL);
}

static struct counters *counters_of(struct channel *channel)
{
	return &channel->worker->counters;
}

static void set_state(struct channel *channel, enum channel_state state)
{
	channel->state = state;
	counter_set(counters_of(channel), COUNTER_channel_attached, channel->attached != NULL);
	counter_set(counters_of(channel), COUNTER_channel_in_sync,
		    state == CHANNEL_SYNCED || state == CHANNEL_CHANGING);
}

static void detach(struct channel *channel)
{
	struct channel_region *region = channel->attached;
	channel->attached = NULL;
	set_state(channel, CHANNEL_DETACHED);
	if (region)
		channel_region_release(region);
}

void channel_fini(struct channel *channel)
{
	// acquire: pairs with the release in channel_offer.
	struct channel_region *offered =
		atomic_exchange_explicit(&channel->offered, NULL, memory_order_acquire);
	if (offered)
		channel_region_release(offered);
	detach(channel);
	explicit_bzero(channel->payload, sizeof(channel->payload));
}

void channel_offer(struct channel *channel, struct channel_region *region)
{
	// acq_rel: the worker sees the whole region; we see that of an offer it never took.
	struct channel_region *unseen =
		atomic_exchange_explicit(&channel->offered, region, memory_order_acq_rel);
	if (unseen)
		channel_region_release(unseen);
}

int channel_wake_fd(const struct channel *channel)
{
	return channel->attached ? channel->attached->fds.worker_wake[channel->worker_index] : -1;
}

// send writes one event; false when it cannot be sent.
static bool send(struct channel *channel, enum event_type type, const void *event, size_t bytes)
{
	if (!channel->attached) {
		counter_inc(counters_of(channel), COUNTER_channel_no_control);
		return false;
	}
	struct iovec part = {(void *)(uintptr_t)event, bytes};
	if (ring_write(&channel->up, (uint8_t)type, &part, 1) != 0) {
		counter_inc(counters_of(channel), COUNTER_channel_events_full);
		return false;
	}
	counter_inc(counters_of(channel), COUNTER_channel_events);
	channel->has_sent = true;
	return true;
}

// ask_resync tells control that a full set is wanted, and when that is said again.
static void ask_resync(struct channel *channel, uint64_t now_us)
{
	struct event_resync event = {.last_sequence = channel->sequence,
				     .reason = channel->trouble};
	channel->resync_due_us = now_us + CHANNEL_RESYNC_US;
	counter_inc(counters_of(channel), COUNTER_channel_resyncs);
	send(channel, EVENT_RESYNC, &event, sizeof(event));
}

// lose gives up the open transaction, if any, and waits for a full set.
static void lose(struct channel *channel, enum counter why, uint64_t now_us)
{
	counter_inc(counters_of(channel), why);
	journal_add(&channel->worker->journal, now_us, counter_info[why].name, channel->sequence,
		    channel->generation);
	bool is_new =
		channel->state != CHANNEL_WAITING || channel->trouble == COUNTER_channel_started;
	channel->trouble = why;
	set_state(channel, CHANNEL_WAITING);
	if (is_new)
		ask_resync(channel, now_us);
}

// hang_up leaves a region whose memory makes no sense; the main thread then hangs up on control.
static void hang_up(struct channel *channel, enum counter why, uint64_t now_us)
{
	counter_inc(counters_of(channel), why);
	journal_add(&channel->worker->journal, now_us, counter_info[why].name, channel->sequence,
		    0);
	// release: whoever sees it sees the counters too.
	atomic_store_explicit(&channel->attached->is_broken, true, memory_order_release);
	detach(channel);
}

static void attach(struct channel *channel, struct channel_region *region, uint64_t now_us)
{
	detach(channel);
	channel->attached = region;
	region_down_reader(&region->region, channel->worker_index, &channel->down);
	region_up_writer(&region->region, channel->worker_index, &channel->up);
	channel->sequence = 0;
	channel->applied = 0;
	channel->refused_count = 0;
	channel->trouble = COUNTER_channel_started;
	channel->resync_due_us = now_us + CHANNEL_PATIENCE_US;
	counter_inc(counters_of(channel), COUNTER_channel_attaches);
	set_state(channel, CHANNEL_WAITING);
	for (unsigned i = 0; i < CHANNEL_ASKED; i++) {
		struct channel_question *question = &channel->asked[i];
		if (question->hash && now_us - question->asked_us < CHANNEL_STALE_US)
			send(channel, question->type, question->host, sizeof(question->host));
	}
}

static const char *apply_purge(struct worker *worker, const struct record *record)
{
	static const enum cache_purge_kind kinds[RECORD_PURGE_COUNT] = {
		[RECORD_PURGE_URL] = CACHE_PURGE_URL,         [RECORD_PURGE_ALL] = CACHE_PURGE_ALL,
		[RECORD_PURGE_PREFIX] = CACHE_PURGE_PREFIX,   [RECORD_PURGE_TAG] = CACHE_PURGE_TAG,
		[RECORD_PURGE_SERVICE] = CACHE_PURGE_SERVICE,
	};
	const struct record_purge_row *row = record->payload;
	size_t bytes;
	const uint8_t *text = record_tail(record, &bytes);
	if (worker->cache && row->kind == RECORD_PURGE_KNOWN) {
		cache_disk_known(worker->cache, row->sequence, row->unsure);
	} else if (worker->cache) {
		if (!cache_purge(worker->cache, kinds[row->kind], slice_of(text, bytes),
				 row->is_soft))
			return "purge of what is no URL";
		cache_disk_purged(worker->cache, row->sequence);
	}
	return NULL;
}

// apply_row gives one row to its module. Returns NULL, or why it was refused.
static const char *apply_row(struct worker *worker, const struct record *record, unsigned owner)
{
	switch (owner) {
	case RECORD_SERVICE: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_LOCATION: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_PRESENCE: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_ENDPOINT: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_ROUTE: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_ROUTE_ABSENT: return route_apply(worker->routes, record, worker->now_us);
	case RECORD_CERT: return tls_apply(worker->tls, record, worker->now_us);
	case RECORD_CERT_ABSENT: return tls_apply(worker->tls, record, worker->now_us);
	case RECORD_IDENTITY: return tls_apply(worker->tls, record, worker->now_us);
	case RECORD_TRUST: return tls_apply(worker->tls, record, worker->now_us);
	case RECORD_TICKET_KEY: return tls_apply(worker->tls, record, worker->now_us);
	case RECORD_POLICY: return proxy_policy_apply(worker->proxy, record);
	case RECORD_PURGE: return apply_purge(worker, record);
	case RECORD_REMOVE:
		return apply_row(worker, record,
				 ((const struct record_remove *)record->payload)->type);
	default: return "row of an unknown type";
	}
}

static bool is_open(const struct channel *channel)
{
	return channel->state == CHANNEL_FILLING || channel->state == CHANNEL_CHANGING;
}

static void take_row(struct channel *channel, const struct record *record, const char *fault)
{
	struct worker *worker = channel->worker;
	if (!is_open(channel)) {
		counter_inc(&worker->counters, COUNTER_channel_row_outside);
		return;
	}
	channel->row_count++;
	if (fault) {
		counter_inc(&worker->counters, COUNTER_channel_row_malformed);
	} else {
		fault = apply_row(worker, record, record->type);
		counter_inc(&worker->counters,
			    fault ? COUNTER_channel_row_refused : COUNTER_channel_rows);
	}
	channel->has_changed = true;
	if (fault) {
		channel->refused_count++;
		journal_add(&worker->journal, worker->now_us, fault, record->sequence,
			    record->type);
	}
}

// take_begin opens a transaction. A full set may come at any time, a delta only in sync and newer.
static void take_begin(struct channel *channel, const struct record_begin *begin, uint64_t now_us)
{
	bool is_full = begin->set == RECORD_SET_FULL;
	if (!is_full &&
	    (channel->state != CHANNEL_SYNCED || begin->generation <= channel->applied)) {
		lose(channel, COUNTER_channel_begin_refused, now_us);
		return;
	}
	if (is_full) {
		route_mark(channel->worker->routes);
		tls_mark(channel->worker->tls);
		proxy_policy_mark(channel->worker->proxy);
	}
	channel->generation = begin->generation;
	channel->row_count = 0;
	set_state(channel, is_full ? CHANNEL_FILLING : CHANNEL_CHANGING);
}

// finish ends a transaction and tells that it is applied.
static void finish(struct channel *channel)
{
	struct event_applied event = {
		.generation = channel->generation,
		.row_count = channel->row_count,
		.refused_count = channel->refused_count,
	};
	channel->applied = channel->generation;
	channel->refused_count = 0;
	channel->has_changed = true;
	set_state(channel, CHANNEL_SYNCED);
	counter_inc(counters_of(channel), COUNTER_channel_commits);
	counter_set(counters_of(channel), COUNTER_channel_generation, channel->generation);
	if (channel->attached) {
		struct region_worker *published =
			region_worker(&channel->attached->region, channel->worker_index);
		atomic_store_explicit(&published->applied_generation, channel->generation,
				      memory_order_relaxed);
		send(channel, EVENT_APPLIED, &event, sizeof(event));
	}
}

// sweep goes on forgetting what a full set did not name; the transaction ends with it.
static void sweep(struct channel *channel)
{
	if (route_sweep(channel->worker->routes, CHANNEL_SWEEP))
		return;
	counter_inc(counters_of(channel), COUNTER_channel_sweeps);
	finish(channel);
}

static void take_commit(struct channel *channel, const struct record_commit *commit,
			uint64_t now_us)
{
	if (!is_open(channel) || commit->generation != channel->generation ||
	    commit->row_count != channel->row_count) {
		lose(channel, COUNTER_channel_commit_refused, now_us);
		return;
	}
	if (channel->state == CHANNEL_CHANGING) {
		finish(channel);
		return;
	}
	tls_sweep(channel->worker->tls);
	proxy_policy_sweep(channel->worker->proxy);
	set_state(channel, CHANNEL_SWEEPING);
	sweep(channel);
}

void channel_apply(struct channel *channel, const struct record_header *header, const void *payload,
		   uint64_t now_us)
{
	const char *fault = record_check(header, payload);
	struct record record = {header->type, header->sequence, header->bytes, payload};
	counter_inc(counters_of(channel), COUNTER_channel_records);
	bool is_next = header->sequence == channel->sequence + 1;
	channel->sequence = header->sequence;
	if (!is_next)
		lose(channel, COUNTER_channel_sequence_gap, now_us);
	if (header->type == RECORD_BEGIN && fault)
		lose(channel, COUNTER_channel_begin_refused, now_us);
	else if (header->type == RECORD_BEGIN)
		take_begin(channel, payload, now_us);
	else if (header->type == RECORD_COMMIT && fault)
		lose(channel, COUNTER_channel_commit_refused, now_us);
	else if (header->type == RECORD_COMMIT)
		take_commit(channel, payload, now_us);
	else
		take_row(channel, &record, fault);
}

static bool has_keys(unsigned type)
{
	return type == RECORD_CERT || type == RECORD_IDENTITY || type == RECORD_TICKET_KEY;
}

// read_records applies at most a budget of records; returns how many.
static uint32_t read_records(struct channel *channel, uint64_t now_us)
{
	uint32_t count = 0;
	struct record_header header;
	while (count < CHANNEL_BUDGET && channel->state != CHANNEL_SWEEPING) {
		int error = ring_read(&channel->down, &header, channel->payload);
		if (error == EAGAIN)
			break;
		if (error) {
			hang_up(channel, COUNTER_channel_poisoned, now_us);
			break;
		}
		channel_apply(channel, &header, channel->payload, now_us);
		if (has_keys(header.type))
			explicit_bzero(channel->payload, header.bytes);
		count++;
	}
	return count;
}

void channel_tell_leaving(struct channel *channel)
{
	channel->is_leaving = true;
	channel->alive_due_us = 0;
}

// beat tells that we live: in the region each loop, up the ring now and then.
static void beat(struct channel *channel, uint64_t now_us)
{
	struct region_worker *published =
		region_worker(&channel->attached->region, channel->worker_index);
	uint64_t loops = counters_of(channel)->value[COUNTER_worker_loops];
	atomic_store_explicit(&published->beat, loops, memory_order_relaxed);
	atomic_store_explicit(&published->applied_sequence, channel->sequence,
			      memory_order_relaxed);
	if (now_us < channel->alive_due_us)
		return;
	struct event_alive event = {.loop_count = loops, .is_leaving = channel->is_leaving};
	channel->alive_due_us = now_us + CHANNEL_ALIVE_US;
	if (send(channel, EVENT_ALIVE, &event, sizeof(event)) &&
	    !region_is_intact(&channel->attached->region))
		hang_up(channel, COUNTER_channel_region_changed, now_us);
}

bool channel_run(struct channel *channel, uint64_t now_us)
{
	uint32_t count = 0;
	if (atomic_load_explicit(&channel->offered, memory_order_relaxed)) {
		// acquire: pairs with the release in channel_offer.
		struct channel_region *offered =
			atomic_exchange_explicit(&channel->offered, NULL, memory_order_acquire);
		attach(channel, offered, now_us);
	}
	bool is_sweeping = channel->state == CHANNEL_SWEEPING;
	if (is_sweeping)
		sweep(channel);
	if (channel->attached)
		count = read_records(channel, now_us);
	if (channel->state == CHANNEL_WAITING && now_us >= channel->resync_due_us) {
		if (channel->trouble == COUNTER_channel_started)
			counter_inc(counters_of(channel), COUNTER_channel_started);
		ask_resync(channel, now_us);
	}
	if (channel->attached)
		beat(channel, now_us);
	if (channel->attached)
		counter_set(counters_of(channel), COUNTER_channel_unread_bytes,
			    ring_unread_bytes(&channel->down));
	if (channel->has_changed)
		proxy_route_changed(channel->worker->proxy);
	if (channel->has_sent && channel->attached)
		handover_wake(channel->attached->fds.control_wake);
	channel->has_changed = channel->has_sent = false;
	return count > 0 || is_sweeping;
}

bool channel_has_work(const struct channel *channel)
{
	return atomic_load_explicit(&channel->offered, memory_order_relaxed) ||
	       channel->state == CHANNEL_SWEEPING ||
	       (channel->attached && ring_has_unread(&channel->down));
}

// was_asked tells whether the same question was asked lately, and notes it otherwise. A collision
// costs a repeated question.
static bool was_asked(struct channel *channel, enum event_type type, const char *host,
		      uint64_t now_us)
{
	static const struct siphash_key key = {{0x6c6f6f6b, 0x7570}};
	uint64_t hash = siphash(&key, host, RECORD_HOST_BYTES) + type;
	struct channel_question *question = &channel->asked[hash % CHANNEL_ASKED];
	if (question->hash == hash && now_us - question->asked_us < CHANNEL_AGAIN_US)
		return true;
	question->hash = hash;
	question->asked_us = now_us;
	question->type = type;
	memcpy(question->host, host, RECORD_HOST_BYTES);
	return false;
}

// ask sends a question about a host, unless it was asked lately.
static bool ask(struct channel *channel, enum event_type type, struct slice host, uint64_t now_us)
{
	char name[RECORD_HOST_BYTES] = {0};
	static_assert(sizeof(struct event_lookup) == sizeof(struct event_cert_wanted));
	if (host.bytes < sizeof(name))
		memcpy(name, host.at, host.bytes);
	if (!record_host_is_good(name)) {
		counter_inc(counters_of(channel), COUNTER_channel_event_refused);
		return false;
	}
	if (!channel->attached) {
		counter_inc(counters_of(channel), COUNTER_channel_no_control);
		return false;
	}
	if (was_asked(channel, type, name, now_us))
		return true;
	if (!send(channel, type, name, sizeof(name))) {
		memset(channel->asked, 0, sizeof(channel->asked));
		return false;
	}
	return true;
}

bool channel_lookup(struct channel *channel, struct slice host, uint64_t now_us)
{
	bool is_asked = ask(channel, EVENT_LOOKUP, host, now_us);
	counter_add(counters_of(channel), COUNTER_channel_lookups, is_asked);
	return is_asked;
}

bool channel_want_cert(struct channel *channel, struct slice host, uint64_t now_us)
{
	bool is_asked = ask(channel, EVENT_CERT_WANTED, host, now_us);
	counter_add(counters_of(channel), COUNTER_channel_certs_wanted, is_asked);
	return is_asked;
}

void channel_endpoint_failed(struct channel *channel, uint32_t endpoint_id, uint32_t failure_count)
{
	struct event_endpoint_failed event = {endpoint_id, failure_count};
	if (endpoint_id && send(channel, EVENT_ENDPOINT_FAILED, &event, sizeof(event)))
		counter_inc(counters_of(channel), COUNTER_channel_endpoint_failures);
}
