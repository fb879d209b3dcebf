// SPDX-License-Identifier: Apache-2.0
// One simulated host; see sim_host.h.
#include "sim_host.h"

#include "check.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>

void sim_start(void)
{
	char *arguments[] = {"sim", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			     "-m",  "256",       "--log-level", "3",        "-l",
			     "0"};
	CHECK(rte_eal_init((int)ARRAY_LEN(arguments), arguments) >= 0);
}

struct sim_memory *sim_memory_new(const char *name, uint32_t mbuf_count, uint32_t large_count,
				  uint32_t small_count)
{
	struct sim_memory *memory = calloc(1, sizeof(*memory));
	CHECK(memory);
	memory->mbufs = rte_pktmbuf_pool_create(name, mbuf_count, 0, sizeof(struct packet),
						RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	memory->block = aligned_alloc(64, buf_pool_bytes(large_count, small_count));
	CHECK(memory->mbufs && memory->block);
	CHECK(buf_pool_init(&memory->bufs, memory->block, 0, large_count, small_count) == 0);
	return memory;
}

void sim_memory_free(struct sim_memory *memory)
{
	rte_mempool_free(memory->mbufs);
	buf_pool_fini(&memory->bufs);
	free(memory->block);
	free(memory);
}

uint32_t sim_memory_in_use(const struct sim_memory *memory)
{
	return rte_mempool_in_use_count(memory->mbufs) + buf_pool_in_use(&memory->bufs);
}

struct tcp_limits sim_limits(void)
{
	return (struct tcp_limits){
		.conn_count = 128,
		.half_open_count = 64,
		.time_wait_count = 128,
		.listener_count = 4,
		.send_buffer_bytes = 65536,
		.receive_buffer_bytes = 131072,
		.syn_retries = 12,
		.retries = 20,
		.keepalive_idle_ms = 120000, // finds out about a lost RST
		.keepalive_interval_ms = 10000,
		.keepalive_probes = 9,
		.time_wait_ms = 60000,
		.fin_wait_2_ms = 20000,
		.delayed_ack_ms = 40,
		.is_coalescing = true,
		.port_first = 32768,
		.port_last = 60999,
	};
}

struct addr sim_host_addr(uint32_t number, bool is_v6)
{
	if (is_v6)
		return addr_v6((uint8_t[16]){0xfd, [15] = (uint8_t)number});
	return addr_v4((uint8_t[4]){10, 0, 0, (uint8_t)number});
}

void sim_host_open(struct sim_host *host, const struct sim_host_config *config)
{
	*host = (struct sim_host){.memory = config->memory};
	uint8_t mac[6] = {0x02, 0, 0, 0, 0, (uint8_t)config->number};
	struct net_address addresses[] = {
		{{.addr = sim_host_addr(config->number, false), .bits = 96 + 24}, 0},
		{{.addr = sim_host_addr(config->number, true), .bits = 64}, 0},
	};
	random_init(&host->random, config->seed);
	wheel_init(&host->wheel, config->now_us);
	host->port = config->port;
	if (!host->port)
		host->port = sim_link_attach(config->link, mac, config->memory->mbufs);
	struct net_config net = {
		.limits = {.neighbour_count = 16,
			   .neighbour_queue = 16,
			   .icmp_per_second = 100,
			   .fragment_datagrams = 16,
			   .fragments_per_datagram = 16,
			   .fragments = 64,
			   .fragment_time_ms = 5000},
		.ports = &host->port,
		.port_count = 1,
		.addresses = addresses,
		.address_count = ARRAY_LEN(addresses),
		.worker_index = config->worker_index,
		.worker_count = MAX(config->worker_count, 1u),
		.mbufs = config->memory->mbufs,
		.wheel = &host->wheel,
		.random = &host->random,
		.counters = &host->counters,
		.handoff = config->handoff,
		.exception = config->exception,
		.user = config->user,
	};
	host->net = net_new(&net);
	CHECK(host->net);
	struct tcp_config tcp = {
		.limits = config->limits,
		.net = host->net,
		.mbufs = config->memory->mbufs,
		.wheel = &host->wheel,
		.random = &host->random,
		.counters = &host->counters,
		.worker_index = config->worker_index,
	};
	host->tcp = tcp_new(&tcp);
	CHECK(host->tcp);
	host->invariants = tcp_invariants_new(host->tcp);
	host->broken = config->broken;
	host->user = config->user;
	net_set_time(host->net, config->now_us);
	tcp_set_time(host->tcp, config->now_us);
}

void sim_host_close(struct sim_host *host)
{
	tcp_invariants_free(host->invariants);
	tcp_free(host->tcp);
	net_free(host->net);
}

// look tells when tcp broke one of its rules.
static void look(struct sim_host *host)
{
	const char *rule = tcp_invariants_broken(host->invariants);
	if (!rule)
		return;
	if (!host->broken) {
		fprintf(stderr, "host %d: %s\n", host->port->mac[5], rule);
		abort();
	}
	host->broken(host->user, rule);
}

void sim_host_step(struct sim_host *host, uint64_t now_us, uint32_t budget)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	net_set_time(host->net, now_us);
	tcp_set_time(host->tcp, now_us);
	uint16_t count = host->port->ops->rx(host->port, mbufs, PORT_BURST);
	if (count)
		net_input(host->net, 0, mbufs, count);
	look(host);
	wheel_advance(&host->wheel, now_us, UINT32_MAX);
	look(host);
	tcp_run_ready(host->tcp, budget);
	net_flush(host->net);
	look(host);
}

uint64_t sim_host_next_us(const struct sim_host *host, uint64_t now_us)
{
	return tcp_in_use(host->tcp).ready_count ? now_us : wheel_next_us(&host->wheel);
}
