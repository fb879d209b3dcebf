// SPDX-License-Identifier: Apache-2.0
// What an operator asks: of one connection, of every flow by slot, of slabs and budgets. Slots
// count connections first, then half-open ones, then TIME-WAIT entries.
#include "tcp_priv.h"

#define X(name, text) [TCP_##name] = text,
static const char *const state_names[TCP_STATE_COUNT] = {TCP_STATES(X)};
#undef X

static void fill(const struct tcp_conn *conn, struct tcp_info *info)
{
	bool has_agreed = conn->agreed.send_mss > 0;
	*info = (struct tcp_info){
		.tuple = conn->tuple,
		.state = state_names[conn->state],
		.cc = conn->cc.ops ? conn->cc.ops->name : "",
		.cc_state = conn->cc.ops ? conn->cc.ops->state(&conn->cc) : "",
		.is_passive = conn->is_passive,
		.is_orphan = conn->is_orphan,
		.pacing_bytes_per_s = conn->cc.pacing_bytes_per_s,
		.srtt_us = conn->rtt.srtt_us,
		.rttvar_us = conn->rtt.rttvar_us,
		.rto_us = tcp_rtt_timeout_us(&conn->rtt),
		.cwnd_bytes = conn->cc.cwnd_bytes,
		.ssthresh_bytes = conn->cc.ssthresh_bytes,
		.mss = has_agreed ? tcp_conn_mss(conn) : 0,
		.send_window = conn->window,
		.receive_window = seq_distance(conn->rcv_nxt, conn->rcv_edge),
		.queued_bytes =
			seq_before(conn->nxt, conn->tail) ? seq_distance(conn->nxt, conn->tail) : 0,
		.unacked_bytes = seq_distance(conn->una, conn->nxt),
		.unread_bytes = conn->reass.queued_bytes,
		.early_segments = conn->reass.early_count,
		.bytes_sent = conn->bytes_sent,
		.bytes_received = conn->bytes_received,
		.retransmits = conn->retransmits,
		.opened_us = conn->opened_us,
	};
}

bool tcp_info_of(const struct tcp *tcp, struct pool_id id, struct tcp_info *info)
{
	const struct tcp_conn *conn = pool_get(&tcp->conns, id);
	if (conn && !conn->is_orphan)
		fill(conn, info);
	return conn && !conn->is_orphan;
}

static void fill_half(const struct tcp_half *half, struct tcp_info *info)
{
	*info = (struct tcp_info){
		.tuple = half->tuple,
		.state = state_names[TCP_SYN_RECEIVED],
		.cc = "",
		.cc_state = "",
		.is_passive = true,
		.mss = half->agreed.send_mss,
		.send_window = half->window,
		.retransmits = half->retries,
		.opened_us = half->sent_us,
	};
}

static void fill_time_wait(const struct tcp *tcp, const struct tcp_time_wait *wait,
			   struct tcp_info *info)
{
	*info = (struct tcp_info){
		.tuple = wait->tuple,
		.state = "TIME-WAIT",
		.cc = "",
		.cc_state = "",
		.is_orphan = true,
		.opened_us = wait->due_us - tcp->limits.time_wait_ms * 1000ull,
	};
}

// agrees looks at the tuple alone: most flows are left out by what lies in one cache line.
static bool agrees(const struct tcp_filter *filter, const struct tcp_tuple *tuple)
{
	if (filter->port && filter->port != tuple->local_port && filter->port != tuple->remote_port)
		return false;
	return filter->host.bits == 0 || prefix_contains(&filter->host, &tuple->local) ||
	       prefix_contains(&filter->host, &tuple->remote);
}

uint32_t tcp_flow_slots(const struct tcp *tcp)
{
	return tcp->conns.capacity + tcp->halves.capacity + tcp->time_waits.capacity;
}

// fill_at fills what lives at slot; false for nothing, or a tuple that is left out.
static bool fill_at(const struct tcp *tcp, uint32_t slot, const struct tcp_filter *filter,
		    struct tcp_info *info)
{
	uint32_t half_slot = slot - tcp->conns.capacity;
	uint32_t wait_slot = half_slot - tcp->halves.capacity;
	if (slot < tcp->conns.capacity) {
		const struct tcp_conn *conn = pool_at(&tcp->conns, slot);
		if (!conn || !agrees(filter, &conn->tuple))
			return false;
		fill(conn, info);
	} else if (half_slot < tcp->halves.capacity) {
		const struct tcp_half *half = pool_at(&tcp->halves, half_slot);
		if (!half || !agrees(filter, &half->tuple))
			return false;
		fill_half(half, info);
	} else {
		const struct tcp_time_wait *wait = pool_at(&tcp->time_waits, wait_slot);
		if (!wait || !agrees(filter, &wait->tuple))
			return false;
		fill_time_wait(tcp, wait, info);
	}
	return true;
}

bool tcp_flow_at(const struct tcp *tcp, uint32_t slot, const struct tcp_filter *filter,
		 struct tcp_info *info)
{
	return fill_at(tcp, slot, filter, info) &&
	       (!filter->state || strcmp(filter->state, info->state) == 0);
}

static struct tcp_slab slab_of(const char *name, const struct pool *pool)
{
	return (struct tcp_slab){
		.name = name,
		.in_use = pool->in_use,
		.capacity = pool->capacity,
		.bytes =
			(uint64_t)pool->capacity *
			(pool->object_bytes + sizeof(*pool->generation) + sizeof(*pool->free_next)),
	};
}

bool tcp_slab_at(const struct tcp *tcp, uint32_t index, struct tcp_slab *slab)
{
	const struct tcp_slab slabs[] = {
		slab_of("conns", &tcp->conns),          slab_of("half_open", &tcp->halves),
		slab_of("time_wait", &tcp->time_waits), slab_of("send_slices", &tcp->slices),
		slab_of("sent", &tcp->sents),
	};
	if (index >= ARRAY_LEN(slabs))
		return false;
	*slab = slabs[index];
	return true;
}

struct tcp_budgets tcp_budgets_of(const struct tcp *tcp)
{
	return (struct tcp_budgets){
		.held_mbufs = tcp->held_mbufs,
		.held_mbufs_max = tcp->held_mbufs_max,
		.challenge_acks = tcp->challenge_budget,
		.resets = tcp->reset_budget,
	};
}
