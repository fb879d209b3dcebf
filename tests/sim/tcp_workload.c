// SPDX-License-Identifier: Apache-2.0
// Random workloads over random networks: two to four hosts, dozens of connections (in some seeds
// thousands) of all sizes and manners, over links that lose, reorder, duplicate, corrupt, queue,
// narrow and fail. tcp's invariants hold at each step, every byte is the right one, every flow ends
// as it may and in time, and all pools come back to zero.
//
//   tcp_workload [--seed N | --seeds A-B | --nightly] [--jobs N] [--verbose]
//
// --nightly is seeds 1 to 10000, with progress; --seeds with it chooses a part of them. --jobs
// shares the seeds among N processes. A failing seed is printed with the command that replays it;
// with
// --verbose that shows each segment and each act of an application.
#include "check.h"
#include "tcp_workload.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FLOW_MAX_US   2400000000ull // the longest life: R2 at 60 s a try, twice
#define STEPS_MAX     5000000u
#define EXCUSED_SHARE 4u // of the flows, at most; small tables may refuse all
#define NIGHTLY_SEEDS 10000u
#define NEWS_EVERY    100u // seeds
#define JOBS_MAX      64u

struct options {
	uint64_t first, last;
	uint32_t jobs, job; // job takes each jobs-th seed, beginning with first + job
	bool is_verbose, tells_progress;
	const char *program;
};

void workload_fail(struct workload *workload, const struct flow *flow, const char *why)
{
	if (workload->failure)
		return;
	workload->failure = why;
	workload->failed = flow;
}

static void on_broken(void *user, const char *rule)
{
	struct workload *workload = user;
	if (!workload->failure)
		fprintf(stderr, "  %s\n", rule);
	workload_fail(workload, NULL, "an invariant of tcp does not hold");
}

void workload_activate(struct workload *workload, struct flow *flow)
{
	if (flow->is_active)
		return;
	flow->is_active = true;
	workload->active[workload->active_count++] = flow;
}

// start_flows starts what is due; those that found a full table come again.
static void start_flows(struct workload *workload)
{
	for (uint32_t i = workload->next_flow; i < workload->flow_count; i++) {
		struct flow *flow = &workload->flows[i];
		if (flow->is_started || flow->start_us > workload->now_us)
			continue;
		if (flow_start(flow))
			workload_activate(workload, flow);
	}
	while (workload->next_flow < workload->flow_count &&
	       workload->flows[workload->next_flow].is_started)
		workload->next_flow++;
}

static void pump(struct workload *workload)
{
	for (uint32_t i = 0; i < workload->active_count;) {
		struct flow *flow = workload->active[i];
		flow_pump(flow);
		if (workload->now_us - flow->began_us > FLOW_MAX_US)
			workload_fail(workload, flow, "outlives its bound");
		if (!flow_is_over(flow)) {
			i++;
			continue;
		}
		flow_check(flow);
		flow->is_active = false;
		workload->active[i] = workload->active[--workload->active_count];
	}
}

static uint64_t next_us(const struct workload *workload)
{
	uint64_t next = MIN(sim_link_next_us(workload->link), workload->event_us);
	for (uint32_t host = 0; host < workload->host_count; host++)
		next = MIN(next, sim_host_next_us(&workload->hosts[host], workload->now_us));
	for (uint32_t i = 0; i < workload->active_count; i++)
		next = MIN(next, flow_next_us(workload->active[i]));
	for (uint32_t i = workload->next_flow; i < workload->flow_count; i++)
		if (!workload->flows[i].is_started)
			next = MIN(next, workload->flows[i].start_us);
	return next;
}

static bool is_done(const struct workload *workload)
{
	if (workload->next_flow < workload->flow_count || workload->active_count)
		return false;
	for (uint32_t host = 0; host < workload->host_count; host++) {
		struct tcp_in_use in_use = tcp_in_use(workload->hosts[host].tcp);
		if (in_use.conn_count + in_use.half_open_count + in_use.time_wait_count)
			return false;
	}
	return sim_link_next_us(workload->link) == UINT64_MAX;
}

static void simulate(struct workload *workload)
{
	for (uint32_t steps = 0; !workload->failure && !is_done(workload); steps++) {
		workload_disturb(workload);
		start_flows(workload);
		for (uint32_t host = 0; host < workload->host_count; host++)
			sim_host_step(&workload->hosts[host], workload->now_us,
				      1 + random_below(&workload->random, 64));
		pump(workload);
		uint64_t next = MAX(next_us(workload), workload->now_us + 1);
		if (next == UINT64_MAX && !is_done(workload))
			workload_fail(workload, NULL, "nothing will ever happen again");
		if (steps == STEPS_MAX)
			workload_fail(workload, NULL, "goes round and round");
		if (next != UINT64_MAX)
			workload->now_us = next + random_below(&workload->random, 200);
	}
}

static void print_run(const struct workload *workload)
{
	struct sim_link_totals totals = sim_link_totals_of(workload->link);
	fprintf(stderr,
		"  virtual %.3f s; %u hosts, %u flows (%u excused)%s%s; frames %lu lost %lu queue "
		"%lu "
		"too long %lu reordered %lu dup %lu corrupt %lu no mbuf %lu\n",
		(double)(workload->now_us - workload->began_us) / 1e6, workload->host_count,
		workload->flow_count, workload->excused, workload->is_harsh ? " harsh" : "",
		workload->is_tight ? " tight" : "", totals.sent, totals.lost, totals.queue_dropped,
		totals.too_long, totals.reordered, totals.duplicated, totals.corrupted,
		totals.no_mbuf);
	for (uint32_t host = 0; host < workload->host_count; host++)
		for (unsigned c = COUNTER_tcp_segments_in; c <= COUNTER_tcp_icmp_ignored; c++)
			if (workload->hosts[host].counters.value[c])
				fprintf(stderr, "  host %u %s %lu\n", host + 1,
					counter_info[c].name,
					workload->hosts[host].counters.value[c]);
	if (workload->failed)
		flow_print(workload->failed);
}

static void close_run(struct workload *workload)
{
	for (uint32_t host = 0; host < workload->host_count; host++)
		sim_host_close(&workload->hosts[host]);
	sim_link_free(workload->link);
	for (uint32_t host = 0; host < workload->host_count; host++)
		if (sim_memory_in_use(workload->memories[host]))
			workload_fail(workload, NULL, "buffers leaked");
	free(workload->flows);
	free(workload->active);
}

static bool run_seed(uint64_t seed, const struct options *options,
		     struct sim_memory *const large[WORKLOAD_HOSTS],
		     struct sim_memory *const small[WORKLOAD_HOSTS])
{
	struct workload *workload = calloc(1, sizeof(*workload));
	CHECK(workload);
	workload->seed = seed;
	workload->is_verbose = options->is_verbose;
	workload_draw(workload, large, small);
	for (uint32_t host = 0; host < workload->host_count; host++) {
		workload->hosts[host].broken = on_broken;
		workload->hosts[host].user = workload;
	}
	simulate(workload);
	if (!workload->is_tight && workload->excused > 1 + workload->flow_count / EXCUSED_SHARE)
		workload_fail(workload, NULL, "too many flows ended short");
	if (workload->failure || workload->is_verbose)
		print_run(workload);
	close_run(workload);
	bool is_good = !workload->failure;
	if (!is_good)
		fprintf(stderr, "FAILED: %s --seed %lu --verbose: %s\n", options->program, seed,
			workload->failure);
	free(workload);
	return is_good;
}

static void parse(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'S'},
		{"nightly", no_argument, NULL, 'n'},    {"jobs", required_argument, NULL, 'j'},
		{"verbose", no_argument, NULL, 'v'},    {0},
	};
	int option;
	char *dash;
	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		switch (option) {
		case 's': options->first = options->last = strtoull(optarg, NULL, 10); break;
		case 'S':
			options->first = options->last = strtoull(optarg, &dash, 10);
			if (*dash == '-')
				options->last = strtoull(dash + 1, NULL, 10);
			break;
		case 'n':
			options->tells_progress = true;
			if (options->last == 0)
				options->last = NIGHTLY_SEEDS;
			break;
		case 'j': options->jobs = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'v': options->is_verbose = true; break;
		default: exit(2);
		}
	}
}

// tell says how far a long run has come.
static void tell(const struct options *options, uint64_t seed, uint64_t failed)
{
	static time_t began;
	if (began == 0)
		began = time(NULL);
	uint64_t done = (seed - options->first) / options->jobs + 1;
	if (!options->tells_progress || done % NEWS_EVERY)
		return;
	printf("# job %u: %lu seeds done, up to %lu of %lu, %lu failed, %ld s\n", options->job,
	       done, seed, options->last, failed, (long)(time(NULL) - began));
	fflush(stdout);
}

// run_job runs its share of the seeds; returns how many failed.
static uint64_t run_job(const struct options *options)
{
	static const char *const names[2][WORKLOAD_HOSTS] = {
		{"large1", "large2", "large3", "large4"}, {"small1", "small2", "small3", "small4"}};
	struct sim_memory *large[WORKLOAD_HOSTS], *small[WORKLOAD_HOSTS];
	sim_start();
	for (unsigned host = 0; host < WORKLOAD_HOSTS; host++) {
		large[host] = sim_memory_new(names[0][host], 8191, 256, 256);
		small[host] = sim_memory_new(names[1][host], 383, 12, 24);
	}
	uint64_t failed = 0;
	for (uint64_t seed = options->first + options->job; seed <= options->last;
	     seed += options->jobs) {
		failed += !run_seed(seed, options, large, small);
		tell(options, seed, failed);
	}
	for (unsigned host = 0; host < WORKLOAD_HOSTS; host++) {
		sim_memory_free(large[host]);
		sim_memory_free(small[host]);
	}
	printf("tcp_workload: seeds %lu-%lu, job %u of %u, %lu failed\n", options->first,
	       options->last, options->job + 1, options->jobs, failed);
	return failed;
}

// run_jobs runs each job in a process of its own; returns how many of them failed.
static uint64_t run_jobs(struct options *options)
{
	uint64_t failed = 0;
	for (options->job = 0; options->job < options->jobs; options->job++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0)
			exit(run_job(options) > 0);
	}
	for (uint32_t i = 0; i < options->jobs; i++) {
		int status = 0;
		CHECK(wait(&status) > 0);
		failed += status != 0;
	}
	return failed;
}

int main(int count, char **arguments)
{
	struct options options = {.first = 1, .jobs = 1, .program = arguments[0]};
	parse(count, arguments, &options);
	if (options.last == 0)
		options.last = 100;
	if (options.jobs < 1 || options.jobs > JOBS_MAX)
		return 2;
	uint64_t failed = options.jobs == 1 ? run_job(&options) : run_jobs(&options);
	return failed ? 1 : 0;
}
