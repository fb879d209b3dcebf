// SPDX-License-Identifier: Apache-2.0
// What a connection costs as there are more of them: bytes, cycles to open and close one, cycles of
// a packet for a random one, cycles of a timer tick while all are idle. One real net and tcp on a
// port like a NIC's (checksums done, 32 frames a burst); the peers are synthesized segments, so
// only the stack is timed. Prints a table and fails when a connection did not do what it must, when
// something is left at the end, or when a connection takes more than its bound of bytes.
//
//   tcp_scale [--connections N] [--quick] [--populate]
//
// N: the largest of 10 k, 100 k, 1 M ...; 1 M needs 4 GiB. --populate: memory is touched before, as
// dataplane.populate does.
#include "check.h"
#include "siphash.h"
#include "tcp_scale_rig.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BURST         32u
#define CHURN         8192u // connections closed and opened again for a figure
#define PACKETS       65536u
#define TICKS         4096u
#define SAMPLES_MAX   8192u
#define PAYLOAD_BYTES 100u
#define BYTES_MAX     1600u // of one idle connection: all slabs, table, timers

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
		(uint32_t)(tuple->remote.bytes[14] << 8 | tuple->remote.bytes[15]) * PORTS_A_PEER +
		tuple->remote_port - FIRST_PORT;
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
			burst[i] = scale_segment(rig, indexes[done + i], flags, payload);
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
	rig->peers[first].nxt = seq_of(0);
	each(rig, &first, 1, TCP_SYN, 0);
	struct rte_mbuf *mbuf = scale_router(rig);
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

static uint64_t thread_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// grow opens the rest; tells the most of our own time that a burst took, in which memory may be
// touched for the first time.
static void grow(struct rig *rig, uint32_t from, uint32_t to)
{
	uint32_t indexes[BURST];
	uint64_t most = 0;
	for (uint32_t i = from; i < to; i += BURST) {
		uint32_t here = MIN(BURST, to - i);
		for (uint32_t j = 0; j < here; j++)
			indexes[j] = i + j;
		uint64_t begin_ns = thread_ns();
		open_all(rig, indexes, here);
		most = MAX(most, thread_ns() - begin_ns);
		rig->now_us += 100; // their timers are not all of one tick
		rig->sample_count = 0;
	}
	printf("# to %u: opening %u took %.0f us of the core at most\n", to, BURST,
	       (double)most / 1000);
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

// populate is what dataplane.populate does.
static void populate(const struct rig *rig)
{
	struct spans spans = {0};
	tcp_spans(rig->tcp, &spans);
	for (uint32_t i = 0; i < spans.count; i++)
		CHECK(madvise(spans.at[i].at, spans.at[i].bytes, MADV_POPULATE_WRITE) == 0);
}

static void run(uint32_t connections, bool is_populated)
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
	scale_make_net(rig);
	uint64_t before = resident_bytes(), heap = heap_bytes();
	make_tcp(rig, connections);
	if (is_populated)
		populate(rig);
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
	bool is_populated = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			connections = 20000;
		else if (strcmp(argv[i], "--populate") == 0)
			is_populated = true;
		else if (strcmp(argv[i], "--connections") == 0 && i + 1 < argc)
			connections = (uint32_t)strtoul(argv[++i], NULL, 10);
	}
	CHECK(connections >= 1000 && connections <= 4u << 20);
	start_eal(connections);
	run(connections, is_populated);
	return 0;
}
