// SPDX-License-Identifier: Apache-2.0
// A node whose memory is at its bound refuses new work by name and recovers: every scenario drives
// a node into one bound, sees the counter and the answer, lets go, and sees that an ordinary
// request succeeds and that nothing is left.
//
//   bounds_sim [--quick] [--seeds N] [part of a name]
#include "bounds.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECOVER_US 20000000ull
#define QUIET_US   200000000ull

struct options {
	bool is_quick;
	uint64_t seeds;
	const char *only;
};

// recover is what every scenario ends with.
static void recover(struct bounds *bounds)
{
	bounds->workload.is_holding = false;
	bounds_let_go(bounds);
	bounds_run(bounds, 2000000);
	bounds_bystander(bounds, RECOVER_US);
	bounds_run(bounds, QUIET_US);
	const char *left = sim_world_leftovers(&bounds->world);
	bounds_expect(bounds, !left, left);
}

static const char *run_case(struct bounds *bounds, const struct bounds_case *one, uint64_t seed)
{
	struct sim_world *world = &bounds->world;
	struct sim_world_plan plan = one->plan;
	sim_world_seed(world, seed);
	plan.seed = seed;
	plan.is_v6 = seed % 2;
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){
			.latency_us = 500, .queue_bytes = 1000000, .mtu = 1500};
	memset(bounds->is_live, 0, sizeof(bounds->is_live));
	memset(bounds->bufs_peak, 0, sizeof(bounds->bufs_peak));
	bounds->failure = NULL;
	sim_world_open(world, &plan);
	CHECK(sim_workload_init(&bounds->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
	one->run(bounds);
	recover(bounds);
	if (bounds->failure) {
		fprintf(stderr, "# %s: %s\n", one->name, bounds->failure);
		fprintf(stderr, "# most buffers in use: edge %lu, gateway %lu, sidecar %lu\n",
			bounds->bufs_peak[0], bounds->bufs_peak[1], bounds->bufs_peak[2]);
		sim_world_print(world, true);
	}
	bounds_let_go(bounds);
	sim_workload_fini(&bounds->workload);
	sim_world_close(world);
	return bounds->failure;
}

struct tally {
	unsigned number, failed;
};

static void run_cases(struct bounds *bounds, const struct bounds_case *cases, size_t count,
		      const struct options *options, struct tally *tally)
{
	for (size_t i = 0; i < count; i++) {
		if ((options->is_quick && !cases[i].is_quick) ||
		    (options->only && !strstr(cases[i].name, options->only)))
			continue;
		for (uint64_t seed = 0; seed < options->seeds; seed++) {
			const char *failure = run_case(bounds, &cases[i], seed);
			printf("%s %u - %s (%s)\n", failure ? "not ok" : "ok", ++tally->number,
			       cases[i].name, seed % 2 ? "v6" : "v4");
			tally->failed += failure != NULL;
			fflush(stdout);
		}
	}
}

static struct options read_options(int count, char **arguments)
{
	struct options options = {.seeds = 2};
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--quick") == 0)
			options.is_quick = true;
		else if (strcmp(arguments[i], "--seeds") == 0 && i + 1 < count)
			options.seeds = strtoull(arguments[++i], NULL, 10);
		else
			options.only = arguments[i];
	}
	if (options.is_quick)
		options.seeds = 1;
	return options;
}

int main(int count, char **arguments)
{
	static struct bounds bounds;
	struct options options = read_options(count, arguments);
	struct tally tally = {0};
	sim_world_init(&bounds.world);
	printf("TAP version 13\n");
	run_cases(&bounds, bounds_conns, bounds_conns_count, &options, &tally);
	run_cases(&bounds, bounds_memory, bounds_memory_count, &options, &tally);
	run_cases(&bounds, bounds_cache, bounds_cache_count, &options, &tally);
	printf("1..%u\n", tally.number);
	sim_world_fini(&bounds.world);
	return tally.failed ? 1 : 0;
}
