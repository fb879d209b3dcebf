// SPDX-License-Identifier: Apache-2.0
// The life of a run: see load.h.
#include "load.h"

#include "check.h"
#include "worker_limits.h"

#include <stdlib.h>
#include <time.h>

#define TICK_US          1000u         // a sleep at most: schedules are looked at this often
#define DRAIN_NS         5000000000ull // for what is due to be answered
#define SECOND_NS        1e9
#define HANDSHAKE_BUDGET 1u  // steps a turn: answers wait for each of them
#define SAMPLE_LOOKS     64u // a turn: for one that may be asked
#define WALL_OF(ns)      ((ns) / 1000000000u)

uint64_t load_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// fail ends the program: nothing can be measured.
_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "loadgen: %s\n", what);
	exit(1);
}

static void keep_ticket(void *user, struct ssl_session_st *ticket)
{
	struct load *load = ((struct load_session *)user)->load;
	if (load->ticket_count == (load->options->is_resuming_one ? 1 : LOAD_TICKETS))
		tls_session_free(ticket);
	else
		load->tickets[load->ticket_count++] = ticket;
}

static void make_tls(struct load *load)
{
	static const struct tls_callbacks callbacks = {.session = keep_ticket};
	struct tls_limits limits = worker_limits_tls(load->stack->conf);
	load->tls = tls_new(&limits, &callbacks, &load->stack->bufs, &load->stack->counters);
	if (!load->tls)
		fail("memory is short for TLS");
	if (load->options->ca && !tls_client_trust(load->tls, load->options->ca))
		fail("--ca: no certificates to trust");
}

static void make_tables(struct load *load)
{
	const struct load_options *options = load->options;
	uint32_t places = load_options_places(options);
	uint64_t exchanges = (uint64_t)places * options->streams;
	exchanges = options->per_connection == 0 ? 0 : exchanges;
	load->sessions = calloc(places, sizeof(*load->sessions));
	load->exchanges = calloc(exchanges + 1, sizeof(*load->exchanges));
	if (!load->sessions || !load->exchanges)
		fail("memory is short for connections");
	for (uint32_t i = 0; i < places; i++)
		list_append(&load->free, &load->sessions[i].link);
	for (uint64_t i = 0; i < exchanges; i++)
		list_append(&load->idle, &load->exchanges[i].link);
}

struct load *load_new(struct load_options *options, struct host_stack *stack)
{
	struct load *load = calloc(1, sizeof(*load));
	CHECK(load);
	load->options = options;
	load->stack = stack;
	load->http_limits = (struct http_limits){
		.head_bytes = HTTP_HEAD_BYTES,
		.field_count = HTTP_FIELDS_MAX,
		.target_bytes = 8192,
		.stream_count = options->streams,
		.stream_window_bytes = 1 << 20,
		.conn_window_bytes = 16 << 20,
		.reset_budget = 1000,
		.counters = &load->stack->counters,
	};
	list_init(&load->free);
	list_init(&load->willing);
	list_init(&load->starved);
	list_init(&load->over);
	list_init(&load->idle);
	load_tally_init(&load->tally);
	random_init(&load->random, (struct siphash_key){{options->seed, 0}});
	load->schedule.random = &load->random;
	load->schedule.is_poisson = options->is_poisson;
	load->fresh = load->schedule;
	make_tls(load);
	make_tables(load);
	return load;
}

static void start_schedules(struct load *load, uint64_t now_ns, uint64_t end_ns)
{
	const struct load_options *options = load->options;
	double fresh_rate = options->rate * options->fresh_share;
	uint64_t fresh_count = fresh_rate > 0 ? LOAD_FOR_EVER : 0;
	bool is_all_fresh = options->fresh_share >= 1;
	load_schedule_start(&load->schedule, now_ns, options->rate - fresh_rate,
			    is_all_fresh ? 0 : options->count, end_ns);
	load_schedule_start(&load->fresh, now_ns, fresh_rate, fresh_count, end_ns);
}

static void begin_phase(struct load *load, enum load_phase phase, uint64_t now_ns)
{
	const struct load_options *options = load->options;
	uint64_t measure_ns = (uint64_t)(options->seconds * SECOND_NS);
	uint64_t warmup_ns = (uint64_t)(options->warmup_s * SECOND_NS);
	load->phase = phase;
	if (phase == LOAD_WARMING) {
		start_schedules(load, now_ns, now_ns + warmup_ns + measure_ns);
		load->phase_end_ns = now_ns + warmup_ns;
	} else if (phase == LOAD_MEASURING) {
		if (options->hold_s > 0)
			measure_ns = (uint64_t)(options->hold_s * SECOND_NS);
		load->tally.start_ns = now_ns;
		load->phase_end_ns = now_ns + measure_ns;
		fputs("measuring\n", stderr);
	} else if (phase == LOAD_DRAINING) {
		load->tally.end_ns = now_ns;
		load->tally.held_requests = load->tally.all_requests;
		load->sample_left = options->sample;
		load->phase_end_ns = now_ns + DRAIN_NS;
		fputs("measured\n", stderr);
	}
}

// is_all_up: with connections that stay, all of them come up before anything is asked.
static bool is_all_up(const struct load *load)
{
	bool stays = load->options->per_connection == LOAD_FOR_EVER || load->options->hold_s > 0;
	bool is_busy = load->opening_count > 0 || load->under_way > 0;
	return !stays || (!is_busy && load->session_count == load->options->connections);
}

static bool is_work_done(const struct load *load, uint64_t now_ns)
{
	bool is_begun = load_schedule_is_over(&load->schedule, now_ns) &&
			load_schedule_is_over(&load->fresh, now_ns);
	bool is_busy = load->under_way > 0 || load->fresh_count > 0 || load->sample_left > 0;
	if (load->options->hold_s > 0)
		return load->phase == LOAD_DRAINING && !is_busy;
	if (load->options->per_connection != LOAD_FOR_EVER)
		is_busy |= load->session_count > 0;
	return is_begun && !is_busy;
}

static void advance(struct load *load, uint64_t now_ns)
{
	if (load->phase == LOAD_OPENING && is_all_up(load))
		begin_phase(load, LOAD_WARMING, now_ns);
	if (load->phase == LOAD_WARMING && now_ns >= load->phase_end_ns)
		begin_phase(load, LOAD_MEASURING, now_ns);
	if (load->phase == LOAD_MEASURING &&
	    (now_ns >= load->phase_end_ns || is_work_done(load, now_ns)))
		begin_phase(load, LOAD_DRAINING, now_ns);
	if (load->phase == LOAD_DRAINING &&
	    (now_ns >= load->phase_end_ns || is_work_done(load, now_ns)))
		load->phase = LOAD_OVER;
}

// next_connection is true when one more connection is to begin, and tells when it was due.
static bool next_connection(struct load *load, uint64_t now_ns, uint64_t *due_ns)
{
	const struct load_options *options = load->options;
	bool stays = options->per_connection == LOAD_FOR_EVER || options->hold_s > 0;
	if (list_is_empty(&load->free) || load->opening_count >= options->opening)
		return false;
	*due_ns = now_ns;
	if (options->hold_s > 0 && load->phase != LOAD_OPENING)
		return false; // who is lost while held is missed, not replaced
	if (stays)
		return load->phase < LOAD_DRAINING &&
		       load->session_count - load->fresh_count < options->connections;
	return load->phase != LOAD_OPENING && load_schedule_take(&load->schedule, now_ns, due_ns);
}

// begin_fresh begins a connection for each request that is due on one of its own.
static void begin_fresh(struct load *load, uint64_t now_ns)
{
	uint64_t due_ns;
	if (load->phase == LOAD_OPENING)
		return;
	while (load->fresh_count < load->options->opening && !list_is_empty(&load->free) &&
	       load_schedule_take(&load->fresh, now_ns, &due_ns))
		load_session_open(load, due_ns, true);
}

// ask_sample asks some of those that were held, drawn at random, once more.
static void ask_sample(struct load *load)
{
	for (uint32_t looks = 0; looks < SAMPLE_LOOKS && load->sample_left > 0; looks++) {
		uint32_t index = random_below(&load->random, load->options->connections);
		struct load_session *session = &load->sessions[index];
		if (!session->http || session->is_over || !http_can_request(session->http))
			continue;
		load_session_ask(session, load_clock_ns());
		load_session_flush(session);
		load->sample_left--;
	}
}

// tell_progress writes a line for each tenth of the connections that are to stay.
static void tell_progress(struct load *load)
{
	uint64_t up = load->session_count - load->opening_count;
	uint32_t tenths = (uint32_t)(up * 10 / load->options->connections);
	if (load->phase != LOAD_OPENING || tenths <= load->told_tenths)
		return;
	load->told_tenths = tenths;
	fprintf(stderr, "opened %lu\n", up);
}

static void begin_requests(struct load *load)
{
	uint64_t due_ns;
	if (load->options->per_connection != LOAD_FOR_EVER || load->phase == LOAD_OPENING)
		return;
	while (!list_is_empty(&load->willing) &&
	       load_schedule_take(&load->schedule, load_clock_ns(), &due_ns)) {
		struct load_session *session =
			container_of(load->willing.next, struct load_session, link);
		load_session_ask(session, due_ns);
		load_session_flush(session);
		load->is_busy = true;
	}
}

static void feed_starved(struct load *load)
{
	struct list some;
	list_init(&some);
	while (!list_is_empty(&load->starved))
		list_append(&some, list_pop(&load->starved));
	for (struct list *link; (link = list_pop(&some));) {
		struct load_session *session = container_of(link, struct load_session, link);
		load_session_fill(session);
		load_session_flush(session);
	}
}

// count_turn notes what the turn before was, which ended at now_ns.
static void count_turn(struct load *load, uint64_t now_ns)
{
	if (load->phase == LOAD_MEASURING) {
		load_histogram_record(&load->tally.turns, now_ns - load->turn_ns);
		load->busy_ns += load->is_busy ? now_ns - load->turn_ns : 0;
	}
	load->turn_ns = now_ns;
	load->is_busy = false;
}

static void step(struct load *load)
{
	uint64_t due_ns, now_ns = load_clock_ns();
	count_turn(load, now_ns);
	for (struct list *link; (link = list_pop(&load->over));)
		load_session_end(container_of(link, struct load_session, link));
	advance(load, now_ns);
	while (next_connection(load, now_ns, &due_ns))
		load_session_open(load, due_ns, false);
	begin_fresh(load, now_ns);
	if (load->options->hold_s > 0)
		tell_progress(load);
	if (load->phase == LOAD_DRAINING)
		ask_sample(load);
	begin_requests(load);
	tls_set_time(load->tls, load->stack->now_us, (uint64_t)time(NULL));
	tls_run(load->tls, HANDSHAKE_BUDGET);
	feed_starved(load);
	load->is_busy |= host_stack_turn(load->stack, TICK_US);
}

void load_run(struct load *load, volatile const bool *is_stopped)
{
	while (load->phase != LOAD_OVER && !*is_stopped)
		step(load);
	if (load->tally.end_ns == UINT64_MAX)
		load->tally.end_ns = load_clock_ns();
}

void load_free(struct load *load)
{
	for (uint32_t i = 0; i < load_options_places(load->options); i++)
		if (!pool_id_is_null(load->sessions[i].tcp) || load->sessions[i].tls)
			load_session_end(&load->sessions[i]);
	while (load->ticket_count > 0)
		tls_session_free(load->tickets[--load->ticket_count]);
	tls_free_all(load->tls);
	free(load->sessions);
	free(load->exchanges);
	free(load);
}
