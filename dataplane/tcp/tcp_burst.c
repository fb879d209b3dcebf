// SPDX-License-Identifier: Apache-2.0
// A burst of packets on its way in: headers are read, segments that could have been one are put
// together, the connections are looked up at once, then each goes where its tuple leads (RFC 9293
// 3.10.7, tcp_input.c). Nothing waits for another burst.
#include "tcp_gro.h"
#include "tcp_priv.h"

#define SLOTS 64u // where the newest segment of a tuple is found: more than a burst has tuples

// A packet.
struct arrival {
	struct rte_mbuf *mbuf;
	uint32_t header_offset;
	struct tcp_gro gro;     // the run that it began
	struct arrival *last;   // of that
	struct arrival *behind; // the next of the run it is in, or NULL
	struct tcp_segment segment;
	struct tcp_tuple tuple;
};

struct burst {
	struct arrival arrivals[PORT_BURST];
	struct arrival *runs[PORT_BURST]; // the first of each
	const struct tcp_tuple *tuples[PORT_BURST];
	struct tcp_found found[PORT_BURST];
	uint32_t run_count;
	uint8_t slots[SLOTS]; // 1 + the newest run that falls there; 0 = none
};

// parse reads mbuf's header into arrival; false when it was dropped.
static bool parse(struct tcp *tcp, struct rte_mbuf *mbuf, struct arrival *arrival)
{
	const struct packet *packet = packet_of(mbuf);
	struct tcp_segment *segment = &arrival->segment;
	uint8_t copy[TCP_HEADER_MAX_BYTES];
	uint32_t header_bytes = MIN((uint32_t)packet->l4_bytes, TCP_HEADER_MAX_BYTES);
	tcp_count(tcp, COUNTER_tcp_segments_in);
	if (!packet->is_checksum_good) {
		tcp_count(tcp, COUNTER_tcp_bad_checksum);
		rte_pktmbuf_free(mbuf);
		return false;
	}
	const uint8_t *header = rte_pktmbuf_read(mbuf, packet->l4_offset, header_bytes, copy);
	bool is_whole = mbuf->pkt_len >= (uint32_t)packet->l4_offset + packet->l4_bytes;
	if (!header || !is_whole || !tcp_segment_parse(header, header_bytes, segment)) {
		tcp_count(tcp, COUNTER_tcp_bad_header);
		rte_pktmbuf_free(mbuf);
		return false;
	}
	segment->payload_bytes = (uint32_t)packet->l4_bytes - segment->header_bytes;
	segment->piece_bytes = segment->payload_bytes;
	segment->piece_count = 1;
	segment->ip_ecn = packet->ecn;
	arrival->mbuf = mbuf;
	arrival->header_offset = packet->l4_offset;
	arrival->tuple = (struct tcp_tuple){
		.local = packet->destination,
		.remote = packet->source,
		.local_port = segment->destination_port,
		.remote_port = segment->source_port,
	};
	return true;
}

static uint8_t *slot_of(struct burst *burst, const struct tcp_tuple *tuple)
{
	const uint8_t *low = tuple->remote.bytes + 14;
	return &burst->slots[(tuple->remote_port ^ tuple->local_port ^ low[0] ^ low[1]) % SLOTS];
}

// coalesce puts arrival behind the newest segments of its tuple; false when it begins a run.
static bool coalesce(struct burst *burst, struct arrival *arrival)
{
	uint8_t *slot = slot_of(burst, &arrival->tuple);
	struct arrival *first = *slot ? burst->runs[*slot - 1] : NULL;
	bool is_same = first && memcmp(&first->tuple, &arrival->tuple, sizeof(first->tuple)) == 0;
	if (!is_same || !tcp_gro_add(&first->gro, &first->segment, &arrival->segment)) {
		*slot = (uint8_t)(burst->run_count + 1);
		return false;
	}
	first->last->behind = arrival;
	first->last = arrival;
	return true;
}

static void begin_run(struct burst *burst, struct arrival *arrival)
{
	arrival->gro = tcp_gro_begin(&arrival->segment);
	arrival->last = arrival;
	burst->tuples[burst->run_count] = &arrival->tuple;
	burst->runs[burst->run_count++] = arrival;
}

// divert gives a segment that no connection and no listener claims to the kernel, whose it may be;
// false when it stays ours. mbuf is as it was received.
static bool divert(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_found *found,
		   struct rte_mbuf *mbuf)
{
	return found->kind == TCP_KIND_NONE &&
	       !tcp_table_listener(tcp, &tuple->local, tuple->local_port) &&
	       net_divert(tcp->net, mbuf);
}

// text_of cuts a packet to its payload.
static struct rte_mbuf *text_of(const struct arrival *arrival)
{
	const struct tcp_segment *segment = &arrival->segment;
	struct rte_mbuf *mbuf =
		tcp_reass_trim_front(arrival->mbuf, arrival->header_offset + segment->header_bytes);
	tcp_reass_trim_back(mbuf, segment->payload_bytes);
	return mbuf;
}

// take_one hands on the packets of a run that goes on one by one.
static void take_one(struct tcp *tcp, struct arrival *arrival, struct tcp_found found)
{
	if (!divert(tcp, &arrival->tuple, &found, arrival->mbuf))
		tcp_input_segment(tcp, &arrival->tuple, found, &arrival->segment, text_of(arrival));
}

// is_plain is true when input has nothing to decide about the run but to take it: each of its
// segments would be in order, or behind all that came early, and within window and budget.
static bool is_plain(const struct tcp_conn *conn, const struct tcp_segment *whole)
{
	const struct tcp *tcp = conn->tcp;
	const struct tcp_agreed *agreed = &conn->agreed;
	bool is_open = conn->state == TCP_ESTABLISHED || conn->state == TCP_FIN_WAIT_1 ||
		       conn->state == TCP_FIN_WAIT_2;
	if (!is_open || conn->is_ended || conn->is_orphan || conn->has_fin_seq)
		return false;
	bool is_next = seq_equal(whole->seq, conn->rcv_nxt);
	bool is_early = seq_before(conn->rcv_nxt, whole->seq) && agreed->has_sack;
	if ((!is_next && !is_early) || seq_before(conn->rcv_edge, tcp_segment_end(whole)) ||
	    tcp_reass_reaches(&conn->reass, whole->seq) ||
	    tcp->held_mbufs + whole->piece_count > tcp->held_mbufs_max)
		return false;
	return whole->has_timestamps == agreed->has_timestamps &&
	       (!agreed->has_timestamps ||
		!seq_before(seq_of(whole->ts_value), seq_of(agreed->ts_recent)));
}

// take_whole hands a run to its connection as one segment; false when it must go on one by one.
static bool take_whole(struct tcp *tcp, struct arrival *first, struct tcp_found found)
{
	struct tcp_segment whole = tcp_gro_whole(&first->gro, &first->segment);
	if (found.kind != TCP_KIND_CONN || !is_plain(found.object, &whole)) {
		tcp_count(tcp, COUNTER_tcp_runs_split);
		return false;
	}
	struct rte_mbuf *head = text_of(first);
	struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
	for (struct arrival *at = first->behind; at; at = at->behind)
		tcp_reass_chain(head, &last, text_of(at));
	counter_add(tcp->counters, COUNTER_tcp_segments_coalesced, whole.piece_count - 1u);
	tcp_input_segment(tcp, &first->tuple, found, &whole, head);
	return true;
}

// take_run hands on what began with first, which its tuple leads to found while the table has seen
// this many changes.
static void take_run(struct tcp *tcp, struct arrival *first, struct tcp_found found,
		     uint64_t changes)
{
	if (first->behind && take_whole(tcp, first, found))
		return;
	for (struct arrival *at = first; at; at = at->behind) {
		if (tcp->table_changes != changes)
			found = tcp_table_find(tcp, &at->tuple);
		take_one(tcp, at, found);
	}
}

void tcp_input(void *user, struct rte_mbuf *const *mbufs, uint32_t mbuf_count)
{
	struct tcp *tcp = user;
	struct burst burst;
	uint32_t count = 0;
	CHECK(mbuf_count <= PORT_BURST);
	burst.run_count = 0;
	memset(burst.slots, 0, sizeof(burst.slots));
	for (uint32_t i = 0; i < mbuf_count; i++) {
		struct arrival *arrival = &burst.arrivals[count];
		if (!parse(tcp, mbufs[i], arrival))
			continue;
		arrival->behind = NULL;
		count++;
		if (!tcp->limits.is_coalescing || !coalesce(&burst, arrival))
			begin_run(&burst, arrival);
	}
	if (count == 0)
		return;
	tcp_table_find_burst(tcp, burst.tuples, burst.run_count, burst.found);
	uint64_t changes = tcp->table_changes;
	for (uint32_t i = 0; i < burst.run_count; i++) {
		struct tcp_found found = burst.found[i];
		if (tcp->table_changes != changes) // an earlier one of the burst may have made it
			found = tcp_table_find(tcp, burst.tuples[i]);
		take_run(tcp, burst.runs[i], found, tcp->table_changes);
	}
}
