// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames from the wire: Ethernet, ARP, neighbour discovery, IPv4, IPv6, ICMP. An input
// is a run of frames, each after a byte of options and two of length. Whatever comes, every mbuf
// returns to its pool. The frames' checksums are taken as good, or nothing would get past them.
#include "check.h"
#include "net.h"
#include "port.h"

#include <rte_eal.h>

#include <string.h>

#define OPTION_SPLIT   1u // in two segments
#define OPTION_ADVANCE 2u // a second passes before
#define OPTION_SEND    4u // we send to the frame's source afterwards, so that there are neighbours

struct world {
	struct net *net;
	struct port port;
	struct port *ports[1];
	struct wheel wheel;
	struct random_source random;
	struct counters counters;
	uint64_t now_us;
};

static struct rte_mempool *pool;

static uint16_t no_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t swallow(struct port *, struct rte_mbuf **mbufs, uint16_t count)
{
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
}

static void take(void *, struct rte_mbuf *const *mbufs, uint32_t count)
{
	struct rte_mbuf *mbuf = mbufs[0];
	const struct packet *packet = packet_of(mbuf);
	CHECK(count == 1); // as many as were given
	CHECK(packet->l4_offset + packet->l4_bytes == rte_pktmbuf_pkt_len(mbuf));
	CHECK(rte_pktmbuf_data_len(mbuf) >= packet->l4_offset + 8u);
	rte_pktmbuf_free(mbuf);
}

static void take_error(void *, const struct addr *, const struct addr *, const uint8_t *quoted,
		       size_t quoted_bytes, bool, uint32_t)
{
	volatile uint8_t last = quoted[quoted_bytes - 1];
	(void)last;
	CHECK(quoted_bytes >= 8);
}

static void start_eal(void)
{
	char *args[] = {"fuzz", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",   "64",        "-l",          "0",        "--log-level=3"};
	if (pool)
		return;
	CHECK(rte_eal_init(ARRAY_LEN(args), args) >= 0);
	pool = rte_pktmbuf_pool_create("fuzz", 511, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	CHECK(pool);
}

static void world_open(struct world *world)
{
	static const struct port_ops ops = {no_rx, swallow};
	static const struct net_upper upper = {take, take_error, NULL};
	static struct net_address addresses[2];
	static struct net_route routes[1];
	CHECK(prefix_parse("192.0.2.1/24", &addresses[0].prefix) == 0);
	CHECK(prefix_parse("2001:db8::1/64", &addresses[1].prefix) == 0);
	CHECK(prefix_parse("0.0.0.0/0", &routes[0].prefix) == 0);
	CHECK(addr_parse("192.0.2.254", &routes[0].gateway) == 0);
	world->port = (struct port){
		.ops = &ops, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .can_checksum_rx = true};
	world->ports[0] = &world->port;
	wheel_init(&world->wheel, 0);
	struct net_config config = {.limits = {.neighbour_count = 8,
					       .neighbour_queue = 2,
					       .icmp_per_second = 1000,
					       .fragment_datagrams = 4,
					       .fragments_per_datagram = 4,
					       .fragments = 16,
					       .fragment_time_ms = 2000},
				    .ports = world->ports,
				    .port_count = 1,
				    .addresses = addresses,
				    .address_count = 2,
				    .routes = routes,
				    .route_count = 1,
				    .worker_count = 1,
				    .mbufs = pool,
				    .wheel = &world->wheel,
				    .random = &world->random,
				    .counters = &world->counters};
	world->net = net_new(&config);
	CHECK(world->net);
	net_register(world->net, NET_PROTOCOL_TCP, &upper);
	net_register(world->net, NET_PROTOCOL_UDP, &upper); // no checksum: gets past reassembly
}

// frame_of makes an mbuf of bytes bytes, in one segment or two.
static struct rte_mbuf *frame_of(const uint8_t *at, size_t bytes, bool is_split)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	size_t first = is_split ? bytes / 2 : bytes;
	CHECK(mbuf);
	memset(packet_of(mbuf), 0xee, sizeof(struct packet));
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)first), at, first);
	if (is_split) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(pool);
		CHECK(rest);
		memcpy(rte_pktmbuf_append(rest, (uint16_t)(bytes - first)), at + first,
		       bytes - first);
		CHECK(rte_pktmbuf_chain(mbuf, rest) == 0);
	}
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

// send_back sends a segment to the IPv4 or IPv6 source that the frame may have named.
static void send_back(struct world *world, const uint8_t *at, size_t bytes)
{
	struct net_tx tx = {.protocol = NET_PROTOCOL_TCP, .l4_header_bytes = 20};
	static const uint8_t header[20];
	if (bytes < 54)
		return;
	tx.remote = at[12] == 8 ? addr_v4(at + 26) : addr_v6(at + 22);
	if (!net_source_for(world->net, &tx.remote, &tx.local))
		return;
	net_output(world->net, frame_of(header, sizeof(header), false), &tx);
}

static void run_frame(struct world *world, uint8_t options, const uint8_t *at, size_t bytes)
{
	struct rte_mbuf *mbuf = frame_of(at, bytes, options & OPTION_SPLIT);
	if (options & OPTION_ADVANCE)
		world->now_us += 1000000;
	net_set_time(world->net, world->now_us);
	wheel_advance(&world->wheel, world->now_us, 1000);
	net_input(world->net, 0, &mbuf, 1);
	if (options & OPTION_SEND)
		send_back(world, at, bytes);
	net_flush(world->net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {0};
	start_eal();
	world_open(&world);
	while (size >= 3) {
		uint8_t options = data[0];
		size_t bytes = ((size_t)data[1] << 8 | data[2]) % 2049;
		data += 3;
		size -= 3;
		if (bytes > size)
			bytes = size;
		run_frame(&world, options, data, bytes);
		data += bytes;
		size -= bytes;
	}
	net_free(world.net);
	CHECK(rte_mempool_in_use_count(pool) == 0);
	CHECK(world.wheel.armed_count == 0);
	return 0;
}
