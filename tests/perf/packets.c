// SPDX-License-Identifier: Apache-2.0
// What a packet costs on DPDK's own ports that cost nobody anything: forwarded untouched from port
// to port (null, ring), and through the stack from ring to ring: received, looked up, taken by TCP,
// read, acknowledged. Cycles a packet by stage, and packets a second of a core. What forwards a
// flow's packets rewritten is measured by l4_bench.
//
// Flows send a packet each in turn, so nothing can be coalesced; the ports have no offload: all
// checksums are in these figures. Under callgrind it counts instructions (instructions.py).
//
//   packets [--quick]
#include "sim_host.h"

#include "check.h"
#include "port_ethdev.h"

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#define FLOWS         32u // of a burst
#define ROUNDS        4096u
#define WARM_ROUNDS   64u
#define PAYLOAD_BYTES 1024u
#define LISTEN_PORT   443u

enum stage { STAGE_RX, STAGE_INPUT, STAGE_TCP, STAGE_TX, STAGE_COUNT };

struct figures {
	uint32_t *samples[STAGE_COUNT]; // cycles of a burst
	uint32_t count;
};

struct end {
	struct port_ethdev *device;
	struct sim_memory *memory;
	struct counters counters;
	struct sim_host host;
};

struct bench {
	struct end client, server;
	struct pool_id flows[FLOWS];
	uint32_t open_count;
	uint64_t read_bytes;
	uint64_t now_us;
	struct figures figures;
};

static const char *const stage_names[STAGE_COUNT] = {"receive", "net, lookup, tcp input",
						     "events, tcp output", "transmit"};

static void on_opened(void *user, struct pool_id)
{
	((struct bench *)user)->open_count++;
}

static void on_readable(void *user, struct pool_id conn)
{
	struct bench *bench = user;
	size_t bytes = tcp_received(bench->server.host.tcp, conn);
	bench->read_bytes += bytes;
	tcp_consume(bench->server.host.tcp, conn, bytes);
}

static void on_nothing(void *, struct pool_id) {}

static void on_closed(void *, struct pool_id, enum counter)
{
	CHECK(false);
}

static void *on_accepted(void *user, struct pool_id, const struct tcp_tuple *)
{
	return user;
}

static const struct tcp_events events = {on_opened, on_readable, on_nothing, on_closed};

// lap ends stage: it returns the cycles since *begin, which is now.
static uint32_t lap(uint64_t *begin)
{
	uint64_t now = rte_rdtsc();
	uint32_t cycles = (uint32_t)(now - *begin);
	*begin = now;
	return cycles;
}

static uint16_t receive(struct port *port, struct rte_mbuf **mbufs)
{
	return port->ops->rx(port, mbufs, PORT_BURST);
}

// step_edge is one loop of the server, by stage; callgrind counts this function.
__attribute__((noinline)) static void step_edge(struct bench *bench, uint32_t cycles[STAGE_COUNT])
{
	struct sim_host *host = &bench->server.host;
	struct rte_mbuf *mbufs[PORT_BURST];
	uint64_t begin = rte_rdtsc();
	net_set_time(host->net, bench->now_us);
	tcp_set_time(host->tcp, bench->now_us);
	uint16_t count = receive(host->port, mbufs);
	cycles[STAGE_RX] = lap(&begin);
	net_input(host->net, 0, mbufs, count);
	cycles[STAGE_INPUT] = lap(&begin);
	wheel_advance(&host->wheel, bench->now_us, UINT32_MAX);
	tcp_run_ready(host->tcp, 2 * FLOWS);
	cycles[STAGE_TCP] = lap(&begin);
	net_flush(host->net);
	cycles[STAGE_TX] = lap(&begin);
}

static void record(struct figures *figures, const uint32_t cycles[STAGE_COUNT])
{
	for (unsigned s = 0; s < STAGE_COUNT; s++)
		figures->samples[s][figures->count] = cycles[s];
	figures->count++;
}

static int compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

// median is a packet's cycles in a stage; what others of this machine did meanwhile is not in it.
static double median(struct figures *figures, enum stage stage)
{
	uint32_t *samples = figures->samples[stage];
	qsort(samples, figures->count, sizeof(*samples), compare);
	return (double)samples[figures->count / 2] / PORT_BURST;
}

static void say(struct figures *figures, const char *path, unsigned stages)
{
	double sum = 0;
	for (unsigned s = 0; s < stages; s++)
		sum += median(figures, s);
	printf("%-44s %6.0f cycles a packet, %6.2f M packets/s of a core\n", path, sum,
	       (double)rte_get_tsc_hz() / sum / 1e6);
	for (unsigned s = 0; s < stages && stages > 1; s++)
		printf("  %-42s %6.0f\n", stage_names[s], median(figures, s));
	figures->count = 0;
}

static struct rte_ring *make_ring(const char *name)
{
	struct rte_ring *ring = rte_ring_create(name, 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	CHECK(ring);
	return ring;
}

static void open_port(struct end *end, const char *device, struct sim_memory *memory,
		      uint8_t number)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, number};
	char why[200] = "";
	struct counters *counters = &end->counters;
	struct port_ethdev_config config = {.device = device,
					    .worker_count = 1,
					    .mac = mac,
					    .mbufs = &memory->mbufs,
					    .counters = &counters};
	end->memory = memory;
	end->device = port_ethdev_open(&config, why, sizeof(why));
	if (!end->device)
		fprintf(stderr, "%s\n", why);
	CHECK(end->device);
}

// forward passes bursts from a port to itself as they are, and whatever it held before is gone.
static void forward(struct bench *bench, struct port *port, const char *path)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t begin = rte_rdtsc();
		uint16_t count = port->ops->rx(port, mbufs, PORT_BURST);
		CHECK(count == PORT_BURST && port->ops->tx(port, mbufs, count) == count);
		uint32_t cycles[STAGE_COUNT] = {lap(&begin)};
		record(&bench->figures, cycles);
	}
	say(&bench->figures, path, 1);
}

static void forward_null(struct bench *bench)
{
	struct end end = {0};
	open_port(&end, "net_null0", bench->client.memory, 3);
	forward(bench, port_ethdev_port(end.device, 0), "forwarded as it is, null to null");
	port_ethdev_close(end.device);
}

static void forward_ring(struct bench *bench)
{
	struct end end = {0};
	struct rte_mbuf *mbufs[PORT_BURST];
	struct rte_ring *ring = make_ring("loop");
	CHECK(rte_eth_from_ring(ring) >= 0);
	open_port(&end, "net_ring_loop", bench->client.memory, 4);
	CHECK(rte_pktmbuf_alloc_bulk(bench->client.memory->mbufs, mbufs, PORT_BURST) == 0);
	CHECK(rte_ring_enqueue_bulk(ring, (void **)mbufs, PORT_BURST, NULL) == PORT_BURST);
	forward(bench, port_ethdev_port(end.device, 0), "forwarded as it is, ring to ring");
	CHECK(rte_ring_dequeue_bulk(ring, (void **)mbufs, PORT_BURST, NULL) == PORT_BURST);
	rte_pktmbuf_free_bulk(mbufs, PORT_BURST);
	port_ethdev_close(end.device);
	rte_ring_free(ring);
}

// turn moves both ends once; the server's loop is timed.
static void turn(struct bench *bench, bool is_measured)
{
	uint32_t cycles[STAGE_COUNT];
	uint64_t before = bench->server.counters.value[COUNTER_port_rx_packets];
	sim_host_step(&bench->client.host, bench->now_us, 2 * FLOWS);
	step_edge(bench, cycles);
	uint64_t received = bench->server.counters.value[COUNTER_port_rx_packets] - before;
	if (is_measured && received == PORT_BURST)
		record(&bench->figures, cycles);
	bench->now_us += 100;
}

static void connect_all(struct bench *bench)
{
	struct tcp_listener listener = {
		.port = LISTEN_PORT, .events = &events, .accepted = on_accepted, .user = bench};
	struct tcp_connect connect = {.remote = sim_host_addr(2, false),
				      .remote_port = LISTEN_PORT,
				      .events = &events,
				      .user = bench};
	CHECK(tcp_listen_on(bench->server.host.tcp, &listener) == 0);
	for (uint32_t i = 0; i < FLOWS; i++)
		CHECK(tcp_connect_to(bench->client.host.tcp, &connect, &bench->flows[i]) == 0);
	for (uint32_t i = 0; i < 100000 && bench->open_count < FLOWS; i++)
		turn(bench, false);
	CHECK(bench->open_count == FLOWS);
}

static void send_all(struct bench *bench)
{
	struct tcp *tcp = bench->client.host.tcp;
	for (uint32_t i = 0; i < FLOWS; i++) {
		CHECK(tcp_send_room(tcp, bench->flows[i]) >= PAYLOAD_BYTES);
		struct buf *buf = buf_new(&bench->client.memory->bufs, PAYLOAD_BYTES);
		CHECK(buf);
		memset(buf->data, 0, PAYLOAD_BYTES);
		CHECK(tcp_send(tcp, bench->flows[i], buf, 0, PAYLOAD_BYTES) == 0);
	}
}

// stream sends a packet of each flow in each round, and waits until all is read.
static void stream(struct bench *bench, uint32_t rounds, bool is_measured)
{
	uint64_t wanted = bench->read_bytes + (uint64_t)rounds * FLOWS * PAYLOAD_BYTES;
	for (uint32_t i = 0; i < rounds; i++) {
		send_all(bench);
		turn(bench, is_measured);
	}
	for (uint32_t i = 0; i < 1000 && bench->read_bytes < wanted; i++)
		turn(bench, is_measured);
	CHECK(bench->read_bytes == wanted);
}

static void measure(struct bench *bench, uint32_t rounds)
{
	static const char name[] = "packet in, 1 KiB, one in two acknowledged";
	connect_all(bench);
	stream(bench, WARM_ROUNDS, false);
	CALLGRIND_ZERO_STATS;
	stream(bench, rounds, true);
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%s: %u units, %u turns\n", name, rounds * FLOWS, rounds);
	say(&bench->figures, name, STAGE_COUNT);
}

static void open_end(struct bench *bench, struct end *end, uint8_t number, const char *device)
{
	open_port(end, device, sim_memory_new(device, 8191, 64, 1024), number);
	struct sim_host_config config = {.number = number,
					 .memory = end->memory,
					 .port = port_ethdev_port(end->device, 0),
					 .limits = sim_limits(),
					 .seed = {{number, 2}},
					 .now_us = bench->now_us};
	sim_host_open(&end->host, &config);
}

static void through_stack(struct bench *bench, uint32_t rounds)
{
	struct rte_ring *up = make_ring("up"), *down = make_ring("down");
	CHECK(rte_eth_from_rings("client", &down, 1, &up, 1, 0) >= 0);
	CHECK(rte_eth_from_rings("server", &up, 1, &down, 1, 0) >= 0);
	open_end(bench, &bench->client, 1, "net_ring_client");
	open_end(bench, &bench->server, 2, "net_ring_server");
	measure(bench, rounds);
}

int main(int argc, char **argv)
{
	bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	struct bench *bench = calloc(1, sizeof(*bench));
	CHECK(bench);
	bench->now_us = 1000000;
	for (unsigned s = 0; s < STAGE_COUNT; s++) {
		bench->figures.samples[s] = calloc(2 * ROUNDS, sizeof(uint32_t));
		CHECK(bench->figures.samples[s]);
	}
	sim_start();
	through_stack(bench, is_quick ? 256 : ROUNDS);
	forward_null(bench);
	forward_ring(bench);
	return 0;
}
