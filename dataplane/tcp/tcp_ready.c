// SPDX-License-Identifier: Apache-2.0
// The ready list: tell the owner what input noted, then, once the owner had its turn, send: so an
// ACK rides on the answer, and is no packet of its own. An event may end any connection, this one
// too, so every step asks the handle again.
#include "tcp_priv.h"

// is_owned is true while id still names conn for its owner.
static bool is_owned(const struct tcp *tcp, struct pool_id id, const struct tcp_conn *conn)
{
	return pool_get(&tcp->conns, id) == conn && !conn->is_orphan;
}

// accept asks the listener's owner to take conn; false when conn is gone.
static bool accept(struct tcp *tcp, struct tcp_conn *conn, struct pool_id id)
{
	const struct tcp_listener *listener = &tcp->listenings[conn->listener_index].listener;
	if (conn->is_ended) { // reset before anybody heard of it
		tcp_conn_free(conn);
		return false;
	}
	struct tcp_tuple tuple = conn->tuple;
	void *user = listener->accepted(listener->user, id, &tuple);
	if (!is_owned(tcp, id, conn))
		return false;
	if (!user) {
		tcp_conn_reset(conn);
		tcp_count(tcp, COUNTER_tcp_accept_refused);
		tcp_conn_free(conn);
		return false;
	}
	conn->user = user;
	return true;
}

// tell calls the owner for what is pending; false when the owner gave conn up meanwhile.
static bool tell(struct tcp *tcp, struct tcp_conn *conn, struct pool_id id)
{
	unsigned pending = conn->pending;
	conn->pending = 0;
	if (pending & TCP_PENDING_ACCEPTED && !accept(tcp, conn, id))
		return false;
	if (pending & TCP_PENDING_OPENED)
		conn->events->opened(conn->user, id);
	if (!is_owned(tcp, id, conn))
		return false;
	if (pending & TCP_PENDING_READABLE)
		conn->events->readable(conn->user, id);
	if (!is_owned(tcp, id, conn))
		return false;
	if (pending & TCP_PENDING_WRITABLE)
		conn->events->writable(conn->user, id);
	return is_owned(tcp, id, conn);
}

// finish delivers `closed`, unless the owner has to read first.
static void finish(struct tcp_conn *conn, struct pool_id id)
{
	if (tcp_conn_waits_for_reader(conn))
		return;
	const struct tcp_events *events = conn->events;
	void *user = conn->user;
	enum counter reason = (enum counter)conn->end_reason;
	tcp_conn_free(conn);
	events->closed(user, id, reason);
}

// hear lets the owner hear of everything; false when conn is gone.
static bool hear(struct tcp *tcp, struct tcp_conn *conn)
{
	if (!conn->pending && !conn->is_ended) // it only has to send
		return true;
	struct pool_id id = pool_id_of(&tcp->conns, conn);
	if (!conn->is_orphan && !tell(tcp, conn, id))
		return pool_get(&tcp->conns, id) == conn; // released: what is queued still leaves
	if (!conn->is_ended)
		return true;
	finish(conn, id);
	return false;
}

// begin takes those that are ready now: those made ready from here on wait for the next call.
static void begin(struct tcp *tcp)
{
	if (list_is_empty(&tcp->ready))
		return;
	tcp->running = tcp->ready;
	tcp->running.next->previous = &tcp->running;
	tcp->running.previous->next = &tcp->running;
	list_init(&tcp->ready);
}

// next takes the first of them; NULL behind the last.
static struct tcp_conn *next(struct tcp *tcp)
{
	struct list *node = list_pop(&tcp->running);
	if (!node)
		return NULL;
	tcp->ready_count--;
	return container_of(node, struct tcp_conn, ready);
}

void tcp_run_events(struct tcp *tcp, uint32_t budget)
{
	struct tcp_conn *conn;
	struct list *node;
	begin(tcp);
	while (budget-- > 0 && (conn = next(tcp)))
		if (hear(tcp, conn))
			tcp_conn_notify(conn, 0);
	while ((node = list_pop(&tcp->running))) // over budget: behind those that may send now
		list_append(&tcp->ready, node);
}

uint32_t tcp_run_ready(struct tcp *tcp, uint32_t budget)
{
	struct tcp_conn *conn;
	begin(tcp);
	while (budget-- > 0 && (conn = next(tcp)))
		if (hear(tcp, conn))
			tcp_output(conn);
	while (!list_is_empty(&tcp->running)) { // over budget: first in line next time
		struct list *node = tcp->running.previous;
		list_remove(node);
		list_prepend(&tcp->ready, node);
	}
	return tcp->ready_count;
}
