// SPDX-License-Identifier: Apache-2.0
// What a connection costs as there are more of them: bytes, cycles to open and close one, cycles of
// a packet for a random one, cycles of a timer tick while all are idle. One real net and tcp on a
// port like a NIC's (checksums done, 32 frames a burst); the peers are synthesized segments, so
// only the stack is timed. Prints a table and fails when a connection did not do what it must, when
// something is left at the end, or when a connection takes more than its bound of bytes.
//
//   tcp_scale [--connections N] [--quick]        N: the largest of 10 k, 100 k, 1 M ...; 1 M needs
//   4 GiB
#include "check.h"
#include "net.h"
#include "siphash.h"
#include "tcp.h"
#include "tcp_segment.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BURST         32u
#define CHURN         8192u // connections closed and opened again for a figure
#define PACKETS       65536u
#define TICKS         4096u
#define SAMPLES_MAX   8192u
#define PORTS_A_PEER  16384u
#define FIRST_PORT    1024u
#define PAYLOAD_BYTES 100u
#define BYTES_MAX     4096u // of one idle connection: all slabs, table, timers

// What the world knows of a peer's connection.
struct peer {
	struct tcp_seq nxt; // next to send
	struct tcp_seq ack; // next to expect
};

struct rig {
	struct port port;
	struct port *ports[1];
	struct rte_mempool *mbufs;
	struct wheel wheel;
	struct counters counters;
	struct random_source random;
	struct net *net;
	struct tcp *tcp;
	uint64_t now_us;
	uint64_t cycles;   // spent in the stack since the last sample
	uint64_t *samples; // one a burst, or two that belong together
	uint32_t sample_count;
	uint32_t peer_count;
	uint32_t open_count;
	uint64_t heard_bytes;
	uint64_t sent_frames;
	struct peer *peers;
};

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {198, 51, 100, 1};
static const uint8_t router_ip[4] = {198, 51, 100, 254};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// peer_of finds whose frame this is by its destination.
static struct peer *peer_of(struct rig *rig, const uint8_t *ip, const uint8_t *tcp)
{
	uint32_t index = get16(ip + 18) * PORTS_A_PEER + get16(tcp + 2) - FIRST_PORT;
	return index < rig->peer_count ? &rig->peers[index] : NULL;
}

// heed takes what the stack sent: it notes what it acknowledges and sends.
static void heed(struct rig *rig, const uint8_t *frame)
{
	struct tcp_segment segment;
	const uint8_t *ip = frame + 14;
	if (get16(frame + 12) != 0x0800 || ip[9] != NET_PROTOCOL_TCP)
		return;
	struct peer *peer = peer_of(rig, ip, ip + 20);
	CHECK(peer && tcp_segment_parse(ip + 20, get16(ip + 2) - 20u, &segment));
	segment.payload_bytes = get16(ip + 2) - 20u - segment.header_bytes;
	peer->ack = tcp_segment_end(&segment);
}

static uint16_t rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct rig *rig = container_of(port, struct rig, port);
	for (uint16_t i = 0; i < count; i++)
		heed(rig, rte_pktmbuf_mtod(mbufs[i], const uint8_t *));
	rig->sent_frames += count;
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
}

static const struct port_ops ops = {rx, tx};

static void on_readable(void *user, struct pool_id conn)
{
	struct rig *rig = user;
	size_t bytes = tcp_received(rig->tcp, conn);
	rig->heard_bytes += bytes;
	tcp_consume(rig->tcp, conn, bytes);
	if (tcp_at_end(rig->tcp, conn))
		tcp_shutdown(rig->tcp, conn);
}

static void on_nothing(void *, struct pool_id) {}

static void on_closed(void *user, struct pool_id, enum counter)
{
	((struct rig *)user)->open_count--;
}

static const struct tcp_events events = {on_nothing, on_readable, on_nothing, on_closed};

static void *on_accepted(void *user, struct pool_id, const struct tcp_tuple *tuple)
{
	struct rig *rig = user;
	uint32_t index =
		get16(tuple->remote.bytes + 14) * PORTS_A_PEER + tuple->remote_port - FIRST_PORT;
	CHECK(index < rig->peer_count);
	rig->open_count++;
	return rig;
}

// turn runs the stack over a burst and what it leads to; only this is timed.
static void turn(struct rig *rig, struct rte_mbuf **burst, uint32_t count)
{
	uint64_t begin = rte_rdtsc();
	net_set_time(rig->net, rig->now_us);
	tcp_set_time(rig->tcp, rig->now_us);
	net_input(rig->net, 0, burst, count);
	tcp_run_ready(rig->tcp, 256);
	net_flush(rig->net);
	rig->cycles += rte_rdtsc() - begin;
}

static struct rte_mbuf *frame_of(struct rig *rig, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->mbufs);
	CHECK(mbuf);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
	memset(frame, 0, bytes);
	memcpy(frame, our_mac, 6);
	memcpy(frame + 6, router_mac, 6);
	mbuf->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

// segment_of makes peer index's next segment.
static struct rte_mbuf *segment_of(struct rig *rig, uint32_t index, uint8_t flags, uint32_t payload)
{
	struct peer *peer = &rig->peers[index];
	struct tcp_segment segment = {
		.source_port = (uint16_t)(FIRST_PORT + index % PORTS_A_PEER),
		.destination_port = 443,
		.seq = peer->nxt,
		.ack = peer->ack,
		.flags = flags,
		.window = 65535,
		.has_timestamps = true,
		.ts_value = 1,
	};
	if (flags & TCP_SYN) {
		segment.has_mss = segment.is_sack_permitted = segment.has_scale = true;
		segment.mss = 1460;
	}
	uint8_t header[TCP_HEADER_MAX_BYTES];
	uint32_t bytes = tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = frame_of(rig, 34 + bytes + payload);
	uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 14);
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 20 + bytes + payload);
	ip[8] = 64;
	ip[9] = NET_PROTOCOL_TCP;
	ip[12] = 10;
	ip[13] = 1;
	put16(ip + 14, index / PORTS_A_PEER);
	memcpy(ip + 16, our_ip, 4);
	memcpy(ip + 20, header, bytes);
	segment.payload_bytes = payload;
	peer->nxt = tcp_segment_end(&segment);
	return mbuf;
}

// sample ends a burst's account.
static void sample(struct rig *rig)
{
	CHECK(rig->sample_count < SAMPLES_MAX);
	rig->samples[rig->sample_count++] = rig->cycles;
	rig->cycles = 0;
}

// each sends one segment of every index in burst after burst.
static void each(struct rig *rig, const uint32_t *indexes, uint32_t count, uint8_t flags,
		 uint32_t payload)
{
	bool is_sampled = count > BURST; // else the caller does it
	for (uint32_t done = 0; done < count; done += BURST) {
		struct rte_mbuf *burst[BURST];
		uint32_t here = MIN(BURST, count - done);
		for (uint32_t i = 0; i < here; i++)
			burst[i] = segment_of(rig, indexes[done + i], flags, payload);
		turn(rig, burst, here);
		if (is_sampled)
			sample(rig);
	}
}

// open_all opens connections; half the burst's work is the SYN, half the ACK.
static void open_all(struct rig *rig, const uint32_t *indexes, uint32_t count)
{
	for (uint32_t done = 0; done < count; done += BURST) {
		uint32_t here = MIN(BURST, count - done);
		for (uint32_t i = 0; i < here; i++)
			rig->peers[indexes[done + i]].nxt = seq_of(indexes[done + i] * 7919u);
		each(rig, indexes + done, here, TCP_SYN, 0);
		each(rig, indexes + done, here, TCP_ACK, 0);
		sample(rig);
	}
}

static void close_all(struct rig *rig, const uint32_t *indexes, uint32_t count)
{
	for (uint32_t done = 0; done < count; done += BURST) {
		uint32_t here = MIN(BURST, count - done);
		each(rig, indexes + done, here, TCP_ACK | TCP_FIN, 0);
		each(rig, indexes + done, here, TCP_ACK, 0);
		sample(rig);
	}
}

// meet opens the first connection; the stack asks for its router, who answers.
static void meet(struct rig *rig)
{
	static const uint32_t first = 0;
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 2};
	rig->peers[first].nxt = seq_of(0);
	each(rig, &first, 1, TCP_SYN, 0);
	struct rte_mbuf *mbuf = frame_of(rig, 60);
	uint8_t *arp = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 14);
	put16(arp - 2, 0x0806);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + 8, router_mac, 6);
	memcpy(arp + 14, router_ip, 4);
	memcpy(arp + 18, our_mac, 6);
	memcpy(arp + 24, our_ip, 4);
	turn(rig, &mbuf, 1);
	each(rig, &first, 1, TCP_ACK, 0);
	CHECK(rig->open_count == 1);
}

static uint64_t resident_bytes(void)
{
	unsigned long long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	CHECK(file && fscanf(file, "%llu %llu", &pages, &resident) == 2);
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

// table_bytes is what DPDK's heap holds: the four-tuple table and the packets.
static uint64_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;
	CHECK(rte_malloc_get_socket_stats((int)rte_socket_id(), &stats) == 0);
	return stats.heap_allocsz_bytes;
}

static void make_net(struct rig *rig)
{
	struct net_address address = {{addr_v4(our_ip), 96 + 24, {0}}, 0};
	struct net_route route = {{addr_v4((const uint8_t[4]){0}), 96, {0}}, addr_v4(router_ip), 0};
	struct net_config config = {
		.limits = {.neighbour_count = 16, .neighbour_queue = 64, .icmp_per_second = 100},
		.ports = rig->ports,
		.port_count = 1,
		.addresses = &address,
		.address_count = 1,
		.routes = &route,
		.route_count = 1,
		.worker_count = 1,
		.mbufs = rig->mbufs,
		.wheel = &rig->wheel,
		.random = &rig->random,
		.counters = &rig->counters,
	};
	rig->port = (struct port){
		.ops = &ops,
		.mac = {2, 0, 0, 0, 0, 1},
		.mtu = 1500,
		.can_checksum_ip4_tx = true,
		.can_checksum_l4_tx = true,
		.can_checksum_rx = true,
		.can_segment = true,
		.can_scatter_tx = true,
	};
	rig->ports[0] = &rig->port;
	rig->net = net_new(&config);
	CHECK(rig->net);
}

static void make_tcp(struct rig *rig, uint32_t connections)
{
	struct tcp_config config = {
		.limits = {.conn_count = connections,
			   .half_open_count = 1024,
			   .time_wait_count = 1024,
			   .listener_count = 1,
			   .send_buffer_bytes = 1u << 20,
			   .receive_buffer_bytes = 1u << 20,
			   .syn_retries = 3,
			   .retries = 8,
			   .keepalive_idle_ms = 7200000,
			   .keepalive_interval_ms = 75000,
			   .keepalive_probes = 9,
			   .time_wait_ms = 60000,
			   .fin_wait_2_ms = 20000,
			   .delayed_ack_ms = 40,
			   .is_coalescing = true,
			   .port_first = 32768,
			   .port_last = 60999},
		.net = rig->net,
		.mbufs = rig->mbufs,
		.wheel = &rig->wheel,
		.random = &rig->random,
		.counters = &rig->counters,
	};
	rig->tcp = tcp_new(&config);
	CHECK(rig->tcp);
	struct tcp_listener listener = {
		.port = 443, .events = &events, .accepted = on_accepted, .user = rig};
	CHECK(tcp_listen_on(rig->tcp, &listener) == 0);
}

// Cycles, each of one connection, packet or tick.
struct figures {
	double open, close, data, ack, tick, tick_most;
};

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left;
	const uint64_t *b = right;
	return (*a > *b) - (*a < *b);
}

// take_cycles is the median of the samples since the last call, each of over: what others of this
// machine did meanwhile is not in it.
static double take_cycles(struct rig *rig, double over)
{
	CHECK(rig->sample_count > 0);
	qsort(rig->samples, rig->sample_count, sizeof(*rig->samples), compare);
	double middle = (double)rig->samples[rig->sample_count / 2];
	rig->sample_count = 0;
	return middle / over;
}

// draw fills indexes with count different random ones below size.
static void draw(struct rig *rig, uint32_t *indexes, uint32_t count, uint32_t size)
{
	uint32_t step = 1 + 2 * random_below(&rig->random, size / 2);
	while (size % step == 0 && step > 1)
		step -= 2;
	uint32_t at = random_below(&rig->random, size);
	for (uint32_t i = 0; i < count; i++, at = (uint32_t)(((uint64_t)at + step) % size))
		indexes[i] = at;
}

// tick lets one tick of the wheel pass.
static void tick(struct rig *rig)
{
	rig->now_us += WHEEL_TICK_US;
	uint64_t begin = rte_rdtsc();
	net_set_time(rig->net, rig->now_us);
	tcp_set_time(rig->tcp, rig->now_us);
	wheel_advance(&rig->wheel, rig->now_us, 256);
	tcp_run_ready(rig->tcp, 256);
	net_flush(rig->net);
	rig->cycles = rte_rdtsc() - begin;
}

// settle waits until nothing is ready and every timer is of an idle connection.
static void settle(struct rig *rig)
{
	uint32_t quiet = 0;
	for (uint64_t frames = rig->sent_frames; quiet < 100; quiet++) {
		tick(rig);
		if (rig->sent_frames != frames || tcp_in_use(rig->tcp).ready_count > 0)
			quiet = 0;
		frames = rig->sent_frames;
	}
	rig->cycles = 0;
}

static void idle(struct rig *rig, struct figures *figures)
{
	settle(rig);
	for (uint32_t i = 0; i < TICKS; i++) {
		tick(rig);
		sample(rig);
	}
	figures->tick = take_cycles(rig, 1);
	figures->tick_most = (double)rig->samples[TICKS * 999 / 1000];
}

// measure takes the figures while size connections are open.
static struct figures measure(struct rig *rig, uint32_t size)
{
	struct figures figures;
	static uint32_t indexes[PACKETS];
	uint32_t churn = MIN(CHURN, size / 2);
	draw(rig, indexes, churn, size);
	rig->sample_count = 0;
	close_all(rig, indexes, churn);
	figures.close = take_cycles(rig, BURST);
	CHECK(rig->open_count == size - churn);
	open_all(rig, indexes, churn);
	figures.open = take_cycles(rig, BURST);
	CHECK(rig->open_count == size);
	uint64_t heard = rig->heard_bytes;
	uint32_t packets = MIN(PACKETS, size);
	draw(rig, indexes, packets, size);
	each(rig, indexes, packets, TCP_ACK, PAYLOAD_BYTES);
	figures.data = take_cycles(rig, BURST);
	settle(rig);
	CHECK(rig->heard_bytes - heard == (uint64_t)packets * PAYLOAD_BYTES);
	draw(rig, indexes, packets, size);
	each(rig, indexes, packets, TCP_ACK, 0);
	figures.ack = take_cycles(rig, BURST);
	idle(rig, &figures);
	CHECK(rig->open_count == size);
	return figures;
}

static void grow(struct rig *rig, uint32_t from, uint32_t to)
{
	uint32_t indexes[BURST];
	for (uint32_t i = from; i < to; i += BURST) {
		uint32_t here = MIN(BURST, to - i);
		for (uint32_t j = 0; j < here; j++)
			indexes[j] = i + j;
		open_all(rig, indexes, here);
		rig->now_us += 100; // their timers are not all of one tick
		rig->sample_count = 0;
	}
	CHECK(rig->open_count == to);
}

static void print_figures(uint32_t size, const struct figures *at, const struct figures *first)
{
	printf("%9u  %7.0f (%4.2f)  %7.0f (%4.2f)  %7.0f (%4.2f)  %7.0f (%4.2f)  %6.0f  %9.0f\n",
	       size, at->open, at->open / first->open, at->close, at->close / first->close,
	       at->data, at->data / first->data, at->ack, at->ack / first->ack, at->tick,
	       at->tick_most);
	fflush(stdout);
}

// print_hash tells what the hash of a four-tuple costs, which strangers must not be able to choose.
static void print_hash(void)
{
	struct siphash_key key = {{1, 2}};
	struct tcp_tuple tuples[BURST] = {0};
	uint64_t best = UINT64_MAX, sum = 0;
	for (uint32_t round = 0; round < 1000; round++) {
		uint64_t begin = rte_rdtsc();
		for (uint32_t i = 0; i < BURST; i++) {
			tuples[i].remote_port++;
			sum += siphash(&key, &tuples[i], sizeof(tuples[i]));
		}
		best = MIN(best, rte_rdtsc() - begin);
	}
	printf("# SipHash of a four-tuple: %.0f cycles (sum %llx)\n", (double)best / BURST,
	       (unsigned long long)sum);
}

// print_bytes tells what connections take, and checks it against the bound.
static void print_bytes(const struct rig *rig, uint64_t table_bytes, uint64_t grown_bytes)
{
	struct tcp_slab slab;
	uint64_t total = table_bytes;
	for (uint32_t i = 0; tcp_slab_at(rig->tcp, i, &slab); i++) {
		printf("# slab %s: %.1f MB, %u of %u\n", slab.name, (double)slab.bytes / 1e6,
		       slab.in_use, slab.capacity);
		total += slab.bytes;
	}
	printf("# table: %.1f MB\n", (double)table_bytes / 1e6);
	printf("# bytes a connection: %.0f taken, %.0f resident\n", (double)total / rig->peer_count,
	       (double)grown_bytes / rig->peer_count);
	CHECK(total / rig->peer_count <= BYTES_MAX);
}

static void end_all(struct rig *rig)
{
	uint32_t indexes[BURST];
	for (uint32_t i = 0; i < rig->peer_count; i += BURST) {
		uint32_t here = MIN(BURST, rig->peer_count - i);
		for (uint32_t j = 0; j < here; j++)
			indexes[j] = i + j;
		close_all(rig, indexes, here);
		rig->sample_count = 0;
	}
	struct tcp_in_use in_use = tcp_in_use(rig->tcp);
	CHECK(rig->open_count == 0 && in_use.conn_count == 0 && in_use.half_open_count == 0 &&
	      in_use.time_wait_count == 0);
	tcp_free(rig->tcp);
	net_free(rig->net);
	CHECK(rte_mempool_in_use_count(rig->mbufs) == 0);
}

static void start_eal(uint32_t connections)
{
	char memory[16];
	snprintf(memory, sizeof(memory), "%u", 256 + connections / 4000);
	char *arguments[] = {"tcp_scale", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			     "-m",        memory,      "--log-level", "3",        "-l",
			     "0"};
	CHECK(rte_eal_init((int)ARRAY_LEN(arguments), arguments) >= 0);
}

static void run(uint32_t connections)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	CHECK(rig);
	rig->now_us = 1000000;
	rig->peer_count = connections;
	rig->peers = calloc(connections, sizeof(*rig->peers));
	rig->mbufs = rte_pktmbuf_pool_create("scale", 8191, 256, sizeof(struct packet),
					     RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	rig->samples = calloc(SAMPLES_MAX, sizeof(*rig->samples));
	CHECK(rig->peers && rig->mbufs && rig->samples);
	memset(rig->peers, 1, connections * sizeof(*rig->peers)); // resident before the stack is
	memset(rig->peers, 0, connections * sizeof(*rig->peers));
	random_init(&rig->random, (struct siphash_key){{1, 2}});
	wheel_init(&rig->wheel, rig->now_us);
	make_net(rig);
	uint64_t before = resident_bytes(), heap = heap_bytes();
	make_tcp(rig, connections);
	uint64_t table_bytes = heap_bytes() - heap;
	meet(rig);
	printf("# cycles each; in brackets: times the smallest table's\n"
	       "# connections    open            close           data            ack            "
	       "tick   of 1000, most\n");
	struct figures first = {0};
	uint32_t size = MIN(connections, 10000u), from = 1;
	for (;;) {
		grow(rig, from, size);
		struct figures at = measure(rig, size);
		first = from > 1 ? first : at;
		print_figures(size, &at, &first);
		if (size == connections)
			break;
		from = size;
		size = MIN(connections, size * 10);
	}
	print_hash();
	print_bytes(rig, table_bytes, resident_bytes() - before);
	end_all(rig);
	free(rig->samples);
	free(rig->peers);
	free(rig);
}

int main(int argc, char **argv)
{
	uint32_t connections = 1000000;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			connections = 20000;
		else if (strcmp(argv[i], "--connections") == 0 && i + 1 < argc)
			connections = (uint32_t)strtoul(argv[++i], NULL, 10);
	}
	CHECK(connections >= 1000 && connections <= 4u << 20);
	start_eal(connections);
	run(connections);
	return 0;
}
