// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames before an L4 service of both families. An input is a run of frames, each
// after a byte of options and two of length. Whatever comes, every mbuf returns to its pool, and
// what leaves has a right IPv4 checksum; a frame whose checksums were mended before it came in
// leaves with a right transport checksum, or is an answer of ours, which has one too.
#include "big_endian.h"
#include "check.h"
#include "fuzz_frame.h"
#include "l4.h"
#include "net_cksum.h"

#include <string.h>

#define OPTION_ADVANCE 2u // twenty seconds pass before
#define OPTION_WRONG   4u // checksums as they are
#define ETHER_BYTES    14u

struct world {
	struct fuzz_net base;
	struct l4 *l4;
	bool has_wrong; // a frame came whose checksums were left
};

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
	const struct world *world = container_of(port, struct world, base.port);
	for (uint16_t i = 0; i < count; i++)
		check_sent(world, mbufs[i]);
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
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
				   .net = world->base.net,
				   .ports = world->base.ports,
				   .worker_count = 1,
				   .wheel = &world->base.wheel,
				   .random = &world->base.random,
				   .counters = &world->base.counters};
	world->l4 = l4_new(&config);
	CHECK(world->l4);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, world->l4};
	net_set_transit(world->base.net, &transit);
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

static void run_frame(void *user, uint8_t options, const uint8_t *at, size_t bytes)
{
	struct world *world = user;
	uint8_t frame[2048];
	memcpy(frame, at, bytes);
	if (options & OPTION_WRONG)
		world->has_wrong = true;
	else
		mend(frame, bytes);
	struct rte_mbuf *mbuf = fuzz_frame_of(frame, bytes, options & FUZZ_FRAME_SPLIT);
	if (options & OPTION_ADVANCE)
		world->base.now_us += 20000000;
	net_set_time(world->base.net, world->base.now_us);
	l4_set_time(world->l4, world->base.now_us);
	wheel_advance(&world->base.wheel, world->base.now_us, 1000);
	net_input(world->base.net, 0, &mbuf, 1);
	net_flush(world->base.net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_ops ops = {fuzz_frame_no_rx, swallow};
	struct world world = {.base.port.can_scatter_tx = true};
	fuzz_frame_open(&world.base, &ops);
	open_l4(&world);
	fuzz_frame_each(data, size, &world, run_frame);
	l4_free(world.l4);
	fuzz_frame_close(&world.base);
	return 0;
}
