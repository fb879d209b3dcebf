// SPDX-License-Identifier: Apache-2.0
// Received bytes of one connection; see tcp_reass.h.
#include "tcp_reass.h"

#include "check.h"
#include "net.h"

static_assert(sizeof(struct tcp_early) <= sizeof(struct packet));

static struct tcp_range range_of(struct rte_mbuf *mbuf)
{
	struct tcp_early *early = tcp_early_of(mbuf);
	return (struct tcp_range){early->seq, seq_plus(early->seq, early->bytes)};
}

struct rte_mbuf *tcp_reass_trim_front(struct rte_mbuf *mbuf, uint32_t bytes)
{
	uint32_t left_bytes = mbuf->pkt_len - bytes;
	uint16_t segments = mbuf->nb_segs;
	while (mbuf->next && bytes >= mbuf->data_len) {
		struct rte_mbuf *next = mbuf->next;
		bytes -= mbuf->data_len;
		segments--;
		rte_pktmbuf_free_seg(mbuf);
		mbuf = next;
	}
	mbuf->data_off = (uint16_t)(mbuf->data_off + bytes);
	mbuf->data_len = (uint16_t)(mbuf->data_len - bytes);
	mbuf->pkt_len = left_bytes;
	mbuf->nb_segs = segments;
	return mbuf;
}

void tcp_reass_trim_back(struct rte_mbuf *mbuf, uint32_t bytes)
{
	struct rte_mbuf *segment = mbuf;
	uint16_t segments = 1;
	mbuf->pkt_len = bytes;
	while (bytes > segment->data_len && segment->next) {
		bytes -= segment->data_len;
		segment = segment->next;
		segments++;
	}
	segment->data_len = (uint16_t)MIN(bytes, segment->data_len);
	rte_pktmbuf_free(segment->next);
	segment->next = NULL;
	mbuf->nb_segs = segments;
}

// join copies a small packet behind the last in-order bytes when that mbuf is ours alone to write.
static bool join(struct tcp_reass *reass, const struct rte_mbuf *mbuf)
{
	struct rte_mbuf *last = reass->last;
	uint16_t bytes = mbuf->data_len;
	if (!last || mbuf->next || bytes > TCP_REASS_COPY || !RTE_MBUF_DIRECT(last) ||
	    rte_mbuf_refcnt_read(last) != 1 || rte_pktmbuf_tailroom(last) < bytes)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len),
	       rte_pktmbuf_mtod(mbuf, const uint8_t *), bytes);
	last->data_len = (uint16_t)(last->data_len + bytes);
	return true;
}

// append puts a packet at the end of the in-order chain; empty mbufs are freed.
static void append(struct tcp_reass *reass, struct rte_mbuf *mbuf)
{
	reass->queued_bytes += mbuf->pkt_len;
	if (join(reass, mbuf)) {
		rte_pktmbuf_free_seg(mbuf);
		return;
	}
	while (mbuf) {
		struct rte_mbuf *next = mbuf->next;
		mbuf->next = NULL;
		mbuf->nb_segs = 1;
		if (mbuf->data_len == 0) {
			rte_pktmbuf_free_seg(mbuf);
		} else {
			if (reass->last)
				reass->last->next = mbuf;
			else
				reass->first = mbuf;
			reass->last = mbuf;
			reass->mbuf_count++;
		}
		mbuf = next;
	}
}

// pop_early unlinks the first early packet.
static struct rte_mbuf *pop_early(struct tcp_reass *reass)
{
	struct rte_mbuf *mbuf = reass->early_first;
	reass->early_first = tcp_early_of(mbuf)->next;
	if (!reass->early_first)
		reass->early_last = NULL;
	reass->early_count--;
	reass->mbuf_count -= mbuf->nb_segs;
	return mbuf;
}

// drain moves early packets that *next reached to the in-order chain. They do not overlap.
static void drain(struct tcp_reass *reass, struct tcp_seq *next)
{
	while (reass->early_first && seq_equal(tcp_early_of(reass->early_first)->seq, *next)) {
		struct rte_mbuf *mbuf = pop_early(reass);
		*next = seq_plus(*next, mbuf->pkt_len);
		append(reass, mbuf);
	}
}

// previous_of finds the last early packet that starts at or before seq, NULL for none.
static struct rte_mbuf *previous_of(const struct tcp_reass *reass, struct tcp_seq seq)
{
	if (reass->early_last && seq_at_or_before(tcp_early_of(reass->early_last)->seq, seq))
		return reass->early_last;
	struct rte_mbuf *previous = NULL;
	struct rte_mbuf *at = reass->early_first;
	while (at && seq_at_or_before(tcp_early_of(at)->seq, seq)) {
		previous = at;
		at = tcp_early_of(at)->next;
	}
	return previous;
}

static void link_after(struct tcp_reass *reass, struct rte_mbuf *previous, struct rte_mbuf *mbuf)
{
	struct rte_mbuf **link = previous ? &tcp_early_of(previous)->next : &reass->early_first;
	tcp_early_of(mbuf)->next = *link;
	*link = mbuf;
	if (reass->early_last == previous)
		reass->early_last = mbuf;
	reass->early_count++;
	reass->mbuf_count += mbuf->nb_segs;
}

// note_recent puts seq first among the newest; a run that grew there, next to seq, is told by it.
static void note_recent(struct tcp_reass *reass, struct tcp_seq seq, const struct tcp_seq *grown)
{
	unsigned at = 0;
	while (at + 1 < TCP_REASS_RECENT && !seq_equal(reass->recent[at], seq) &&
	       !(grown && seq_equal(reass->recent[at], *grown)))
		at++;
	memmove(&reass->recent[1], &reass->recent[0], at * sizeof(reass->recent[0]));
	reass->recent[0] = seq;
}

void tcp_reass_note_twice(struct tcp_reass *reass, struct tcp_seq seq, struct tcp_seq end)
{
	if (!seq_before(seq, end))
		return;
	reass->has_twice = true;
	reass->twice = (struct tcp_range){seq, end};
}

// note_early notes what of a segment is held early already: by previous, the last early packet that
// starts before it, or by the one after that.
static void note_early(struct tcp_reass *reass, struct tcp_range segment, struct rte_mbuf *previous,
		       struct rte_mbuf *next)
{
	struct rte_mbuf *holder = next;
	if (previous && seq_before(segment.start, range_of(previous).end))
		holder = previous;
	if (!holder || !seq_before(range_of(holder).start, segment.end))
		return;
	struct tcp_range held = range_of(holder);
	tcp_reass_note_twice(reass, seq_later(held.start, segment.start),
			     seq_earlier(held.end, segment.end));
	note_recent(reass, held.start, NULL); // the block around it follows (RFC 2883 4.2.1)
}

// overwrite copies the bytes of from over those of to at offset, where there are enough.
static void overwrite(struct rte_mbuf *to, uint32_t offset, struct rte_mbuf *from)
{
	for (; from; from = from->next) {
		for (uint32_t done = 0; done < from->data_len;) {
			uint32_t room = offset < to->data_len ? to->data_len - offset : 0;
			uint32_t part = MIN(from->data_len - done, room);
			memcpy(rte_pktmbuf_mtod_offset(to, uint8_t *, offset),
			       rte_pktmbuf_mtod_offset(from, const uint8_t *, done), part);
			done += part;
			offset += part;
			if (part == room) {
				offset -= to->data_len;
				to = to->next;
			}
		}
	}
}

static bool is_writable(const struct rte_mbuf *mbuf)
{
	for (; mbuf; mbuf = mbuf->next)
		if (!RTE_MBUF_DIRECT(mbuf) || rte_mbuf_refcnt_read(mbuf) != 1)
			return false;
	return true;
}

// absorb takes the early packets behind previous that mbuf, the bytes of segment, covers: one
// packet for many, in which their bytes, which came first, stay.
static void absorb(struct tcp_reass *reass, struct rte_mbuf *previous, struct tcp_range segment,
		   struct rte_mbuf *mbuf)
{
	struct rte_mbuf **link = previous ? &tcp_early_of(previous)->next : &reass->early_first;
	if (!is_writable(mbuf))
		return;
	while (*link && seq_at_or_before(range_of(*link).end, segment.end)) {
		struct rte_mbuf *held = *link;
		overwrite(mbuf, seq_distance(segment.start, tcp_early_of(held)->seq), held);
		*link = tcp_early_of(held)->next;
		if (reass->early_last == held)
			reass->early_last = previous;
		reass->early_count--;
		reass->mbuf_count -= held->nb_segs;
		rte_pktmbuf_free(held);
	}
}

enum tcp_reass_result tcp_reass_add(struct tcp_reass *reass, struct tcp_seq *next,
				    struct tcp_seq seq, struct rte_mbuf *mbuf)
{
	struct tcp_seq end = seq_plus(seq, mbuf->pkt_len);
	struct tcp_seq start = seq_later(seq, *next);
	struct rte_mbuf *previous = previous_of(reass, start);
	struct rte_mbuf *after = previous ? tcp_early_of(previous)->next : reass->early_first;
	tcp_reass_note_twice(reass, seq, seq_earlier(*next, end));
	note_early(reass, (struct tcp_range){start, end}, previous, after);
	absorb(reass, previous, (struct tcp_range){seq, end}, mbuf);
	after = previous ? tcp_early_of(previous)->next : reass->early_first;
	if (previous)
		start = seq_later(start, range_of(previous).end);
	if (after)
		end = seq_earlier(end, tcp_early_of(after)->seq);
	if (!seq_before(start, end)) {
		rte_pktmbuf_free(mbuf);
		return TCP_REASS_DUPLICATE;
	}
	bool is_next = seq_equal(start, *next);
	if (!is_next && reass->early_count >= TCP_REASS_SEGMENTS) {
		rte_pktmbuf_free(mbuf);
		return TCP_REASS_FULL;
	}
	mbuf = tcp_reass_trim_front(mbuf, seq_distance(seq, start));
	tcp_reass_trim_back(mbuf, seq_distance(start, end));
	if (is_next) {
		append(reass, mbuf);
		*next = end;
		drain(reass, next);
		return TCP_REASS_IN_ORDER;
	}
	*tcp_early_of(mbuf) = (struct tcp_early){.seq = start, .bytes = mbuf->pkt_len};
	link_after(reass, previous, mbuf);
	bool has_grown = previous && seq_equal(range_of(previous).end, start);
	note_recent(reass, start, has_grown ? &tcp_early_of(previous)->seq : NULL);
	return TCP_REASS_EARLY;
}

struct slice tcp_reass_peek(const struct tcp_reass *reass)
{
	if (!reass->first)
		return (struct slice){0};
	return slice_of(rte_pktmbuf_mtod(reass->first, const char *), reass->first->data_len);
}

void tcp_reass_consume(struct tcp_reass *reass, uint32_t bytes)
{
	CHECK(bytes <= reass->queued_bytes);
	reass->queued_bytes -= bytes;
	while (bytes > 0) {
		struct rte_mbuf *mbuf = reass->first;
		uint32_t taken = MIN(bytes, (uint32_t)mbuf->data_len);
		bytes -= taken;
		if (taken < mbuf->data_len) {
			mbuf->data_off = (uint16_t)(mbuf->data_off + taken);
			mbuf->data_len = (uint16_t)(mbuf->data_len - taken);
			return;
		}
		reass->first = mbuf->next;
		reass->mbuf_count--;
		rte_pktmbuf_free_seg(mbuf);
	}
	if (!reass->first)
		reass->last = NULL;
}

// block_at returns the run of touching early packets that starts at *mbuf, and moves *mbuf past it.
static struct tcp_range block_at(struct rte_mbuf **mbuf)
{
	struct tcp_range block = range_of(*mbuf);
	*mbuf = tcp_early_of(*mbuf)->next;
	while (*mbuf && seq_equal(tcp_early_of(*mbuf)->seq, block.end)) {
		block.end = range_of(*mbuf).end;
		*mbuf = tcp_early_of(*mbuf)->next;
	}
	return block;
}

// rank_of is how many blocks are newer than block; TCP_REASS_RECENT when it is not remembered.
static unsigned rank_of(const struct tcp_reass *reass, struct tcp_range block)
{
	unsigned rank = 0;
	while (rank < TCP_REASS_RECENT && !seq_within(reass->recent[rank], block))
		rank++;
	return rank;
}

uint32_t tcp_reass_blocks(const struct tcp_reass *reass, struct tcp_range *out, uint32_t max)
{
	struct tcp_range ranked[TCP_REASS_RECENT], others[TCP_REASS_RECENT];
	bool is_ranked[TCP_REASS_RECENT] = {false};
	uint32_t other_count = 0;
	uint32_t count = 0;
	for (struct rte_mbuf *at = reass->early_first; at;) {
		struct tcp_range block = block_at(&at);
		unsigned rank = rank_of(reass, block);
		if (rank < TCP_REASS_RECENT) {
			ranked[rank] = block;
			is_ranked[rank] = true;
		} else if (other_count < TCP_REASS_RECENT) {
			others[other_count++] = block;
		}
	}
	if (reass->has_twice && max > 0)
		out[count++] = reass->twice;
	for (unsigned rank = 0; rank < TCP_REASS_RECENT && count < max; rank++)
		if (is_ranked[rank])
			out[count++] = ranked[rank];
	for (uint32_t i = 0; i < other_count && count < max; i++)
		out[count++] = others[i];
	return count;
}

bool tcp_reass_reaches(const struct tcp_reass *reass, struct tcp_seq seq)
{
	return reass->early_last && seq_before(seq, range_of(reass->early_last).end);
}

void tcp_reass_drop_early(struct tcp_reass *reass)
{
	while (reass->early_first)
		rte_pktmbuf_free(pop_early(reass));
}

void tcp_reass_clear(struct tcp_reass *reass)
{
	tcp_reass_drop_early(reass);
	if (reass->queued_bytes)
		tcp_reass_consume(reass, reass->queued_bytes);
}
