// SPDX-License-Identifier: Apache-2.0
// Peers of tcp_scale: their segments, and what they note of the stack's; see tcp_scale_rig.h.
#include "tcp_scale_rig.h"

#include "bench_net.h"
#include "big_endian.h"
#include "check.h"

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {198, 51, 100, 1};
static const uint8_t router_ip[4] = {198, 51, 100, 254};

// peer_of finds whose frame this is by its destination.
static struct peer *peer_of(struct rig *rig, const uint8_t *ip, const uint8_t *tcp)
{
	uint32_t index = get16(ip + 18) * PORTS_A_PEER + get16(tcp + 2) - FIRST_PORT;
	return index < rig->peer_count ? &rig->peers[index] : NULL;
}

// heed takes what the stack sent: it notes what it acknowledges and sends.
static void heed(struct rig *rig, const uint8_t *frame)
{
	struct tcp_segment segment;
	const uint8_t *ip = frame + 14;
	if (get16(frame + 12) != 0x0800 || ip[9] != NET_PROTOCOL_TCP)
		return;
	struct peer *peer = peer_of(rig, ip, ip + 20);
	CHECK(peer && tcp_segment_parse(ip + 20, get16(ip + 2) - 20u, &segment));
	segment.payload_bytes = get16(ip + 2) - 20u - segment.header_bytes;
	peer->ack = tcp_segment_end(&segment);
}

static uint16_t rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct rig *rig = container_of(port, struct rig, port);
	for (uint16_t i = 0; i < count; i++)
		heed(rig, rte_pktmbuf_mtod(mbufs[i], const uint8_t *));
	rig->sent_frames += count;
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
}

static const struct port_ops ops = {rx, tx};

static struct rte_mbuf *frame_of(struct rig *rig, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->mbufs);
	CHECK(mbuf);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
	memset(frame, 0, bytes);
	memcpy(frame, our_mac, 6);
	memcpy(frame + 6, router_mac, 6);
	mbuf->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

struct rte_mbuf *scale_segment(struct rig *rig, uint32_t index, uint8_t flags, uint32_t payload)
{
	struct peer *peer = &rig->peers[index];
	struct tcp_segment segment = {
		.source_port = (uint16_t)(FIRST_PORT + index % PORTS_A_PEER),
		.destination_port = 443,
		.seq = peer->nxt,
		.ack = peer->ack,
		.flags = flags,
		.window = 65535,
		.has_timestamps = true,
		.ts_value = 1,
	};
	if (flags & TCP_SYN) {
		segment.has_mss = segment.is_sack_permitted = segment.has_scale = true;
		segment.mss = 1460;
	}
	uint8_t header[TCP_HEADER_MAX_BYTES];
	uint32_t bytes = tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = frame_of(rig, 34 + bytes + payload);
	uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 14);
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 20 + bytes + payload);
	ip[8] = 64;
	ip[9] = NET_PROTOCOL_TCP;
	ip[12] = 10;
	ip[13] = 1;
	put16(ip + 14, index / PORTS_A_PEER);
	memcpy(ip + 16, our_ip, 4);
	memcpy(ip + 20, header, bytes);
	segment.payload_bytes = payload;
	peer->nxt = tcp_segment_end(&segment);
	return mbuf;
}

struct rte_mbuf *scale_router(struct rig *rig)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 2};
	struct rte_mbuf *mbuf = frame_of(rig, 60);
	uint8_t *arp = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 14);
	put16(arp - 2, 0x0806);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + 8, router_mac, 6);
	memcpy(arp + 14, router_ip, 4);
	memcpy(arp + 18, our_mac, 6);
	memcpy(arp + 24, our_ip, 4);
	return mbuf;
}

void scale_make_net(struct rig *rig)
{
	struct net_config config = {
		.limits = {.neighbour_count = 16, .neighbour_queue = 64, .icmp_per_second = 100},
		.mbufs = rig->mbufs,
		.wheel = &rig->wheel,
		.random = &rig->random,
		.counters = &rig->counters,
	};
	rig->port = (struct port){
		.ops = &ops,
		.mac = {2, 0, 0, 0, 0, 1},
		.mtu = 1500,
		.can_checksum_ip4_tx = true,
		.can_checksum_l4_tx = true,
		.can_checksum_rx = true,
		.can_segment = true,
		.can_scatter_tx = true,
	};
	rig->ports[0] = &rig->port;
	rig->net = bench_net_new(&config, rig->ports, "198.51.100.1/24", "198.51.100.254");
}
