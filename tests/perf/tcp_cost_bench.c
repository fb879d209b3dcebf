// SPDX-License-Identifier: Apache-2.0
// Cycles that one hostile packet costs, against an in-order data packet of the same run: one stack,
// one packet a loop (input, events, output), no link and no peer. A table on stdout: median, mean,
// p99 and maximum in TSC cycles, and the median's ratio to the first line. Packets during which the
// scheduler took the core away are told and not counted. The exit code is 1 when a median is more
// than RATIO_MAX times the first.
#include "check.h"
#include "sim_host.h"
#include "tcp_reass.h"
#include "tcp_segment.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PACKETS   20000u
#define WARM_UP   500u
#define RATIO_MAX 12.0
#define PORT      443u
#define MSS       1448u

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 9};

struct bench {
	uint64_t now_us;
	struct sim_link_config link_config;
	struct sim_memory *memory;
	struct sim_link *link;
	struct sim_host host;
	struct random_source random;
	struct pool_id conn;
	struct tcp_segment out; // newest segment of the stack
	struct rte_mbuf *arp;   // answer to inject
	struct tcp_seq nxt;     // the peer's
	struct tcp_seq base;    // of the train
	bool is_reading;
};

// Where a stub port finds its bench.
static struct bench *bench_of(struct port *port);

static struct rte_mbuf *frame_new(struct bench *bench, uint16_t type)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->memory->mbufs);
	CHECK(mbuf);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbuf, 14);
	memcpy(at, bench->host.port->mac, 6);
	memcpy(at + 6, gateway_mac, 6);
	at[12] = (uint8_t)(type >> 8);
	at[13] = (uint8_t)type;
	return mbuf;
}

// answer_arp makes everybody live at gateway_mac.
static void answer_arp(struct bench *bench, const uint8_t *request)
{
	struct rte_mbuf *mbuf = frame_new(bench, 0x0806);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbuf, 28);
	memcpy(at, request, 28);
	at[7] = 2;
	memcpy(at + 8, gateway_mac, 6);
	memcpy(at + 14, request + 24, 4);
	memcpy(at + 18, request + 8, 10);
	bench->arp = mbuf;
}

static uint16_t stub_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t stub_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct bench *bench = bench_of(port);
	for (uint16_t i = 0; i < count; i++) {
		const uint8_t *at = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);
		if (at[12] == 0x08 && at[13] == 0x06)
			answer_arp(bench, at + 14);
		else if (mbufs[i]->data_len >= 54)
			tcp_segment_parse(at + 34, mbufs[i]->data_len - 34u, &bench->out);
		rte_pktmbuf_free(mbufs[i]);
	}
	return count;
}

struct stub {
	struct port_ops ops; // first: a port's ops lead here
	struct bench *bench;
};

static struct bench *bench_of(struct port *port)
{
	return ((const struct stub *)(const void *)port->ops)->bench;
}

static void on_event(void *, struct pool_id) {}

static void on_readable(void *user, struct pool_id conn)
{
	struct bench *bench = user;
	if (bench->is_reading)
		tcp_consume(bench->host.tcp, conn, tcp_received(bench->host.tcp, conn));
}

static void on_closed(void *, struct pool_id, enum counter) {}

static const struct tcp_events events = {on_event, on_readable, on_event, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	((struct bench *)user)->conn = conn;
	return user;
}

// packet_new makes segment from address 10.0.(source >> 8).(source) with text_bytes bytes of text.
static struct rte_mbuf *packet_new(struct bench *bench, uint16_t source,
				   struct tcp_segment *segment, uint32_t text_bytes)
{
	struct rte_mbuf *mbuf = frame_new(bench, 0x0800);
	uint8_t header[TCP_HEADER_MAX_BYTES];
	segment->destination_port = PORT;
	uint32_t header_bytes = tcp_segment_write(segment, header);
	uint32_t bytes = 20 + header_bytes + text_bytes;
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
	const uint8_t fixed[20] = {
		0x45,      0, (uint8_t)(bytes >> 8),  (uint8_t)bytes,  [8] = 64, 6,
		[12] = 10, 0, (uint8_t)(source >> 8), (uint8_t)source, 10,       0,
		0,         1};
	memcpy(ip, fixed, 20);
	memcpy(ip + 20, header, header_bytes);
	memset(ip + 20 + header_bytes, 'x', text_bytes);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

// step is one loop of the worker around one packet; returns its cycles.
static uint64_t step(struct bench *bench, struct rte_mbuf *mbuf)
{
	struct sim_host *host = &bench->host;
	bench->now_us += 10;
	net_set_time(host->net, bench->now_us);
	tcp_set_time(host->tcp, bench->now_us);
	uint64_t begin = rte_rdtsc_precise();
	net_input(host->net, 0, &mbuf, 1);
	tcp_run_ready(host->tcp, 64);
	net_flush(host->net);
	uint64_t cycles = rte_rdtsc_precise() - begin;
	wheel_advance(&host->wheel, bench->now_us, UINT32_MAX);
	if (bench->arp) {
		struct rte_mbuf *arp = bench->arp;
		bench->arp = NULL;
		net_input(host->net, 0, &arp, 1);
		net_flush(host->net);
	}
	return cycles;
}

static void open_stack(struct bench *bench, struct stub *stub, uint32_t half_open)
{
	struct tcp_limits limits = sim_limits();
	limits.half_open_count = half_open;
	limits.send_buffer_bytes = limits.receive_buffer_bytes = 1u << 20;
	bench->now_us = 1000000;
	bench->link_config = (struct sim_link_config){.mtu = 1500};
	bench->link = sim_link_new(&bench->link_config, &bench->now_us, (struct siphash_key){{1}});
	struct sim_host_config config = {.number = 1,
					 .memory = bench->memory,
					 .link = bench->link,
					 .limits = limits,
					 .seed = {{3, 4}},
					 .now_us = bench->now_us};
	sim_host_open(&bench->host, &config);
	*stub = (struct stub){{stub_rx, stub_tx}, bench};
	struct port *port = bench->host.port;
	port->ops = &stub->ops;
	port->can_checksum_rx = port->can_checksum_ip4_tx = port->can_checksum_l4_tx = true;
	struct tcp_listener listener = {
		.port = PORT, .events = &events, .accepted = on_accepted, .user = bench};
	CHECK(tcp_listen_on(bench->host.tcp, &listener) == 0);
	random_init(&bench->random, (struct siphash_key){{5, 6}});
}

// connect makes one connection of 10.0.0.2, with SACK and without timestamps.
static void open_conn(struct bench *bench)
{
	struct tcp_segment syn = {.source_port = 1000,
				  .flags = TCP_SYN,
				  .window = 65535,
				  .has_mss = true,
				  .mss = 1460,
				  .has_scale = true,
				  .scale = 6,
				  .is_sack_permitted = true,
				  .seq = seq_of(99)};
	bench->nxt = seq_of(100);
	step(bench, packet_new(bench, 2, &syn, 0));
	struct tcp_segment ack = {.source_port = 1000,
				  .flags = TCP_ACK,
				  .window = 65535,
				  .seq = bench->nxt,
				  .ack = seq_plus(bench->out.seq, 1)};
	step(bench, packet_new(bench, 2, &ack, 0));
	CHECK(tcp_in_use(bench->host.tcp).conn_count == 1);
	bench->is_reading = true;
}

// data is a segment of the connection at seq.
static struct rte_mbuf *data(struct bench *bench, struct tcp_seq seq, uint32_t bytes)
{
	struct tcp_segment segment = {.source_port = 1000,
				      .flags = TCP_ACK,
				      .window = 65535,
				      .seq = seq,
				      .ack = bench->out.seq};
	return packet_new(bench, 2, &segment, bytes);
}

// -- trains: ready prepares, next makes the packet of index i

static struct rte_mbuf *in_order(struct bench *bench, uint32_t)
{
	struct tcp_seq seq = bench->nxt;
	bench->nxt = seq_plus(seq, MSS);
	return data(bench, seq, MSS);
}

static struct rte_mbuf *tiny_in_order(struct bench *bench, uint32_t)
{
	struct tcp_seq seq = bench->nxt;
	bench->nxt = seq_plus(seq, 1);
	return data(bench, seq, 1);
}

static struct rte_mbuf *reverse(struct bench *bench, uint32_t i)
{
	return data(bench, seq_plus(bench->nxt, 60000 - i % 30000), 1);
}

static struct rte_mbuf *reverse_with_gaps(struct bench *bench, uint32_t i)
{
	return data(bench, seq_plus(bench->nxt, 60000 - 2 * (i % 29000)), 1);
}

static struct rte_mbuf *shuffled(struct bench *bench, uint32_t)
{
	return data(bench, seq_plus(bench->nxt, 2 + random_below(&bench->random, 60000)), 1);
}

// As many runs as are kept, and then what lies before the last but one: the longest way each time.
static void fill_runs(struct bench *bench)
{
	for (uint32_t i = 0; i < TCP_REASS_RUNS; i++)
		step(bench, data(bench, seq_plus(bench->nxt, 100 + 4 * i), 2));
}

static struct rte_mbuf *longest_walk(struct bench *bench, uint32_t i)
{
	uint32_t run = TCP_REASS_RUNS - 2 - i % 2;
	return data(bench, seq_plus(bench->nxt, 100 + 4 * run), 1);
}

static struct rte_mbuf *overlapping(struct bench *bench, uint32_t i)
{
	return data(bench, seq_plus(bench->nxt, 2 + i % 50000), MSS);
}

static struct rte_mbuf *far_out(struct bench *bench, uint32_t)
{
	return data(bench, seq_plus(bench->nxt, 1u << 30), MSS);
}

static struct rte_mbuf *bait(struct bench *bench, uint32_t i)
{
	static const unsigned flags[] = {TCP_RST, TCP_SYN, TCP_ACK};
	struct tcp_segment segment = {.source_port = 1000,
				      .flags = (uint8_t)flags[i % 3],
				      .seq = seq_plus(bench->nxt, 10),
				      .ack = seq_plus(bench->out.seq, 100000)};
	return packet_new(bench, 2, &segment, 0);
}

// The stack has as much in flight as it may; every ACK names three segments of it at random.
static void send_much(struct bench *bench)
{
	struct tcp *tcp = bench->host.tcp;
	bench->base = bench->out.seq;
	for (unsigned round = 0; round < 400; round++) {
		while (tcp_send_room(tcp, bench->conn) >= BUF_BYTES) {
			struct buf *buf = buf_new(&bench->memory->bufs, BUF_BYTES);
			CHECK(buf);
			memset(buf->data, 'y', BUF_BYTES);
			CHECK(tcp_send(tcp, bench->conn, buf, 0, BUF_BYTES) == 0);
		}
		struct tcp_segment ack = {.source_port = 1000,
					  .flags = TCP_ACK,
					  .window = 65535,
					  .seq = bench->nxt,
					  .ack = round < 350 ? bench->out.seq : bench->base};
		bench->base = ack.ack;
		step(bench, packet_new(bench, 2, &ack, 0));
	}
}

static struct rte_mbuf *sack_storm(struct bench *bench, uint32_t)
{
	struct tcp_segment ack = {.source_port = 1000,
				  .flags = TCP_ACK,
				  .window = 65535,
				  .seq = bench->nxt,
				  .ack = bench->base,
				  .sack_count = 3};
	struct tcp_info info;
	CHECK(tcp_info_of(bench->host.tcp, bench->conn, &info));
	uint32_t count = MAX(info.unacked_bytes / MSS, 8u);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t at = (1 + random_below(&bench->random, count - 2)) * MSS;
		ack.sack[i] = (struct tcp_range){seq_plus(bench->base, at),
						 seq_plus(bench->base, at + MSS)};
	}
	return packet_new(bench, 2, &ack, 0);
}

static struct rte_mbuf *syn(struct bench *bench, uint32_t i)
{
	struct tcp_segment segment = {.source_port = (uint16_t)(2000 + i),
				      .flags = TCP_SYN,
				      .window = 65535,
				      .seq = seq_of(i),
				      .has_mss = true,
				      .mss = 1460,
				      .has_timestamps = true,
				      .ts_value = i};
	return packet_new(bench, (uint16_t)(3 + i % 200), &segment, 0);
}

// optioned is a SYN whose options are forty bytes of the shortest kind.
static struct rte_mbuf *optioned(struct bench *bench, uint32_t i)
{
	struct tcp_segment segment = {.source_port = (uint16_t)(2000 + i),
				      .flags = TCP_SYN,
				      .window = 65535,
				      .seq = seq_of(i)};
	struct rte_mbuf *mbuf = packet_new(bench, (uint16_t)(3 + i % 200), &segment, 40);
	uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 14);
	ip[20 + 12] = 0xf0;
	for (unsigned at = 0; at < 40; at += 2) { // kind 200, nothing in it
		ip[40 + at] = 200;
		ip[41 + at] = 2;
	}
	return mbuf;
}

static struct rte_mbuf *stray(struct bench *bench, uint32_t i)
{
	struct tcp_segment segment = {.source_port = (uint16_t)(2000 + i),
				      .flags = TCP_ACK,
				      .seq = seq_of(i),
				      .ack = seq_of(i * 77)};
	return packet_new(bench, (uint16_t)(3 + i % 200), &segment, 0);
}

struct train {
	const char *name;
	struct rte_mbuf *(*next)(struct bench *bench, uint32_t i);
	void (*ready)(struct bench *bench); // NULL: nothing to prepare
	uint32_t half_open;
};

static const struct train trains[] = {
	{"in order, 1448 bytes", in_order, NULL, 64},
	{"in order, 1 byte", tiny_in_order, NULL, 64},
	{"reverse order, 1 byte", reverse, NULL, 64},
	{"reverse order with gaps, 1 byte", reverse_with_gaps, NULL, 64},
	{"any order, 1 byte", shuffled, NULL, 64},
	{"128 holes, the longest walk", longest_walk, fill_runs, 64},
	{"overlapping, 1448 bytes", overlapping, NULL, 64},
	{"out of window, 1448 bytes", far_out, NULL, 64},
	{"RST, SYN and ACK to be challenged", bait, NULL, 64},
	{"SACK storm", sack_storm, send_much, 64},
	{"SYN, kept", syn, NULL, 1u << 16},
	{"SYN, cookie", syn, NULL, 0},
	{"SYN with 20 options, cookie", optioned, NULL, 0},
	{"ACK of no connection", stray, NULL, 64},
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

// switches is how often the scheduler took this thread's core away.
static long switches(void)
{
	struct rusage usage;
	CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

// run_train prints a train's line and returns its median.
static uint64_t run_train(struct bench *bench, const struct train *train, uint64_t first)
{
	static uint64_t cycles[PACKETS];
	struct stub stub;
	uint64_t sum = 0;
	uint32_t count = 0;
	open_stack(bench, &stub, train->half_open);
	if (train->half_open == 64)
		open_conn(bench);
	if (train->ready)
		train->ready(bench);
	for (uint32_t i = 0; i < WARM_UP; i++)
		step(bench, train->next(bench, i));
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct rte_mbuf *mbuf = train->next(bench, WARM_UP + i);
		long before = switches();
		cycles[count] = step(bench, mbuf);
		if (switches() == before)
			sum += cycles[count++];
	}
	CHECK(count > PACKETS / 2);
	qsort(cycles, count, sizeof(cycles[0]), compare);
	uint64_t median = cycles[count / 2];
	printf("%-36s %8lu %8lu %8lu %8lu %7.2f %9u\n", train->name, median, sum / count,
	       cycles[count / 100 * 99], cycles[count - 1],
	       (double)median / (double)(first ? first : median), PACKETS - count);
	sim_host_close(&bench->host);
	sim_link_free(bench->link);
	return median;
}

int main(void)
{
	static struct bench bench;
	sim_start();
	bench.memory = sim_memory_new("bench", 8191, 512, 64);
	printf("%-36s %8s %8s %8s %8s %7s %9s\n", "one packet a loop, TSC cycles", "median", "mean",
	       "p99", "max", "ratio", "preempted");
	uint64_t first = 0, worst = 0;
	for (uint32_t i = 0; i < ARRAY_LEN(trains); i++) {
		uint64_t median = run_train(&bench, &trains[i], first);
		first = first ? first : median;
		worst = MAX(worst, median);
	}
	return (double)worst > RATIO_MAX * (double)first;
}
