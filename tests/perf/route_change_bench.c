// SPDX-License-Identifier: Apache-2.0
// A route change in the data plane: from the moment that control writes it into the ring of shared
// memory to the first lookup of a worker that uses it. The ring, the worker, its tables and its
// idle ladder are the real ones; control's end is a thread of this program, the worker's another,
// and the lookup is made where a packet would be taken, once a turn of the loop.
//
//   control: BEGIN, ENDPOINT new, REMOVE old, COMMIT, wake ──ring──▶ worker: turn, turn: lookup
//   finds new
//
// A change of a worker that sleeps, of one that polls, a thousand changes at once, and all routes
// replaced by a full set. Latencies are those of the clock, with what others of the machine took;
// turns are the thread's own time.
//
//   route_change_bench [--quick] [--routes N [--populate]]
//
// --populate: what dataplane.populate does, done before.
#include "worker_rig.h"

#include "check.h"
#include "worker_idle.h"
#include "worker_touch.h"

#include <rte_cycles.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHANGES_MAX 1000u
#define HOST        "bench.example"
#define PATIENCE_US 20000000u // for what must happen

struct samples {
	double us[CHANGES_MAX];
	uint32_t count;
};

struct bench {
	struct worker_rig *rig;
	struct idle idle;
	bool is_polling;
	_Atomic bool is_stopping;     // W: control
	_Atomic uint32_t wanted;      // W: control. the endpoint that lookups are to find
	_Atomic uint64_t found_tsc;   // W: worker. when one did; 0: not yet
	_Atomic uint64_t applied;     // W: worker. generation
	_Atomic uint64_t turn_max_ns; // W: both, between measurements. of the longest turn
	_Atomic uint64_t row_ns;      // W: the same. of turns that read records
	uint64_t generation;
	uint32_t endpoint; // the one that is routed to
	uint64_t routes_first;
};

static double us_of(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t clock_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

static double as_us(uint64_t ns)
{
	return (double)ns / 1000;
}

// look does what a request would: host to service, service to endpoint.
static void look(struct bench *bench)
{
	struct worker *worker = bench->rig->worker;
	struct route_target target;
	// acquire: found_tsc was reset before.
	uint32_t wanted = atomic_load_explicit(&bench->wanted, memory_order_acquire);
	if (!wanted || atomic_load_explicit(&bench->found_tsc, memory_order_relaxed))
		return;
	struct route_found found =
		route_find(worker->routes, SLICE(HOST), SLICE("/"), worker->now_us);
	if (found.answer == ROUTE_FOUND &&
	    route_pick(worker->routes, found.service_id, (struct route_tried){0}, worker->now_us,
		       &target) &&
	    target.endpoint_id == wanted)
		atomic_store_explicit(&bench->found_tsc, rte_rdtsc(), memory_order_release);
}

// turn is one of the worker's loop. True when there was something to do.
static bool turn(struct bench *bench)
{
	struct worker *worker = bench->rig->worker;
	uint64_t before = worker->counters.value[COUNTER_channel_records];
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	look(bench);
	bool is_busy = worker_step(worker, clock_us(), (uint64_t)time(NULL));
	uint64_t ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
	if (worker->counters.value[COUNTER_channel_records] != before)
		atomic_fetch_add_explicit(&bench->row_ns, ns, memory_order_relaxed);
	if (ns > atomic_load_explicit(&bench->turn_max_ns, memory_order_relaxed))
		atomic_store_explicit(&bench->turn_max_ns, ns, memory_order_relaxed);
	atomic_store_explicit(&bench->applied, worker->channel.applied, memory_order_release);
	return is_busy;
}

// rest sleeps as a worker's thread does, after a last look.
static void rest(struct bench *bench)
{
	struct worker *worker = bench->rig->worker;
	idle_watch_control(&bench->idle, channel_wake_fd(&worker->channel),
			   worker->counters.value[COUNTER_channel_attaches]);
	bool is_busy = turn(bench);
	uint64_t next_us = worker_next_us(worker);
	if (is_busy)
		idle_reset(&bench->idle);
	else if (next_us > worker->now_us && !worker_has_input(worker))
		idle_sleep(&bench->idle, next_us - worker->now_us);
}

static void *run_worker(void *user)
{
	struct bench *bench = user;
	while (!atomic_load_explicit(&bench->is_stopping, memory_order_relaxed)) {
		if (turn(bench))
			idle_reset(&bench->idle);
		else if (idle_should_sleep(&bench->idle, bench->rig->worker->now_us))
			rest(bench);
	}
	return NULL;
}

static void wake(struct bench *bench)
{
	handover_wake(bench->rig->shared->fds.worker_wake[0]);
}

// put writes one record; waits while the ring is full, as control does.
static void put(struct bench *bench, enum record_type type, const void *row, size_t bytes)
{
	struct iovec part = {(void *)(uintptr_t)row, bytes};
	uint64_t end_us = clock_us() + PATIENCE_US;
	int error;
	while ((error = ring_write(&bench->rig->down, (uint8_t)type, &part, 1)) == EAGAIN) {
		wake(bench);
		usleep(100);
		CHECK(clock_us() < end_us);
	}
	CHECK(error == 0);
}

static void put_begin(struct bench *bench, enum record_set set)
{
	struct record_begin row = {.generation = ++bench->generation, .set = set};
	put(bench, RECORD_BEGIN, &row, sizeof(row));
}

static void put_commit(struct bench *bench, uint32_t row_count)
{
	struct record_commit row = {.generation = bench->generation, .row_count = row_count};
	put(bench, RECORD_COMMIT, &row, sizeof(row));
}

static void put_endpoint(struct bench *bench, uint32_t id)
{
	struct record_endpoint row = {.id = id,
				      .service_id = 1,
				      .to = {.port = (uint16_t)(1024 + id % 60000)},
				      .hop = RECORD_HOP_WORKLOAD,
				      .is_healthy = 1,
				      .weight = 1};
	CHECK(addr_parse("192.0.2.1", &row.to.addr) == 0);
	put(bench, RECORD_ENDPOINT, &row, sizeof(row));
}

static void put_route(struct bench *bench, uint64_t id, const char *host)
{
	struct record_route row = {.id = (uint32_t)id, .service_id = 1, .path = "/"};
	snprintf(row.host, sizeof(row.host), "%s", host);
	put(bench, RECORD_ROUTE, &row, sizeof(row));
}

// put_full writes a full set: one service with one endpoint, our host, and count more routes.
static void put_full(struct bench *bench, uint32_t count)
{
	struct record_service service = {.id = 1, .name = "bench"};
	put_begin(bench, RECORD_SET_FULL);
	put(bench, RECORD_SERVICE, &service, sizeof(service));
	put_endpoint(bench, bench->endpoint);
	put_route(bench, 1, HOST);
	for (uint32_t i = 0; i < count; i++) {
		char host[64];
		uint64_t id = bench->routes_first + i;
		snprintf(host, sizeof(host), "host-%lu.example", id);
		put_route(bench, id, host);
	}
	put_commit(bench, 3 + count);
	wake(bench);
}

static void await_applied(struct bench *bench)
{
	uint64_t end_us = clock_us() + PATIENCE_US;
	while (atomic_load_explicit(&bench->applied, memory_order_acquire) != bench->generation) {
		usleep(50);
		CHECK(clock_us() < end_us);
	}
	// What the worker told of it is read by nobody.
	while (worker_rig_event(bench->rig, EVENT_APPLIED))
		;
}

// put_change swaps the endpoint for one of another id: what a `service set` becomes.
static void put_change(struct bench *bench)
{
	struct record_remove remove = {.type = RECORD_ENDPOINT, .id = bench->endpoint};
	put_begin(bench, RECORD_SET_DELTA);
	put_endpoint(bench, ++bench->endpoint);
	put(bench, RECORD_REMOVE, &remove, sizeof(remove));
	put_commit(bench, 2);
}

static void expect(struct bench *bench, uint32_t endpoint)
{
	atomic_store_explicit(&bench->found_tsc, 0, memory_order_relaxed);
	atomic_store_explicit(&bench->wanted, endpoint, memory_order_release);
}

// await_found returns the cycles from begin to the lookup that found what is expected.
static uint64_t await_found(struct bench *bench, uint64_t begin)
{
	uint64_t found, end_us = clock_us() + PATIENCE_US;
	while (!(found = atomic_load_explicit(&bench->found_tsc, memory_order_acquire))) {
		usleep(20);
		CHECK(clock_us() < end_us);
	}
	return found - begin;
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void say(struct samples *samples, const char *what)
{
	qsort(samples->us, samples->count, sizeof(samples->us[0]), compare);
	printf("%-44s median %8.1f   p99 %8.1f   most %8.1f us\n", what,
	       samples->us[samples->count / 2], samples->us[samples->count * 99 / 100],
	       samples->us[samples->count - 1]);
}

// measure_single makes changes one by one, gap_us and up to as much again apart.
static void measure_single(struct bench *bench, uint32_t count, uint32_t gap_us, const char *what)
{
	static struct samples samples, costs;
	samples.count = costs.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		usleep(gap_us + (unsigned)rand() % gap_us);
		expect(bench, bench->endpoint + 1);
		atomic_store(&bench->row_ns, 0);
		uint64_t begin = rte_rdtsc();
		put_change(bench);
		wake(bench);
		samples.us[samples.count++] = us_of(await_found(bench, begin));
		await_applied(bench);
		costs.us[costs.count++] = as_us(atomic_load(&bench->row_ns));
	}
	say(&samples, what);
	say(&costs, "  the worker's turns that read its records");
}

// measure_burst makes count changes without a pause.
static void measure_burst(struct bench *bench, uint32_t count)
{
	expect(bench, bench->endpoint + count);
	atomic_store(&bench->turn_max_ns, 0);
	uint64_t begin = rte_rdtsc();
	for (uint32_t i = 0; i < count; i++)
		put_change(bench);
	wake(bench);
	uint64_t cycles = await_found(bench, begin);
	await_applied(bench);
	printf("%4u changes at once: the last is used after %8.2f ms, longest turn %8.1f us\n",
	       count, us_of(cycles) / 1000, as_us(atomic_load(&bench->turn_max_ns)));
}

// replace_all replaces all routes by count others.
static void replace_all(struct bench *bench, uint32_t count, const char *what)
{
	bench->endpoint++;
	bench->routes_first += count;
	expect(bench, bench->endpoint);
	atomic_store(&bench->turn_max_ns, 0);
	uint64_t begin = rte_rdtsc();
	put_full(bench, count);
	await_found(bench, begin);
	await_applied(bench);
	uint64_t cycles = rte_rdtsc() - begin;
	printf("%u routes %s: applied after %8.2f ms, longest turn %8.1f us\n", count, what,
	       us_of(cycles) / 1000, as_us(atomic_load(&bench->turn_max_ns)));
}

// measure_full: the first two sets touch memory for the first time, which costs the kernel a page
// each time.
static void measure_full(struct bench *bench, uint32_t count)
{
	replace_all(bench, count, "set at first");
	replace_all(bench, count, "replaced by others, both in memory");
	replace_all(bench, count, "replaced, memory touched before");
	replace_all(bench, count, "replaced again");
}

// pin keeps a thread on a core, so that control does not take the worker's from it.
static void pin(pthread_t thread, unsigned core)
{
	cpu_set_t cores;
	CPU_ZERO(&cores);
	CPU_SET(core, &cores);
	pthread_setaffinity_np(thread, sizeof(cores), &cores);
}

static void measure_all(struct bench *bench, bool is_polling, uint32_t changes, uint32_t routes)
{
	pthread_t thread;
	CHECK(idle_init(&bench->idle, NULL, 0, is_polling, &bench->rig->worker->counters) == 0);
	atomic_store(&bench->is_stopping, false);
	CHECK(pthread_create(&thread, NULL, run_worker, bench) == 0);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		pin(thread, 1);
		pin(pthread_self(), 0);
	}
	measure_single(bench, changes, 500,
		       is_polling ? "worker polls: ring to first lookup"
				  : "worker sleeps: ring to first lookup");
	if (is_polling) {
		measure_burst(bench, changes);
		measure_full(bench, routes);
	}
	atomic_store(&bench->is_stopping, true);
	wake(bench);
	CHECK(pthread_join(thread, NULL) == 0);
	idle_fini(&bench->idle);
}

// populate touches the worker's tables before anything is measured.
static void populate(const struct bench *bench)
{
	struct spans spans = {0};
	atomic_bool is_stopping = false;
	_Atomic(size_t) touched = 0;
	worker_spans(bench->rig->worker, &spans);
	uint64_t begin_us = clock_us();
	CHECK(worker_touch_spans(&spans, &is_stopping, &touched) == 0);
	printf("%zu MiB touched before, in %.2f s\n", (size_t)touched >> 20,
	       (double)(clock_us() - begin_us) / 1e6);
}

int main(int argc, char **argv)
{
	bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	bool is_sized = argc > 2 && strcmp(argv[1], "--routes") == 0;
	uint32_t routes = is_sized ? (uint32_t)atoi(argv[2]) : is_quick ? 1000 : 100000;
	uint32_t changes = is_quick ? 50 : CHANGES_MAX;
	static struct bench bench = {.endpoint = 1, .routes_first = 2};
	worker_rig_start();
	bench.rig = worker_rig_new_sized("edge", 2 * routes + 64, 1 << 20);
	worker_rig_attach(bench.rig);
	if (is_sized && argc > 3 && strcmp(argv[3], "--populate") == 0)
		populate(&bench);
	put_full(&bench, 0);
	while (worker_rig_step(bench.rig, 1) || bench.rig->worker->channel.applied != 1)
		;
	bench.rig->now_us = clock_us();
	measure_all(&bench, false, changes, routes);
	measure_all(&bench, true, changes, routes);
	CHECK(worker_rig_count(bench.rig, COUNTER_channel_row_refused) == 0);
	CHECK(worker_rig_count(bench.rig, COUNTER_channel_row_malformed) == 0);
	CHECK(worker_rig_count(bench.rig, COUNTER_channel_resyncs) == 0);
	worker_rig_free(bench.rig);
	worker_rig_stop();
	return 0;
}
