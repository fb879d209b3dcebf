// SPDX-License-Identifier: Apache-2.0
// Goodput of one connection in virtual time over paths that lose 0 to 3 % and take 20 to 100 ms,
// and what repairing cost. It fails when a transfer does not end, a path falls below its floor, a
// path whose only losses are a full queue's needed a retransmission timeout (RFC 6937), or another
// more than one a transfer (RFC 8985).
#include "check.h"
#include "tcp_world.h"

#include <stdio.h>
#include <stdlib.h>

#define TRANSFERS      8u
#define TRANSFER_BYTES 4000000u
#define LINE_BYTES_S   12500000u // 100 Mbit/s
#define PATIENCE_MS    600000u

struct path {
	uint32_t loss; // in ten-thousandths
	uint32_t rtt_ms;
	uint32_t floor_kbit_s;
};

static const struct path paths[] = {
	{0, 20, 45000},   {0, 100, 14000}, {100, 20, 4000}, {100, 50, 2000},
	{100, 100, 1000}, {200, 20, 2500}, {200, 50, 1200}, {200, 100, 600},
	{300, 20, 1800},  {300, 50, 800},  {300, 100, 400},
};

// transfer sends TRANSFER_BYTES from client to server; returns the virtual time it took, 0 for
// never.
static uint64_t transfer(struct tcp_world *world)
{
	struct tcp_end *client = &world->client;
	client->opened = 0;
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	for (unsigned ms = 0; ms < PATIENCE_MS && !client->opened; ms++)
		tcp_world_run_ms(world, 1);
	uint64_t began_us = world->now_us;
	world->server.read = 0;
	for (size_t sent = 0; world->server.read < TRANSFER_BYTES;) {
		sent += tcp_world_send(client, TRANSFER_BYTES - sent);
		tcp_world_run_ms(world, 1);
		if (world->now_us - began_us > PATIENCE_MS * 1000ull)
			return 0;
	}
	uint64_t took_us = world->now_us - began_us;
	tcp_shutdown(world->hosts[0].tcp, client->conn);
	tcp_shutdown(world->hosts[1].tcp, world->server.conn);
	tcp_world_run_ms(world, 2000);
	return took_us;
}

static bool run_path(const struct path *path)
{
	struct tcp_limits limits = sim_limits();
	limits.send_buffer_bytes = 1u << 20;
	limits.receive_buffer_bytes = 1u << 20;
	struct tcp_world *world = tcp_world_begin(limits);
	world->config.loss = path->loss;
	world->config.latency_us = path->rtt_ms * 500;
	world->config.bytes_per_s = LINE_BYTES_S;
	world->config.queue_bytes = 250000;
	sim_link_configure(world->link, &world->config);
	uint64_t took_us = 0;
	bool is_whole = true;
	for (unsigned i = 0; i < TRANSFERS && is_whole; i++) {
		uint64_t one_us = transfer(world);
		is_whole = one_us > 0;
		took_us += one_us;
	}
	uint64_t kbit_s = TRANSFER_BYTES * 8000ull * TRANSFERS / MAX(took_us, (uint64_t)1);
	uint64_t timeouts = tcp_world_count(world, 0, COUNTER_tcp_rto_expiries);
	bool is_good = is_whole && kbit_s >= path->floor_kbit_s &&
		       timeouts <= (path->loss ? TRANSFERS : 0);
	uint64_t segments = TRANSFERS * (TRANSFER_BYTES / 1448u);
	uint64_t again = tcp_world_count(world, 0, COUNTER_tcp_retransmits);
	printf("%s loss %u.%02u %% rtt %3u ms: %6lu kbit/s, sent again %4lu of %lu (%lu.%lu %%), "
	       "recoveries %lu, timeouts %lu\n",
	       is_good ? "ok" : "FAILED", path->loss / 100, path->loss % 100, path->rtt_ms, kbit_s,
	       again, segments, again * 100 / segments, again * 1000 / segments % 10,
	       tcp_world_count(world, 0, COUNTER_tcp_recoveries), timeouts);
	for (unsigned h = 0; h < 3; h++)
		sim_host_close(&world->hosts[h]);
	sim_link_free(world->link);
	free(world);
	return is_good;
}

int main(void)
{
	unsigned failed = 0;
	for (unsigned i = 0; i < ARRAY_LEN(paths); i++)
		failed += !run_path(&paths[i]);
	return failed != 0;
}
