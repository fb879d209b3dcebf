// SPDX-License-Identifier: Apache-2.0
// One worker's stack on the real clock; see host_stack.h.
#include "host_stack.h"

#include "check.h"
#include "worker_eal.h"
#include "worker_limits.h"

#include <rte_ethdev.h>

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define TIMER_BUDGET 1024u
#define READY_BUDGET 1024u
#define LINK_WAITS   2000u // ms

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "host_stack: %s\n", what);
	exit(1);
}

static void take_memory(struct host_stack *stack)
{
	const struct conf *conf = stack->conf;
	uint16_t private_bytes = RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN);
	uint32_t large = conf->dataplane.record_buffers, small = conf->dataplane.small_buffers;
	stack->mbufs = port_pool_new("mbufs", conf->dataplane.mbufs, private_bytes,
				     worker_eal_has_af_xdp(conf));
	// Devices in software read it by its address.
	size_t bytes = RTE_ALIGN(buf_pool_bytes(large, small), 64);
	void *memory = aligned_alloc(64, bytes);
	if (memory)
		memset(memory, 0, bytes); // resident now, so that what grows later is a leak
	if (!stack->mbufs || !memory ||
	    buf_pool_init(&stack->bufs, memory, (uint64_t)(uintptr_t)memory, large, small) != 0)
		fail("memory is short");
}

// wait_for_link: a memif's other side answers after a while, and what is sent before is lost.
static void wait_for_link(const struct port_ethdev *device)
{
	struct rte_eth_link link;
	for (unsigned i = 0; i < LINK_WAITS; i++) {
		if (rte_eth_link_get_nowait(port_ethdev_number(device), &link) != 0 ||
		    link.link_status == RTE_ETH_LINK_UP)
			return;
		usleep(1000);
	}
}

static void open_port(struct host_stack *stack)
{
	const struct conf_port *port = &stack->conf->dataplane.ports[0];
	char why[256] = "memory is short";
	struct port_ethdev_config config = {
		.device = port->device,
		.worker_count = 1,
		.mtu = (uint16_t)port->mtu,
		.vlan = (uint16_t)port->vlan,
		.mac = port->mac.is_set ? port->mac.bytes : NULL,
		.mbufs = &stack->mbufs,
		.counters = (struct counters *const[]){&stack->counters},
	};
	stack->device = port_ethdev_open(&config, why, sizeof(why));
	if (!stack->device)
		fail(why);
	stack->port = port_ethdev_port(stack->device, 0);
	wait_for_link(stack->device);
	int fd = port_ethdev_wait_fd(stack->port);
	bool is_polling = stack->conf->dataplane.idle == CONF_IDLE_POLL;
	if (idle_init(&stack->idle, &fd, 1, is_polling, &stack->counters) != 0)
		fail("no descriptors");
}

static void open_net(struct host_stack *stack)
{
	const struct conf *conf = stack->conf;
	struct net_address addresses[CONF_PREFIXES_MAX];
	struct net_route routes[ARRAY_LEN(conf->dataplane.routes)];
	struct net_config config = {
		.limits = worker_limits_net(conf),
		.ports = &stack->port,
		.port_count = 1,
		.addresses = addresses,
		.address_count = worker_addresses(conf, addresses),
		.routes = routes,
		.route_count = worker_routes(conf, routes),
		.worker_count = 1,
		.mbufs = stack->mbufs,
		.wheel = &stack->wheel,
		.random = &stack->random,
		.counters = &stack->counters,
	};
	stack->net = net_new(&config);
	if (!stack->net)
		fail("memory is short for net");
	net_set_time(stack->net, stack->now_us);
}

static void open_tcp(struct host_stack *stack)
{
	struct tcp_config config = {
		.limits = worker_limits_tcp(stack->conf),
		.net = stack->net,
		.mbufs = stack->mbufs,
		.wheel = &stack->wheel,
		.random = &stack->random,
		.counters = &stack->counters,
	};
	config.limits.listener_count = MAX(config.limits.listener_count, 1u);
	stack->tcp = tcp_new(&config);
	if (!stack->tcp)
		fail("memory is short for TCP");
	tcp_set_time(stack->tcp, stack->now_us);
}

void host_stack_open(struct host_stack *stack, struct conf *conf)
{
	struct siphash_key seed;
	*stack = (struct host_stack){.conf = conf, .now_us = clock_us()};
	if (stack->conf->dataplane.ports_count != 1)
		fail("one port is wanted");
	if (worker_eal_init(stack->conf) != 0)
		exit(1);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		fail("no random numbers");
	random_init(&stack->random, seed);
	wheel_init(&stack->wheel, stack->now_us);
	take_memory(stack);
	open_port(stack);
	open_net(stack);
	open_tcp(stack);
	prctl(PR_SET_TIMERSLACK, 1);
}

static bool step(struct host_stack *stack)
{
	struct rte_mbuf *burst[PORT_BURST];
	stack->now_us = clock_us();
	net_set_time(stack->net, stack->now_us);
	tcp_set_time(stack->tcp, stack->now_us);
	uint16_t count = stack->port->ops->rx(stack->port, burst, PORT_BURST);
	if (count > 0)
		net_input(stack->net, 0, burst, count);
	bool is_busy = wheel_advance(&stack->wheel, stack->now_us, TIMER_BUDGET) > 0 || count > 0;
	is_busy |= tcp_run_ready(stack->tcp, READY_BUDGET) > 0;
	net_flush(stack->net);
	return is_busy;
}

// sleep_on sleeps, unless a last look after arming the port's interrupt finds something: true then.
static bool sleep_on(struct host_stack *stack, uint64_t sleep_max_us)
{
	port_ethdev_wait_begin(stack->port);
	bool is_busy = step(stack);
	uint64_t next_us = wheel_next_us(&stack->wheel);
	if (is_busy)
		idle_reset(&stack->idle);
	else if (next_us > stack->now_us)
		idle_sleep(&stack->idle, MIN(next_us - stack->now_us, sleep_max_us));
	port_ethdev_wait_end(stack->port);
	return is_busy;
}

bool host_stack_turn(struct host_stack *stack, uint64_t sleep_max_us)
{
	if (step(stack)) {
		idle_reset(&stack->idle);
		return true;
	}
	return idle_should_sleep(&stack->idle, stack->now_us) && sleep_on(stack, sleep_max_us);
}

void host_stack_close(struct host_stack *stack)
{
	// The device may still hold frames whose bytes are in our buffers.
	port_ethdev_close(stack->device);
	tcp_free(stack->tcp);
	net_free(stack->net);
	idle_fini(&stack->idle);
	free(stack->bufs.memory);
	buf_pool_fini(&stack->bufs);
	rte_mempool_free(stack->mbufs);
	worker_eal_fini();
	free(stack->conf);
}

void host_stack_print(const struct host_stack *stack, FILE *out)
{
	const char *comma = "";
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		if (stack->counters.value[i] == 0)
			continue;
		fprintf(out, "%s\"%s_%s\": %lu", comma, counter_info[i].module,
			counter_info[i].name, stack->counters.value[i]);
		comma = ", ";
	}
}
