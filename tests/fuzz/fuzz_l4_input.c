// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames before an L4 service of both families. An input is a run of frames, each
// after a byte of options and two of length. Whatever comes, every mbuf returns to its pool, and
// what leaves has a right IPv4 checksum; a frame whose checksums were mended before it came in
// leaves with a right transport checksum, or is an answer of ours, which has one too.
#include "check.h"
#include "l4.h"
#include "net.h"
#include "net_cksum.h"
#include "port.h"

#include <rte_eal.h>

#include <string.h>

#define OPTION_SPLIT   1u // in two segments
#define OPTION_ADVANCE 2u // twenty seconds pass before
#define OPTION_WRONG   4u // checksums as they are
#define ETHER_BYTES    14u

struct world {
	struct net *net;
	struct l4 *l4;
	struct port port;
	struct port *ports[1];
	struct wheel wheel;
	struct random_source random;
	struct counters counters;
	uint64_t now_us;
	bool has_wrong; // a frame came whose checksums were left
};

static struct rte_mempool *pool;

static uint16_t no_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

// sum_field is where a transport has its checksum; NULL for others.
static uint8_t *sum_field(uint8_t *l4, uint8_t protocol, size_t bytes)
{
	size_t at = protocol == NET_PROTOCOL_TCP ? 16 : protocol == NET_PROTOCOL_UDP ? 6 : 0;
	return at > 0 && bytes >= at + 2 ? l4 + at : NULL;
}

static uint16_t pseudo_of(const uint8_t *ip, size_t l4_bytes)
{
	bool is_v4 = ip[0] >> 4 == 4;
	struct addr from = is_v4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	struct addr to = is_v4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	return net_cksum_pseudo(&from, &to, ip[is_v4 ? 9 : 6], (uint32_t)l4_bytes);
}

// layers finds the transport of an IP packet without options; false when there is none.
static bool layers(const uint8_t *ip, size_t bytes, size_t *l4_at, size_t *end)
{
	bool is_v4 = bytes >= 20 && ip[0] == 0x45;
	if (!is_v4 && !(bytes >= 40 && ip[0] >> 4 == 6))
		return false;
	*l4_at = is_v4 ? 20 : 40;
	*end = get16(ip + (is_v4 ? 2 : 4)) + (is_v4 ? 0u : 40u);
	return *end >= *l4_at && *end <= bytes;
}

static void check_sent(const struct world *world, struct rte_mbuf *mbuf)
{
	uint8_t bytes[4096];
	size_t l4_at, end, count = rte_pktmbuf_pkt_len(mbuf) - ETHER_BYTES;
	CHECK(count <= sizeof(bytes));
	const uint8_t *ip = rte_pktmbuf_read(mbuf, ETHER_BYTES, (uint32_t)count, bytes);
	if (!layers(ip, count, &l4_at, &end))
		return; // ARP
	memmove(bytes, ip, count);
	if (l4_at == 20)
		CHECK(net_cksum_bytes(bytes, 20) == 0xffff);
	uint8_t *field = sum_field(bytes + l4_at, bytes[l4_at == 20 ? 9 : 6], end - l4_at);
	bool has_none = field && get16(field) == 0 && bytes[9] == NET_PROTOCOL_UDP;
	if (!field || has_none || world->has_wrong)
		return;
	uint16_t sum = net_cksum_bytes(bytes + l4_at, end - l4_at);
	CHECK(net_cksum_fold((uint64_t)sum + pseudo_of(bytes, end - l4_at)) == 0xffff);
}

static uint16_t swallow(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	const struct world *world = container_of(port, struct world, port);
	for (uint16_t i = 0; i < count; i++)
		check_sent(world, mbufs[i]);
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
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

static void open_net(struct world *world)
{
	static struct net_address addresses[2];
	static struct net_route routes[2];
	CHECK(prefix_parse("192.0.2.1/24", &addresses[0].prefix) == 0);
	CHECK(prefix_parse("2001:db8::1/64", &addresses[1].prefix) == 0);
	CHECK(prefix_parse("0.0.0.0/0", &routes[0].prefix) == 0);
	CHECK(addr_parse("192.0.2.254", &routes[0].gateway) == 0);
	CHECK(prefix_parse("::/0", &routes[1].prefix) == 0);
	CHECK(addr_parse("2001:db8::fe", &routes[1].gateway) == 0);
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
				    .route_count = 2,
				    .worker_count = 1,
				    .mbufs = pool,
				    .wheel = &world->wheel,
				    .random = &world->random,
				    .counters = &world->counters};
	world->net = net_new(&config);
	CHECK(world->net);
}

static void open_l4(struct world *world)
{
	static struct l4_endpoint endpoints[2];
	struct l4_service services[4] = {{.port = 80, .protocol = NET_PROTOCOL_TCP},
					 {.port = 53, .protocol = NET_PROTOCOL_UDP},
					 {.port = 80, .protocol = NET_PROTOCOL_TCP},
					 {.port = 53, .protocol = NET_PROTOCOL_UDP}};
	CHECK(addr_parse("192.0.2.50", &endpoints[0].addr) == 0);
	CHECK(addr_parse("2001:db8::50", &endpoints[1].addr) == 0);
	endpoints[0].port = endpoints[1].port = 8080;
	endpoints[0].weight = endpoints[1].weight = 1;
	for (unsigned i = 0; i < 4; i++) {
		CHECK(addr_parse(i < 2 ? "192.0.2.1" : "2001:db8::1", &services[i].address) == 0);
		services[i].source = services[i].address;
		services[i].endpoints = &endpoints[i / 2];
		services[i].endpoint_count = 1;
	}
	struct l4_config config = {.limits = {.flow_count = 4,
					      .half_open_count = 3,
					      .new_per_prefix = 100,
					      .answer_ms = 10000,
					      .tcp_idle_ms = 60000,
					      .tcp_closing_ms = 5000,
					      .udp_idle_ms = 30000,
					      .port_first = 2000,
					      .port_last = 2003},
				   .services = services,
				   .service_count = 4,
				   .net = world->net,
				   .ports = world->ports,
				   .worker_count = 1,
				   .wheel = &world->wheel,
				   .random = &world->random,
				   .counters = &world->counters};
	world->l4 = l4_new(&config);
	CHECK(world->l4);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, world->l4};
	net_set_transit(world->net, &transit);
}

static void world_open(struct world *world)
{
	static const struct port_ops ops = {no_rx, swallow};
	world->port = (struct port){
		.ops = &ops, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .can_scatter_tx = true};
	world->ports[0] = &world->port;
	wheel_init(&world->wheel, 0);
	open_net(world);
	open_l4(world);
}

// mend gives a frame that is whole the checksums that its sender would.
static void mend(uint8_t *frame, size_t bytes)
{
	size_t l4_at, end;
	uint8_t *ip = frame + ETHER_BYTES;
	if (bytes < ETHER_BYTES || !layers(ip, bytes - ETHER_BYTES, &l4_at, &end))
		return;
	bool is_v4 = l4_at == 20;
	uint8_t protocol = ip[is_v4 ? 9 : 6];
	uint8_t *field = sum_field(ip + l4_at, protocol, end - l4_at);
	bool is_icmp = protocol == (is_v4 ? 1 : 58) && end - l4_at >= 8;
	if (is_v4) {
		memset(ip + 10, 0, 2);
		uint16_t sum = net_cksum_header(ip, 20);
		memcpy(ip + 10, &sum, 2);
	}
	field = is_icmp ? ip + l4_at + 2 : field;
	if (!field)
		return;
	memset(field, 0, 2);
	uint64_t sum = net_cksum_bytes(ip + l4_at, end - l4_at);
	sum += is_icmp && is_v4 ? 0 : pseudo_of(ip, end - l4_at);
	uint16_t mended = (uint16_t)~net_cksum_fold(sum);
	if (mended == 0 && protocol == NET_PROTOCOL_UDP)
		mended = 0xffff;
	memcpy(field, &mended, 2);
}

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
	return mbuf;
}

static void run_frame(struct world *world, uint8_t options, const uint8_t *at, size_t bytes)
{
	uint8_t frame[2048];
	memcpy(frame, at, bytes);
	if (options & OPTION_WRONG)
		world->has_wrong = true;
	else
		mend(frame, bytes);
	struct rte_mbuf *mbuf = frame_of(frame, bytes, options & OPTION_SPLIT);
	if (options & OPTION_ADVANCE)
		world->now_us += 20000000;
	net_set_time(world->net, world->now_us);
	l4_set_time(world->l4, world->now_us);
	wheel_advance(&world->wheel, world->now_us, 1000);
	net_input(world->net, 0, &mbuf, 1);
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
	l4_free(world.l4);
	net_free(world.net);
	CHECK(rte_mempool_in_use_count(pool) == 0);
	CHECK(world.wheel.armed_count == 0);
	return 0;
}
