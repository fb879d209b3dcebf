// SPDX-License-Identifier: Apache-2.0
// Mbufs taken from the pool together, and references to other mbufs' bytes made of them.
#include "net_priv.h"

#include "check.h"

void net_stash_begin(struct net_stash *stash, struct net *net, uint32_t wanted)
{
	stash->net = net;
	stash->wanted = wanted;
	stash->count = 0;
}

// fill takes what is wanted yet; a pool that has not so much is asked one by one.
static void fill(struct net_stash *stash)
{
	uint32_t count = MIN(stash->wanted, NET_STASH);
	stash->wanted -= count;
	if (rte_pktmbuf_alloc_bulk(stash->net->config.mbufs, stash->mbufs, count) == 0)
		stash->count = count;
	else
		stash->wanted = 0;
}

struct rte_mbuf *net_stash_take(struct net_stash *stash)
{
	if (stash->count == 0 && stash->wanted > 0)
		fill(stash);
	return stash->count > 0 ? stash->mbufs[--stash->count] : net_alloc(stash->net);
}

void net_stash_end(struct net_stash *stash)
{
	rte_pktmbuf_free_bulk(stash->mbufs, stash->count);
	stash->count = 0;
}

// attach_part appends a reference to bytes bytes from offset of segment source. False without
// mbufs.
static bool attach_part(struct net_stash *stash, struct rte_mbuf *to, struct rte_mbuf *source,
			uint32_t offset, uint32_t bytes)
{
	struct rte_mbuf *part = net_stash_take(stash);
	if (!part)
		return false;
	rte_pktmbuf_attach(part, source);
	part->data_off = (uint16_t)(source->data_off + offset);
	part->data_len = (uint16_t)bytes;
	part->pkt_len = bytes;
	part->next = NULL;
	part->nb_segs = 1;
	CHECK(rte_pktmbuf_chain(to, part) == 0);
	return true;
}

bool net_attach_bytes(struct net_stash *stash, struct rte_mbuf *to, struct rte_mbuf *from,
		      uint32_t offset, uint32_t bytes)
{
	while (offset >= from->data_len) {
		offset -= from->data_len;
		from = from->next;
	}
	for (; bytes > 0; from = from->next, offset = 0) {
		uint32_t part = MIN((uint32_t)from->data_len - offset, bytes);
		if (part > 0 && !attach_part(stash, to, from, offset, part))
			return false;
		bytes -= part;
	}
	return true;
}
