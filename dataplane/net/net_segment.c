// SPDX-License-Identifier: Apache-2.0
// A large segment of TCP on its way to a port that does not cut it (no TSO): into pieces as the
// path takes them. Headers are made for the first piece and the last. Between them pieces are of
// one length, so all they have of their own is sequence number, checksum and payload.
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define SEQ_AT           4u // in TCP's header
#define FLAGS_AT         13u
#define CHECKSUM_AT      16u
#define FLAGS_OF_FIRST   0x80u // CWR
#define FLAGS_OF_LAST    0x09u // FIN, PSH
#define TCP_HEADER_BYTES 60u   // at most

struct cutting {
	struct net *net;
	const struct net_nexthop *hop;
	const struct net_tx *tx;
	const struct port *port;
	struct rte_mbuf *whole;
	struct net_stash stash;
	uint32_t seq; // of whole
	// Of a piece in the middle:
	uint64_t ol_flags;
	uint64_t tx_offload;
	uint32_t ip_bytes;
	uint16_t sum; // of pseudo header and TCP header, sequence number and checksum 0
	uint8_t headers[NET_IP6_BYTES + TCP_HEADER_BYTES];
};

// add_payload appends bytes bytes of the whole from offset of its payload on; false without mbufs.
static bool add_payload(struct cutting *cut, struct rte_mbuf *piece, uint32_t offset,
			uint32_t bytes)
{
	uint32_t at = cut->tx->l4_header_bytes + offset;
	if (cut->port->can_scatter_tx || rte_pktmbuf_tailroom(piece) < bytes)
		return net_attach_bytes(&cut->stash, piece, cut->whole, at, bytes);
	net_copy_bytes(cut->whole, at, bytes, net_append(piece, bytes));
	return true;
}

// begin returns a piece of a TCP header, to be written, and bytes of payload from offset on. NULL,
// counted, without mbufs.
static struct rte_mbuf *begin(struct cutting *cut, uint32_t offset, uint32_t bytes)
{
	struct rte_mbuf *piece = net_stash_take(&cut->stash);
	if (!piece)
		return NULL;
	net_append(piece, cut->tx->l4_header_bytes);
	if (add_payload(cut, piece, offset, bytes))
		return piece;
	rte_pktmbuf_free(piece);
	return NULL;
}

// make_end returns the first or the last piece, with its headers; NULL, counted, without mbufs.
static struct rte_mbuf *make_end(struct cutting *cut, uint32_t offset)
{
	uint32_t header_bytes = cut->tx->l4_header_bytes;
	uint32_t left = rte_pktmbuf_pkt_len(cut->whole) - header_bytes - offset;
	uint32_t bytes = MIN(left, (uint32_t)cut->tx->segment_bytes);
	struct rte_mbuf *piece = begin(cut, offset, bytes);
	if (!piece)
		return NULL;
	uint8_t *header = rte_pktmbuf_mtod(piece, uint8_t *);
	memcpy(header, rte_pktmbuf_mtod(cut->whole, uint8_t *), header_bytes);
	net_put32(header + SEQ_AT, cut->seq + offset);
	if (bytes < left)
		header[FLAGS_AT] &= (uint8_t)~FLAGS_OF_LAST;
	if (offset > 0)
		header[FLAGS_AT] &= (uint8_t)~FLAGS_OF_FIRST;
	net_transport_push(cut->net, cut->hop, piece, cut->tx);
	return piece;
}

// keep_headers takes from the first piece what those in the middle have in common with it.
static void keep_headers(struct cutting *cut, const struct rte_mbuf *first)
{
	uint32_t tcp_bytes = cut->tx->l4_header_bytes;
	cut->ip_bytes = first->l3_len;
	cut->ol_flags = first->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
	cut->tx_offload = first->tx_offload;
	memcpy(cut->headers, rte_pktmbuf_mtod(first, const uint8_t *), cut->ip_bytes + tcp_bytes);
	uint8_t *tcp = cut->headers + cut->ip_bytes;
	tcp[FLAGS_AT] &= (uint8_t)~FLAGS_OF_FIRST;
	if (cut->port->can_checksum_l4_tx)
		return;
	uint32_t sum = net_cksum_pseudo(&cut->tx->local, &cut->tx->remote, NET_PROTOCOL_TCP,
					tcp_bytes + cut->tx->segment_bytes);
	memset(tcp + SEQ_AT, 0, 4);
	memset(tcp + CHECKSUM_AT, 0, 2);
	cut->sum = net_cksum_fold(sum + net_cksum_bytes(tcp, tcp_bytes));
}

// make_middle returns a piece that is neither first nor last.
static struct rte_mbuf *make_middle(struct cutting *cut, uint32_t offset)
{
	uint32_t header_bytes = cut->ip_bytes + cut->tx->l4_header_bytes;
	uint32_t bytes = cut->tx->segment_bytes;
	struct rte_mbuf *piece = begin(cut, offset, bytes);
	if (!piece)
		return NULL;
	uint32_t seq = rte_cpu_to_be_32(cut->seq + offset);
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(piece, (uint16_t)cut->ip_bytes);
	CHECK(header);
	memcpy(header, cut->headers, header_bytes);
	uint8_t *tcp = header + cut->ip_bytes;
	memcpy(tcp + SEQ_AT, &seq, 4);
	piece->ol_flags |= cut->ol_flags;
	piece->tx_offload = cut->tx_offload;
	if (cut->port->can_checksum_l4_tx)
		return piece;
	uint16_t sum = net_cksum_fold((uint64_t)cut->sum + seq);
	sum = (uint16_t)~net_cksum_l4(piece, header_bytes, bytes, sum);
	memcpy(tcp + CHECKSUM_AT, &sum, 2);
	return piece;
}

// make returns the piece at offset of payload_bytes.
static struct rte_mbuf *make(struct cutting *cut, uint32_t offset, uint32_t payload_bytes)
{
	if (offset > 0 && payload_bytes - offset > cut->tx->segment_bytes)
		return make_middle(cut, offset);
	struct rte_mbuf *piece = make_end(cut, offset);
	if (piece && offset == 0)
		keep_headers(cut, piece);
	return piece;
}

int net_segment(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		const struct net_tx *tx)
{
	struct cutting cut;
	uint32_t payload_bytes = rte_pktmbuf_pkt_len(mbuf) - tx->l4_header_bytes;
	uint32_t count = (payload_bytes + tx->segment_bytes - 1) / tx->segment_bytes;
	int error = 0;
	cut.net = net;
	cut.hop = hop;
	cut.tx = tx;
	cut.port = net->ports[hop->port_index].port;
	cut.whole = mbuf;
	cut.seq = net_get32(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, SEQ_AT));
	net_stash_begin(&cut.stash, net, cut.port->can_scatter_tx ? 2 * count : count);
	for (uint32_t offset = 0; offset < payload_bytes && !error; offset += tx->segment_bytes) {
		struct rte_mbuf *piece = make(&cut, offset, payload_bytes);
		error = piece ? net_ip_emit(net, hop, piece) : ENOBUFS;
		counter_inc(net->config.counters, COUNTER_net_software_segments);
	}
	net_stash_end(&cut.stash);
	rte_pktmbuf_free(mbuf);
	return error;
}
