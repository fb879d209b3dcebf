// SPDX-License-Identifier: Apache-2.0
// See worker_rig.h.
#include "worker_rig.h"

#include "check.h"

#include <rte_eal.h>
#include <rte_mempool.h>

#include <stdlib.h>
#include <unistd.h>

void worker_rig_start(void)
{
	static char *const arguments[] = {"unit",     "--no-huge",           "--no-shconf",
					  "--no-pci", "--no-telemetry",      "-m",
					  "128",      "--log-level=*:error", "--lcores=0"};
	char *vector[ARRAY_LEN(arguments) + 1] = {0};
	memcpy(vector, arguments, sizeof(arguments));
	CHECK(rte_eal_init((int)ARRAY_LEN(arguments), vector) >= 0);
}

void worker_rig_stop(void)
{
	rte_eal_cleanup();
}

static uint16_t rx_nothing(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t tx_anything(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct worker_rig *rig = container_of(port, struct worker_rig, port);
	rig->sent_frames += count;
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
}

static const struct port_ops nowhere = {rx_nothing, tx_anything};

static void load_conf(struct worker_rig *rig, const char *role, uint32_t routes)
{
	char text[2048];
	snprintf(text, sizeof(text),
		 "version = 1; run_dir = \"/tmp/x\";\n"
		 "node = { id = \"n1\"; role = \"%s\"; location = \"par\"; mesh = \"m.example\"; "
		 "};\n"
		 "dataplane = { mbufs = 1023; record_buffers = 64; small_buffers = 64;\n"
		 "  ports = ( { name = \"p\"; device = \"none\"; addresses = "
		 "[\"198.51.100.1/24\"]; } ); };\n"
		 "listen = ( { port = 443; protocol = \"https\"; }, { port = 8443; protocol = "
		 "\"mesh\"; } );\n"
		 "tcp = { connections = 64; half_open = 1024; time_wait = 16; };\n"
		 "http = { connections = 16; exchanges = 32; };\n"
		 "upstream = { connections = 16; };\n"
		 "route = { services = 64; endpoints = 64; routes = %u; presences = 64; absent = "
		 "64; };\n"
		 "cache = { memory = \"4MiB\"; max_object = \"1MiB\"; objects = 64; };\n",
		 role, routes);
	CHECK(conf_parse(text, "rig", &rig->conf, stderr) == 0);
}

struct worker_rig *worker_rig_new(const char *role)
{
	return worker_rig_new_sized(role, 64, RING_MIN_BYTES * 2);
}

struct worker_rig *worker_rig_new_sized(const char *role, uint32_t routes, uint32_t down_bytes)
{
	struct worker_rig *rig = calloc(1, sizeof(*rig));
	CHECK(rig);
	load_conf(rig, role, routes);
	rig->down_bytes = down_bytes;
	rig->mbufs = rte_pktmbuf_pool_create("rig", 1023, 0,
					     RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
					     RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	rig->buffers = aligned_alloc(64, worker_buffer_bytes(&rig->conf));
	rig->port = (struct port){.ops = &nowhere, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	rig->ports[0] = &rig->port;
	rig->region.fd = -1;
	rig->control_wake = -1;
	rig->now_us = 1000000000;
	struct worker_params params = {
		.conf = &rig->conf,
		.count = 1,
		.ports = rig->ports,
		.mbufs = rig->mbufs,
		.buffer_memory = rig->buffers,
		.seed = {{1, 2}},
		.cache_secret = {{3, 4}},
		.now_us = rig->now_us,
		.wall_s = 1700000000,
	};
	CHECK(rig->mbufs && rig->buffers);
	rig->worker = worker_alloc();
	const char *why = worker_init(rig->worker, &params);
	if (why)
		fprintf(stderr, "worker_init: %s\n", why);
	CHECK(!why);
	return rig;
}

static void forget_region(struct worker_rig *rig)
{
	region_detach(&rig->region);
	if (rig->shared)
		channel_region_release(rig->shared);
	rig->shared = NULL;
	if (rig->control_wake >= 0)
		close(rig->control_wake);
	rig->control_wake = -1;
}

void worker_rig_free(struct worker_rig *rig)
{
	CHECK(buf_pool_in_use(&rig->worker->bufs) == 0);
	worker_free(rig->worker);
	CHECK(rte_mempool_avail_count(rig->mbufs) == 1023);
	rte_mempool_free(rig->mbufs);
	forget_region(rig);
	free(rig->buffers);
	free(rig);
}

void worker_rig_attach(struct worker_rig *rig)
{
	struct region_shape shape = {1, rig->down_bytes, RING_MIN_BYTES};
	struct handover_fds fds;
	const char *why;
	forget_region(rig);
	CHECK(region_create(&rig->region, &shape, 1) == 0);
	CHECK(handover_fds_make(&fds, 1) == 0);
	fds.region = dup(rig->region.fd);
	rig->control_wake = dup(fds.control_wake);
	region_down_writer(&rig->region, 0, &rig->down);
	region_up_reader(&rig->region, 0, &rig->up);
	rig->shared = channel_region_new(&fds, 1, &why);
	CHECK(rig->shared);
	channel_offer(&rig->worker->channel, rig->shared);
}

bool worker_rig_step(struct worker_rig *rig, uint64_t us)
{
	rig->now_us += us;
	return worker_step(rig->worker, rig->now_us, 1700000000 + rig->now_us / 1000000);
}

void worker_rig_write(struct worker_rig *rig, unsigned type, struct slice row, struct slice tail)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)row.at, row.bytes},
				 {(void *)(uintptr_t)tail.at, tail.bytes}};
	CHECK(ring_write(&rig->down, (uint8_t)type, parts, tail.bytes ? 2 : 1) == 0);
}

void worker_rig_begin(struct worker_rig *rig, uint64_t generation, enum record_set set)
{
	struct record_begin row = {.generation = generation, .set = set};
	worker_rig_write(rig, RECORD_BEGIN, slice_of(&row, sizeof(row)), SLICE(""));
}

void worker_rig_service(struct worker_rig *rig, uint32_t id)
{
	struct record_service row = {.id = id};
	snprintf(row.name, sizeof(row.name), "service-%u", id);
	worker_rig_write(rig, RECORD_SERVICE, slice_of(&row, sizeof(row)), SLICE(""));
}

void worker_rig_route(struct worker_rig *rig, uint32_t id, uint32_t service_id, const char *host)
{
	struct record_route row = {.id = id, .service_id = service_id, .path = "/"};
	snprintf(row.host, sizeof(row.host), "%s", host);
	worker_rig_write(rig, RECORD_ROUTE, slice_of(&row, sizeof(row)), SLICE(""));
}

void worker_rig_commit(struct worker_rig *rig, uint64_t generation, uint32_t row_count)
{
	struct record_commit row = {.generation = generation, .row_count = row_count};
	worker_rig_write(rig, RECORD_COMMIT, slice_of(&row, sizeof(row)), SLICE(""));
}

const void *worker_rig_event(struct worker_rig *rig, enum event_type type)
{
	while (ring_read(&rig->up, &rig->header, rig->event) == 0) {
		const char *why = event_check(&rig->header, rig->event);
		if (why)
			fprintf(stderr, "event: %s\n", why);
		CHECK(!why);
		if (rig->header.type == type)
			return rig->event;
	}
	return NULL;
}

bool worker_rig_finds(struct worker_rig *rig, const char *host, uint32_t service_id)
{
	struct route_found found =
		route_find(rig->worker->routes, slice_str(host), SLICE("/"), rig->now_us);
	return found.answer == ROUTE_FOUND && found.service_id == service_id;
}

uint64_t worker_rig_count(const struct worker_rig *rig, enum counter counter)
{
	return rig->worker->counters.value[counter];
}
