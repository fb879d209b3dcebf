// SPDX-License-Identifier: Apache-2.0
// The facade of tcp/: creation, and what an owner asks of a connection. A handle that is stale, or
// of a connection whose owner released it, names nothing here.
#include "tcp_priv.h"

#include <errno.h>
#include <stdlib.h>

#define SLICES_PER_CONN 4u // pieces in send queues, shared by all connections
#define SLICES_MIN      4096u
#define SENTS_PER_CONN  1u // records of what is in flight, shared likewise
#define SENTS_MIN       16384u

static bool are_sensible(const struct tcp_limits *limits)
{
	return limits->conn_count > 0 && limits->conn_count <= 1u << 24 &&
	       limits->half_open_count <= 1u << 24 && limits->time_wait_count <= 1u << 24 &&
	       limits->send_buffer_bytes > 0 && limits->send_buffer_bytes <= 1u << 29 &&
	       limits->receive_buffer_bytes >= 2048 && limits->receive_buffer_bytes <= 1u << 29 &&
	       limits->retries > 0 && limits->port_first > 0 &&
	       limits->port_first <= limits->port_last;
}

static bool take_memory(struct tcp *tcp)
{
	const struct tcp_limits *limits = &tcp->limits;
	uint32_t sent_count = SENTS_MIN + SENTS_PER_CONN * limits->conn_count;
	if (limits->sent_count)
		sent_count = limits->sent_count;
	uint32_t slice_count = SLICES_MIN + SLICES_PER_CONN * limits->conn_count;
	int failed = pool_init(&tcp->conns, limits->conn_count, sizeof(struct tcp_conn));
	failed |= pool_init(&tcp->halves, limits->half_open_count, sizeof(struct tcp_half));
	failed |=
		pool_init(&tcp->time_waits, limits->time_wait_count, sizeof(struct tcp_time_wait));
	failed |= pool_init(&tcp->slices, slice_count, sizeof(struct tcp_slice));
	failed |= pool_init(&tcp->sents, sent_count, sizeof(struct tcp_sent));
	tcp->listenings = calloc(limits->listener_count + 1, sizeof(*tcp->listenings));
	tcp->syn_rates = calloc(1, sizeof(*tcp->syn_rates));
	tcp->mtus = calloc(TCP_MTU_CACHE, sizeof(*tcp->mtus));
	return !failed && tcp->listenings && tcp->syn_rates && tcp->mtus && tcp_table_new(tcp);
}

static void give_memory(struct tcp *tcp)
{
	tcp_table_free(tcp);
	free(tcp->syn_rates);
	free(tcp->listenings);
	free(tcp->mtus);
	pool_fini(&tcp->sents);
	pool_fini(&tcp->slices);
	pool_fini(&tcp->time_waits);
	pool_fini(&tcp->halves);
	pool_fini(&tcp->conns);
	free(tcp);
}

// held_max is how many packets unread bytes may pin: half of all at most, since packets are needed
// to send and to receive what makes room.
static uint32_t held_max(const struct tcp *tcp)
{
	uint64_t half = tcp->mbufs->size / 2;
	uint64_t wanted = tcp->limits.receive_memory_bytes / rte_pktmbuf_data_room_size(tcp->mbufs);
	return (uint32_t)MAX(wanted ? MIN(wanted, half) : half, (uint64_t)1);
}

struct tcp *tcp_new(const struct tcp_config *config)
{
	struct tcp *tcp = are_sensible(&config->limits) ? calloc(1, sizeof(*tcp)) : NULL;
	if (!tcp)
		return NULL;
	tcp->limits = config->limits;
	tcp->net = config->net;
	tcp->mbufs = config->mbufs;
	tcp->wheel = config->wheel;
	tcp->random = config->random;
	tcp->counters = config->counters;
	tcp->worker_index = config->worker_index;
	tcp->table_key = random_key(tcp->random);
	tcp->isn_key = random_key(tcp->random);
	tcp->ts_key = random_key(tcp->random);
	tcp->port_key = random_key(tcp->random);
	tcp->mtu_key = random_key(tcp->random);
	tcp->held_mbufs_max = held_max(tcp);
	list_init(&tcp->ready);
	list_init(&tcp->running);
	tcp_time_wait_start(tcp);
	if (!take_memory(tcp)) {
		give_memory(tcp);
		return NULL;
	}
	tcp->syn_rates->key = random_key(tcp->random);
	struct net_upper upper = {tcp_input, tcp_icmp_error, tcp};
	net_register(tcp->net, NET_PROTOCOL_TCP, &upper);
	return tcp;
}

void tcp_spans(const struct tcp *tcp, struct spans *spans)
{
	pool_spans(&tcp->conns, spans);
	pool_spans(&tcp->slices, spans);
	pool_spans(&tcp->sents, spans);
	pool_spans(&tcp->halves, spans);
	pool_spans(&tcp->time_waits, spans);
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (uint32_t i = 0; i < tcp->limits.conn_count; i++) {
		struct tcp_conn *conn = pool_at(&tcp->conns, i);
		if (conn)
			tcp_conn_free(conn);
	}
	for (uint32_t i = 0; i < tcp->limits.half_open_count; i++) {
		struct tcp_half *half = pool_at(&tcp->halves, i);
		if (half)
			tcp_half_free(half);
	}
	tcp_time_wait_stop(tcp);
	give_memory(tcp);
}

void tcp_set_time(struct tcp *tcp, uint64_t now_us)
{
	tcp->now_us = now_us;
}

int tcp_listen_on(struct tcp *tcp, const struct tcp_listener *listener)
{
	struct addr any = {0};
	for (uint32_t i = 0; i < tcp->listening_count; i++) {
		const struct tcp_listener *at = &tcp->listenings[i].listener;
		bool is_same = addr_equal(&at->local, &listener->local) ||
			       (addr_is_zero(&at->local) && addr_is_zero(&listener->local));
		if (at->port == listener->port && is_same)
			return EADDRINUSE;
	}
	if (tcp->listening_count == tcp->limits.listener_count)
		return ENOSPC;
	struct tcp_listening *listening = &tcp->listenings[tcp->listening_count++];
	listening->listener = *listener;
	if (addr_is_zero(&listener->local))
		listening->listener.local = any;
	return 0;
}

void tcp_listen_end(struct tcp *tcp)
{
	tcp->has_stopped_listening = true;
}

// owned returns the connection that the owner means by id, or NULL.
static struct tcp_conn *owned(const struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = pool_get(&tcp->conns, id);
	return conn && !conn->is_orphan ? conn : NULL;
}

static bool can_queue(const struct tcp_conn *conn)
{
	return conn && !conn->is_ended && !conn->is_fin_queued;
}

static uint32_t room_of(const struct tcp_conn *conn)
{
	struct tcp_seq first = seq_later(conn->una, seq_plus(conn->iss, 1));
	uint32_t queued = conn->send_first ? seq_distance(first, conn->tail) : 0;
	struct tcp *tcp = conn->tcp;
	bool is_low = tcp_memory_is_send_low(tcp);
	const struct tcp_autosize_bounds bounds = {
		.cwnd_bytes = conn->cc.cwnd_bytes,
		// Before the handshake is over it is not known.
		.window_bytes = conn->state < TCP_ESTABLISHED ? UINT32_MAX : conn->window,
		.extra_bytes = BUF_BYTES,
		.max_bytes = tcp->limits.send_buffer_bytes,
		.is_memory_low = is_low,
	};
	uint32_t bound = tcp_autosize_send(&bounds);
	if (is_low && bound < queued + BUF_BYTES)
		tcp_count(tcp, COUNTER_tcp_send_memory_low);
	return bound > queued ? bound - queued : 0;
}

// note_first starts the clock of those who take nothing when the first byte or FIN is queued.
static void note_first(struct tcp_conn *conn)
{
	if (seq_equal(conn->una, conn->tail))
		conn->progress_us = conn->tcp->now_us;
}

size_t tcp_send_room(const struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (!can_queue(conn))
		return 0;
	uint32_t room = room_of(conn);
	if (room < BUF_BYTES)
		conn->is_room_low = true;
	return room;
}

int tcp_send(struct tcp *tcp, struct pool_id id, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct tcp_conn *conn = owned(tcp, id);
	CHECK((uint64_t)offset + bytes <= buf->bytes);
	if (!can_queue(conn)) {
		buf_unref(buf);
		return ENOTCONN;
	}
	if (bytes == 0) {
		buf_unref(buf);
		return 0;
	}
	note_first(conn);
	if (!tcp_snd_queue(conn, buf, offset, bytes)) {
		buf_unref(buf);
		if (conn->state >= TCP_ESTABLISHED)
			tcp_conn_reset(conn);
		tcp_conn_end(conn, COUNTER_tcp_send_slices_full);
		return ENOTCONN;
	}
	if (room_of(conn) < BUF_BYTES)
		conn->is_room_low = true;
	tcp_conn_notify(conn, 0);
	return 0;
}

void tcp_push(struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (conn && !conn->is_ended)
		tcp_output(conn);
}

void tcp_ack_within(struct tcp *tcp, struct pool_id id, uint64_t us)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (conn && !conn->is_ended && tcp_timer_is_set(conn, TCP_TIMER_DELAYED_ACK))
		tcp_timer_set(conn, TCP_TIMER_DELAYED_ACK, tcp->now_us + us);
}

struct slice tcp_peek(struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	return conn ? tcp_reass_peek(&conn->reass) : (struct slice){0};
}

size_t tcp_received(const struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	return conn ? conn->reass.queued_bytes : 0;
}

void tcp_consume(struct tcp *tcp, struct pool_id id, size_t bytes)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (!conn)
		return;
	uint32_t held = conn->reass.mbuf_count;
	tcp_reass_consume(&conn->reass, (uint32_t)bytes);
	tcp->held_mbufs -= held - conn->reass.mbuf_count;
	tcp_rcv_consumed(conn, (uint32_t)bytes);
	if (conn->is_ended && conn->reass.queued_bytes == 0)
		tcp_conn_notify(conn, 0); // `closed` waited for this
}

bool tcp_at_end(const struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	return conn && conn->is_fin_received && conn->reass.queued_bytes == 0;
}

static void queue_fin(struct tcp_conn *conn)
{
	note_first(conn);
	conn->is_fin_queued = true;
	if (conn->state == TCP_ESTABLISHED)
		conn->state = TCP_FIN_WAIT_1;
	else if (conn->state == TCP_CLOSE_WAIT)
		conn->state = TCP_LAST_ACK;
	tcp_conn_notify(conn, 0);
}

void tcp_shutdown(struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (can_queue(conn))
		queue_fin(conn);
}

void tcp_abort(struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (!conn)
		return;
	if (!conn->is_ended) {
		if (conn->state != TCP_SYN_SENT)
			tcp_conn_reset(conn);
		tcp_count(tcp, COUNTER_tcp_aborted);
	}
	tcp_conn_free(conn);
}

// release_unread ends a connection whose owner will not read what came.
static void release_unread(struct tcp_conn *conn)
{
	tcp_conn_reset(conn);
	tcp_count(conn->tcp, COUNTER_tcp_released_unread);
	tcp_conn_free(conn);
}

void tcp_release(struct tcp *tcp, struct pool_id id)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (!conn)
		return;
	if (conn->is_ended || conn->state == TCP_SYN_SENT) {
		if (!conn->is_ended)
			tcp_count(tcp, COUNTER_tcp_aborted);
		tcp_conn_free(conn);
		return;
	}
	if (conn->reass.queued_bytes > 0 || conn->reass.early_count > 0) {
		release_unread(conn);
		return;
	}
	if (tcp_conn_orphan(conn) && !conn->is_fin_queued)
		queue_fin(conn);
}

void tcp_set_user(struct tcp *tcp, struct pool_id id, void *user)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (conn)
		conn->user = user;
}

bool tcp_tuple_of(const struct tcp *tcp, struct pool_id id, struct tcp_tuple *tuple)
{
	struct tcp_conn *conn = owned(tcp, id);
	if (conn)
		*tuple = conn->tuple;
	return conn != NULL;
}

struct tcp_in_use tcp_in_use(const struct tcp *tcp)
{
	return (struct tcp_in_use){
		.conn_count = tcp->conns.in_use,
		.half_open_count = tcp->halves.in_use,
		.time_wait_count = tcp->time_waits.in_use,
		.ready_count = tcp->ready_count,
	};
}
