// SPDX-License-Identifier: Apache-2.0
// HTTP/2 windows of the nodes on a path of 100 ms and 100 Mbit/s, to the edge or between nodes:
// what one body gets when they may grow, and when they may not. Times are virtual, so exact.
#include "sim_client.h"
#include "sim_workload.h"
#include "sim_world.h"
#include "unit.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>

#define STALLED_US 600000000ull

#define TCP_LARGE                                                                                  \
	"tcp = { connections = 256; half_open = 64; time_wait = 256; time_wait_life = \"1s\";"     \
	" send_buffer = \"4MiB\"; receive_buffer = \"4MiB\"; };\n"
#define HTTP_GROWING "http = { connections = 128; exchanges = 256; };\n"
#define HTTP_FIXED                                                                                 \
	"http = { connections = 128; exchanges = 256; stream_window_max = \"64KiB\"; };\n"

struct transfer {
	enum sim_segment where; // the 100 ms
	uint64_t bytes;
	uint32_t stream_count;
	bool is_upload;
	bool is_growing;
};

struct run {
	struct sim_world world;
	struct sim_client client;
	struct sim_workload workload;
};

static struct run run;

static void open_run(const struct transfer *transfer)
{
	struct sim_world *world = &run.world;
	const char *more = transfer->is_growing ? TCP_LARGE HTTP_GROWING : TCP_LARGE HTTP_FIXED;
	struct sim_world_plan plan = {
		.seed = 1, .host_window_bytes = 4 << 20, .conf_more = {more, more, more}};
	sim_world_seed(world, 1);
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){
			.latency_us = s == transfer->where ? 50000 : 100,
			.bytes_per_s = 12500000,
			.queue_bytes = 4000000,
			.mtu = 1500,
		};
	sim_world_open(world, &plan);
	struct sim_plan user = {.vip = world->vip,
				.port = 443,
				.host = SIM_HOST,
				.conn_count = 1,
				.requests_per_conn = transfer->stream_count,
				.exact_bytes = transfer->bytes,
				.is_upload = transfer->is_upload,
				.is_h2 = true};
	sim_client_init(&run.client, world->client_host.tcp, &world->client_memory->bufs,
			world->contexts[1], &user);
	CHECK(sim_workload_init(&run.workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
}

static bool turn(void)
{
	sim_world_step(&run.world);
	bool is_live = sim_client_step(&run.client);
	sim_workload_step(&run.workload);
	sim_world_advance(&run.world);
	return is_live;
}

static void close_run(void)
{
	sim_workload_fini(&run.workload);
	uint64_t end_us = run.world.now_us + 90000000;
	while (run.world.now_us < end_us)
		turn();
	const char *left = sim_world_leftovers(&run.world);
	if (left)
		printf("# %s\n", left);
	CU_ASSERT_PTR_NULL(left);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		CU_ASSERT_EQUAL(sim_world_counter(&run.world, n, COUNTER_http_window_bytes), 0);
	sim_client_fini(&run.client);
	sim_workload_fini(&run.workload);
	sim_world_close(&run.world);
}

// mbit_per_s is what all bodies of the transfer together got.
static double mbit_per_s(const struct transfer *transfer)
{
	open_run(transfer);
	uint64_t began_us = run.world.now_us;
	while (turn() && run.world.now_us - began_us < STALLED_US) {
	}
	uint64_t took_us = run.world.now_us - began_us;
	CU_ASSERT_EQUAL(run.client.done_count, transfer->stream_count);
	CU_ASSERT_EQUAL(run.client.retry_count, 0);
	CU_ASSERT_EQUAL(run.workload.wrong_count, 0);
	if (run.client.done_count != transfer->stream_count)
		sim_world_print(&run.world, false);
	close_run();
	return (double)(transfer->bytes * transfer->stream_count * 8) / (double)took_us;
}

// compare expects that windows that grow are at_least so many times faster.
static void compare(const char *name, struct transfer transfer, double at_least)
{
	transfer.is_growing = false;
	double fixed = mbit_per_s(&transfer);
	transfer.is_growing = true;
	double growing = mbit_per_s(&transfer);
	printf("# %s: %.1f Mbit/s, %.1f with windows that grow\n", name, fixed, growing);
	CU_ASSERT(growing >= at_least * fixed);
}

static void an_upload_over_a_long_way_to_the_edge(void)
{
	compare("upload, client to edge", (struct transfer){SIM_ACCESS, 6 << 20, 1, true, false},
		6);
}

static void an_upload_over_a_long_way_between_nodes(void)
{
	compare("upload, edge to gateway", (struct transfer){SIM_WIDE, 6 << 20, 1, true, false}, 6);
}

static void a_download_over_a_long_way_between_nodes(void)
{
	compare("download, gateway to edge", (struct transfer){SIM_WIDE, 6 << 20, 1, false, false},
		6);
}

static void many_downloads_on_one_connection_between_nodes(void)
{
	compare("eight downloads, gateway to edge",
		(struct transfer){SIM_WIDE, 2 << 20, 8, false, false}, 1.2);
}

int main(void)
{
	sim_world_init(&run.world);
	static const struct unit_case tests[] = {
		{"an upload over a long way to the edge", an_upload_over_a_long_way_to_the_edge},
		{"an upload over a long way between nodes",
		 an_upload_over_a_long_way_between_nodes},
		{"a download over a long way between nodes",
		 a_download_over_a_long_way_between_nodes},
		{"many downloads on one connection between nodes",
		 many_downloads_on_one_connection_between_nodes},
	};
	int failed = unit_run("windows_sim", tests, ARRAY_LEN(tests));
	sim_world_fini(&run.world);
	return failed;
}
