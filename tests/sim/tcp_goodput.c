// SPDX-License-Identifier: Apache-2.0
// Goodput of one connection in virtual time over paths that lose 0 to 5 % and take 20 to 100 ms,
// and what repairing cost, a column for each congestion control. It fails when a transfer does not
// end, falls below its floor, or a window's algorithm needed a retransmission timeout where the
// only losses are a full queue's (RFC 6937), or elsewhere more than two a transfer (RFC 8985).
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
	uint32_t floor_kbit_s[2]; // of a window's algorithms, of BBR
};

static const struct path paths[] = {
	{0, 20, {45000, 45000}}, {0, 100, {14000, 20000}}, {100, 20, {4000, 15000}},
	{100, 50, {2000, 8000}}, {100, 100, {1000, 6000}}, {200, 20, {2500, 12000}},
	{200, 50, {1200, 6000}}, {200, 100, {600, 4000}},  {300, 20, {1800, 6000}},
	{300, 50, {800, 5000}},  {300, 100, {400, 3000}},  {500, 20, {900, 5000}},
};

struct column {
	const char *name;
	enum tcp_congestion congestion;
	bool is_paced;
};

static const struct column columns[] = {
	{"cubic", TCP_CONGESTION_CUBIC, true},
	{"cubic, not paced", TCP_CONGESTION_CUBIC, false},
	{"bbr", TCP_CONGESTION_BBR, true},
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

static bool is_good_enough(const struct path *path, const struct column *column, uint64_t kbit_s,
			   uint64_t timeouts)
{
	bool is_model = column->congestion != TCP_CONGESTION_CUBIC;
	uint64_t timeouts_max = path->loss ? 2 * TRANSFERS : 0;
	return kbit_s >= path->floor_kbit_s[is_model] && (is_model || timeouts <= timeouts_max);
}

// run_cell measures one column on one path, prints it and tells whether it is good enough.
static bool run_cell(const struct path *path, const struct column *column)
{
	struct tcp_limits limits = sim_limits();
	limits.send_buffer_bytes = 1u << 20;
	limits.receive_buffer_bytes = 1u << 20;
	limits.congestion = column->congestion;
	limits.is_paced = column->is_paced;
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
	uint64_t segments = TRANSFERS * (TRANSFER_BYTES / 1448u);
	uint64_t permille = tcp_world_count(world, 0, COUNTER_tcp_retransmits) * 1000 / segments;
	bool is_good = is_whole && is_good_enough(path, column, kbit_s, timeouts);
	printf(" | %6lu %3lu.%lu %3lu%c", kbit_s, permille / 10, permille % 10, timeouts,
	       is_good ? ' ' : '!');
	for (unsigned h = 0; h < 3; h++)
		sim_host_close(&world->hosts[h]);
	sim_link_free(world->link);
	free(world);
	return is_good;
}

int main(void)
{
	unsigned failed = 0;
	printf("kbit/s, %% sent again, timeouts; ! is a failure\n%8s %5s", "loss %", "ms");
	for (unsigned c = 0; c < ARRAY_LEN(columns); c++)
		printf(" | %-17s", columns[c].name);
	for (unsigned p = 0; p < ARRAY_LEN(paths); p++) {
		printf("\n%5u.%02u %5u", paths[p].loss / 100, paths[p].loss % 100, paths[p].rtt_ms);
		for (unsigned c = 0; c < ARRAY_LEN(columns); c++)
			failed += !run_cell(&paths[p], &columns[c]);
	}
	printf("\n");
	return failed != 0;
}
