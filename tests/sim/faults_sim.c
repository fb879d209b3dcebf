// SPDX-License-Identifier: Apache-2.0
// Everything that can go wrong with a request, each in a mesh of its own on a virtual clock: what
// the client gets, which node counted which reason, and that nothing is left afterwards.
#include "sim_probe.h"
#include "sim_world.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define GET(more)  "GET /a?b=c HTTP/1.1\r\nHost: " SIM_HOST "\r\n" more "\r\n"
#define LIMIT_US   60000000ull
#define QUIET_US   90000000ull
#define PROBES_MAX 12u
#define DAY_S      86400u

// What a scenario is. Statuses: 0 is a connection that ended without a response.
struct scenario {
	const char *name;
	struct sim_world_plan plan;
	enum sim_behaviour origin;
	const char *request;
	unsigned probe_count; // 0 is one; all send the same
	unsigned status;      // of the last probe that got one
	enum sim_node_name node;
	enum counter counter; // counted at node at least once
	bool is_host_deaf;    // frames to the workload that carry a request vanish
	bool is_host_dead;    // frames to and from the workload vanish
	bool is_leaving;      // the client resets its connection after a second
	bool is_never_closing;
	bool is_core_lost; // after a second: nothing passes between edge and gateway any more
	bool is_early;     // done once the counter moved: no response is due
	bool is_caller;    // with is_sidecar: it shows a gateway's certificate, but speaks no h2
	bool is_head_big;  // the request's head is 20 KB
	bool is_sidecar;   // the probe stands beside the workload and calls the sidecar's mesh port
	bool is_plain;     // without TLS
	uint32_t drain_ms; // the edge ends politely within that, from the start on
	bool is_late;      // the probes come two seconds later
};

#define QUICK                                                                                      \
	"http = { connections = 8; per_prefix = 8; exchanges = 8; head = \"32KiB\";\n"             \
	"  head_timeout = \"2s\";\n"                                                               \
	"  keepalive_timeout = \"3s\"; body_idle_timeout = \"2s\"; linger = \"1s\"; };\n"          \
	"upstream = { connections = 8; idle = \"2s\"; connect_timeout = \"2s\";\n"                 \
	"  response_timeout = \"2s\"; lookup_timeout = \"1s\"; };\n"

#define QUICK_BUT_PATIENT                                                                          \
	"http = { connections = 8; exchanges = 8; };\n"                                            \
	"upstream = { connections = 8; connect_timeout = \"1s\"; response_timeout = \"120s\"; "    \
	"};\n"

static const struct scenario scenarios[] = {
	{.name = "a request is answered",
	 .origin = SIM_ORIGIN_GOOD,
	 .status = 200,
	 .counter = COUNTER_exchange_responses_2xx},
	{.name = "an unknown host is 404",
	 .plan.has_no_route = true,
	 .status = 404,
	 .counter = COUNTER_exchange_no_route},
	{.name = "a node without control says 503",
	 .plan.has_no_edge_control = true,
	 .plan.listen[SIM_EDGE] = "http",
	 .is_plain = true,
	 .status = 503,
	 .counter = COUNTER_exchange_lookup_unavailable},
	{.name = "no healthy endpoint is 503",
	 .plan.has_no_endpoint = true,
	 .status = 503,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_no_endpoint},
	{.name = "a workload that refuses connections is 502",
	 .origin = SIM_ORIGIN_ABSENT,
	 .status = 502,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_connect_failed},
	{.name = "a workload that cannot be reached is 504",
	 .is_host_dead = true,
	 .plan.conf_more[SIM_SIDECAR] = QUICK,
	 .status = 504,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_connect_timeout},
	{.name = "a workload that hears no request is 504 after connect_timeout",
	 .origin = SIM_ORIGIN_GOOD,
	 .is_host_deaf = true,
	 .plan.conf_more[SIM_SIDECAR] = QUICK_BUT_PATIENT,
	 .status = 504,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_connect_timeout},
	{.name = "a workload that closes without a response is 502",
	 .origin = SIM_ORIGIN_CLOSES,
	 .status = 502,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_upstream_gone},
	{.name = "a workload that does not speak HTTP is 502",
	 .origin = SIM_ORIGIN_GARBAGE,
	 .status = 502,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_upstream_garbage},
	{.name = "a silent workload is 504",
	 .origin = SIM_ORIGIN_SILENT,
	 .plan.conf_more[SIM_SIDECAR] = QUICK,
	 .status = 504,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_upstream_timeout},
	{.name = "a gateway that is lost with a request is 502, and the request not its whole time",
	 .origin = SIM_ORIGIN_SILENT,
	 .is_core_lost = true,
	 .plan.conf_more[SIM_EDGE] = QUICK_BUT_PATIENT,
	 .plan.conf_more[SIM_GATEWAY] = QUICK,
	 .status = 502,
	 .counter = COUNTER_exchange_upstream_silent},
	{.name = "a gateway that lives is not lost because its workload is silent",
	 .origin = SIM_ORIGIN_SILENT,
	 .plan.conf_more[SIM_EDGE] = "http = { connections = 8; exchanges = 8; };\n"
				     "upstream = { connections = 8; silence_timeout = \"1s\"; "
				     "response_timeout = \"8s\"; };\n",
	 .status = 504,
	 .counter = COUNTER_exchange_upstream_timeout},
	{.name = "half a response breaks the client's connection",
	 .origin = SIM_ORIGIN_HALF,
	 .status = 200,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_response_broken},
	{.name = "a stalled body is given up",
	 .origin = SIM_ORIGIN_STALLS,
	 .plan.conf_more[SIM_SIDECAR] = QUICK,
	 .status = 200,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_body_stalled},
	{.name = "a client that leaves ends its exchange",
	 .origin = SIM_ORIGIN_SILENT,
	 .is_leaving = true,
	 .is_early = true,
	 .counter = COUNTER_exchange_client_gone},
	{.name = "only-if-cached that is not is 504",
	 .origin = SIM_ORIGIN_GOOD,
	 .request = GET("Cache-Control: only-if-cached\r\n"),
	 .status = 504,
	 .counter = COUNTER_exchange_only_if_cached},
	{.name = "a request without a host is 400",
	 .request = "GET / HTTP/1.0\r\n\r\n",
	 .status = 400,
	 .counter = COUNTER_exchange_bad_host},
	{.name = "TRACE is 405",
	 .request = "TRACE / HTTP/1.1\r\nHost: " SIM_HOST "\r\n\r\n",
	 .status = 405,
	 .counter = COUNTER_exchange_bad_method},
	{.name = "the redirect listener says 308",
	 .plan.listen[SIM_EDGE] = "redirect",
	 .is_plain = true,
	 .status = 308,
	 .counter = COUNTER_exchange_redirected},
	{.name = "more requests than exchanges are 503",
	 .origin = SIM_ORIGIN_SILENT,
	 .plan.conf_more[SIM_EDGE] =
		 "http = { exchanges = 8; connections = 64; };\n"
		 "upstream = { connections = 64; response_timeout = \"5s\"; };\n",
	 .probe_count = 10,
	 .status = 503,
	 .counter = COUNTER_exchange_overloaded},
	{.name = "connections beyond the bound are refused",
	 .origin = SIM_ORIGIN_SILENT,
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .probe_count = 10,
	 .is_early = true,
	 .counter = COUNTER_exchange_downstream_at_bound},
	{.name = "a head that does not end is timed out",
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .request = "GET / HTTP/1.1\r\nHost: s",
	 .is_early = true,
	 .counter = COUNTER_exchange_downstream_head_timeout},
	{.name = "an idle connection is closed",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .status = 200,
	 .counter = COUNTER_exchange_downstream_idle},
	{.name = "a client that never closes is reset",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .is_never_closing = true,
	 .status = 200,
	 .counter = COUNTER_exchange_downstream_lingered},
	{.name = "an idle upstream connection is closed",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.conf_more[SIM_SIDECAR] = QUICK,
	 .status = 200,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_upstream_idle},
	{.name = "control that does not answer a lookup is 503",
	 .plan.is_route_on_demand = true,
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .status = 503,
	 .counter = COUNTER_exchange_lookup_timeout},
	{.name = "a gateway of another location is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identities[SIM_GATEWAY] = "spiffe://" SIM_MESH "/gateway/ams/gateway-1",
	 .status = 502,
	 .counter = COUNTER_tls_peer_wrong_name},
	{.name = "a service in place of a gateway is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identities[SIM_GATEWAY] = "spiffe://" SIM_MESH "/svc/shop",
	 .status = 502,
	 .counter = COUNTER_exchange_upstream_refused_us},
	{.name = "a gateway of another mesh is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identities[SIM_GATEWAY] = "spiffe://evil.test/gateway/fra/gateway-1",
	 .status = 502,
	 .counter = COUNTER_tls_peer_wrong_mesh},
	{.name = "a gateway of another CA is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.has_other_ca = true,
	 .status = 502,
	 .counter = COUNTER_tls_peer_other_ca},
	{.name = "an expired gateway is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identity_wall_s = SIM_WALL_S - 3 * DAY_S,
	 .status = 502,
	 .counter = COUNTER_tls_peer_expired},
	{.name = "a gateway of tomorrow is refused",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identity_wall_s = SIM_WALL_S + 3 * DAY_S,
	 .status = 502,
	 .counter = COUNTER_tls_peer_not_yet_valid},
	{.name = "a service may not call a gateway",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identities[SIM_EDGE] = "spiffe://" SIM_MESH "/svc/shop",
	 .status = 502,
	 .node = SIM_GATEWAY,
	 .counter = COUNTER_tls_peer_wrong_role},
	{.name = "an edge may not call a sidecar",
	 .origin = SIM_ORIGIN_GOOD,
	 .plan.identities[SIM_GATEWAY] = "spiffe://" SIM_MESH "/edge/par/edge-1",
	 .is_early = true,
	 .counter = COUNTER_tls_peer_wrong_name},
	{.name = "a caller without a certificate is refused",
	 .is_sidecar = true,
	 .is_early = true,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_tls_peer_no_certificate},
	{.name = "a node that does not speak h2 is refused",
	 .is_sidecar = true,
	 .is_caller = true,
	 .is_early = true,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_exchange_protocol_mismatch},
	{.name = "a head beyond an exchange's memory is 431",
	 .is_head_big = true,
	 .plan.conf_more[SIM_EDGE] = QUICK,
	 .status = 431,
	 .counter = COUNTER_exchange_head_too_large},
	{.name = "a node that ends still serves who comes at first",
	 .origin = SIM_ORIGIN_GOOD,
	 .drain_ms = 20000,
	 .status = 200,
	 .counter = COUNTER_exchange_responses_2xx},
	{.name = "a node that ends resets what is not done in time",
	 .origin = SIM_ORIGIN_STALLS,
	 .drain_ms = 5000,
	 .status = 200,
	 .counter = COUNTER_exchange_downstream_cut},
	{.name = "a node that ends refuses who comes late",
	 .origin = SIM_ORIGIN_GOOD,
	 .drain_ms = 20000,
	 .is_late = true,
	 .is_early = true,
	 .counter = COUNTER_tcp_no_listener},
	{.name = "plain HTTP to a mesh port is refused",
	 .is_sidecar = true,
	 .is_plain = true,
	 .is_early = true,
	 .node = SIM_SIDECAR,
	 .counter = COUNTER_tls_not_tls},
};

struct run {
	struct sim_world world;
	struct sim_probe probes[PROBES_MAX];
	unsigned probe_count;
	struct sim_origin origin;
	const struct scenario *scenario;
};

static unsigned status_of(const struct run *run)
{
	unsigned status = 0;
	for (unsigned i = 0; i < run->probe_count; i++)
		status = MAX(status, sim_probe_status(&run->probes[i]));
	return status;
}

// big_request makes a head that HTTP takes and an exchange's buffer does not.
static const char *big_request(void)
{
	static char text[24576];
	int bytes = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: " SIM_HOST "\r\n");
	for (unsigned i = 0; i < 20; i++)
		bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes, "x-%u: %01000u\r\n",
				  i, i);
	snprintf(text + bytes, sizeof(text) - (size_t)bytes, "\r\n");
	return text;
}

static void start_probes(struct run *run)
{
	const struct scenario *scenario = run->scenario;
	struct sim_world *world = &run->world;
	bool is_sidecar = scenario->is_sidecar;
	bool is_https = !scenario->plan.listen[SIM_EDGE];
	struct sim_host *host = is_sidecar ? &world->workload_host : &world->client_host;
	struct sim_probe_plan plan = {
		.to = world->vip,
		.port = is_sidecar ? 8443 : 443,
		.context = scenario->is_plain || !is_https ? NULL
			   : scenario->is_caller           ? world->caller
			   : is_sidecar                    ? world->stranger
							   : world->contexts[0],
		.server_name = is_sidecar ? "shop.svc." SIM_MESH : SIM_HOST,
		.request = scenario->request       ? scenario->request
			   : scenario->is_head_big ? big_request()
						   : GET(""),
	};
	run->probe_count = scenario->probe_count ? scenario->probe_count : 1;
	for (unsigned i = 0; i < run->probe_count; i++) {
		sim_probe_start(&run->probes[i], host->tcp, &host->memory->bufs, &plan);
		run->probes[i].is_never_closing = scenario->is_never_closing;
	}
}

static void step(struct run *run)
{
	sim_world_step(&run->world);
	for (unsigned i = 0; i < run->probe_count; i++)
		sim_probe_step(&run->probes[i]);
	sim_origin_step(&run->origin);
	sim_world_advance(&run->world);
}

static bool is_over(const struct run *run)
{
	const struct scenario *scenario = run->scenario;
	const struct worker *edge = run->world.nodes[SIM_EDGE].worker;
	if (scenario->drain_ms && !scenario->is_early && edge->drain.life != WORKER_DRAINED)
		return false;
	bool is_counted = sim_world_counter(&run->world, scenario->node, scenario->counter) > 0;
	return is_counted && (scenario->is_early || status_of(run) == scenario->status);
}

// is_passed lets nothing pass.
static bool is_passed(void *, const struct port *, uint8_t *, uint32_t)
{
	return false;
}

static const struct sim_link_config good_link = {
	.latency_us = 500, .queue_bytes = 1000000, .mtu = 1500};

static void lose_core(struct run *run, bool is_lost)
{
	struct sim_link_config link = good_link;
	if (is_lost)
		link.tamper = is_passed;
	sim_link_configure(run->world.links[SIM_WIDE], &link);
}

static void drive(struct run *run)
{
	struct sim_world *world = &run->world;
	uint64_t began_us = world->now_us;
	while (!is_over(run) && world->now_us - began_us < LIMIT_US) {
		step(run);
		if (run->scenario->is_leaving && world->now_us - began_us > 1000000)
			sim_probe_fini(&run->probes[0]);
		if (run->scenario->is_core_lost && world->now_us - began_us > 1000000)
			lose_core(run, true);
	}
}

// quieten ends the probes and waits until idle connections have ended.
static void quieten(struct run *run)
{
	for (unsigned i = 0; i < run->probe_count; i++)
		sim_probe_fini(&run->probes[i]);
	if (run->scenario->is_core_lost)
		lose_core(run, false);
	uint64_t end_us = run->world.now_us + QUIET_US;
	while (run->world.now_us < end_us)
		step(run);
}

static const char *judge(struct run *run)
{
	const struct scenario *scenario = run->scenario;
	if (sim_world_counter(&run->world, scenario->node, scenario->counter) == 0)
		return "its reason was not counted";
	if (!scenario->is_early && status_of(run) != scenario->status)
		return "another status";
	quieten(run);
	return sim_world_leftovers(&run->world);
}

// begin_drain ends the edge politely; others that come late come when it takes nobody any more.
static void begin_drain(struct run *run)
{
	struct sim_world *world = &run->world;
	struct sim_node *edge = &world->nodes[SIM_EDGE];
	edge->conf.dataplane.drain_time_ms = run->scenario->drain_ms;
	worker_drain(edge->worker);
	uint64_t until_us = world->now_us + (run->scenario->is_late ? 2000000 : 0);
	while (world->now_us < until_us)
		step(run);
}

// is_short lets only frames pass that are too short for a request.
static bool is_short(void *, const struct port *, uint8_t *, uint32_t bytes)
{
	return bytes < 150;
}

static const char *run_scenario(struct run *run, const struct scenario *scenario, uint64_t seed)
{
	struct sim_world *world = &run->world;
	struct sim_world_plan plan = scenario->plan;
	run->scenario = scenario;
	run->probe_count = 0;
	sim_world_seed(world, seed);
	plan.seed = seed;
	plan.is_v6 = seed % 2;
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = good_link;
	if (scenario->is_host_deaf)
		plan.links[SIM_HOST_SEGMENT].tamper = is_short;
	if (scenario->is_host_dead)
		plan.links[SIM_HOST_SEGMENT].loss = SIM_LINK_CERTAIN;
	sim_world_open(world, &plan);
	if (scenario->counter == COUNTER_exchange_lookup_timeout)
		sim_control_kill(&world->nodes[SIM_EDGE].control);
	sim_origin_start(&run->origin, world->workload_host.tcp, &world->workload_memory->bufs,
			 scenario->origin);
	if (scenario->drain_ms)
		begin_drain(run);
	start_probes(run);
	drive(run);
	unsigned status = status_of(run);
	const char *failure = judge(run);
	if (failure) {
		fprintf(stderr, "%s (status %u)\n", failure, status);
		sim_world_print(world, true);
	}
	sim_origin_fini(&run->origin);
	sim_world_close(world);
	return failure;
}

int main(int count, char **arguments)
{
	static struct run run;
	const char *only = count > 1 ? arguments[1] : NULL;
	unsigned number = 0, failed = 0;
	sim_world_init(&run.world);
	printf("TAP version 13\n");
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		for (uint64_t seed = 0; seed < 2; seed++) {
			if (only && !strstr(scenarios[i].name, only))
				continue;
			const char *failure = run_scenario(&run, &scenarios[i], seed);
			printf("%s %u - %s (%s)\n", failure ? "not ok" : "ok", ++number,
			       scenarios[i].name, seed % 2 ? "v6" : "v4");
			failed += failure != NULL;
			fflush(stdout);
		}
	printf("1..%u\n", number);
	sim_world_fini(&run.world);
	return failed ? 1 : 0;
}
