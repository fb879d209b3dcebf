// SPDX-License-Identifier: Apache-2.0
// Users, workload and expectations of scenarios about bounds; see bounds.h.
#include "bounds.h"

#include "check.h"

void bounds_expect(struct bounds *bounds, bool holds, const char *what)
{
	if (!holds && !bounds->failure)
		bounds->failure = what;
}

void bounds_ask(struct bounds *bounds, unsigned first, unsigned count, const char *request)
{
	struct sim_host *host = &bounds->world.client_host;
	struct sim_probe_plan plan = {.to = bounds->world.vip,
				      .port = 443,
				      .context = bounds->world.contexts[0],
				      .server_name = SIM_HOST,
				      .request = request};
	CHECK(first + count <= BOUNDS_PROBES);
	for (unsigned i = first; i < first + count; i++) {
		CHECK(!bounds->is_live[i]);
		bounds->is_live[i] = true;
		sim_probe_start(&bounds->probes[i], host->tcp, &host->memory->bufs, &plan);
	}
}

void bounds_say(struct bounds *bounds, unsigned index, const char *text)
{
	struct sim_probe *probe = &bounds->probes[index];
	probe->received_bytes = 0;
	probe->received[0] = 0;
	if (!probe->is_gone && !probe->conn.is_shut && probe->conn.is_ready)
		sim_conn_send(&probe->conn, slice_str(text));
}

uint32_t bounds_bufs_in_use(const struct bounds *bounds, enum sim_node_name node)
{
	return buf_pool_in_use(&bounds->world.nodes[node].worker->bufs);
}

void bounds_step(struct bounds *bounds)
{
	sim_world_step(&bounds->world);
	for (unsigned i = 0; i < BOUNDS_PROBES; i++)
		if (bounds->is_live[i])
			sim_probe_step(&bounds->probes[i]);
	sim_workload_step(&bounds->workload);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		bounds->bufs_peak[n] =
			MAX(bounds->bufs_peak[n], (uint64_t)bounds_bufs_in_use(bounds, n));
	sim_world_advance(&bounds->world);
}

void bounds_run(struct bounds *bounds, uint64_t us)
{
	uint64_t end_us = bounds->world.now_us + us;
	while (bounds->world.now_us < end_us)
		bounds_step(bounds);
}

void bounds_until(struct bounds *bounds, enum sim_node_name node, enum counter counter,
		  uint64_t at_least)
{
	uint64_t end_us = bounds->world.now_us + BOUNDS_LIMIT_US;
	while (sim_world_counter(&bounds->world, node, counter) < at_least &&
	       bounds->world.now_us < end_us)
		bounds_step(bounds);
	bounds_expect(bounds, sim_world_counter(&bounds->world, node, counter) >= at_least,
		      counter_info[counter].name);
}

static unsigned count_status(const struct bounds *bounds, unsigned first, unsigned status)
{
	unsigned count = 0;
	for (unsigned i = first; i < BOUNDS_PROBES; i++)
		count += bounds->is_live[i] && sim_probe_status(&bounds->probes[i]) == status &&
			 (status || bounds->probes[i].is_gone);
	return count;
}

unsigned bounds_statuses(const struct bounds *bounds, unsigned status)
{
	return count_status(bounds, 0, status);
}

void bounds_until_status(struct bounds *bounds, unsigned first, unsigned wanted, unsigned status,
			 uint64_t time_us)
{
	uint64_t end_us = bounds->world.now_us + time_us;
	while (count_status(bounds, first, status) < wanted && bounds->world.now_us < end_us)
		bounds_step(bounds);
	bounds_expect(bounds, count_status(bounds, first, status) >= wanted, "status");
}

void bounds_let_go(struct bounds *bounds)
{
	for (unsigned i = 0; i < BOUNDS_PROBES; i++)
		if (bounds->is_live[i])
			sim_probe_fini(&bounds->probes[i]);
	memset(bounds->is_live, 0, sizeof(bounds->is_live));
}

void bounds_bystander(struct bounds *bounds, uint64_t time_us)
{
	unsigned last = BOUNDS_PROBES - 1;
	uint64_t end_us = bounds->world.now_us + time_us;
	bounds_ask(bounds, last, 1, BOUNDS_GET("/b/3/2000", ""));
	while (sim_probe_status(&bounds->probes[last]) == 0 && bounds->world.now_us < end_us)
		bounds_step(bounds);
	bounds_expect(bounds, sim_probe_status(&bounds->probes[last]) == 200, "a bystander's 200");
	sim_probe_fini(&bounds->probes[last]);
	bounds->is_live[last] = false;
}
