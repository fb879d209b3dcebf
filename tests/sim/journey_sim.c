// SPDX-License-Identifier: Apache-2.0
// The whole journey on a virtual clock: users, edge, gateway, sidecar and workload over four bad
// links, with control killed and started again. Every body is checked byte for byte; at the end
// nothing may be left anywhere.
//
//   journey_sim --seeds A-B [--loss PERCENT] [--workers 1|2] [--offload CORES] [--verbose]
//
// A failing seed replays with --seeds N-N. With two workers a node, odd seeds let only the first
// receive, even ones whoever comes first.
#include "sim_client.h"
#include "sim_workload.h"
#include "sim_world.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STALLED_US 900000000ull // virtual time after which a run has failed
#define QUIET_US   90000000ull  // for idle connections and TIME-WAIT to end

struct options {
	uint64_t first, last;
	int loss_percent; // -1: drawn from the seed
	uint32_t worker_count;
	uint32_t core_count; // helper cores of the edge
	bool is_verbose;
};

struct journey {
	struct sim_world world;
	struct sim_client client;
	struct sim_workload workload;
	uint32_t kill_count;
	uint64_t handed_count;  // packets between workers, of all seeds
	uint64_t message_count; // of their caches
	uint64_t jobs[5];       // counters of helper cores' jobs, of all seeds
	const char *failure;
};

static const enum counter job_counters[] = {COUNTER_tls_jobs_sent, COUNTER_tls_jobs_done,
					    COUNTER_tls_jobs_full, COUNTER_tls_jobs_late,
					    COUNTER_tls_jobs_stale};

static struct sim_link_config draw_link(struct random_source *random, uint32_t loss,
					enum sim_segment segment)
{
	if (segment == SIM_HOST_SEGMENT) // beside the workload: as a virtual wire
		loss /= 10;
	return (struct sim_link_config){
		.loss = loss,
		.reorder = loss ? random_below(random, 1000) : 0,
		.duplicate = loss ? random_below(random, 500) : 0,
		.corrupt = loss ? random_below(random, 50) : 0,
		.latency_us = segment == SIM_WIDE ? 10000 + random_below(random, 40000)
						  : 50 + random_below(random, 5000),
		.jitter_us = random_below(random, 2000),
		.reorder_us = 1 + random_below(random, 10000),
		.queue_bytes = 200000,
		.bytes_per_s =
			random_below(random, 2) ? 0 : 2000000 + random_below(random, 20000000),
		.mtu = 1500,
	};
}

static void open_world(struct sim_world *world, const struct options *options, uint64_t seed)
{
	static const uint32_t losses[] = {0, 100, 500, 1000};
	sim_world_seed(world, seed);
	struct sim_world_plan plan = {.seed = seed,
				      .is_v6 = random_below(&world->random, 2),
				      .is_route_on_demand = seed % 2,
				      .has_two_workers = options->worker_count == 2,
				      .is_spread = options->worker_count == 2 && seed % 2 == 0};
	if (options->core_count) {
		plan.handshake_cores = options->core_count;
		plan.handshake_jobs = 1 + random_below(&world->random, 4);
		plan.handshake_job_time_ms = 1 + random_below(&world->random, 100);
	}
	uint32_t loss = options->loss_percent >= 0 ? (uint32_t)options->loss_percent * 100
						   : losses[seed % 4];
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = draw_link(&world->random, loss, s);
	sim_world_open(world, &plan);
}

static void open_client(struct journey *journey)
{
	struct sim_world *world = &journey->world;
	struct random_source *random = &world->random;
	bool is_h2 = random_below(random, 2);
	struct sim_plan plan = {
		.vip = world->vip,
		.port = 443,
		.host = SIM_HOST,
		.conn_count = 1 + random_below(random, 3),
		.requests_per_conn = 1 + random_below(random, 8),
		.body_bytes_max = 200000,
		.seed = random_u64(random),
		.is_h2 = is_h2,
	};
	sim_client_init(&journey->client, world->client_host.tcp, &world->client_memory->bufs,
			world->contexts[is_h2], &plan);
	CHECK(sim_workload_init(&journey->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
}

// turn runs everybody once; true while the client has something to do.
static bool turn(struct journey *journey)
{
	sim_world_step(&journey->world);
	bool is_live = sim_client_step(&journey->client);
	sim_workload_step(&journey->workload);
	sim_world_advance(&journey->world);
	return is_live;
}

// trouble kills a control or starts it again, now and then. An edge that must ask for its route is
// left alone: without control nobody could answer it.
static void trouble(struct journey *journey)
{
	struct sim_world *world = &journey->world;
	if (world->plan.is_route_on_demand || random_below(&world->random, 100) != 0)
		return;
	struct sim_control *control =
		&world->nodes[random_below(&world->random, SIM_NODE_COUNT)].control;
	if (control->is_alive)
		sim_control_kill(control);
	else
		sim_control_start(control);
	journey->kill_count += !control->is_alive;
}

static void run_journey(struct journey *journey)
{
	struct sim_world *world = &journey->world;
	while (turn(journey)) {
		trouble(journey);
		if (world->now_us - world->began_us > STALLED_US) {
			journey->failure = "stalled";
			return;
		}
	}
	sim_workload_fini(&journey->workload);
	uint64_t end_us = world->now_us + QUIET_US;
	while (world->now_us < end_us)
		turn(journey);
}

static void judge(struct journey *journey)
{
	struct sim_client *client = &journey->client;
	uint32_t wanted = client->plan.conn_count * client->plan.requests_per_conn;
	if (journey->failure)
		return;
	if (client->wrong_count + journey->workload.wrong_count)
		journey->failure = "wrong bytes or status";
	else if (client->given_up_count || client->done_count != wanted)
		journey->failure = "requests were not answered";
	else
		journey->failure = sim_world_leftovers(&journey->world);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
		journey->handed_count +=
			sim_world_counter(&journey->world, n, COUNTER_worker_handed_in);
		journey->message_count +=
			sim_world_counter(&journey->world, n, COUNTER_worker_messages_in);
		if (sim_world_counter(&journey->world, n, COUNTER_worker_handoff_full))
			journey->failure = "a ring between workers was full";
	}
	for (size_t i = 0; i < ARRAY_LEN(job_counters); i++)
		journey->jobs[i] += sim_world_counter(&journey->world, SIM_EDGE, job_counters[i]);
}

static void print_journey(struct journey *journey)
{
	struct sim_client *client = &journey->client;
	struct sim_world *world = &journey->world;
	fprintf(stderr,
		"  virtual %.3f s, %s %s, %u connections x %u requests: done %u wrong %u retried "
		"%u "
		"given up %u, reached workload %" PRIu64 ", control killed %u times\n",
		(double)(world->now_us - world->began_us) / 1e6, world->plan.is_v6 ? "v6" : "v4",
		client->plan.is_h2 ? "h2" : "h1", client->plan.conn_count,
		client->plan.requests_per_conn, client->done_count, client->wrong_count,
		client->retry_count, client->given_up_count, journey->workload.request_count,
		journey->kill_count);
	sim_world_print(world, journey->failure != NULL);
}

// run_seed runs one seed; true when it passed.
static bool run_seed(struct journey *journey, const struct options *options, uint64_t seed)
{
	journey->failure = NULL;
	journey->kill_count = 0;
	open_world(&journey->world, options, seed);
	open_client(journey);
	run_journey(journey);
	judge(journey);
	if (journey->failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, journey->failure);
	if (journey->failure || options->is_verbose)
		print_journey(journey);
	sim_client_fini(&journey->client);
	sim_workload_fini(&journey->workload);
	sim_world_close(&journey->world);
	return !journey->failure;
}

static struct options read_options(int count, char **arguments)
{
	struct options options = {.first = 1, .last = 20, .loss_percent = -1, .worker_count = 1};
	for (int i = 1; i < count; i++) {
		const char *value = i + 1 < count ? arguments[i + 1] : "";
		if (strcmp(arguments[i], "--verbose") == 0)
			options.is_verbose = true;
		else if (strcmp(arguments[i], "--loss") == 0 && ++i)
			options.loss_percent = atoi(value);
		else if (strcmp(arguments[i], "--workers") == 0 && ++i)
			options.worker_count = (uint32_t)atoi(value);
		else if (strcmp(arguments[i], "--offload") == 0 && ++i)
			options.core_count = (uint32_t)atoi(value);
		else if (strcmp(arguments[i], "--seeds") == 0 && ++i &&
			 sscanf(value, "%" SCNu64 "-%" SCNu64, &options.first, &options.last) == 2)
			continue;
		else {
			fprintf(stderr,
				"use: journey_sim [--seeds A-B] [--loss PERCENT] [--workers 1|2] "
				"[--offload CORES] [--verbose]\n");
			exit(2);
		}
	}
	return options;
}

int main(int count, char **arguments)
{
	static struct journey journey;
	struct options options = read_options(count, arguments);
	uint64_t failed = 0;
	sim_world_init(&journey.world);
	printf("TAP version 13\n1..%" PRIu64 "\n", options.last - options.first + 1);
	for (uint64_t seed = options.first; seed <= options.last; seed++) {
		bool has_passed = run_seed(&journey, &options, seed);
		printf("%s %" PRIu64 " - journey of seed %" PRIu64 "\n",
		       has_passed ? "ok" : "not ok", seed - options.first + 1, seed);
		failed += !has_passed;
	}
	sim_world_fini(&journey.world);
	if (options.worker_count == 2) {
		printf("# %" PRIu64 " packets and %" PRIu64 " cache messages between workers\n",
		       journey.handed_count, journey.message_count);
		failed += journey.handed_count == 0 || journey.message_count == 0;
	}
	for (size_t i = 0; options.core_count && i < ARRAY_LEN(job_counters); i++) {
		printf("# %s: %" PRIu64 "\n", counter_info[job_counters[i]].name, journey.jobs[i]);
		failed += journey.jobs[i] == 0;
	}
	return failed ? 1 : 0;
}
