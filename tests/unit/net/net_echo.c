// SPDX-License-Identifier: Apache-2.0
// A station made of net and real ports: answers ARP, neighbour discovery and pings for its
// addresses until its time is over, then prints its counters. Driven by net_ping.sh.
//
//   net_echo SECONDS WORKERS DEVICE EXCEPTION|- ADDRESS/BITS...
//
// WORKERS > 1 runs that many nets in turns on this one thread, with hand-over between them.
#include "check.h"
#include "net.h"
#include "port_ethdev.h"

#include <rte_eal.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS_MAX   4u
#define ADDRESSES_MAX 8u
#define HANDED_MAX    256u

struct station {
	struct net *nets[WORKERS_MAX];
	struct port *ports[WORKERS_MAX];
	struct wheel wheels[WORKERS_MAX];
	struct counters counters[WORKERS_MAX];
	struct random_source random[WORKERS_MAX];
	struct rte_mbuf *handed[WORKERS_MAX][HANDED_MAX];
	uint32_t handed_count[WORKERS_MAX];
	uint32_t worker_count;
	struct net_address addresses[ADDRESSES_MAX];
	uint32_t address_count;
	struct port_ethdev *device;
	struct port_exception *exception;
	struct rte_mempool *mbufs;
};

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void hand(void *user, uint32_t owner, struct rte_mbuf *mbuf)
{
	struct station *station = user;
	if (station->handed_count[owner] == HANDED_MAX)
		rte_pktmbuf_free(mbuf);
	else
		station->handed[owner][station->handed_count[owner]++] = mbuf;
}

static void except(void *user, uint32_t, struct rte_mbuf *mbuf)
{
	struct station *station = user;
	port_exception_send(station->exception, mbuf);
}

static void start_eal(void)
{
	char *args[] = {"net_echo", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",       "64",        "-l",          "0",        "--log-level=3"};
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		signal(number, SIG_IGN);
	CHECK(rte_eal_init(ARRAY_LEN(args), args) >= 0);
}

static void open_ports(struct station *station, const char *device, const char *exception)
{
	char why[256] = "";
	struct rte_mempool *pools[WORKERS_MAX];
	struct counters *counters[WORKERS_MAX];
	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		pools[i] = station->mbufs;
		counters[i] = &station->counters[i];
	}
	struct port_ethdev_config config = {.device = device,
					    .worker_count = station->worker_count,
					    .mbufs = pools,
					    .counters = counters};
	station->device = port_ethdev_open(&config, why, sizeof(why));
	if (station->device && strcmp(exception, "-") != 0)
		station->exception = port_exception_open(station->device, exception, station->mbufs,
							 why, sizeof(why));
	if (why[0]) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
}

static void open_nets(struct station *station)
{
	for (uint32_t i = 0; i < station->worker_count; i++) {
		random_init(&station->random[i], (struct siphash_key){{i, clock_us()}});
		wheel_init(&station->wheels[i], clock_us());
		station->ports[i] = port_ethdev_port(station->device, i);
		struct net_config config = {
			.limits = {.neighbour_count = 64,
				   .neighbour_queue = 16,
				   .icmp_per_second = 10000,
				   .fragment_datagrams = 16,
				   .fragments_per_datagram = 64,
				   .fragments = 64,
				   .fragment_time_ms = 5000},
			.ports = &station->ports[i],
			.port_count = 1,
			.addresses = station->addresses,
			.address_count = station->address_count,
			.worker_index = i,
			.worker_count = station->worker_count,
			.mbufs = station->mbufs,
			.wheel = &station->wheels[i],
			.random = &station->random[i],
			.counters = &station->counters[i],
			.handoff = hand,
			.exception = station->exception ? except : NULL,
			.user = station,
		};
		station->nets[i] = net_new(&config);
		CHECK(station->nets[i]);
	}
}

// run_worker is one turn of one worker; returns how many frames came.
static uint32_t run_worker(struct station *station, uint32_t worker)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	struct net *net = station->nets[worker];
	uint64_t now_us = clock_us();
	net_set_time(net, now_us);
	uint32_t count = station->ports[worker]->ops->rx(station->ports[worker], mbufs, PORT_BURST);
	net_input(net, 0, mbufs, count);
	net_input_handed(net, station->handed[worker], station->handed_count[worker]);
	station->handed_count[worker] = 0;
	wheel_advance(&station->wheels[worker], now_us, 64);
	net_flush(net);
	if (worker == 0 && station->exception)
		count += port_exception_run(station->exception);
	return count;
}

// wait_a_little sleeps on the queues where they can be slept on.
static void wait_a_little(struct station *station)
{
	struct pollfd fds[WORKERS_MAX + 1];
	nfds_t count = 0;
	for (uint32_t i = 0; i < station->worker_count; i++) {
		int fd = port_ethdev_wait_fd(station->ports[i]);
		if (fd >= 0)
			fds[count++] = (struct pollfd){fd, POLLIN, 0};
	}
	if (station->exception)
		fds[count++] =
			(struct pollfd){port_exception_wait_fd(station->exception), POLLIN, 0};
	poll(fds, count, count ? 20 : 1);
}

static void print_counters(const struct station *station)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		uint64_t sum = 0;
		for (uint32_t worker = 0; worker < station->worker_count; worker++)
			sum += station->counters[worker].value[i];
		if (sum)
			printf("%s_%s %lu\n", counter_info[i].module, counter_info[i].name,
			       (unsigned long)sum);
	}
	for (uint32_t worker = 0; worker < station->worker_count; worker++)
		printf("wait_fd_%u %d\n", worker, port_ethdev_wait_fd(station->ports[worker]) >= 0);
	printf("shared %d\n", port_ethdev_is_shared(station->device));
}

static void run(struct station *station, uint64_t us)
{
	for (uint64_t end_us = clock_us() + us; clock_us() < end_us;) {
		uint32_t count = 0;
		for (uint32_t i = 0; i < station->worker_count; i++)
			count += run_worker(station, i);
		if (count == 0)
			wait_a_little(station);
	}
}

static void stop(struct station *station)
{
	for (uint32_t i = 0; i < station->worker_count; i++) {
		rte_pktmbuf_free_bulk(station->handed[i], station->handed_count[i]);
		net_free(station->nets[i]);
	}
	port_exception_close(station->exception);
	port_ethdev_close(station->device);
	printf("mbufs_lost %u\n", rte_mempool_in_use_count(station->mbufs));
	fflush(stdout);
	rte_eal_cleanup();
}

int main(int count, char **args)
{
	static struct station station;
	if (count < 6)
		return 2;
	station.worker_count = (uint32_t)atoi(args[2]);
	CHECK(station.worker_count >= 1 && station.worker_count <= WORKERS_MAX);
	for (int i = 5; i < count && station.address_count < ADDRESSES_MAX; i++)
		CHECK(prefix_parse(args[i], &station.addresses[station.address_count++].prefix) ==
		      0);
	start_eal();
	station.mbufs = rte_pktmbuf_pool_create("net_echo", 8191, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE,
						SOCKET_ID_ANY);
	CHECK(station.mbufs);
	open_ports(&station, args[3], args[4]);
	open_nets(&station);
	printf("ready\n");
	fflush(stdout);
	run(&station, (uint64_t)atoi(args[1]) * 1000000u);
	print_counters(&station);
	stop(&station);
	return 0;
}
