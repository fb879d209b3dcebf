// SPDX-License-Identifier: Apache-2.0
// Segments to packets: a header mbuf, and the queued buffers attached behind it as external memory,
// so that the buffer is the packet and the retransmit queue at once. The last packet that leaves
// gives the buffer's reference back. Payloads that are smaller than the work are copied.
#include "tcp_priv.h"

#define COPY_BYTES      192u   // at most copied into the header mbuf
#define PARTS_MAX       16u    // buffers in one packet
#define BURST_BYTES_MAX 61440u // that net or its port cuts: below 64 KiB with any headers
#define SILLY_TRIES     2u     // of a small window as a whole

static_assert(sizeof(struct rte_mbuf_ext_shared_info) <= sizeof(((struct buf *)0)->packet),
	      "a buffer's packet field holds the mbufs' reference count");
static_assert(NET_HEADROOM == RTE_PKTMBUF_HEADROOM, "a fresh mbuf has net's headroom");

static void return_buf(void *, void *opaque)
{
	buf_unref(opaque);
}

// attach makes mbuf lead to bytes bytes of buf; one reference of buf serves all mbufs that do.
static void attach(struct rte_mbuf *mbuf, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct rte_mbuf_ext_shared_info *shared = (void *)buf->packet;
	if (rte_mbuf_ext_refcnt_read(shared) == 0) {
		shared->free_cb = return_buf;
		shared->fcb_opaque = buf;
		rte_mbuf_ext_refcnt_set(shared, 1);
		buf_ref(buf);
	} else {
		rte_mbuf_ext_refcnt_update(shared, 1);
	}
	rte_pktmbuf_attach_extbuf(mbuf, buf->data + offset, buf->iova + offset, (uint16_t)bytes,
				  shared);
	mbuf->data_off = 0;
	mbuf->data_len = (uint16_t)bytes;
	mbuf->pkt_len = bytes;
}

// append_copy copies bytes of the queue from seq on into head.
static void append_copy(struct tcp_conn *conn, struct rte_mbuf *head, struct tcp_seq seq,
			uint32_t bytes)
{
	struct tcp_slice *slice = tcp_snd_find(conn, seq);
	while (bytes > 0) {
		uint32_t skip = seq_distance(slice->seq, seq);
		uint32_t part = MIN(bytes, slice->bytes - skip);
		memcpy(rte_pktmbuf_append(head, (uint16_t)part),
		       slice->buf->data + slice->offset + skip, part);
		seq = seq_plus(seq, part);
		bytes -= part;
		slice = slice->next;
	}
}

// held_by_parts is how many of pick's bytes PARTS_MAX buffers hold, in whole segments if any.
static uint32_t held_by_parts(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	const struct tcp_slice *slice = tcp_snd_find(conn, pick->seq);
	uint32_t held = slice->bytes - seq_distance(slice->seq, pick->seq);
	for (uint32_t parts = 1; held < pick->bytes && parts < PARTS_MAX; parts++) {
		slice = slice->next;
		held += slice->bytes;
	}
	if (held >= pick->bytes)
		return pick->bytes;
	return held > pick->segment_bytes ? held - held % pick->segment_bytes : held;
}

// append_parts attaches bytes of the queue from seq on behind head; false without an mbuf.
static bool append_parts(struct tcp_conn *conn, struct rte_mbuf *head, struct tcp_seq seq,
			 uint32_t bytes)
{
	struct tcp_slice *slice = tcp_snd_find(conn, seq);
	struct rte_mbuf *last = head;
	for (uint32_t done = 0; done < bytes;) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(conn->tcp->mbufs);
		if (!mbuf)
			return false;
		uint32_t skip = seq_distance(slice->seq, seq);
		uint32_t part = MIN(bytes - done, slice->bytes - skip);
		attach(mbuf, slice->buf, slice->offset + skip, part);
		last->next = mbuf;
		last = mbuf;
		head->nb_segs++;
		head->pkt_len += part;
		seq = seq_plus(seq, part);
		done += part;
		slice = slice->next;
	}
	return true;
}

// append_payload puts pick's bytes behind head and cuts pick to what fitted; false without mbufs.
static bool append_payload(struct tcp_conn *conn, struct rte_mbuf *head, struct tcp_pick *pick)
{
	if (pick->bytes == 0)
		return true;
	if (pick->bytes <= COPY_BYTES) {
		append_copy(conn, head, pick->seq, pick->bytes);
		return true;
	}
	uint32_t held = held_by_parts(conn, pick);
	if (held < pick->bytes)
		pick->is_fin = false;
	pick->bytes = held;
	return append_parts(conn, head, pick->seq, held);
}

static void transmit(struct tcp *tcp, const struct tcp_tuple *tuple, struct rte_mbuf *mbuf,
		     struct net_tx *tx)
{
	tx->local = tuple->local;
	tx->remote = tuple->remote;
	tx->protocol = NET_PROTOCOL_TCP;
	tcp_count(tcp, COUNTER_tcp_segments_out);
	if (net_output(tcp->net, mbuf, tx) != 0)
		tcp_count(tcp, COUNTER_tcp_not_routed);
}

// sack_blocks_max is how many SACK blocks fit beside the other options.
static uint32_t sack_blocks_max(const struct tcp_conn *conn)
{
	return conn->agreed.has_timestamps ? 3 : 4;
}

// fill_header sets what every segment of a connection carries; sending it acknowledges.
static void fill_header(struct tcp_conn *conn, struct tcp_segment *segment)
{
	struct tcp *tcp = conn->tcp;
	segment->source_port = conn->tuple.local_port;
	segment->destination_port = conn->tuple.remote_port;
	segment->ack = conn->rcv_nxt;
	segment->window = tcp_rcv_window(conn);
	segment->has_timestamps = conn->agreed.has_timestamps;
	segment->ts_value = tcp_ts_now(tcp, conn->agreed.ts_offset);
	segment->ts_echo = conn->agreed.ts_recent;
	if (conn->agreed.has_sack)
		segment->sack_count = (uint8_t)tcp_reass_blocks(&conn->reass, segment->sack,
								sack_blocks_max(conn));
	if (segment->sack_count && conn->reass.has_twice)
		tcp_count(tcp, COUNTER_tcp_dsacks_out);
	conn->reass.has_twice = false;
	if (conn->is_echo_due)
		segment->flags |= TCP_ECE;
	conn->last_ack = conn->rcv_nxt;
	conn->is_ack_due = false;
	conn->ack_segments = 0;
	tcp_timer_clear(conn, TCP_TIMER_DELAYED_ACK);
}

// room_now is how much a packet may carry, less the SACK blocks it has to.
static struct tcp_room room_now(const struct tcp_conn *conn)
{
	uint32_t segment_bytes = tcp_conn_mss(conn);
	uint32_t count = conn->agreed.has_sack
				 ? tcp_reass_block_count(&conn->reass, sack_blocks_max(conn))
				 : 0;
	if (count)
		segment_bytes -= 4 + 8 * count;
	struct tcp_room room = {segment_bytes, segment_bytes};
	bool is_told_once = conn->is_reduction_due; // CWR on one segment alone
	if (!is_told_once)
		room.burst_bytes = MAX(BURST_BYTES_MAX / segment_bytes, 1u) * segment_bytes;
	return room;
}

// send_pick makes pick a packet; false without mbufs.
static bool send_pick(struct tcp_conn *conn, const struct tcp_room *room, struct tcp_pick *pick)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_segment segment = {.seq = pick->seq, .flags = TCP_ACK};
	uint8_t header[TCP_HEADER_MAX_BYTES];
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(tcp->mbufs);
	if (!mbuf)
		return false;
	fill_header(conn, &segment);
	rte_pktmbuf_append(mbuf, (uint16_t)(TCP_HEADER_BYTES + tcp_segment_option_bytes(&segment)));
	if (!append_payload(conn, mbuf, pick)) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	if (pick->is_fin)
		segment.flags |= TCP_FIN;
	if (pick->bytes && seq_equal(seq_plus(pick->seq, pick->bytes), conn->tail))
		segment.flags |= TCP_PSH;
	uint8_t ecn = tcp_ecn_stamp(conn, pick, &segment);
	tcp_segment_write(&segment, header);
	memcpy(rte_pktmbuf_mtod(mbuf, void *), header, segment.header_bytes);
	struct net_tx tx = {
		.l4_header_bytes = segment.header_bytes,
		.ecn = ecn,
		.segment_bytes =
			(uint16_t)(pick->bytes > room->segment_bytes ? room->segment_bytes : 0),
	};
	transmit(tcp, &conn->tuple, mbuf, &tx);
	tcp_snd_sent(conn, pick);
	return true;
}

// retry_soon waits a tick for mbufs to come back.
static void retry_soon(struct tcp_conn *conn)
{
	tcp_count(conn->tcp, COUNTER_tcp_no_mbuf);
	tcp_timer_set(conn, TCP_TIMER_OUTPUT, conn->tcp->now_us + WHEEL_TICK_US);
}

// send_mtu_probe sends a longer segment than room allows when a search for the path's MTU wants
// one; false without mbufs.
static bool send_mtu_probe(struct tcp_conn *conn, const struct tcp_room *room)
{
	bool has_blocks = room->segment_bytes < tcp_conn_mss(conn);
	uint32_t bytes = has_blocks ? 0 : tcp_mtu_probe_bytes(conn);
	struct tcp_room probe_room = {bytes, bytes};
	struct tcp_pick pick;
	if (bytes == 0 || !tcp_pace_is_due(conn) || !tcp_snd_next(conn, &probe_room, &pick))
		return true;
	if (!send_pick(conn, &probe_room, &pick))
		return false;
	tcp_mtu_probed(conn, &pick);
	tcp_pace_sent(conn, pick.bytes);
	return true;
}

void tcp_output(struct tcp_conn *conn)
{
	if (conn->state < TCP_ESTABLISHED)
		return;
	struct tcp_room room = room_now(conn);
	struct tcp_pick pick;
	uint64_t idle_us = conn->tcp->now_us - conn->sent_us;
	if (seq_equal(conn->una, conn->nxt) && idle_us > tcp_rtt_timeout_us(&conn->rtt))
		conn->cc.ops->idled(&conn->cc);
	tcp_pace_cut(conn, &room);
	uint32_t sent = 0;
	bool has_mbufs = send_mtu_probe(conn, &room);
	while (sent < TCP_OUTPUT_BURST && has_mbufs && tcp_pace_is_due(conn) &&
	       tcp_snd_next(conn, &room, &pick)) {
		has_mbufs = send_pick(conn, &room, &pick);
		tcp_pace_sent(conn, pick.bytes);
		sent += MAX(pick.bytes / room.segment_bytes, 1u);
	}
	if (!has_mbufs)
		retry_soon(conn);
	else if (sent >= TCP_OUTPUT_BURST)
		tcp_conn_notify(conn, 0);
	if (conn->is_ack_due)
		tcp_output_ack(conn);
	tcp_timer_update(conn);
}

void tcp_output_probe(struct tcp_conn *conn)
{
	struct tcp_room room = {1, 1};
	struct tcp_pick pick = {.seq = conn->nxt, .is_probe = true};
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	pick.bytes = seq_before(conn->nxt, conn->tail) ? 1 : 0;
	// A silly window: use it after all, but not for ever, the path may have become narrower.
	if (pick.bytes && seq_before(pick.seq, right) && conn->retries <= SILLY_TRIES)
		pick.bytes = MIN(seq_distance(pick.seq, right), seq_distance(pick.seq, conn->tail));
	pick.bytes = MIN(pick.bytes, tcp_conn_mss(conn) - 40);
	pick.is_fin = pick.bytes == 0 && conn->is_fin_queued;
	room.segment_bytes = pick.segment_bytes = MAX(pick.bytes, 1u);
	tcp_count(conn->tcp, COUNTER_tcp_window_probes);
	if (!send_pick(conn, &room, &pick))
		tcp_count(conn->tcp, COUNTER_tcp_no_mbuf);
}

// send_header sends a segment without payload.
static void send_header(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *segment)
{
	uint8_t header[TCP_HEADER_MAX_BYTES];
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(tcp->mbufs);
	if (!mbuf) {
		tcp_count(tcp, COUNTER_tcp_no_mbuf);
		return;
	}
	tcp_segment_write(segment, header);
	memcpy(rte_pktmbuf_append(mbuf, segment->header_bytes), header, segment->header_bytes);
	struct net_tx tx = {.l4_header_bytes = segment->header_bytes};
	transmit(tcp, tuple, mbuf, &tx);
}

static void send_ack(struct tcp_conn *conn, struct tcp_seq seq)
{
	struct tcp_segment ack = {.seq = seq, .flags = TCP_ACK};
	fill_header(conn, &ack);
	send_header(conn->tcp, &conn->tuple, &ack);
}

void tcp_output_ack(struct tcp_conn *conn)
{
	send_ack(conn, tcp_conn_sent_end(conn));
}

void tcp_output_keepalive(struct tcp_conn *conn)
{
	send_ack(conn, seq_minus(conn->una, 1));
}

void tcp_output_bare(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *segment)
{
	segment->source_port = tuple->local_port;
	segment->destination_port = tuple->remote_port;
	send_header(tcp, tuple, segment);
}

void tcp_output_reset(struct tcp *tcp, const struct tcp_tuple *tuple,
		      const struct tcp_segment *segment)
{
	struct tcp_segment reset = {.flags = TCP_RST};
	if (segment->flags & TCP_ACK) {
		reset.seq = segment->ack;
	} else {
		reset.flags = TCP_RST | TCP_ACK;
		reset.ack = tcp_segment_end(segment);
	}
	if (!tcp_budget_take(tcp, &tcp->reset_budget)) {
		tcp_count(tcp, COUNTER_tcp_reset_limited);
		return;
	}
	tcp_count(tcp, COUNTER_tcp_resets_out);
	tcp_output_bare(tcp, tuple, &reset);
}
