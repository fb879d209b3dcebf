// SPDX-License-Identifier: Apache-2.0
// A net under test; see net_fake.h.
#include "net_fake.h"

#include "check.h"

#include <rte_eal.h>

#include <string.h>

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x99};

static struct rte_mempool *pool;

void fake_eal(void)
{
	char *args[] = {"net_test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",       "64",        "-l",          "0",        "--log-level=3"};
	if (pool)
		return;
	CHECK(rte_eal_init(ARRAY_LEN(args), args) >= 0);
	pool = rte_pktmbuf_pool_create("net_test", 2047, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	CHECK(pool);
}

static uint16_t fake_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t fake_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct fake_port *fake = (struct fake_port *)port;
	uint16_t taken = 0;
	while (taken < count && fake->room > 0 && fake->sent_count < FAKE_KEPT) {
		fake->sent[fake->sent_count++] = mbufs[taken++];
		fake->room--;
	}
	return taken;
}

static const struct port_ops fake_ops = {fake_rx, fake_tx};

static void keep_input(void *user, struct rte_mbuf *const *mbufs, uint32_t count)
{
	struct fake *fake = user;
	CHECK(fake->received_count + count <= FAKE_KEPT);
	memcpy(fake->received + fake->received_count, mbufs, count * sizeof(*mbufs));
	fake->received_count += count;
	fake->received_bursts++;
}

static void keep_error(void *user, const struct addr *local, const struct addr *remote,
		       const uint8_t *quoted, size_t quoted_bytes, bool is_hard, uint32_t mtu)
{
	struct fake *fake = user;
	CU_ASSERT_FATAL(quoted_bytes >= 8);
	fake->error.local = *local;
	fake->error.remote = *remote;
	memcpy(fake->error.quoted, quoted, 8);
	fake->error.is_hard = is_hard;
	fake->error.mtu = mtu;
	fake->error.count++;
}

static void keep_handed(void *user, uint32_t owner, struct rte_mbuf *mbuf)
{
	struct fake *fake = user;
	CHECK(fake->handed_count < FAKE_KEPT);
	fake->handed_to[fake->handed_count] = owner;
	fake->handed[fake->handed_count++] = mbuf;
}

static void fill_config(struct fake *fake)
{
	static struct net_address addresses[3];
	static struct net_route routes[2];
	static const char *const texts[3] = {"192.0.2.1/24", "2001:db8::1/64", "198.51.100.1/25"};
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(prefix_parse(texts[i], &addresses[i].prefix) == 0);
		addresses[i].port_index = i / 2;
	}
	CHECK(prefix_parse("0.0.0.0/0", &routes[0].prefix) == 0);
	CHECK(prefix_parse("::/0", &routes[1].prefix) == 0);
	routes[0].gateway = fake_addr("192.0.2.254");
	routes[1].gateway = fake_addr("2001:db8::fe");
	fake->config = (struct net_config){.limits = {.neighbour_count = 8,
						      .neighbour_queue = 3,
						      .icmp_per_second = 1000,
						      .fragment_datagrams = 8,
						      .fragments_per_datagram = 5,
						      .fragments = 32,
						      .fragment_time_ms = 30000},
					   .ports = fake->port_list,
					   .port_count = 2,
					   .addresses = addresses,
					   .address_count = 3,
					   .routes = routes,
					   .route_count = 2,
					   .worker_count = 1,
					   .mbufs = pool,
					   .wheel = &fake->wheel,
					   .random = &fake->random,
					   .counters = &fake->counters,
					   .user = fake};
}

void fake_start(struct fake *fake)
{
	fake_eal();
	memset(fake, 0, sizeof(*fake));
	fake->now_us = 1000000;
	random_init(&fake->random, (struct siphash_key){{1, 2}});
	wheel_init(&fake->wheel, fake->now_us);
	for (uint32_t i = 0; i < 2; i++) {
		struct fake_port *port = &fake->ports[i];
		port->port = (struct port){.ops = &fake_ops, .mtu = 1500, .can_scatter_tx = true};
		memcpy(port->port.mac, our_mac, 6);
		port->port.mac[4] = (uint8_t)i;
		port->room = UINT32_MAX;
		fake->port_list[i] = &port->port;
	}
	fill_config(fake);
}

void fake_register(struct fake *fake, uint8_t protocol)
{
	struct net_upper upper = {keep_input, keep_error, fake};
	net_register(fake->net, protocol, &upper);
}

void fake_open(struct fake *fake)
{
	if (fake->config.worker_count > 1)
		fake->config.handoff = keep_handed;
	fake->net = net_new(&fake->config);
	CHECK(fake->net);
	net_set_time(fake->net, fake->now_us);
	fake_register(fake, NET_PROTOCOL_TCP);
	fake_register(fake, NET_PROTOCOL_UDP);
	fake_run(fake, 3000000);
	fake_clear(fake);
	memset(&fake->counters, 0, sizeof(fake->counters));
}

void fake_clear(struct fake *fake)
{
	for (uint32_t i = 0; i < 2; i++) {
		rte_pktmbuf_free_bulk(fake->ports[i].sent, fake->ports[i].sent_count);
		fake->ports[i].sent_count = 0;
	}
	rte_pktmbuf_free_bulk(fake->received, fake->received_count);
	rte_pktmbuf_free_bulk(fake->handed, fake->handed_count);
	rte_pktmbuf_free_bulk(fake->excepted, fake->excepted_count);
	fake->received_count = fake->handed_count = fake->excepted_count = 0;
}

void fake_stop(struct fake *fake)
{
	fake_clear(fake);
	net_free(fake->net);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
	CU_ASSERT_EQUAL(fake->wheel.armed_count, 0);
}

void fake_run(struct fake *fake, uint64_t us)
{
	uint64_t end_us = fake->now_us + us;
	while (fake->now_us < end_us) {
		fake->now_us = MIN(fake->now_us + 100000, end_us);
		net_set_time(fake->net, fake->now_us);
		wheel_advance(&fake->wheel, fake->now_us, UINT32_MAX);
		net_flush(fake->net);
	}
	net_flush(fake->net);
}

struct rte_mbuf *fake_mbuf(const void *at, size_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	CHECK(mbuf);
	memset(packet_of(mbuf), 0xee, sizeof(struct packet));
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes), at, bytes);
	return mbuf;
}

void fake_input(struct fake *fake, const void *at, size_t bytes)
{
	struct rte_mbuf *mbuf = fake_mbuf(at, bytes);
	net_input(fake->net, 0, &mbuf, 1);
	net_flush(fake->net);
}

struct addr fake_addr(const char *text)
{
	struct addr addr;
	CHECK(addr_parse(text, &addr) == 0);
	return addr;
}

uint32_t fake_sum(uint32_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

uint16_t fake_l4_sum(const struct addr *source, const struct addr *destination, uint8_t protocol,
		     const uint8_t *at, size_t bytes)
{
	size_t skip = addr_is_v4(source) ? 12 : 0;
	uint8_t tail[4] = {(uint8_t)(bytes >> 8), (uint8_t)bytes, 0, protocol};
	uint32_t sum = 0;
	if (protocol != 1) {
		sum = fake_sum(sum, source->bytes + skip, 16 - skip);
		sum = fake_sum(sum, destination->bytes + skip, 16 - skip);
		sum = fake_sum(sum, tail, 4);
	}
	return (uint16_t)fake_sum(sum, at, bytes);
}

static void put_l4_checksum(uint8_t *at, size_t bytes, uint8_t protocol, const struct addr *source,
			    const struct addr *destination)
{
	size_t field = protocol == NET_PROTOCOL_TCP ? 16 : protocol == NET_PROTOCOL_UDP ? 6 : 2;
	bool is_summed = protocol == NET_PROTOCOL_TCP || protocol == NET_PROTOCOL_UDP ||
			 protocol == 1 || protocol == 58;
	if (!is_summed || bytes < field + 2)
		return;
	memset(at + field, 0, 2);
	uint16_t sum = (uint16_t)~fake_l4_sum(source, destination, protocol, at, bytes);
	at[field] = (uint8_t)(sum >> 8);
	at[field + 1] = (uint8_t)sum;
}

size_t fake_ip(uint8_t *frame, const struct addr *source, const struct addr *destination,
	       uint8_t protocol, struct slice l4)
{
	bool is_v4 = addr_is_v4(source);
	size_t ip_bytes = is_v4 ? 20 : 40;
	uint8_t *ip = frame + 14;
	size_t length = is_v4 ? l4.bytes + 20 : l4.bytes;
	memset(frame, 0, 14 + ip_bytes);
	memcpy(frame, our_mac, 6);
	frame[4] = 0;
	memcpy(frame + 6, peer_mac, 6);
	frame[12] = is_v4 ? 8 : 0x86;
	frame[13] = is_v4 ? 0 : 0xdd;
	ip[0] = is_v4 ? 0x45 : 0x60;
	ip[is_v4 ? 2 : 4] = (uint8_t)(length >> 8);
	ip[is_v4 ? 3 : 5] = (uint8_t)length;
	ip[is_v4 ? 9 : 6] = protocol;
	ip[is_v4 ? 8 : 7] = is_v4 ? 64 : 255;
	memcpy(ip + (is_v4 ? 12 : 8), source->bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
	memcpy(ip + (is_v4 ? 16 : 24), destination->bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
	if (is_v4) {
		uint16_t sum = (uint16_t)~fake_sum(0, ip, 20);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
	}
	memcpy(ip + ip_bytes, l4.at, l4.bytes);
	put_l4_checksum(ip + ip_bytes, l4.bytes, protocol, source, destination);
	return 14 + ip_bytes + l4.bytes;
}

void fake_tcp(uint8_t header[20], uint16_t source_port, uint16_t destination_port)
{
	memset(header, 0, 20);
	header[0] = (uint8_t)(source_port >> 8);
	header[1] = (uint8_t)source_port;
	header[2] = (uint8_t)(destination_port >> 8);
	header[3] = (uint8_t)destination_port;
	header[12] = 0x50;
	header[13] = 0x02;
}

void fake_answer_arp(struct fake *fake, const char *addr, const uint8_t mac[6])
{
	struct addr sender = fake_addr(addr);
	uint8_t frame[60] = {0};
	memcpy(frame, our_mac, 6);
	frame[4] = 0;
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2}, 10);
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, addr_v4_bytes(&sender), 4);
	memcpy(frame + 32, frame, 6);
	memcpy(frame + 38, (uint8_t[]){192, 0, 2, 1}, 4);
	fake_input(fake, frame, sizeof(frame));
}

void fake_answer_nd(struct fake *fake, const char *addr, const uint8_t mac[6])
{
	struct addr source = fake_addr(addr);
	struct addr ours = fake_addr("2001:db8::1");
	uint8_t frame[200];
	uint8_t message[32] = {136, 0, 0, 0, 0x60};
	memcpy(message + 8, source.bytes, 16);
	message[24] = 2;
	message[25] = 1;
	memcpy(message + 26, mac, 6);
	size_t bytes = fake_ip(frame, &source, &ours, 58, slice_of(message, sizeof(message)));
	memcpy(frame + 6, mac, 6);
	fake_input(fake, frame, bytes);
}

int fake_send(struct fake *fake, const char *local, const char *remote, uint16_t bytes,
	      uint16_t segment_bytes)
{
	struct net_tx tx = {.local = fake_addr(local),
			    .remote = fake_addr(remote),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = 20,
			    .segment_bytes = segment_bytes};
	uint8_t header[20];
	fake_tcp(header, 443, 1025);
	struct rte_mbuf *mbuf = fake_mbuf(header, sizeof(header));
	struct rte_mbuf *last = mbuf;
	for (uint16_t i = 0; i < bytes; i++) {
		if (rte_pktmbuf_tailroom(last) == 0) {
			last = rte_pktmbuf_alloc(pool);
			last->data_off = 0;
			CHECK(rte_pktmbuf_chain(mbuf, last) == 0);
		}
		rte_pktmbuf_mtod(last, uint8_t *)[last->data_len++] = (uint8_t)(i * 7);
		mbuf->pkt_len++;
	}
	int result = net_output(fake->net, mbuf, &tx);
	net_flush(fake->net);
	return result;
}

void fake_learn(struct fake *fake, const char *addr)
{
	struct addr remote = fake_addr(addr);
	bool is_v4 = addr_is_v4(&remote);
	CU_ASSERT_EQUAL(fake_send(fake, is_v4 ? "192.0.2.1" : "2001:db8::1", addr, 0, 0), 0);
	if (is_v4)
		fake_answer_arp(fake, addr, peer_mac);
	else
		fake_answer_nd(fake, addr, peer_mac);
	fake_clear(fake);
}

uint64_t fake_count(const struct fake *fake, enum counter counter)
{
	return fake->counters.value[counter];
}
