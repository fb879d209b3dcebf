// SPDX-License-Identifier: Apache-2.0
// What bulk transfers cost per segment and byte: one stack sends, another one receives, in bursts
// of 32 frames over a wire that costs nobody anything (its copies are not timed), for one flow and
// for many, in trains or shuffled, with and without coalescing on receive, and with segments cut by
// the port (TSO) or by net. TSC cycles of the calmest tenth of bursts, the best of some runs in
// turn, and ratios; fails when a byte is missing.
//
//   tcp_bulk_bench [--quick]
#include "buf.h"
#include "bench_net.h"
#include "check.h"
#include "net.h"
#include "tcp.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <stdio.h>
#include <stdlib.h>

#define FLOWS_MAX    1024u
#define PORT_LISTEN  443u
#define MBUFS        32767u
#define SAMPLES_MAX  65536u
#define TURN_US      100u
#define RECORD_BYTES 16384u
#define L2_BYTES     14u
#define L4_AT        34u
#define DONE_RING    64u // frames that a port keeps after their transmission

struct trial {
	bool has_tso;     // segments are cut by the port, else by net
	bool has_offload; // checksums by the ports
	bool is_gro;
	bool is_shuffled; // flows take turns on the wire, segment by segment
	uint32_t flow_count;
	uint32_t mtu;
	uint64_t bytes;
};

// Segments of one flow on the wire, linked by their private areas.
struct queue {
	struct rte_mbuf *first, *last;
};

struct side {
	struct port port;
	struct port *ports[1];
	struct rte_mempool *mbufs;
	struct buf_pool bufs;
	void *block; // behind bufs
	struct wheel wheel;
	struct counters counters;
	struct random_source random;
	struct net *net;
	struct tcp *tcp;
	struct side *other;
	struct bench *bench;
	struct queue *queues; // towards it
	uint32_t queue_at, queued_count;
	struct rte_mbuf *done[DONE_RING];
	uint32_t done_at;
	uint64_t cycles;  // since the last sample
	uint32_t packets; // likewise: data segments in or out
	uint32_t *samples;
	uint32_t sample_count;
};

struct flow {
	struct bench *bench;
	struct pool_id conn;
	uint64_t queued_bytes, read_bytes;
};

struct bench {
	const struct trial *trial;
	uint64_t now_us;
	struct side sender, receiver;
	struct flow out[FLOWS_MAX], in[FLOWS_MAX];
	uint32_t in_count;
	uint64_t received_bytes, data_segments, data_bytes, acks;
	uint16_t queue_of[65536]; // by the sender's port: 1 + its queue
	uint16_t queue_count;
};

static struct rte_mbuf **link_of(struct rte_mbuf *mbuf)
{
	return (struct rte_mbuf **)rte_mbuf_to_priv(mbuf);
}

// queue_for is where a frame to side waits: with its flow when they are shuffled.
static struct queue *queue_for(struct side *to, const uint8_t *frame)
{
	struct bench *bench = to->bench;
	if (to == &bench->sender || !bench->trial->is_shuffled || frame[12] != 0x08 || frame[13])
		return &to->queues[0];
	uint16_t *at = &bench->queue_of[frame[L4_AT] << 8 | frame[L4_AT + 1]];
	if (*at == 0)
		*at = ++bench->queue_count;
	return &to->queues[*at - 1u];
}

static void enqueue(struct side *to, struct rte_mbuf *mbuf)
{
	struct queue *queue = queue_for(to, rte_pktmbuf_mtod(mbuf, const uint8_t *));
	*link_of(mbuf) = NULL;
	if (queue->last)
		*link_of(queue->last) = mbuf;
	else
		queue->first = mbuf;
	queue->last = mbuf;
	to->queued_count++;
}

// dequeue takes one frame of each flow in turn.
static struct rte_mbuf *dequeue(struct side *to)
{
	if (to->queued_count == 0)
		return NULL;
	while (!to->queues[to->queue_at].first)
		to->queue_at = (to->queue_at + 1) % FLOWS_MAX;
	struct queue *queue = &to->queues[to->queue_at];
	struct rte_mbuf *mbuf = queue->first;
	queue->first = *link_of(mbuf);
	if (!queue->first)
		queue->last = NULL;
	to->queue_at = (to->queue_at + 1) % FLOWS_MAX;
	to->queued_count--;
	return mbuf;
}

// carry copies bytes of a frame's payload from offset on, behind its headers, to the other side.
static void carry(struct side *from, const struct rte_mbuf *mbuf, uint32_t header_bytes,
		  uint32_t offset, uint32_t bytes)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(from->other->mbufs);
	CHECK(copy);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)(header_bytes + bytes));
	memcpy(frame, rte_pktmbuf_mtod(mbuf, const uint8_t *), header_bytes);
	const void *at = rte_pktmbuf_read(mbuf, header_bytes + offset, bytes, frame + header_bytes);
	if (at != frame + header_bytes)
		memcpy(frame + header_bytes, at, bytes);
	if (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		struct rte_ipv4_hdr *ip = (void *)(frame + L2_BYTES);
		struct rte_tcp_hdr *tcp = (void *)(frame + L4_AT);
		ip->total_length = rte_cpu_to_be_16((uint16_t)(header_bytes - L2_BYTES + bytes));
		tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + offset);
		if (header_bytes + offset + bytes < mbuf->pkt_len)
			tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	}
	if (from->bench->trial->has_offload)
		copy->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	from->packets += bytes > 0;
	from->bench->data_segments += bytes > 0;
	from->bench->data_bytes += bytes;
	from->bench->acks += from == &from->bench->receiver && bytes == 0;
	enqueue(from->other, copy);
}

// transmit cuts a frame as its port would.
static void transmit(struct side *from, const struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	bool is_ip = frame[12] == 0x08 && frame[13] == 0;
	uint32_t header_bytes = is_ip ? L4_AT + (frame[L4_AT + 12] >> 4) * 4u : mbuf->pkt_len;
	uint32_t payload_bytes = mbuf->pkt_len - header_bytes;
	bool is_cut = mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint32_t step = is_cut ? mbuf->tso_segsz : MAX(payload_bytes, 1u);
	uint32_t offset = 0;
	do {
		carry(from, mbuf, header_bytes, offset, MIN(step, payload_bytes - offset));
		offset += step;
	} while (offset < payload_bytes);
}

static uint16_t rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

// tx takes frames and frees older ones, as drivers do; what the wire does is not timed.
static uint16_t tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct side *side = container_of(port, struct side, port);
	for (uint16_t i = 0; i < count; i++) {
		uint64_t begin = rte_rdtsc();
		transmit(side, mbufs[i]);
		side->cycles -= rte_rdtsc() - begin;
		rte_pktmbuf_free(side->done[side->done_at]);
		side->done[side->done_at] = mbufs[i];
		side->done_at = (side->done_at + 1) % DONE_RING;
	}
	return count;
}

static const struct port_ops ops = {rx, tx};

// fill queues records while there is room; what they hold is never looked at by the stack.
static void fill(struct flow *flow)
{
	struct side *side = &flow->bench->sender;
	while (flow->queued_bytes < flow->bench->trial->bytes &&
	       tcp_send_room(side->tcp, flow->conn) >= BUF_BYTES) {
		struct buf *buf = buf_new(&side->bufs, BUF_BYTES);
		if (!buf)
			return;
		CHECK(tcp_send(side->tcp, flow->conn, buf, 0, RECORD_BYTES) == 0);
		flow->queued_bytes += RECORD_BYTES;
	}
}

static void on_fill(void *user, struct pool_id)
{
	fill(user);
}

static void on_readable(void *user, struct pool_id conn)
{
	struct flow *flow = user;
	struct bench *bench = flow->bench;
	size_t bytes = tcp_received(bench->receiver.tcp, conn);
	flow->read_bytes += bytes;
	bench->received_bytes += bytes;
	tcp_consume(bench->receiver.tcp, conn, bytes);
}

static void on_nothing(void *, struct pool_id) {}

static void on_closed(void *, struct pool_id, enum counter)
{
	CHECK(false); // connections outlive the measurement
}

static const struct tcp_events sending = {on_fill, on_nothing, on_fill, on_closed};
static const struct tcp_events receiving = {on_nothing, on_readable, on_nothing, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct bench *bench = user;
	struct flow *flow = &bench->in[bench->in_count++];
	*flow = (struct flow){.bench = bench, .conn = conn};
	return flow;
}

// sample notes what a data segment cost since the last time, once there are enough.
static void sample(struct side *side)
{
	if (side->packets >= PORT_BURST && side->sample_count < SAMPLES_MAX) {
		uint64_t cycles = side->cycles / side->packets;
		side->samples[side->sample_count++] = (uint32_t)MIN(cycles, UINT32_MAX);
	}
	if (side->packets >= PORT_BURST || side->packets == 0)
		side->cycles = side->packets = 0;
}

// turn runs a side's loop once: a burst in, events, output.
static void turn(struct side *side)
{
	struct rte_mbuf *burst[PORT_BURST];
	uint32_t count = 0;
	while (count < PORT_BURST && (burst[count] = dequeue(side)) != NULL)
		count++;
	if (side == &side->bench->receiver)
		side->packets += count;
	uint64_t begin = rte_rdtsc();
	net_set_time(side->net, side->bench->now_us);
	tcp_set_time(side->tcp, side->bench->now_us);
	net_input(side->net, 0, burst, count);
	wheel_advance(&side->wheel, side->bench->now_us, 256);
	tcp_run_ready(side->tcp, 64);
	net_flush(side->net);
	side->cycles += rte_rdtsc() - begin;
	sample(side);
}

static void make_net(struct side *side, uint8_t number)
{
	const struct trial *trial = side->bench->trial;
	char address[sizeof("10.0.0.255/24")];
	struct net_config config = {
		.limits = {.neighbour_count = 16, .neighbour_queue = 1024, .icmp_per_second = 100},
		.mbufs = side->mbufs,
		.wheel = &side->wheel,
		.random = &side->random,
		.counters = &side->counters,
	};
	side->port = (struct port){
		.ops = &ops,
		.mac = {2, 0, 0, 0, 0, number},
		.mtu = (uint16_t)trial->mtu,
		.can_checksum_ip4_tx = trial->has_offload,
		.can_checksum_l4_tx = trial->has_offload,
		.can_checksum_rx = trial->has_offload,
		.can_segment = trial->has_tso,
		.can_scatter_tx = true,
	};
	side->ports[0] = &side->port;
	snprintf(address, sizeof(address), "10.0.0.%u/24", number);
	side->net = bench_net_new(&config, side->ports, address, NULL);
}

static void make_tcp(struct side *side)
{
	struct tcp_config config = {
		.limits = {.conn_count = FLOWS_MAX,
			   .half_open_count = FLOWS_MAX,
			   .time_wait_count = 16,
			   .listener_count = 1,
			   .send_buffer_bytes = 192u << 10,
			   .receive_buffer_bytes = 1u << 20,
			   .syn_retries = 3,
			   .retries = 8,
			   .delayed_ack_ms = 40,
			   .is_coalescing = side->bench->trial->is_gro,
			   .port_first = 32768,
			   .port_last = 60999},
		.net = side->net,
		.mbufs = side->mbufs,
		.wheel = &side->wheel,
		.random = &side->random,
		.counters = &side->counters,
	};
	side->tcp = tcp_new(&config);
	CHECK(side->tcp);
}

static void open_side(struct bench *bench, struct side *side, uint8_t number)
{
	struct side *other = number == 1 ? &bench->receiver : &bench->sender;
	struct rte_mempool *mbufs = side->mbufs;
	uint32_t *samples = side->samples;
	struct queue *queues = side->queues;
	struct buf_pool bufs = side->bufs;
	*side = (struct side){.mbufs = mbufs, .samples = samples, .queues = queues, .bufs = bufs};
	side->other = other;
	side->bench = bench;
	random_init(&side->random, (struct siphash_key){{number, 2}});
	wheel_init(&side->wheel, bench->now_us);
	make_net(side, number);
	make_tcp(side);
}

static void close_side(struct side *side)
{
	struct rte_mbuf *mbuf;
	while ((mbuf = dequeue(side)) != NULL)
		rte_pktmbuf_free(mbuf);
	tcp_free(side->tcp);
	net_free(side->net);
	for (uint32_t i = 0; i < DONE_RING; i++)
		rte_pktmbuf_free(side->done[i]);
}

static void dial(struct bench *bench, uint32_t index)
{
	struct flow *flow = &bench->out[index];
	*flow = (struct flow){.bench = bench};
	struct tcp_connect connect = {.remote = addr_v4((const uint8_t[4]){10, 0, 0, 2}),
				      .remote_port = PORT_LISTEN,
				      .events = &sending,
				      .user = flow};
	tcp_set_time(bench->sender.tcp, bench->now_us);
	CHECK(tcp_connect_to(bench->sender.tcp, &connect, &flow->conn) == 0);
}

static int compare(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;
	return (*a > *b) - (*a < *b);
}

// calm is what the calmest tenth costs at most: what others of this machine did is in the rest.
static double calm(struct side *side)
{
	CHECK(side->sample_count > 0);
	qsort(side->samples, side->sample_count, sizeof(*side->samples), compare);
	return side->samples[side->sample_count / 10];
}

// What a trial found, cycles a data segment.
struct figures {
	double send, receive, acks, coalesced, segment_bytes;
};

static struct figures finish(struct bench *bench)
{
	const struct counters *counters = &bench->receiver.counters;
	struct figures figures = {
		.send = calm(&bench->sender),
		.receive = calm(&bench->receiver),
		.acks = (double)bench->acks / (double)bench->data_segments,
		.coalesced = (double)counters->value[COUNTER_tcp_segments_coalesced] /
			     (double)bench->data_segments,
		.segment_bytes = (double)bench->data_bytes / (double)bench->data_segments,
	};
	close_side(&bench->sender);
	close_side(&bench->receiver);
	CHECK(rte_mempool_in_use_count(bench->sender.mbufs) == 0);
	CHECK(rte_mempool_in_use_count(bench->receiver.mbufs) == 0);
	CHECK(buf_pool_in_use(&bench->sender.bufs) == 0);
	return figures;
}

static struct figures run(struct bench *bench, const struct trial *trial)
{
	struct tcp_listener listener = {
		.port = PORT_LISTEN, .events = &receiving, .accepted = on_accepted, .user = bench};
	bench->trial = trial;
	bench->now_us = 1000000;
	bench->in_count = bench->queue_count = 0;
	bench->received_bytes = bench->data_segments = bench->data_bytes = bench->acks = 0;
	memset(bench->queue_of, 0, sizeof(bench->queue_of));
	open_side(bench, &bench->sender, 1);
	open_side(bench, &bench->receiver, 2);
	CHECK(tcp_listen_on(bench->receiver.tcp, &listener) == 0);
	uint64_t all_bytes = trial->bytes * trial->flow_count;
	for (uint32_t i = 0; i < trial->flow_count; i++)
		dial(bench, i);
	for (uint32_t i = 0; bench->received_bytes < all_bytes; i++) {
		CHECK(i < 10000000);
		turn(&bench->sender);
		do
			turn(&bench->receiver);
		while (bench->receiver.queued_count >= 4 * PORT_BURST);
		bench->now_us += TURN_US;
	}
	for (uint32_t i = 0; i < trial->flow_count; i++)
		CHECK(bench->in[i].read_bytes == trial->bytes);
	return finish(bench);
}

static void init_side(struct side *side, const char *name, uint32_t buf_count)
{
	side->mbufs = rte_pktmbuf_pool_create(name, MBUFS, 256, sizeof(struct packet),
					      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	side->samples = calloc(SAMPLES_MAX, sizeof(*side->samples));
	side->queues = calloc(FLOWS_MAX, sizeof(*side->queues));
	void *block = aligned_alloc(64, buf_pool_bytes(buf_count, 1));
	CHECK(side->mbufs && side->samples && side->queues && block);
	memset(block, 'x', buf_pool_bytes(buf_count, 1));
	CHECK(buf_pool_init(&side->bufs, block, 0, buf_count, 1) == 0);
}

// better keeps the smaller of each: runs differ by what others of this machine did.
static void better(struct figures *best, const struct figures *other)
{
	struct figures fresh = *other;
	if (best->receive > 0) {
		fresh.send = MIN(fresh.send, best->send);
		fresh.receive = MIN(fresh.receive, best->receive);
	}
	*best = fresh;
}

// print_flows prints a row of the receiver's table: off and on, checksums by the NIC and by us.
static void print_flows(struct bench *bench, struct trial trial, unsigned repeats)
{
	struct figures best[4] = {{0}};
	trial.mtu = 1500;
	trial.bytes = MAX(trial.bytes / trial.flow_count / RECORD_BYTES, 4u) * RECORD_BYTES;
	for (unsigned i = 0; i < 4 * repeats; i++) {
		trial.is_gro = i & 1;
		trial.has_offload = i & 2;
		struct figures figures = run(bench, &trial);
		better(&best[i % 4], &figures);
	}
	printf("%5u %-9s %8.2f %8.3f", trial.flow_count,
	       trial.is_shuffled ? "shuffled" : "in trains", best[1].coalesced, best[1].acks);
	for (unsigned i = 2; i < 6; i += 2)
		printf("  %9.0f %9.0f  %4.2f", best[i % 4].receive, best[i % 4 + 1].receive,
		       best[i % 4 + 1].receive / best[i % 4].receive);
	printf("\n");
	fflush(stdout);
}

static void print_receive(struct bench *bench, uint64_t bytes, unsigned repeats)
{
	static const struct trial trials[] = {
		{.flow_count = 1},
		{.flow_count = 4},
		{.flow_count = 4, .is_shuffled = true},
		{.flow_count = 8, .is_shuffled = true},
		{.flow_count = 16, .is_shuffled = true},
		{.flow_count = 32, .is_shuffled = true},
		{.flow_count = 64, .is_shuffled = true},
		{.flow_count = 512, .is_shuffled = true},
		{.flow_count = 512},
	};
	printf("# receive, cycles a segment       checksums by the NIC             by us\n"
	       "# flows         coalesced ACKs/seg    singly coalesced ratio     singly coalesced "
	       "ratio\n");
	for (uint32_t i = 0; i < ARRAY_LEN(trials); i++) {
		struct trial trial = trials[i];
		trial.bytes = bytes;
		print_flows(bench, trial, repeats);
	}
}

static void print_send(struct bench *bench, uint64_t bytes, unsigned repeats)
{
	static const char *const names[3] = {"port (TSO)  NIC", "net         NIC",
					     "net         us"};
	struct figures best[3] = {{0}};
	for (unsigned i = 0; i < 3 * repeats; i++) {
		struct trial trial = {.has_tso = i % 3 == 0,
				      .has_offload = i % 3 < 2,
				      .is_gro = true,
				      .flow_count = 1,
				      .mtu = 1500,
				      .bytes = bytes};
		struct figures figures = run(bench, &trial);
		better(&best[i % 3], &figures);
	}
	printf("# send: cut by, checksums by   cycles a segment   a byte\n");
	for (unsigned i = 0; i < 3; i++)
		printf("%-30s %16.0f %8.2f\n", names[i], best[i].send,
		       best[i].send / best[i].segment_bytes);
}

static void start_eal(void)
{
	char *arguments[] = {"tcp_bulk_bench",
			     "--no-huge",
			     "--no-shconf",
			     "--no-pci",
			     "--no-telemetry",
			     "-m",
			     "512",
			     "--log-level",
			     "3",
			     "-l",
			     "0"};
	CHECK(rte_eal_init((int)ARRAY_LEN(arguments), arguments) >= 0);
}

int main(int argc, char **argv)
{
	bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	uint64_t bytes = is_quick ? 8u << 20 : 32u << 20;
	struct bench *bench = calloc(1, sizeof(*bench));
	CHECK(bench);
	start_eal();
	init_side(&bench->sender, "sender", 8192);
	init_side(&bench->receiver, "receiver", 1);
	unsigned repeats = is_quick ? 1 : 7;
	print_receive(bench, bytes, repeats);
	print_send(bench, bytes, repeats);
	return 0;
}
