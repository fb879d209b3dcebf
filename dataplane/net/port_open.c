// SPDX-License-Identifier: Apache-2.0
// Opening a DPDK device: queues, offloads that it really has, RSS with our symmetric key so that a
// flow arrives at the worker that net_owner names; see port_ethdev.h.
#include "port_priv.h"

#include "check.h"
#include "net.h"

#include <rte_dev.h>
#include <rte_errno.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS   512u
#define STALL_MAX     256u
#define KEY_BYTES_MAX 64u
#define RETA_GROUPS   (RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE)

#define RX_CHECKSUM                                                                                \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |                            \
	 RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RSS_TYPES                                                                                  \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                             \
	 RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

// What opening works on.
struct opening {
	const struct port_ethdev_config *config;
	struct port_ethdev *device;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	uint8_t key[KEY_BYTES_MAX];
	bool is_steered;
	char *why;
	size_t why_bytes;
};

// fail tells why; error is a positive errno. Returns -1.
static int fail(struct opening *open, const char *what, int error)
{
	snprintf(open->why, open->why_bytes, "%s: %s: %s", open->config->device, what,
		 rte_strerror(error));
	return -1;
}

// find makes the device known to DPDK, unless EAL did, and finds its number.
static int find(struct opening *open)
{
	char name[128];
	const char *comma = strchr(open->config->device, ',');
	size_t bytes =
		comma ? (size_t)(comma - open->config->device) : strlen(open->config->device);
	if (bytes == 0 || bytes >= sizeof(name))
		return fail(open, "device name", EINVAL);
	memcpy(name, open->config->device, bytes);
	name[bytes] = 0;
	if (rte_eth_dev_get_port_by_name(name, &open->device->id) == 0)
		return 0;
	int error = rte_dev_probe(open->config->device);
	if (error)
		return fail(open, "cannot probe", -error);
	error = rte_eth_dev_get_port_by_name(name, &open->device->id);
	return error ? fail(open, "is no Ethernet device", -error) : 0;
}

// choose_queues gives every worker a queue where there are enough, and asks for RSS where key,
// table and all four kinds of flow can be set.
static void choose_queues(struct opening *open)
{
	const struct rte_eth_dev_info *info = &open->info;
	uint32_t workers = open->config->worker_count;
	struct port_ethdev *device = open->device;
	bool has_queues = info->max_rx_queues >= workers && info->max_tx_queues >= workers;
	device->queue_count = has_queues ? (uint16_t)workers : 1;
	open->is_steered = device->queue_count > 1 &&
			   (info->flow_type_rss_offloads & RSS_TYPES) == RSS_TYPES &&
			   info->reta_size >= NET_RETA_SLOTS &&
			   info->reta_size <= RTE_ETH_RSS_RETA_SIZE_512 &&
			   info->hash_key_size >= 40 && info->hash_key_size <= KEY_BYTES_MAX;
	if (!open->is_steered)
		return;
	for (uint32_t i = 0; i < KEY_BYTES_MAX; i++)
		open->key[i] = i % 2 ? 0x5a : 0x6d;
	open->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	open->conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = open->key, .rss_key_len = info->hash_key_size, .rss_hf = RSS_TYPES};
}

// choose_offloads enables what the hardware has. net_tap's offloads are software inside the driver
// and refuse large segments without a word: ours are as fast and tell.
static void choose_offloads(struct opening *open)
{
	uint64_t rx = open->device->is_tap ? 0 : open->info.rx_offload_capa;
	uint64_t tx = open->device->is_tap ? 0 : open->info.tx_offload_capa;
	if ((rx & RX_CHECKSUM) == RX_CHECKSUM)
		open->conf.rxmode.offloads |= RX_CHECKSUM;
	open->conf.txmode.offloads |= tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	if ((tx & TX_CHECKSUM) == TX_CHECKSUM)
		open->conf.txmode.offloads |= TX_CHECKSUM | (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO);
	open->conf.txmode.offloads |= open->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	uint32_t room = rte_pktmbuf_data_room_size(open->config->mbufs[0]) - RTE_PKTMBUF_HEADROOM;
	uint32_t mtu = open->config->mtu ? open->config->mtu : RTE_ETHER_MTU;
	if (mtu + 22 > room)
		open->conf.rxmode.offloads |=
			open->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
}

static int set_up_queues(struct opening *open)
{
	uint16_t id = open->device->id;
	uint16_t rx_count = DESCRIPTORS, tx_count = DESCRIPTORS;
	int error = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx_count, &tx_count);
	for (uint16_t queue = 0; queue < open->device->queue_count && !error; queue++) {
		int socket = rte_eth_dev_socket_id(id);
		unsigned node = socket < 0 ? 0 : (unsigned)socket;
		struct rte_eth_rxconf rx = open->info.default_rxconf;
		struct rte_eth_txconf tx = open->info.default_txconf;
		rx.offloads = open->conf.rxmode.offloads;
		tx.offloads = open->conf.txmode.offloads;
		fd_set others;
		port_xdp_note(&others);
		error = rte_eth_rx_queue_setup(id, queue, rx_count, node, &rx,
					       open->config->mbufs[queue]);
		open->device->queues[queue].wait_fd = port_xdp_find(&others);
		if (!error)
			error = rte_eth_tx_queue_setup(id, queue, tx_count, node, &tx);
	}
	return error ? fail(open, "queues", -error) : 0;
}

// find_interrupts takes the queues' interrupts to wait on, where the driver has them.
static void find_interrupts(struct port_ethdev *device)
{
	for (uint16_t queue = 0; queue < device->queue_count; queue++) {
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(device->id, queue);
		if (fd < 0)
			continue;
		device->queues[queue].wait_fd = fd;
		device->must_arm = !device->is_tap;
	}
}

static int start_with(struct opening *open, bool has_interrupts)
{
	uint16_t id = open->device->id;
	uint16_t queues = open->device->queue_count;
	open->conf.intr_conf.rxq = has_interrupts;
	int error = rte_eth_dev_configure(id, queues, queues, &open->conf);
	if (error)
		return fail(open, "cannot configure", -error);
	if (set_up_queues(open) != 0)
		return -1;
	error = rte_eth_dev_start(id);
	if (error)
		return fail(open, "cannot start", -error);
	open->device->is_started = true;
	if (has_interrupts)
		find_interrupts(open->device);
	return 0;
}

// set_table spreads the slots of net_owner over the queues; a device whose table is longer repeats.
static void set_table(struct opening *open)
{
	struct rte_eth_rss_reta_entry64 table[RETA_GROUPS] = {0};
	for (uint16_t i = 0; open->is_steered && i < open->info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];
		group->mask = UINT64_MAX;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			(uint16_t)(i % NET_RETA_SLOTS % open->config->worker_count);
	}
	if (open->is_steered &&
	    rte_eth_dev_rss_reta_update(open->device->id, table, open->info.reta_size) != 0)
		open->is_steered = false; // packets are handed over in software instead
}

static int choose_mac_and_mtu(struct opening *open, struct port *port)
{
	const struct port_ethdev_config *config = open->config;
	uint16_t id = open->device->id;
	struct rte_ether_addr mac;
	int error = rte_eth_macaddr_get(id, &mac);
	if (error)
		return fail(open, "MAC", -error);
	// The kernel's side of a tap bears the device's MAC, and we are another station.
	if (open->device->is_tap)
		mac.addr_bytes[5] ^= 1;
	if (config->mac) {
		memcpy(mac.addr_bytes, config->mac, 6);
		if (!open->device->is_tap && rte_eth_dev_default_mac_addr_set(id, &mac) != 0)
			rte_eth_promiscuous_enable(id);
	}
	memcpy(port->mac, mac.addr_bytes, 6);
	error = rte_eth_dev_get_mtu(id, &port->mtu);
	if (!error && config->mtu && config->mtu != port->mtu) {
		error = rte_eth_dev_set_mtu(id, config->mtu);
		port->mtu = config->mtu;
	}
	return error ? fail(open, "MTU", -error) : 0;
}

// fill_ports makes each worker's view. One that sends over the ring may neither scatter (buffers
// are counted by one worker alone, so a frame must be copied to leave it) nor segment.
static void fill_ports(struct opening *open, const struct port *common)
{
	uint64_t tx = open->conf.txmode.offloads;
	for (uint32_t i = 0; i < open->config->worker_count; i++) {
		struct port_queue *queue = &open->device->queues[i];
		bool is_own = i < open->device->queue_count;
		queue->device = open->device;
		queue->counters = open->config->counters[i];
		queue->port = *common;
		queue->port.ops = is_own ? &port_queue_ops : &port_ring_ops;
		queue->port.vlan = open->config->vlan;
		queue->port.mss_clamp = open->config->mss_clamp;
		queue->port.queue = is_own ? (uint16_t)i : 0;
		queue->port.can_checksum_ip4_tx = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
		queue->port.can_checksum_l4_tx = (tx & TX_CHECKSUM) == TX_CHECKSUM;
		queue->port.can_checksum_rx =
			(open->conf.rxmode.offloads & RX_CHECKSUM) == RX_CHECKSUM;
		queue->port.can_segment = is_own && (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
		queue->port.can_scatter_tx = is_own && (tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
		queue->port.is_flow_steered = open->is_steered;
	}
}

static int make_ring(struct opening *open)
{
	char name[RTE_RING_NAMESIZE];
	struct port_ethdev *device = open->device;
	if (device->queue_count == open->config->worker_count)
		return 0;
	snprintf(name, sizeof(name), "port_tx_%u", device->id);
	device->ring = rte_ring_create(name, PORT_RING_FRAMES, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return device->ring ? 0 : fail(open, "ring", rte_errno);
}

// use_generic_xdp lets frames come by generic XDP where that is wanted.
static int use_generic_xdp(struct opening *open)
{
	struct port_ethdev *device = open->device;
	int sockets[RTE_MAX_QUEUES_PER_PORT];
	if (!open->config->is_generic_xdp)
		return 0;
	if (strcmp(open->info.driver_name, "net_af_xdp") != 0)
		return fail(open, "generic_xdp is for net_af_xdp", ENOTSUP);
	for (uint16_t queue = 0; queue < device->queue_count; queue++)
		sockets[queue] = device->queues[queue].wait_fd;
	int link = port_xdp_use_generic(open->info.if_index, sockets, device->queue_count);
	if (link < 0)
		return fail(open, "cannot use generic XDP", -link);
	device->xdp_link = link;
	return 0;
}

static int open_device(struct opening *open)
{
	struct port_ethdev *device = open->device;
	struct port common = {0};
	if (find(open) != 0)
		return -1;
	int error = rte_eth_dev_info_get(device->id, &open->info);
	if (error)
		return fail(open, "information", -error);
	device->is_tap = strcmp(open->info.driver_name, "net_tap") == 0;
	device->stall_max = device->is_tap ? 1 : STALL_MAX;
	open->conf.rxmode.mtu = open->config->mtu;
	choose_queues(open);
	choose_offloads(open);
	if (start_with(open, true) != 0 && start_with(open, false) != 0)
		return -1;
	set_table(open);
	// Best effort: a device without it hears groups anyway, or says so by its silence.
	if (rte_eth_allmulticast_enable(device->id) != 0)
		rte_eth_promiscuous_enable(device->id);
	if (choose_mac_and_mtu(open, &common) != 0 || make_ring(open) != 0)
		return -1;
	fill_ports(open, &common);
	return use_generic_xdp(open);
}

struct port_ethdev *port_ethdev_open(const struct port_ethdev_config *config, char *why,
				     size_t why_bytes)
{
	struct opening open = {.config = config, .why = why, .why_bytes = why_bytes};
	struct port_ethdev *device = calloc(1, sizeof(*device));
	if (!device)
		return NULL;
	CHECK(config->worker_count > 0);
	open.device = device;
	device->id = RTE_MAX_ETHPORTS;
	device->xdp_link = -1;
	device->worker_count = config->worker_count;
	device->queues = calloc(config->worker_count, sizeof(*device->queues));
	if (!device->queues || open_device(&open) != 0) {
		port_ethdev_close(device);
		return NULL;
	}
	return device;
}

static void free_ring(struct rte_ring *ring)
{
	void *mbuf;
	while (ring && rte_ring_sc_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

void port_ethdev_close(struct port_ethdev *device)
{
	if (!device)
		return;
	if (device->xdp_link >= 0)
		close(device->xdp_link);
	if (device->is_started)
		rte_eth_dev_stop(device->id);
	if (device->id != RTE_MAX_ETHPORTS)
		rte_eth_dev_close(device->id);
	free_ring(device->ring);
	free(device->queues);
	free(device);
}
