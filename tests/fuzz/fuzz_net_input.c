// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames from the wire: Ethernet, ARP, neighbour discovery, IPv4, IPv6, ICMP. An input
// is a run of frames, each after a byte of options and two of length. Whatever comes, every mbuf
// returns to its pool. The frames' checksums are taken as good, or nothing would get past them.
#include "check.h"
#include "fuzz_frame.h"

#define OPTION_ADVANCE 2u // a second passes before
#define OPTION_SEND    4u // we send to the frame's source afterwards, so that there are neighbours

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

static struct rte_mbuf *frame_of(const uint8_t *at, size_t bytes, bool is_split)
{
	struct rte_mbuf *mbuf = fuzz_frame_of(at, bytes, is_split);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

// send_back sends a segment to the IPv4 or IPv6 source that the frame may have named.
static void send_back(struct fuzz_net *world, const uint8_t *at, size_t bytes)
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

static void run_frame(void *user, uint8_t options, const uint8_t *at, size_t bytes)
{
	struct fuzz_net *world = user;
	struct rte_mbuf *mbuf = frame_of(at, bytes, options & FUZZ_FRAME_SPLIT);
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
	static const struct port_ops ops = {fuzz_frame_no_rx, swallow};
	static const struct net_upper upper = {take, take_error, NULL};
	struct fuzz_net world = {.port.can_checksum_rx = true};
	fuzz_frame_open(&world, &ops);
	net_register(world.net, NET_PROTOCOL_TCP, &upper);
	net_register(world.net, NET_PROTOCOL_UDP, &upper); // no checksum: gets past reassembly
	fuzz_frame_each(data, size, &world, run_frame);
	fuzz_frame_close(&world);
	return 0;
}
