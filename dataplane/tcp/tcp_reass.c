// SPDX-License-Identifier: Apache-2.0
// Received bytes of one connection; see tcp_reass.h.
#include "tcp_reass.h"

#include "check.h"
#include "net.h"

static_assert(sizeof(struct tcp_run) <= sizeof(struct packet));

static struct tcp_range range_of(struct rte_mbuf *first)
{
	struct tcp_run *run = tcp_run_of(first);
	return (struct tcp_range){run->seq, seq_plus(run->seq, run->bytes)};
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
	if (mbuf->pkt_len == bytes)
		return;
	mbuf->pkt_len = bytes;
	while (bytes > segment->data_len && segment->next) {
		bytes -= segment->data_len;
		segment = segment->next;
		segments++;
	}
	segment->data_len = (uint16_t)MIN(bytes, segment->data_len);
	mbuf->nb_segs = segments;
	if (!segment->next)
		return;
	rte_pktmbuf_free(segment->next);
	segment->next = NULL;
}

// is_ours_to_write is true for an mbuf whose buffer nobody shares.
static bool is_ours_to_write(struct rte_mbuf *mbuf)
{
	return RTE_MBUF_DIRECT(mbuf) && rte_mbuf_refcnt_read(mbuf) == 1;
}

// join copies a small mbuf behind last when there is room.
static bool join(struct rte_mbuf *last, const struct rte_mbuf *mbuf)
{
	uint16_t bytes = mbuf->data_len;
	if (bytes > TCP_REASS_COPY || !is_ours_to_write(last) || rte_pktmbuf_tailroom(last) < bytes)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len),
	       rte_pktmbuf_mtod(mbuf, const uint8_t *), bytes);
	last->data_len = (uint16_t)(last->data_len + bytes);
	return true;
}

void tcp_reass_chain(struct rte_mbuf *head, struct rte_mbuf **last, struct rte_mbuf *mbuf)
{
	head->pkt_len += mbuf->pkt_len;
	if (mbuf->nb_segs == 1 && join(*last, mbuf)) {
		rte_pktmbuf_free_seg(mbuf);
		return;
	}
	head->nb_segs = (uint16_t)(head->nb_segs + mbuf->nb_segs);
	(*last)->next = mbuf;
	*last = rte_pktmbuf_lastseg(mbuf);
}

// join_front copies a small mbuf before first when the headers that were there left the room.
static bool join_front(struct rte_mbuf *first, const struct rte_mbuf *mbuf)
{
	uint16_t bytes = mbuf->data_len;
	if (mbuf->next || bytes > TCP_REASS_COPY || !is_ours_to_write(first) ||
	    rte_pktmbuf_headroom(first) < bytes)
		return false;
	first->data_off = (uint16_t)(first->data_off - bytes);
	first->data_len = (uint16_t)(first->data_len + bytes);
	memcpy(rte_pktmbuf_mtod(first, uint8_t *), rte_pktmbuf_mtod(mbuf, const uint8_t *), bytes);
	return true;
}

// splice links a chain behind *last, and copies its first mbuf there when that is small.
static void splice(struct tcp_reass *reass, struct rte_mbuf **last, struct rte_mbuf *chain,
		   struct rte_mbuf *chain_last)
{
	if (join(*last, chain)) {
		struct rte_mbuf *next = chain->next;
		rte_pktmbuf_free_seg(chain);
		reass->mbuf_count--;
		if (!next)
			return;
		chain = next;
	}
	(*last)->next = chain;
	*last = chain_last;
}

// unpack cuts a packet (with bytes) into a chain of mbufs of one segment each, none empty, and
// counts them. Returns the first.
static struct rte_mbuf *unpack(struct tcp_reass *reass, struct rte_mbuf *packet,
			       struct rte_mbuf **last)
{
	struct rte_mbuf *first = NULL;
	while (packet) {
		struct rte_mbuf *next = packet->next;
		packet->next = NULL;
		packet->nb_segs = 1;
		if (packet->data_len == 0) {
			rte_pktmbuf_free_seg(packet);
		} else {
			if (first)
				(*last)->next = packet;
			else
				first = packet;
			*last = packet;
			reass->mbuf_count++;
		}
		packet = next;
	}
	return first;
}

// append puts a chain of bytes bytes at the end of what is in order.
static void append(struct tcp_reass *reass, struct rte_mbuf *first, struct rte_mbuf *last,
		   uint32_t bytes)
{
	reass->queued_bytes += bytes;
	if (reass->last) {
		splice(reass, &reass->last, first, last);
		return;
	}
	reass->first = first;
	reass->last = last;
}

// pop_run unlinks the first run.
static struct rte_mbuf *pop_run(struct tcp_reass *reass)
{
	struct rte_mbuf *first = reass->early_first;
	reass->early_first = tcp_run_of(first)->next;
	if (!reass->early_first)
		reass->early_last = NULL;
	if (reass->recent == first)
		reass->recent = NULL;
	reass->early_count--;
	return first;
}

// drain moves the run that *next reached to what is in order. Runs do not touch each other.
static void drain(struct tcp_reass *reass, struct tcp_seq *next)
{
	if (!reass->early_first || !seq_equal(tcp_run_of(reass->early_first)->seq, *next))
		return;
	struct rte_mbuf *first = pop_run(reass);
	struct tcp_run run = *tcp_run_of(first);
	*next = seq_plus(*next, run.bytes);
	append(reass, first, run.last, run.bytes);
}

// previous_of finds the last run that starts at or before seq, NULL for none. It looks at the end
// and where it was last first, since segments come in rows.
static struct rte_mbuf *previous_of(const struct tcp_reass *reass, struct tcp_seq seq)
{
	if (reass->early_last && seq_at_or_before(tcp_run_of(reass->early_last)->seq, seq))
		return reass->early_last;
	struct rte_mbuf *previous = NULL;
	struct rte_mbuf *at = reass->early_first;
	if (reass->recent && seq_at_or_before(tcp_run_of(reass->recent)->seq, seq))
		at = reass->recent;
	while (at && seq_at_or_before(tcp_run_of(at)->seq, seq)) {
		previous = at;
		at = tcp_run_of(at)->next;
	}
	return previous;
}

// Where a segment goes: between two runs, which it may touch.
struct place {
	struct rte_mbuf *previous, *after;  // runs, or NULL
	struct tcp_seq start, end;          // what of it is new
	bool is_next, is_behind, is_before; // touches RCV.NXT, previous, after
};

static struct place place_of(const struct tcp_reass *reass, struct tcp_seq next,
			     struct tcp_range segment)
{
	struct place place = {.start = seq_later(segment.start, next), .end = segment.end};
	place.previous = previous_of(reass, place.start);
	place.after = place.previous ? tcp_run_of(place.previous)->next : reass->early_first;
	if (place.previous) {
		struct tcp_seq end = range_of(place.previous).end;
		place.start = seq_later(place.start, end);
		place.is_behind = seq_equal(place.start, end);
	}
	if (place.after) {
		place.end = seq_earlier(place.end, tcp_run_of(place.after)->seq);
		place.is_before = seq_equal(place.end, tcp_run_of(place.after)->seq);
	}
	place.is_next = seq_equal(place.start, next);
	return place;
}

// link_run puts the run of first, whose next is set, at place.
static void link_run(struct tcp_reass *reass, const struct place *place, struct rte_mbuf *first)
{
	if (place->previous)
		tcp_run_of(place->previous)->next = first;
	else
		reass->early_first = first;
	if (!tcp_run_of(first)->next)
		reass->early_last = first;
	reass->recent = first;
}

// extend grows the run before place, which may reach the one after it.
static void extend(struct tcp_reass *reass, const struct place *place, struct rte_mbuf *mbuf)
{
	struct tcp_run *run = tcp_run_of(place->previous);
	struct rte_mbuf *last;
	run->bytes += mbuf->pkt_len;
	struct rte_mbuf *chain = unpack(reass, mbuf, &last);
	splice(reass, &run->last, chain, last);
	if (place->is_before) {
		struct tcp_run gone = *tcp_run_of(place->after);
		run->bytes += gone.bytes;
		run->next = gone.next;
		splice(reass, &run->last, place->after, gone.last);
		reass->early_count--;
		if (!run->next)
			reass->early_last = place->previous;
	}
	run->stamp = ++reass->stamp;
	reass->recent = place->previous;
}

// grow_front puts mbuf before the run after place.
static void grow_front(struct tcp_reass *reass, const struct place *place, struct rte_mbuf *mbuf)
{
	struct tcp_run run = *tcp_run_of(place->after);
	struct rte_mbuf *first = place->after;
	run.seq = place->start;
	run.bytes += mbuf->pkt_len;
	run.stamp = ++reass->stamp;
	if (join_front(first, mbuf)) {
		rte_pktmbuf_free_seg(mbuf);
	} else {
		struct rte_mbuf *last;
		first = unpack(reass, mbuf, &last);
		last->next = place->after;
	}
	*tcp_run_of(first) = run;
	link_run(reass, place, first);
}

static void begin_run(struct tcp_reass *reass, const struct place *place, struct rte_mbuf *mbuf)
{
	struct tcp_run run = {.next = place->after, .seq = place->start, .bytes = mbuf->pkt_len};
	struct rte_mbuf *first = unpack(reass, mbuf, &run.last);
	run.stamp = ++reass->stamp;
	*tcp_run_of(first) = run;
	link_run(reass, place, first);
	reass->early_count++;
	reass->untold_count++;
}

void tcp_reass_note_twice(struct tcp_reass *reass, struct tcp_seq seq, struct tcp_seq end)
{
	if (!seq_before(seq, end))
		return;
	reass->has_twice = true;
	reass->twice = (struct tcp_range){seq, end};
}

// note_early notes what of a segment a run holds already; the block around it follows (RFC 2883
// 4.2.1).
static void note_early(struct tcp_reass *reass, struct tcp_range segment, const struct place *place)
{
	struct rte_mbuf *holder = place->after;
	if (place->previous && seq_before(segment.start, range_of(place->previous).end))
		holder = place->previous;
	if (!holder || !seq_before(range_of(holder).start, segment.end))
		return;
	struct tcp_range held = range_of(holder);
	tcp_reass_note_twice(reass, seq_later(held.start, segment.start),
			     seq_earlier(held.end, segment.end));
	tcp_run_of(holder)->stamp = ++reass->stamp;
}

// overwrite copies a chain over the bytes of to from offset on, where there are enough.
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

static bool is_writable(struct rte_mbuf *mbuf)
{
	for (; mbuf; mbuf = mbuf->next)
		if (!is_ours_to_write(mbuf))
			return false;
	return true;
}

static void free_chain(struct tcp_reass *reass, struct rte_mbuf *mbuf)
{
	while (mbuf) {
		struct rte_mbuf *next = mbuf->next;
		rte_pktmbuf_free_seg(mbuf);
		reass->mbuf_count--;
		mbuf = next;
	}
}

// absorb takes the runs behind previous that mbuf, the bytes of segment, covers: one packet for
// many, in which their bytes, which came first, stay. False when there were none.
static bool absorb(struct tcp_reass *reass, struct rte_mbuf *previous, struct tcp_range segment,
		   struct rte_mbuf *mbuf)
{
	struct rte_mbuf **link = previous ? &tcp_run_of(previous)->next : &reass->early_first;
	uint32_t before = reass->early_count;
	while (*link && seq_at_or_before(range_of(*link).end, segment.end) && is_writable(mbuf)) {
		struct rte_mbuf *held = *link;
		overwrite(mbuf, seq_distance(segment.start, tcp_run_of(held)->seq), held);
		*link = tcp_run_of(held)->next;
		if (reass->early_last == held)
			reass->early_last = previous;
		if (reass->recent == held)
			reass->recent = NULL;
		reass->early_count--;
		free_chain(reass, held);
	}
	return reass->early_count < before;
}

enum tcp_reass_result tcp_reass_add(struct tcp_reass *reass, struct tcp_seq *next,
				    struct tcp_seq seq, struct rte_mbuf *mbuf)
{
	struct tcp_range segment = {seq, seq_plus(seq, mbuf->pkt_len)};
	struct tcp_range fresh = {seq_later(seq, *next), segment.end};
	struct place place = place_of(reass, *next, segment);
	tcp_reass_note_twice(reass, seq, seq_earlier(*next, segment.end));
	note_early(reass, fresh, &place);
	if (absorb(reass, place.previous, segment, mbuf))
		place = place_of(reass, *next, segment);
	bool is_new_run = !place.is_next && !place.is_behind && !place.is_before;
	if (!seq_before(place.start, place.end)) {
		rte_pktmbuf_free(mbuf);
		return TCP_REASS_DUPLICATE;
	}
	if (is_new_run && reass->early_count >= TCP_REASS_RUNS) {
		rte_pktmbuf_free(mbuf);
		return TCP_REASS_FULL;
	}
	if (!seq_equal(seq, place.start))
		mbuf = tcp_reass_trim_front(mbuf, seq_distance(seq, place.start));
	tcp_reass_trim_back(mbuf, seq_distance(place.start, place.end));
	if (place.is_next) {
		struct rte_mbuf *last;
		uint32_t bytes = mbuf->pkt_len;
		struct rte_mbuf *chain = unpack(reass, mbuf, &last);
		append(reass, chain, last, bytes);
		*next = place.end;
		drain(reass, next);
		return TCP_REASS_IN_ORDER;
	}
	if (place.is_behind)
		extend(reass, &place, mbuf);
	else if (place.is_before)
		grow_front(reass, &place, mbuf);
	else
		begin_run(reass, &place, mbuf);
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

// insert_newest puts first among the count newest runs in newest, of which max are kept.
static uint32_t insert_newest(struct rte_mbuf **newest, uint32_t count, uint32_t max,
			      struct rte_mbuf *first)
{
	uint32_t at = count < max ? count++ : max - 1;
	if (at == max - 1 && newest[at] && tcp_run_of(newest[at])->stamp > tcp_run_of(first)->stamp)
		return count;
	for (; at > 0 && tcp_run_of(newest[at - 1])->stamp < tcp_run_of(first)->stamp; at--)
		newest[at] = newest[at - 1];
	newest[at] = first;
	return count;
}

bool tcp_reass_reaches(const struct tcp_reass *reass, struct tcp_seq seq)
{
	return reass->early_last && seq_before(seq, range_of(reass->early_last).end);
}

uint32_t tcp_reass_blocks(struct tcp_reass *reass, struct tcp_range *out, uint32_t max)
{
	struct rte_mbuf *newest[TCP_REASS_BLOCKS_MAX] = {NULL};
	uint32_t count = 0, told = 0;
	CHECK(max > 0 && max <= TCP_REASS_BLOCKS_MAX);
	if (reass->has_twice)
		out[told++] = reass->twice;
	for (struct rte_mbuf *at = reass->early_first; at; at = tcp_run_of(at)->next)
		count = insert_newest(newest, count, max, at);
	for (uint32_t i = 0; i < count && told < max; i++)
		out[told++] = range_of(newest[i]);
	reass->untold_count = 0;
	return told;
}

void tcp_reass_drop_early(struct tcp_reass *reass)
{
	while (reass->early_first)
		free_chain(reass, pop_run(reass));
}

void tcp_reass_clear(struct tcp_reass *reass)
{
	tcp_reass_drop_early(reass);
	if (reass->queued_bytes)
		tcp_reass_consume(reass, reass->queued_bytes);
}
