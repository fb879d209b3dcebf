// SPDX-License-Identifier: Apache-2.0
// What a packet of an L4 service costs: from port to port through flow lookup and rewrite, by
// number of flows in random order and size of packet, both directions mixed, beside the same ports
// with packets forwarded untouched (the limit). Cycles by stage, packets a second of a core, what a
// new flow costs. Ports are DPDK's ring and null ones, without offloads; the null port's packets
// are written before they are received, which is not counted. Under callgrind it counts
// instructions (instructions.py).
//
//   l4_bench [--quick | --huge]    --quick: 1,000 flows; --huge: EAL in huge pages
#include "bench_net.h"
#include "big_endian.h"
#include "check.h"
#include "l4.h"
#include "net_cksum.h"
#include "port_ethdev.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#define ROUNDS       8192u
#define QUICK_ROUNDS 256u
#define WARM_ROUNDS  64u
#define IN_FLIGHT    512u // mbufs that go round between the ring ports
#define ENDPOINTS    L4_ENDPOINTS_MAX
#define FRAME_BYTES  14u
#define UDP_BYTES    8u

enum stage { STAGE_RX, STAGE_L4, STAGE_TX, STAGE_COUNT };

// A flow as its packets name it; the endpoint sees source_port.
struct flow {
	uint32_t endpoint; // last byte of its address, from 1
	uint16_t source_port;
};

// A port whose transmit function is timed.
struct timed_port {
	struct port port;
	struct port *inner;
	uint64_t tx_cycles;
};

struct bench {
	struct timed_port timed;
	struct port *ports[1];
	struct port_ethdev *device;
	struct rte_ring *in, *out; // of the ring port; NULL with the null port
	struct rte_mempool *mbufs;
	struct counters counters;
	struct random_source random;
	struct wheel wheel;
	struct net *net;
	struct l4 *l4;
	struct flow *flows;
	uint32_t flow_count;
	uint64_t now_us;
	uint32_t payload_bytes;
	uint32_t *samples[STAGE_COUNT];
	uint32_t sample_count, sample_room;
	uint32_t dice;
};

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0x99};

static uint32_t lap(uint64_t *begin)
{
	uint64_t now = rte_rdtsc();
	uint32_t cycles = (uint32_t)(now - *begin);
	*begin = now;
	return cycles;
}

static uint16_t timed_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct timed_port *timed = (struct timed_port *)port;
	uint64_t begin = rte_rdtsc();
	uint16_t sent = timed->inner->ops->tx(timed->inner, mbufs, count);
	timed->tx_cycles += rte_rdtsc() - begin;
	return sent;
}

static uint16_t no_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

// draw is a cheap random number below bound.
static uint32_t draw(struct bench *bench, uint32_t bound)
{
	bench->dice = bench->dice * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)bench->dice * bound >> 32);
}

// write_packet makes mbuf a UDP packet of flow number index, from its client or its endpoint. No
// transport checksum but a mark of one: l4 does not verify it.
static void write_packet(const struct bench *bench, struct rte_mbuf *mbuf, uint32_t index,
			 bool is_answer)
{
	const struct flow *flow = &bench->flows[index];
	uint32_t client = 10u << 24 | index / 50000,
		 endpoint = 0xc0000200u | (100 + flow->endpoint);
	uint32_t client_port = 1024 + index % 50000, us = 0xc0000201u;
	rte_pktmbuf_reset(mbuf);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(
		mbuf, (uint16_t)(FRAME_BYTES + 20 + UDP_BYTES + bench->payload_bytes));
	CHECK(at);
	memcpy(at, our_mac, 6);
	memcpy(at + 6, gateway_mac, 6);
	put16(at + 12, 0x0800);
	uint8_t *ip = at + FRAME_BYTES;
	put32(ip, 0x45000000u | (28 + bench->payload_bytes));
	put32(ip + 4, 0x4000);
	put32(ip + 8, 64u << 24 | 17u << 16);
	put32(ip + 12, is_answer ? endpoint : client);
	put32(ip + 16, us);
	uint16_t sum = net_cksum_header(ip, 20);
	memcpy(ip + 10, &sum, 2);
	put16(ip + 20, is_answer ? 5353 : client_port);
	put16(ip + 22, is_answer ? flow->source_port : 53);
	put32(ip + 24, (UDP_BYTES + bench->payload_bytes) << 16 | 0x1234);
}

static void fill(struct bench *bench, struct rte_mbuf **mbufs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		write_packet(bench, mbufs[i], draw(bench, bench->flow_count), i & 1);
}

// refill brings what was sent back to the receiving side, as packets of other flows.
static void refill(struct bench *bench)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint32_t count = rte_ring_dequeue_burst(bench->out, (void **)mbufs, PORT_BURST, NULL);
	fill(bench, mbufs, count);
	CHECK(rte_ring_enqueue_bulk(bench->in, (void **)mbufs, count, NULL) == count);
}

// step_edge is what callgrind counts: one burst from port to port.
__attribute__((noinline)) static void step_edge(struct bench *bench, struct rte_mbuf **mbufs,
						uint16_t count)
{
	net_input(bench->net, 0, mbufs, count);
	net_flush(bench->net);
	__asm__ volatile("" ::: "memory");
}

// turn passes one burst through.
static void turn(struct bench *bench, bool is_measured)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	struct port *port = bench->timed.inner;
	uint32_t cycles[STAGE_COUNT];
	bench->now_us += 10;
	net_set_time(bench->net, bench->now_us);
	l4_set_time(bench->l4, bench->now_us);
	uint64_t begin = rte_rdtsc();
	uint16_t count = port->ops->rx(port, mbufs, PORT_BURST);
	cycles[STAGE_RX] = lap(&begin);
	if (!bench->in)
		fill(bench, mbufs, count);
	bench->timed.tx_cycles = 0;
	begin = rte_rdtsc();
	step_edge(bench, mbufs, count);
	cycles[STAGE_L4] = lap(&begin);
	cycles[STAGE_TX] = (uint32_t)bench->timed.tx_cycles;
	cycles[STAGE_L4] -= cycles[STAGE_TX];
	if (bench->in)
		refill(bench);
	CHECK(count == PORT_BURST);
	for (unsigned s = 0; is_measured && s < STAGE_COUNT; s++)
		bench->samples[s][bench->sample_count] = cycles[s];
	bench->sample_count += is_measured;
}

static int compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static double median(struct bench *bench, enum stage stage)
{
	uint32_t *samples = bench->samples[stage];
	qsort(samples, bench->sample_count, sizeof(*samples), compare);
	return (double)samples[bench->sample_count / 2] / PORT_BURST;
}

static void say(struct bench *bench, const char *name)
{
	double rx = median(bench, STAGE_RX), l4 = median(bench, STAGE_L4),
	       tx = median(bench, STAGE_TX), sum = rx + l4 + tx;
	double hz = (double)rte_get_tsc_hz();
	printf("%-36s %6.0f %6.0f %6.0f %6.0f %8.3f %8.2f\n", name, rx, l4, tx, sum, sum / hz * 1e6,
	       hz / sum / 1e6);
	fflush(stdout);
	bench->sample_count = 0;
}

static void measure(struct bench *bench, uint32_t flows, uint32_t ip_bytes, uint32_t rounds)
{
	char name[64];
	bench->flow_count = flows;
	bench->payload_bytes = ip_bytes - 28;
	for (uint32_t i = 0; i < WARM_ROUNDS; i++)
		turn(bench, false);
	for (uint32_t i = 0; i < rounds; i++)
		turn(bench, true);
	snprintf(name, sizeof(name), "%s, %u flows, %u B", bench->in ? "ring" : "null", flows,
		 ip_bytes + 18);
	say(bench, name);
}

// untouched passes bursts from port to port as they are.
static void untouched(struct bench *bench, uint32_t rounds)
{
	struct port *port = bench->timed.inner;
	struct rte_mbuf *mbufs[PORT_BURST];
	bench->payload_bytes = 18;
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t begin = rte_rdtsc();
		uint16_t count = port->ops->rx(port, mbufs, PORT_BURST);
		bench->samples[STAGE_RX][i] = lap(&begin);
		CHECK(port->ops->tx(port, mbufs, count) == count);
		bench->samples[STAGE_TX][i] = lap(&begin);
		bench->samples[STAGE_L4][i] = 0;
		if (bench->in)
			refill(bench);
	}
	bench->sample_count = rounds;
	say(bench, bench->in ? "ring, untouched" : "null, untouched");
}

// open_flow has a client say something and its endpoint answer; returns the cycles for the first.
static uint32_t open_flow(struct bench *bench, uint32_t index)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->mbufs), *sent = NULL;
	CHECK(mbuf);
	write_packet(bench, mbuf, index, false);
	uint64_t begin = rte_rdtsc();
	net_input(bench->net, 0, &mbuf, 1);
	net_flush(bench->net);
	uint32_t cycles = lap(&begin);
	CHECK(rte_ring_dequeue(bench->out, (void **)&sent) == 0);
	const uint8_t *ip = rte_pktmbuf_mtod(sent, const uint8_t *) + FRAME_BYTES;
	bench->flows[index] = (struct flow){ip[19] - 100u, (uint16_t)(ip[20] << 8 | ip[21])};
	write_packet(bench, sent, index, true);
	net_input(bench->net, 0, &sent, 1);
	net_flush(bench->net);
	CHECK(rte_ring_dequeue(bench->out, (void **)&sent) == 0);
	rte_pktmbuf_free(sent);
	return cycles;
}

// open_flows makes flows and tells what one costs, its first packet included: the median of the
// last ones.
static void open_flows(struct bench *bench, uint32_t from, uint32_t to)
{
	bench->payload_bytes = 18;
	for (uint32_t i = from; i < to; i++)
		bench->samples[0][i % bench->sample_room] = open_flow(bench, i);
	CHECK(bench->counters.value[COUNTER_l4_established] == to);
	bench->sample_count = MIN(to - from, bench->sample_room);
	double cycles = median(bench, 0) * PORT_BURST;
	printf("a new flow among %u: %.0f cycles, %.3f us\n", to, cycles,
	       cycles / (double)rte_get_tsc_hz() * 1e6);
	bench->sample_count = 0;
}

// answer_arp tells net who has an address; it asked when it was to send there.
static void answer_arp(struct bench *bench, const uint8_t address[4])
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->mbufs);
	CHECK(mbuf);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbuf, 60);
	CHECK(at);
	memset(at, 0, 60);
	memcpy(at, our_mac, 6);
	memcpy(at + 6, gateway_mac, 6);
	memcpy(at + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2}, 10);
	memcpy(at + 22, gateway_mac, 6);
	memcpy(at + 28, address, 4);
	memcpy(at + 32, our_mac, 6);
	memcpy(at + 38, (uint8_t[]){192, 0, 2, 1}, 4);
	net_input(bench->net, 0, &mbuf, 1);
}

static void meet_neighbours(struct bench *bench)
{
	struct addr us = addr_v4((uint8_t[]){192, 0, 2, 1});
	for (uint32_t i = 0; i <= ENDPOINTS; i++) {
		uint8_t bytes[4] = {192, 0, 2, (uint8_t)(i ? 100 + i : 254)};
		struct addr addr = addr_v4(bytes);
		struct net_way way;
		CHECK(net_way_find(bench->net, &us, &addr, &way));
		answer_arp(bench, bytes);
	}
	net_flush(bench->net);
	struct rte_mbuf *mbuf = NULL;
	while (rte_ring_dequeue(bench->out, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

static void make_net(struct bench *bench)
{
	struct net_config config = {.limits = {.neighbour_count = 64,
					       .neighbour_queue = 4,
					       .icmp_per_second = 100,
					       .fragment_datagrams = 4,
					       .fragments_per_datagram = 4,
					       .fragments = 8,
					       .fragment_time_ms = 1000},
				    .mbufs = bench->mbufs,
				    .wheel = &bench->wheel,
				    .random = &bench->random,
				    .counters = &bench->counters};
	bench->net = bench_net_new(&config, bench->ports, "192.0.2.1/24", "192.0.2.254");
}

static void make_l4(struct bench *bench, uint32_t flows)
{
	static struct l4_endpoint endpoints[ENDPOINTS];
	struct addr us = addr_v4((uint8_t[]){192, 0, 2, 1});
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		endpoints[i] = (struct l4_endpoint){
			.addr = addr_v4((uint8_t[]){192, 0, 2, (uint8_t)(101 + i)}),
			.port = 5353,
			.weight = 1};
	struct l4_service service = {.address = us,
				     .port = 53,
				     .protocol = NET_PROTOCOL_UDP,
				     .source = us,
				     .endpoints = endpoints,
				     .endpoint_count = ENDPOINTS};
	struct l4_config config = {.limits = {.flow_count = flows + 1,
					      .half_open_count = 1024,
					      .answer_ms = 10000,
					      .tcp_idle_ms = 900000,
					      .tcp_closing_ms = 30000,
					      .udp_idle_ms = 300000,
					      .port_first = 1024,
					      .port_last = 65535},
				   .services = &service,
				   .service_count = 1,
				   .net = bench->net,
				   .ports = bench->ports,
				   .worker_count = 1,
				   .wheel = &bench->wheel,
				   .random = &bench->random,
				   .counters = &bench->counters};
	bench->l4 = l4_new(&config);
	CHECK(bench->l4);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, bench->l4};
	net_set_transit(bench->net, &transit);
}

static struct port *open_port(struct bench *bench, const char *device)
{
	char why[200] = "";
	struct counters *counters = &bench->counters;
	struct port_ethdev_config config = {.device = device,
					    .worker_count = 1,
					    .mac = our_mac,
					    .mbufs = &bench->mbufs,
					    .counters = &counters};
	bench->device = port_ethdev_open(&config, why, sizeof(why));
	if (!bench->device)
		fprintf(stderr, "%s\n", why);
	CHECK(bench->device);
	return port_ethdev_port(bench->device, 0);
}

// use_port has packets come from and go to a device's port.
static void use_port(struct bench *bench, struct port *port)
{
	static const struct port_ops ops = {no_rx, timed_tx};
	bench->timed.port = *port;
	bench->timed.port.ops = &ops;
	bench->timed.inner = port;
	bench->ports[0] = &bench->timed.port;
}

static void start(bool is_huge)
{
	char *small[] = {"l4_bench", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			 "-m",       "1024",      "--log-level", "3",        "-l",
			 "0"};
	char *huge[] = {"l4_bench",    "--in-memory",
			"--no-pci",    "--no-telemetry",
			"-m",          "1024",
			"--log-level", "3",
			"-l",          "0"};
	CHECK((is_huge ? rte_eal_init((int)ARRAY_LEN(huge), huge)
		       : rte_eal_init((int)ARRAY_LEN(small), small)) >= 0);
}

static struct bench *bench_new(uint32_t flows, uint32_t rounds)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	CHECK(bench);
	bench->now_us = 1000000;
	bench->sample_room = rounds;
	bench->flows = calloc(flows, sizeof(*bench->flows));
	CHECK(bench->flows);
	for (unsigned s = 0; s < STAGE_COUNT; s++) {
		bench->samples[s] = calloc(rounds, sizeof(uint32_t));
		CHECK(bench->samples[s]);
	}
	random_init(&bench->random, (struct siphash_key){{1, 2}});
	wheel_init(&bench->wheel, bench->now_us);
	bench->mbufs = port_pool_new("l4_bench", 4095, sizeof(struct packet), false);
	bench->in = rte_ring_create("in", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	bench->out = rte_ring_create("out", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	CHECK(bench->mbufs && bench->in && bench->out);
	CHECK(rte_eth_from_rings("l4", &bench->in, 1, &bench->out, 1, 0) >= 0);
	use_port(bench, open_port(bench, "net_ring_l4"));
	make_net(bench);
	net_set_time(bench->net, bench->now_us);
	make_l4(bench, flows);
	l4_set_time(bench->l4, bench->now_us);
	meet_neighbours(bench);
	return bench;
}

// prime puts packets on their way between the ring ports.
static void prime(struct bench *bench)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	bench->payload_bytes = 18;
	for (uint32_t i = 0; i < IN_FLIGHT; i += PORT_BURST) {
		CHECK(rte_pktmbuf_alloc_bulk(bench->mbufs, mbufs, PORT_BURST) == 0);
		fill(bench, mbufs, PORT_BURST);
		CHECK(rte_ring_enqueue_bulk(bench->in, (void **)mbufs, PORT_BURST, NULL) ==
		      PORT_BURST);
	}
}

// use_null takes them back, and leaves the null port to go on with.
static void use_null(struct bench *bench)
{
	struct rte_mbuf *mbuf = NULL;
	while (rte_ring_dequeue(bench->in, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	while (rte_ring_dequeue(bench->out, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	bench->in = bench->out = NULL;
	use_port(bench, open_port(bench, "net_null0"));
}

static void run_sizes(struct bench *bench, uint32_t flows)
{
	static const uint32_t sizes[] = {46, 1382}; // of IP: frames of 64 and 1400 bytes
	for (unsigned s = 0; s < ARRAY_LEN(sizes); s++)
		measure(bench, flows, sizes[s], ROUNDS);
}

static void quick(void)
{
	static const char name[] = "packet forwarded (l4)";
	struct bench *bench = bench_new(1000, QUICK_ROUNDS + WARM_ROUNDS);
	open_flows(bench, 0, 1000);
	bench->flow_count = 1000;
	prime(bench);
	for (uint32_t i = 0; i < WARM_ROUNDS; i++)
		turn(bench, false);
	CALLGRIND_ZERO_STATS;
	for (uint32_t i = 0; i < QUICK_ROUNDS; i++)
		turn(bench, true);
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%s: %u units, %u turns\n", name, QUICK_ROUNDS * PORT_BURST, QUICK_ROUNDS);
	say(bench, name);
}

int main(int argc, char **argv)
{
	static const uint32_t counts[] = {1, 1000, 100000, 1000000};
	bool is_huge = argc > 1 && strcmp(argv[1], "--huge") == 0;
	start(is_huge);
	if (RUNNING_ON_VALGRIND || (argc > 1 && !is_huge)) {
		quick();
		return 0;
	}
	struct bench *bench = bench_new(counts[3], ROUNDS);
	open_flows(bench, 0, counts[1]);
	open_flows(bench, counts[1], counts[2]);
	open_flows(bench, counts[2], counts[3]);
	printf("%-36s %6s %6s %6s %6s %8s %8s\n", "cycles a packet", "rx", "l4", "tx", "all", "us",
	       "M/s");
	bench->flow_count = 1;
	prime(bench);
	untouched(bench, ROUNDS);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++)
		run_sizes(bench, counts[i]);
	use_null(bench);
	untouched(bench, ROUNDS);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++)
		run_sizes(bench, counts[i]);
	return 0;
}
