// SPDX-License-Identifier: Apache-2.0
// Fragments on their way in: put together within bounds (RFC 791, RFC 815; RFC 8200 4.5, RFC 5722).
// A datagram that any fragment overlaps is refused whole, with what still comes of it; the table is
// small, the oldest makes room, and no source may hold more than a share of it. rte_ip_frag is not
// used: it has no rule for overlaps and duplicates, eight fragments a datagram, and no share.
#include "net_frag.h"
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHARE           4u // a source may hold 1/SHARE of the datagrams and of the fragments
#define MBUFS_PER_TABLE 8u // fragments hold at most 1/8 of the packets
#define DATAGRAM_MAX    65535u

// tag_of names a datagram, or only its source (an IPv6 source is its /64); never 0.
static uint32_t tag_of(const struct net_frag_table *table, const struct packet *packet,
		       const struct net_fragment *part)
{
	uint8_t name[37] = {0};
	size_t bytes = addr_is_v4(&packet->source) ? 16 : 8;
	memcpy(name, packet->source.bytes, part ? 16 : bytes);
	if (part) {
		memcpy(name + 16, packet->destination.bytes, 16);
		memcpy(name + 32, &part->id, 4);
		name[36] = addr_is_v4(&packet->source) ? part->protocol : 0;
	}
	return (uint32_t)siphash(&table->key, name, sizeof(name)) | 1;
}

static bool is_same(const struct net_datagram *datagram, const struct packet *packet,
		    const struct net_fragment *part)
{
	return datagram->id == part->id && addr_equal(&datagram->source, &packet->source) &&
	       addr_equal(&datagram->destination, &packet->destination) &&
	       (!addr_is_v4(&packet->source) || datagram->protocol == part->protocol);
}

static struct net_datagram *find(const struct net_frag_table *table, uint32_t tag,
				 const struct packet *packet, const struct net_fragment *part)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->tags[i] == tag && is_same(&table->datagrams[i], packet, part))
			return &table->datagrams[i];
	return NULL;
}

// empty frees what a datagram holds.
static void empty(struct net *net, struct net_datagram *datagram, enum counter reason)
{
	for (uint32_t i = 0; i < datagram->held_count; i++) {
		net->frags.mbuf_count -= datagram->held[i].segment_count;
		net_drop(net, datagram->held[i].mbuf, reason);
	}
	datagram->held_count = datagram->held_bytes = 0;
	counter_set(net->config.counters, COUNTER_net_fragments, net->frags.mbuf_count);
}

static void forget(struct net *net, struct net_datagram *datagram, enum counter reason)
{
	struct net_frag_table *table = &net->frags;
	empty(net, datagram, reason);
	table->tags[datagram - table->datagrams] = 0;
	list_remove(&datagram->link);
	list_append(&table->free, &datagram->link);
}

// refuse drops a datagram's fragments, the one in mbuf, and what will follow of it.
static void refuse(struct net *net, struct net_datagram *datagram, struct rte_mbuf *mbuf,
		   enum counter reason)
{
	empty(net, datagram, reason);
	datagram->is_refused = true;
	datagram->reason = reason;
	net_drop(net, mbuf, reason);
}

// expire ends the datagrams whose rest did not come; their senders hear of it when the first
// fragment did (RFC 792, RFC 4443 3.3).
static void expire(struct wheel_timer *timer, uint64_t now_us)
{
	struct net *net = container_of(timer, struct net, frags.timer);
	struct list *in_use = &net->frags.in_use;
	while (!list_is_empty(in_use)) {
		struct net_datagram *oldest = container_of(in_use->next, struct net_datagram, link);
		if (oldest->due_us > now_us) {
			wheel_arm(net->config.wheel, timer, oldest->due_us);
			return;
		}
		if (oldest->held_count > 0 && oldest->held[0].offset == 0) {
			struct rte_mbuf *mbuf = oldest->held[0].mbuf;
			struct net_frame frame = {.mbuf = mbuf,
						  .port_index = packet_of(mbuf)->port_index,
						  .l3_offset = (uint16_t)mbuf->l2_len,
						  .protocol = oldest->protocol};
			net_icmp_error(net, &frame, NET_ICMP_REASSEMBLY, 0);
		}
		forget(net, oldest, COUNTER_drop_frag_timeout);
	}
}

// What one source holds of the table.
struct share {
	struct net_datagram *oldest; // with mbufs
	uint32_t datagram_count;
	uint32_t mbuf_count;
};

static struct share share_of(const struct net_frag_table *table, uint32_t source_tag,
			     const struct net_datagram *except)
{
	struct share share = {0};
	for (uint32_t i = 0; i < table->count; i++) {
		struct net_datagram *one = &table->datagrams[i];
		if (table->tags[i] == 0 || table->source_tags[i] != source_tag)
			continue;
		share.datagram_count++;
		for (uint32_t j = 0; j < one->held_count; j++)
			share.mbuf_count += one->held[j].segment_count;
		if (one != except && (!share.oldest || one->due_us < share.oldest->due_us))
			share.oldest = one;
	}
	return share;
}

// add makes a datagram for a first arrival: the source's own oldest makes room when it has its
// share, else the oldest of all.
static struct net_datagram *add(struct net *net, uint32_t tag, const struct packet *packet,
				const struct net_fragment *part)
{
	struct net_frag_table *table = &net->frags;
	uint32_t source_tag = tag_of(table, packet, NULL);
	struct share share = share_of(table, source_tag, NULL);
	if (share.datagram_count >= MAX(table->count / SHARE, 1u))
		forget(net, share.oldest, COUNTER_drop_frag_full);
	else if (list_is_empty(&table->free))
		forget(net, container_of(table->in_use.next, struct net_datagram, link),
		       COUNTER_drop_frag_full);
	struct net_datagram *datagram =
		container_of(list_pop(&table->free), struct net_datagram, link);
	uint32_t index = (uint32_t)(datagram - table->datagrams);
	*datagram = (struct net_datagram){.held = datagram->held,
					  .source = packet->source,
					  .destination = packet->destination,
					  .id = part->id,
					  .protocol = part->protocol,
					  .due_us = net->now_us +
						    net->config.limits.fragment_time_ms * 1000ull};
	if (list_is_empty(&table->in_use))
		wheel_arm(net->config.wheel, &table->timer, datagram->due_us);
	list_init(&datagram->link);
	list_append(&table->in_use, &datagram->link);
	table->tags[index] = tag;
	table->source_tags[index] = source_tag;
	return datagram;
}

// make_room forgets others until count more mbufs fit: of the source beyond its share first.
static bool make_room(struct net *net, const struct net_datagram *datagram, uint32_t count)
{
	struct net_frag_table *table = &net->frags;
	uint32_t source_tag = table->source_tags[datagram - table->datagrams];
	uint32_t own_max = MAX(table->mbuf_max / SHARE, 1u);
	struct share share = share_of(table, source_tag, datagram);
	while (share.mbuf_count + count > own_max) {
		if (!share.oldest)
			return false;
		forget(net, share.oldest, COUNTER_drop_frag_full);
		share = share_of(table, source_tag, datagram);
	}
	while (table->mbuf_count + count > table->mbuf_max) {
		struct list *oldest = table->in_use.next;
		if (oldest == &datagram->link)
			oldest = oldest->next;
		if (oldest == &table->in_use)
			return false;
		forget(net, container_of(oldest, struct net_datagram, link),
		       COUNTER_drop_frag_full);
	}
	return true;
}

// check_part finds what is wrong with a fragment by itself; COUNTER_COUNT: nothing.
static enum counter check_part(struct net *net, const struct net_frame *frame,
			       const struct net_fragment *part)
{
	const struct packet *packet = packet_of(frame->mbuf);
	bool is_v4 = addr_is_v4(&packet->source);
	uint32_t headers = packet->l4_offset - frame->l3_offset - (is_v4 ? 0 : 48u);
	if (headers + part->offset + packet->l4_bytes > DATAGRAM_MAX) {
		if (!is_v4) // the fragment offset field (RFC 8200 4.5)
			net_icmp_error(net, frame, NET_ICMP_FIELD, headers + 42);
		return COUNTER_drop_frag_too_long;
	}
	if (packet->l4_bytes == 0)
		return COUNTER_drop_frag_malformed;
	if (part->is_more && packet->l4_bytes % 8 != 0) {
		if (!is_v4) // the payload length field
			net_icmp_error(net, frame, NET_ICMP_FIELD, 4);
		return COUNTER_drop_frag_malformed;
	}
	if (part->offset == 0 && !part->is_chain_whole) {
		if (!is_v4) // RFC 7112 5
			net_icmp_error(net, frame, NET_ICMP_CHAIN, 0);
		return COUNTER_drop_frag_tiny;
	}
	return COUNTER_COUNT;
}

// check_place finds where a fragment belongs among those held, or why it must not be there.
static enum counter check_place(const struct net_datagram *datagram, const struct rte_mbuf *mbuf,
				const struct net_fragment *part, uint32_t *place)
{
	uint32_t bytes = packet_of((struct rte_mbuf *)mbuf)->l4_bytes;
	uint32_t end = part->offset + bytes;
	uint32_t i = 0;
	while (i < datagram->held_count && datagram->held[i].offset < part->offset)
		i++;
	*place = i;
	const struct net_held *next = i < datagram->held_count ? &datagram->held[i] : NULL;
	const struct net_held *previous = i > 0 ? &datagram->held[i - 1] : NULL;
	if (next && next->offset == part->offset && next->bytes == bytes)
		return COUNTER_drop_frag_duplicate;
	if ((next && end > next->offset) ||
	    (previous && previous->offset + previous->bytes > part->offset))
		return COUNTER_drop_frag_overlap;
	if (part->is_more ? datagram->end && end >= datagram->end : datagram->end || next)
		return COUNTER_drop_frag_malformed; // beyond the end, or a second end
	return COUNTER_COUNT;
}

static void hold(struct net *net, struct net_datagram *datagram, struct rte_mbuf *mbuf,
		 const struct net_fragment *part, uint32_t place)
{
	const struct packet *packet = packet_of(mbuf);
	struct net_held *at = &datagram->held[place];
	memmove(at + 1, at, (datagram->held_count - place) * sizeof(*at));
	*at = (struct net_held){mbuf, part->offset, packet->l4_bytes, mbuf->nb_segs};
	datagram->held_count++;
	datagram->held_bytes += packet->l4_bytes;
	datagram->ecn_seen = (uint8_t)(datagram->ecn_seen | 1u << packet->ecn);
	if (!part->is_more)
		datagram->end = part->offset + packet->l4_bytes;
	if (part->offset == 0) {
		datagram->protocol = part->protocol;
		datagram->next_at = part->next_at;
	}
	net->frags.mbuf_count += mbuf->nb_segs;
	counter_set(net->config.counters, COUNTER_net_fragments, net->frags.mbuf_count);
}

// is_complete holds the fragment in mbuf, or drops it; true when the datagram is whole now.
static bool is_complete(struct net *net, struct net_datagram *datagram, struct rte_mbuf *mbuf,
			const struct net_fragment *part)
{
	uint32_t place = 0;
	if (datagram->is_refused) {
		net_drop(net, mbuf, datagram->reason);
		return false;
	}
	enum counter reason = check_place(datagram, mbuf, part, &place);
	if (reason == COUNTER_drop_frag_duplicate) {
		net_drop(net, mbuf, reason);
		return false;
	}
	if (reason == COUNTER_COUNT &&
	    datagram->held_count == net->config.limits.fragments_per_datagram)
		reason = COUNTER_drop_frag_too_many;
	if (reason == COUNTER_COUNT && !make_room(net, datagram, mbuf->nb_segs))
		reason = COUNTER_drop_frag_full;
	if (reason != COUNTER_COUNT) {
		refuse(net, datagram, mbuf, reason);
		return false;
	}
	hold(net, datagram, mbuf, part, place);
	return datagram->end && datagram->held_bytes == datagram->end;
}

// put_together gives the whole packet to IP again. CE beside a fragment that knows no ECN is
// somebody's mistake (RFC 3168 5.3).
static void put_together(struct net *net, struct net_datagram *datagram)
{
	if ((datagram->ecn_seen & 9) == 9) {
		forget(net, datagram, COUNTER_drop_frag_malformed);
		return;
	}
	for (uint32_t i = 0; i < datagram->held_count; i++)
		net->frags.mbuf_count -= datagram->held[i].segment_count;
	struct rte_mbuf *mbuf = net_frag_join(datagram);
	datagram->held_count = 0;
	forget(net, datagram, COUNTER_drop_frag_full);
	counter_inc(net->config.counters, COUNTER_net_reassembled);
	struct net_frame frame = {.mbuf = mbuf,
				  .port_index = packet_of(mbuf)->port_index,
				  .l3_offset = (uint16_t)mbuf->l2_len,
				  .was_fragment = true};
	if (addr_is_v4(&packet_of(mbuf)->source))
		net_ip4_input(net, &frame);
	else
		net_ip6_input(net, &frame);
}

// is_wanted is false for fragments of what only the kernel may know; it puts them together itself.
static bool is_wanted(const struct net *net, const struct net_fragment *part)
{
	return part->protocol == NET_PROTOCOL_ICMP4 || part->protocol == NET_PROTOCOL_ICMP6 ||
	       part->is_chain_longer || net_upper_of(net, part->protocol);
}

// hand_over gives a fragment to the worker that puts together what comes between its addresses.
static bool hand_over(struct net *net, const struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	if (net->config.worker_count <= 1 || frame->is_handed)
		return false;
	uint32_t owner = net_owner(net, &packet->destination, 0, &packet->source, 0);
	if (owner == net->config.worker_index)
		return false;
	frame->mbuf->packet_type = RTE_PTYPE_L4_FRAG;
	counter_inc(net->config.counters, COUNTER_net_handed_out);
	net->config.handoff(net->config.user, owner, frame->mbuf);
	return true;
}

void net_frag_input(struct net *net, struct net_frame *frame, const struct net_fragment *part)
{
	struct net_frag_table *table = &net->frags;
	struct packet *packet = packet_of(frame->mbuf);
	if (!is_wanted(net, part)) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_ip_protocol);
		return;
	}
	if (hand_over(net, frame))
		return;
	net_trim(frame->mbuf,
		 rte_pktmbuf_pkt_len(frame->mbuf) - packet->l4_offset - packet->l4_bytes);
	enum counter reason = check_part(net, frame, part);
	if (reason == COUNTER_COUNT && table->count == 0)
		reason = COUNTER_drop_frag_full;
	if (reason != COUNTER_COUNT) {
		net_drop(net, frame->mbuf, reason);
		return;
	}
	uint32_t tag = tag_of(table, packet, part);
	struct net_datagram *datagram = find(table, tag, packet, part);
	if (!datagram)
		datagram = add(net, tag, packet, part);
	if (is_complete(net, datagram, frame->mbuf, part))
		put_together(net, datagram);
}

int net_frag_init(struct net *net)
{
	struct net_frag_table *table = &net->frags;
	uint32_t count = net->config.limits.fragment_datagrams;
	uint32_t depth = net->config.limits.fragments_per_datagram;
	wheel_timer_init(&table->timer, expire);
	list_init(&table->free);
	list_init(&table->in_use);
	if (count == 0 || depth == 0)
		return 0;
	table->datagrams = calloc(count, sizeof(*table->datagrams));
	table->held = calloc((size_t)count * depth, sizeof(*table->held));
	table->tags = calloc(count, sizeof(*table->tags));
	table->source_tags = calloc(count, sizeof(*table->source_tags));
	if (!table->datagrams || !table->held || !table->tags || !table->source_tags)
		return ENOMEM;
	table->key = random_key(net->config.random);
	table->count = count;
	table->mbuf_max =
		MIN(net->config.limits.fragments, net->config.mbufs->size / MBUFS_PER_TABLE);
	for (uint32_t i = 0; i < count; i++) {
		struct net_datagram *datagram = &table->datagrams[i];
		datagram->held = table->held + (size_t)i * depth;
		list_init(&datagram->link);
		list_append(&table->free, &datagram->link);
	}
	return 0;
}

void net_frag_fini(struct net *net)
{
	struct net_frag_table *table = &net->frags;
	if (net->config.wheel && table->datagrams)
		wheel_disarm(net->config.wheel, &table->timer);
	for (uint32_t i = 0; i < table->count; i++)
		empty(net, &table->datagrams[i], COUNTER_drop_frag_timeout);
	free(table->datagrams);
	free(table->held);
	free(table->tags);
	free(table->source_tags);
}
