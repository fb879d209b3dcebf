// SPDX-License-Identifier: Apache-2.0
// Raw ends of connections for scenarios about faults; see sim_probe.h.
#include "sim_probe.h"

#include "check.h"

#include <stdlib.h>

static void on_probe_ready(struct sim_conn *conn, bool)
{
	struct sim_probe *probe = container_of(conn, struct sim_probe, conn);
	if (probe->request)
		sim_conn_send(conn, slice_str(probe->request));
	conn->is_deaf = probe->is_deaf;
}

static void on_probe_gone(struct sim_conn *conn, enum counter reason)
{
	struct sim_probe *probe = container_of(conn, struct sim_probe, conn);
	probe->is_gone = true;
	probe->reason = reason;
}

static void on_probe_raw(struct sim_conn *conn, struct slice bytes)
{
	struct sim_probe *probe = container_of(conn, struct sim_probe, conn);
	bytes = slice_head(bytes, sizeof(probe->received) - 1 - probe->received_bytes);
	memcpy(probe->received + probe->received_bytes, bytes.at, bytes.bytes);
	probe->received_bytes += bytes.bytes;
	probe->received[probe->received_bytes] = 0;
}

static const struct sim_conn_owner probe_owner = {
	.ready = on_probe_ready, .gone = on_probe_gone, .raw = on_probe_raw};

void sim_probe_start(struct sim_probe *probe, struct tcp *tcp, struct buf_pool *bufs,
		     const struct sim_probe_plan *plan)
{
	struct tcp_connect connect = {.remote = plan->to,
				      .remote_port = plan->port,
				      .events = &sim_conn_events,
				      .user = &probe->conn};
	memset(probe, 0, sizeof(*probe));
	probe->request = plan->request;
	struct sim_conn_plan conn_plan = {tcp, bufs, &probe_owner, plan->context,
					  plan->server_name};
	sim_conn_init(&probe->conn, &conn_plan);
	CHECK(tcp_connect_to(tcp, &connect, &probe->conn.id) == 0);
}

void sim_probe_step(struct sim_probe *probe)
{
	sim_conn_step(&probe->conn);
	if (!probe->is_gone && !probe->is_never_closing &&
	    tcp_at_end(probe->conn.tcp, probe->conn.id))
		sim_conn_shut(&probe->conn);
}

unsigned sim_probe_status(const struct sim_probe *probe)
{
	unsigned status = 0;
	for (const char *at = probe->received; (at = strstr(at, "HTTP/1.1 ")); at += 9)
		status = (unsigned)atoi(at + 9);
	return status;
}

void sim_probe_fini(struct sim_probe *probe)
{
	sim_conn_fini(&probe->conn);
}

struct origin_conn {
	struct sim_conn conn;
	struct sim_origin *origin;
	unsigned steps_to_end; // 0: not counting
	char tail[4];          // last bytes received: the end of a head
};

static void on_origin_ready(struct sim_conn *, bool) {}

static void on_origin_gone(struct sim_conn *, enum counter) {}

static void answer(struct origin_conn *oc)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nhalf of it";
	switch (oc->origin->behaviour) {
	case SIM_ORIGIN_GOOD:
		sim_conn_send(&oc->conn, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"));
		break;
	case SIM_ORIGIN_GARBAGE: sim_conn_send(&oc->conn, SLICE("HELO stranger\r\n\r\n")); break;
	case SIM_ORIGIN_CLOSES: sim_conn_shut(&oc->conn); break;
	case SIM_ORIGIN_HALF:
		sim_conn_send(&oc->conn, slice_str(half));
		oc->steps_to_end = 50;
		break;
	case SIM_ORIGIN_STALLS: sim_conn_send(&oc->conn, slice_str(half)); break;
	default: break;
	}
}

static void on_origin_raw(struct sim_conn *conn, struct slice bytes)
{
	struct origin_conn *oc = container_of(conn, struct origin_conn, conn);
	for (size_t i = 0; i < bytes.bytes; i++) {
		memmove(oc->tail, oc->tail + 1, 3);
		oc->tail[3] = bytes.at[i];
		if (memcmp(oc->tail, "\r\n\r\n", 4) != 0)
			continue;
		oc->origin->request_count++;
		answer(oc);
	}
}

static const struct sim_conn_owner origin_owner = {
	.ready = on_origin_ready, .gone = on_origin_gone, .raw = on_origin_raw};

static void *on_accepted(void *user, struct pool_id id, const struct tcp_tuple *)
{
	struct sim_origin *origin = user;
	struct origin_conn *oc = calloc(1, sizeof(*oc));
	CHECK(oc);
	struct sim_conn_plan plan = {
		.tcp = origin->tcp, .bufs = origin->bufs, .owner = &origin_owner};
	sim_conn_init(&oc->conn, &plan);
	oc->origin = origin;
	oc->conn.id = id;
	oc->conn.is_ready = true;
	list_append(&origin->conns, &oc->conn.link);
	return &oc->conn;
}

void sim_origin_start(struct sim_origin *origin, struct tcp *tcp, struct buf_pool *bufs,
		      enum sim_behaviour behaviour)
{
	*origin = (struct sim_origin){.tcp = tcp, .bufs = bufs, .behaviour = behaviour};
	list_init(&origin->conns);
	struct tcp_listener listener = {
		.port = 80, .events = &sim_conn_events, .accepted = on_accepted, .user = origin};
	if (behaviour != SIM_ORIGIN_ABSENT)
		CHECK(tcp_listen_on(tcp, &listener) == 0);
}

static void drop(struct sim_conn *conn)
{
	list_remove(&conn->link);
	sim_conn_fini(conn);
	free(container_of(conn, struct origin_conn, conn));
}

void sim_origin_step(struct sim_origin *origin)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &origin->conns) {
		struct sim_conn *conn = container_of(node, struct sim_conn, link);
		struct origin_conn *oc = container_of(conn, struct origin_conn, conn);
		if (oc->steps_to_end > 0 && --oc->steps_to_end == 0)
			sim_conn_shut(conn);
		sim_conn_step(conn);
		if (!conn->is_gone && tcp_at_end(conn->tcp, conn->id))
			sim_conn_shut(conn);
		if (conn->is_gone)
			drop(conn);
	}
}

void sim_origin_fini(struct sim_origin *origin)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &origin->conns)
		drop(container_of(node, struct sim_conn, link));
}
