// SPDX-License-Identifier: Apache-2.0
// A lossy link between two interfaces, for machines without tc netem:
//
//   wire_relay LEFT RIGHT [--seconds N] [--seed N] [--both SHAPE] [--to-right SHAPE] [--to-left
//   SHAPE]
//
// SHAPE is "delay_us=10000,rate_kbit=50000,..." (struct relay_shape). Says "ready", ends by itself
// and prints one line of JSON: what became of the frames, and how late it was itself. Segmentation
// and checksum offloads of both interfaces must be off: it carries frames, not packets of 64 KB.
#include "relay_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES       32768u // under way at once; more are dropped and counted
#define FRAME_BYTES  9232u  // jumbo frames fit
#define BATCH        64u
#define SOCKET_BYTES (64 << 20)
#define SECOND_NS    1000000000ull

struct waiting {
	uint64_t due_ns;
	uint64_t serial; // equal times leave in the order they came
	uint32_t frame;
	uint32_t side; // that it leaves by
};

struct relay {
	int fd[2];                 // left, right
	struct relay_link link[2]; // that ends at left, at right
	uint8_t (*frames)[FRAME_BYTES];
	uint32_t bytes[FRAMES];
	uint32_t free[FRAMES]; // stack
	uint32_t free_count;
	struct waiting heap[FRAMES];
	uint32_t heap_count;
	uint64_t serial;
	uint64_t no_frame, too_long, refused; // ours; a measurement wants them at 0
	uint64_t late_max_ns;
	uint64_t late_count; // frames that left more than a millisecond late
};

static volatile sig_atomic_t is_stopped;

static void stop(int)
{
	is_stopped = 1;
}

static uint64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static bool is_before(const struct waiting *a, const struct waiting *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->serial < b->serial);
}

static void heap_push(struct relay *relay, struct waiting one)
{
	uint32_t at = relay->heap_count++;
	for (; at > 0 && is_before(&one, &relay->heap[(at - 1) / 2]); at = (at - 1) / 2)
		relay->heap[at] = relay->heap[(at - 1) / 2];
	relay->heap[at] = one;
}

static struct waiting heap_pop(struct relay *relay)
{
	struct waiting first = relay->heap[0];
	struct waiting last = relay->heap[--relay->heap_count];
	uint32_t at = 0;
	for (uint32_t child = 1; child < relay->heap_count; child = at * 2 + 1) {
		if (child + 1 < relay->heap_count &&
		    is_before(&relay->heap[child + 1], &relay->heap[child]))
			child++;
		if (!is_before(&relay->heap[child], &last))
			break;
		relay->heap[at] = relay->heap[child];
		at = child;
	}
	relay->heap[at] = last;
	return first;
}

// mark_congestion sets CE on an ECN-capable packet (RFC 3168 5) and mends IPv4's checksum (RFC
// 1624). Returns whether it did.
static bool mark_congestion(uint8_t *frame, uint32_t bytes)
{
	if (bytes < 34)
		return false;
	bool is_v4 = frame[12] == 0x08 && frame[13] == 0x00;
	bool is_v6 = frame[12] == 0x86 && frame[13] == 0xdd;
	unsigned shift = is_v4 ? 0 : 4;
	unsigned ecn = frame[15] >> shift & 3;
	if ((!is_v4 && !is_v6) || ecn == 0 || ecn == 3)
		return false;
	frame[15] = (uint8_t)(frame[15] | 3u << shift);
	if (is_v4) {
		uint32_t sum = (uint32_t)(frame[24] << 8 | frame[25]);
		sum = (~sum & 0xffff) + (3 - ecn);
		sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
		frame[24] = (uint8_t)(sum >> 8);
		frame[25] = (uint8_t)sum;
	}
	return true;
}

static void put(struct relay *relay, uint32_t frame, uint32_t side, uint64_t due_ns)
{
	heap_push(relay, (struct waiting){due_ns, relay->serial++, frame, side});
}

// carry decides about a frame that is to leave by side; true when it keeps the frame.
static bool carry(struct relay *relay, uint32_t frame, uint32_t side, uint64_t now_ns)
{
	struct relay_link *link = &relay->link[side];
	uint32_t bytes = relay->bytes[frame];
	struct relay_fate fate = relay_link_take(link, now_ns, bytes);
	if (fate.copies == 0)
		return false;
	if (fate.is_marked && mark_congestion(relay->frames[frame], bytes))
		link->count.marked++;
	put(relay, frame, side, fate.due_ns[0]);
	if (fate.copies == 2 && relay->free_count > 0) {
		uint32_t copy = relay->free[--relay->free_count];
		memcpy(relay->frames[copy], relay->frames[frame], bytes);
		relay->bytes[copy] = bytes;
		put(relay, copy, side, fate.due_ns[1]);
	}
	return true;
}

// receive takes a batch from one side; true when there may be more.
static bool receive(struct relay *relay, uint32_t from)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint32_t room = relay->free_count < BATCH ? relay->free_count : BATCH;
	if (room == 0) {
		relay->no_frame++;
		return false;
	}
	// The free stack's top frames, in its order.
	uint32_t *top = &relay->free[relay->free_count - room];
	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < room; i++) {
		parts[i] = (struct iovec){relay->frames[top[i]], FRAME_BYTES};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	int got = recvmmsg(relay->fd[from], messages, room, MSG_DONTWAIT, NULL);
	if (got <= 0)
		return false;
	uint64_t now_ns = clock_ns();
	uint32_t taken[BATCH];
	memcpy(taken, top, room * sizeof(*top));
	relay->free_count -= room;
	for (uint32_t i = 0; i < room; i++) {
		bool is_whole = i < (uint32_t)got && !(messages[i].msg_hdr.msg_flags & MSG_TRUNC);
		relay->too_long += i < (uint32_t)got && !is_whole;
		relay->bytes[taken[i]] = messages[i].msg_len;
		if (!is_whole || !carry(relay, taken[i], !from, now_ns))
			relay->free[relay->free_count++] = taken[i];
	}
	return (uint32_t)got == room;
}

static void transmit(struct relay *relay, uint32_t side, const uint32_t *frames, uint32_t count)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){relay->frames[frames[i]], relay->bytes[frames[i]]};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint32_t done = 0; done < count;) {
		int sent = sendmmsg(relay->fd[side], messages + done, count - done, 0);
		// A tap whose program has ended is not ours to judge.
		relay->refused += sent <= 0 && errno == ENOBUFS;
		done += sent > 0 ? (uint32_t)sent : 1;
	}
	for (uint32_t i = 0; i < count; i++)
		relay->free[relay->free_count++] = frames[i];
}

// release sends what is due.
static void release(struct relay *relay, uint64_t now_ns)
{
	uint32_t batch[2][BATCH], count[2] = {0, 0};
	while (relay->heap_count > 0 && relay->heap[0].due_ns <= now_ns) {
		struct waiting one = heap_pop(relay);
		uint64_t late_ns = now_ns - one.due_ns;
		relay->late_count += late_ns > 1000000;
		if (late_ns > relay->late_max_ns)
			relay->late_max_ns = late_ns;
		batch[one.side][count[one.side]++] = one.frame;
		if (count[one.side] == BATCH) {
			transmit(relay, one.side, batch[one.side], BATCH);
			count[one.side] = 0;
		}
	}
	for (uint32_t side = 0; side < 2; side++)
		if (count[side] > 0)
			transmit(relay, side, batch[side], count[side]);
}

static void run(struct relay *relay, uint64_t end_ns)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t side = 0; side < 2; side++)
		epoll_ctl(epoll, EPOLL_CTL_ADD, relay->fd[side],
			  &(struct epoll_event){.events = EPOLLIN});
	for (uint64_t now_ns; !is_stopped && (now_ns = clock_ns()) < end_ns;) {
		release(relay, now_ns);
		bool has_more = receive(relay, 0);
		has_more |= receive(relay, 1);
		if (has_more)
			continue;
		uint64_t until_ns = relay->heap_count ? relay->heap[0].due_ns : end_ns;
		now_ns = clock_ns();
		if (until_ns <= now_ns)
			continue;
		until_ns -= now_ns;
		struct timespec timeout = {(time_t)(until_ns / SECOND_NS),
					   (long)(until_ns % SECOND_NS)};
		struct epoll_event events[2];
		epoll_pwait2(epoll, events, 2, &timeout, NULL);
	}
	close(epoll);
}

// open_side is a packet socket on an interface, which may still be on its way (5 s).
static int open_side(const char *name)
{
	int one = 1, bytes = SOCKET_BYTES;
	unsigned index = 0;
	for (int i = 0; i < 100 && (index = if_nametoindex(name)) == 0; i++)
		usleep(50000);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)index};
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (index == 0 || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		fprintf(stderr, "wire_relay: %s: %s\n", name, strerror(index ? errno : ENODEV));
		exit(1);
	}
	return fd;
}

static uint64_t missed(const struct relay *relay, uint32_t side)
{
	struct tpacket_stats stats = {0};
	socklen_t bytes = sizeof(stats);
	getsockopt(relay->fd[side], SOL_PACKET, PACKET_STATISTICS, &stats, &bytes);
	return stats.tp_drops;
}

static void print_link(const char *name, const struct relay_count *count)
{
	const struct {
		const char *what;
		uint64_t count;
	} rows[] = {
		{"frames", count->frames},
		{"bytes", count->bytes},
		{"lost", count->lost},
		{"queue_full", count->queue_full},
		{"policed", count->policed},
		{"duplicated", count->duplicated},
		{"reordered", count->reordered},
		{"marked", count->marked},
		{"queue_max_bytes", count->queue_max_bytes},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("\"%s_%s\": %lu, ", name, rows[i].what, rows[i].count);
}

static void print_all(const struct relay *relay)
{
	printf("{");
	print_link("to_right", &relay->link[1].count);
	print_link("to_left", &relay->link[0].count);
	printf("\"missed\": %lu, \"no_frame\": %lu, \"too_long\": %lu, \"refused\": %lu, "
	       "\"late_count\": %lu, \"late_max_us\": %lu}\n",
	       missed(relay, 0) + missed(relay, 1), relay->no_frame, relay->too_long,
	       relay->refused, relay->late_count, relay->late_max_ns / 1000);
}

// be_punctual: a relay that waits for a core adds delay. It sleeps whenever it has nothing to do.
static void be_punctual(void)
{
	prctl(PR_SET_TIMERSLACK, 1);
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) != 0)
		fprintf(stderr, "wire_relay: no real-time priority: %s\n", strerror(errno));
}

static void usage(void)
{
	fputs("wire_relay LEFT RIGHT [--seconds N] [--seed N] [--both SHAPE] [--to-right SHAPE] "
	      "[--to-left SHAPE]\n",
	      stderr);
	exit(2);
}

static uint64_t read_arguments(struct relay *relay, int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 't'},
						{"seed", required_argument, NULL, 's'},
						{"both", required_argument, NULL, 'b'},
						{"to-right", required_argument, NULL, 'r'},
						{"to-left", required_argument, NULL, 'l'},
						{NULL, 0, NULL, 0}};
	uint64_t seconds = 60, seed = 1;
	bool is_good = true;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == '?')
			usage();
		if (option == 't')
			seconds = strtoull(optarg, NULL, 10);
		if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		if (option == 'b' || option == 'l')
			is_good &= relay_shape_parse(optarg, &relay->link[0].shape);
		if (option == 'b' || option == 'r')
			is_good &= relay_shape_parse(optarg, &relay->link[1].shape);
	}
	if (!is_good || optind + 2 != argc)
		usage();
	// The same in both directions, so that whoever sends meets the same losses.
	relay->link[0].seed = relay->link[1].seed = seed * 0xd1342543de82ef95u;
	return seconds;
}

int main(int argc, char **argv)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	relay->frames = calloc(FRAMES, FRAME_BYTES);
	for (uint32_t i = 0; i < FRAMES; i++)
		relay->free[relay->free_count++] = i;
	uint64_t seconds = read_arguments(relay, argc, argv);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (uint32_t side = 0; side < 2; side++)
		relay->fd[side] = open_side(argv[optind + (int)side]);
	be_punctual();
	puts("ready");
	fflush(stdout);
	run(relay, clock_ns() + seconds * SECOND_NS);
	print_all(relay);
	free(relay->frames);
	free(relay);
	return 0;
}
