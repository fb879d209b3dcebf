// SPDX-License-Identifier: Apache-2.0
// Frames from the wire for fuzz targets; see fuzz_frame.h.
#include "fuzz_frame.h"

#include "check.h"

#include <rte_eal.h>

#include <string.h>

struct rte_mempool *fuzz_frame_pool(void)
{
	static struct rte_mempool *pool;
	char *args[] = {"fuzz", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",   "64",        "-l",          "0",        "--log-level=3"};
	if (pool)
		return pool;
	CHECK(rte_eal_init(ARRAY_LEN(args), args) >= 0);
	pool = rte_pktmbuf_pool_create("fuzz", 511, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	CHECK(pool);
	return pool;
}

void fuzz_frame_open(struct fuzz_net *at, const struct port_ops *ops)
{
	static struct net_address addresses[2];
	static struct net_route routes[2];
	CHECK(prefix_parse("192.0.2.1/24", &addresses[0].prefix) == 0);
	CHECK(prefix_parse("2001:db8::1/64", &addresses[1].prefix) == 0);
	CHECK(prefix_parse("0.0.0.0/0", &routes[0].prefix) == 0);
	CHECK(addr_parse("192.0.2.254", &routes[0].gateway) == 0);
	CHECK(prefix_parse("::/0", &routes[1].prefix) == 0);
	CHECK(addr_parse("2001:db8::fe", &routes[1].gateway) == 0);
	at->port.ops = ops;
	memcpy(at->port.mac, (const uint8_t[]){2, 0, 0, 0, 0, 1}, sizeof(at->port.mac));
	at->port.mtu = 1500;
	at->ports[0] = &at->port;
	wheel_init(&at->wheel, 0);
	struct net_config config = {.limits = {.neighbour_count = 8,
					       .neighbour_queue = 2,
					       .icmp_per_second = 1000,
					       .fragment_datagrams = 4,
					       .fragments_per_datagram = 4,
					       .fragments = 16,
					       .fragment_time_ms = 2000},
				    .ports = at->ports,
				    .port_count = 1,
				    .addresses = addresses,
				    .address_count = 2,
				    .routes = routes,
				    .route_count = 2,
				    .worker_count = 1,
				    .mbufs = fuzz_frame_pool(),
				    .wheel = &at->wheel,
				    .random = &at->random,
				    .counters = &at->counters};
	at->net = net_new(&config);
	CHECK(at->net);
}

void fuzz_frame_close(struct fuzz_net *at)
{
	net_free(at->net);
	CHECK(rte_mempool_in_use_count(fuzz_frame_pool()) == 0);
	CHECK(at->wheel.armed_count == 0);
}

uint16_t fuzz_frame_no_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

struct rte_mbuf *fuzz_frame_of(const uint8_t *at, size_t bytes, bool is_split)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(fuzz_frame_pool());
	size_t first = is_split ? bytes / 2 : bytes;
	CHECK(mbuf);
	memset(packet_of(mbuf), 0xee, sizeof(struct packet));
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)first), at, first);
	if (is_split) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(fuzz_frame_pool());
		CHECK(rest);
		memcpy(rte_pktmbuf_append(rest, (uint16_t)(bytes - first)), at + first,
		       bytes - first);
		CHECK(rte_pktmbuf_chain(mbuf, rest) == 0);
	}
	return mbuf;
}

void fuzz_frame_each(const uint8_t *data, size_t size, void *user,
		     void (*run)(void *user, uint8_t options, const uint8_t *at, size_t bytes))
{
	while (size >= 3) {
		uint8_t options = data[0];
		size_t bytes = ((size_t)data[1] << 8 | data[2]) % 2049;
		data += 3;
		size -= 3;
		if (bytes > size)
			bytes = size;
		run(user, options, data, bytes);
		data += bytes;
		size -= bytes;
	}
}
