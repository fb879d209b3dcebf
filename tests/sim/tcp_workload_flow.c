// SPDX-License-Identifier: Apache-2.0
// One flow of the random workload: two applications that write, read, nap, half-close and break off
// as drawn, each byte checked, and the verdict over how it ended.
#include "check.h"
#include "tcp_workload.h"

#include <stdio.h>

#define STALL_MAX_US 6000000u
#define RETRY_US     4000000u
#define NO_BUF_US    10000u

static uint64_t now_of(const struct flow_end *end)
{
	return end->flow->workload->now_us;
}

static struct random_source *random_of(struct flow_end *end)
{
	return &end->flow->workload->random;
}

static unsigned side_of(const struct flow_end *end)
{
	return end == &end->flow->ends[1];
}

static struct flow_end *peer_of(struct flow_end *end)
{
	return &end->flow->ends[!side_of(end)];
}

static void trace(const struct flow_end *end, const char *what)
{
	const struct workload *workload = end->flow->workload;
	if (workload->is_verbose)
		fprintf(stderr, "%12.6f flow %u end %u: %s (sent %lu of %lu, read %lu)\n",
			(double)(workload->now_us - workload->began_us) / 1e6,
			(unsigned)(end->flow - workload->flows), side_of(end), what, end->sent,
			end->to_send, end->read);
}

static void fail(const struct flow_end *end, const char *why)
{
	workload_fail(end->flow->workload, end->flow, why);
}

// byte_at is what sender writes at offset.
static uint8_t byte_at(const struct flow_end *sender, uint64_t offset)
{
	uint64_t word = (offset >> 3 ^ (uint64_t)sender->flow->salt << 32 ^ side_of(sender)) *
			0x9e3779b97f4a7c15ull;
	return (uint8_t)(word >> (offset & 7) * 8);
}

static bool should_break(const struct flow_end *end)
{
	return end->is_live &&
	       (end->read + end->sent >= end->breaks_after || now_of(end) >= end->breaks_at_us);
}

static void break_off(struct flow_end *end)
{
	trace(end, end->is_releasing ? "releases" : "aborts");
	end->is_live = false;
	end->is_broken = true;
	if (end->is_releasing)
		tcp_release(end->host->tcp, end->conn);
	else
		tcp_abort(end->host->tcp, end->conn);
}

static void finish_writing(struct flow_end *end)
{
	bool is_waiting = end->waits_for_end && !end->is_at_end;
	if (end->is_shut || end->sent < end->to_send || is_waiting)
		return;
	trace(end, "shuts down");
	end->is_shut = true;
	tcp_shutdown(end->host->tcp, end->conn);
}

// write_some queues one piece; false when there is no room or no buffer now.
static bool write_some(struct flow_end *end)
{
	struct tcp *tcp = end->host->tcp;
	uint64_t left = end->to_send - end->sent;
	uint32_t want = 1 + random_below(random_of(end), end->write_max);
	uint32_t bytes = (uint32_t)MIN(left, (uint64_t)want);
	if (tcp_send_room(tcp, end->conn) < bytes)
		return false;
	struct buf *buf = buf_new(&end->host->memory->bufs, bytes);
	if (!buf) {
		end->write_at_us = now_of(end) + NO_BUF_US;
		return false;
	}
	uint32_t offset = random_below(random_of(end), buf->bytes - bytes + 1);
	for (uint32_t i = 0; i < bytes; i++)
		buf->data[offset + i] = byte_at(end, end->sent + i);
	if (tcp_send(tcp, end->conn, buf, offset, bytes) != 0)
		fail(end, "tcp_send refused");
	if (random_below(random_of(end), 4) == 0)
		tcp_push(tcp, end->conn);
	end->sent += bytes;
	return true;
}

static void write_on(struct flow_end *end)
{
	while (end->is_live && end->sent < end->to_send && now_of(end) >= end->write_at_us) {
		if (should_break(end)) {
			break_off(end);
			return;
		}
		if (!write_some(end))
			return;
		if (end->write_pause_us)
			end->write_at_us =
				now_of(end) + 1 + random_below(random_of(end), end->write_pause_us);
	}
	if (end->is_live)
		finish_writing(end);
}

// take checks bytes read and scribbles over them, as decryption in place does.
static void take(struct flow_end *end, struct slice bytes)
{
	uint8_t *at = (uint8_t *)(uintptr_t)bytes.at;
	const struct flow_end *peer = peer_of(end);
	for (size_t i = 0; i < bytes.bytes; i++) {
		if (at[i] != byte_at(peer, end->read + i))
			fail(end, "wrong byte");
		at[i] ^= 0xff;
	}
	end->read += bytes.bytes;
	if (end->read > peer->sent)
		fail(end, "more bytes than were sent");
}

static void nap(struct flow_end *end)
{
	uint64_t pause_us = 0;
	if (end->read_max < UINT32_MAX) // something may be left, and nothing else wakes it
		pause_us = 1 + random_below(random_of(end), MAX(end->read_pause_us, 1000u));
	if (end->is_stalling && random_below(random_of(end), 16) == 0)
		pause_us += 1000000 + random_below(random_of(end), STALL_MAX_US);
	if (pause_us)
		end->read_at_us = now_of(end) + pause_us;
}

static void read_on(struct flow_end *end)
{
	struct tcp *tcp = end->host->tcp;
	uint32_t quota = end->read_max;
	bool has_read = false;
	if (!end->is_live || now_of(end) < end->read_at_us)
		return;
	while (end->is_live && tcp_received(tcp, end->conn) > 0 && quota > 0) {
		if (should_break(end)) {
			break_off(end);
			return;
		}
		struct slice got = slice_head(tcp_peek(tcp, end->conn), quota);
		take(end, got);
		tcp_consume(tcp, end->conn, got.bytes);
		quota -= (uint32_t)got.bytes;
		has_read = true;
	}
	if (has_read)
		nap(end);
	if (!end->is_at_end && tcp_at_end(tcp, end->conn)) {
		trace(end, "read the end");
		end->is_at_end = true;
		finish_writing(end);
	}
}

static void on_opened(void *user, struct pool_id)
{
	trace(user, "opened");
	write_on(user);
}

static void on_readable(void *user, struct pool_id)
{
	read_on(user);
}

static void on_writable(void *user, struct pool_id)
{
	write_on(user);
}

static void on_closed(void *user, struct pool_id conn, enum counter reason)
{
	struct flow_end *end = user;
	struct tcp_tuple tuple;
	trace(end, counter_info[reason].name);
	if (end->is_closed || !end->is_live)
		fail(end, "closed twice, or after abort or release");
	if (tcp_tuple_of(end->host->tcp, conn, &tuple))
		fail(end, "handle lives after closed");
	end->is_closed = true;
	end->closed_us = end->flow->workload->now_us;
	end->is_live = false;
	end->reason = reason;
	if (reason == COUNTER_tcp_closed) // a napping reader had taken every byte, not yet the end
		end->is_at_end = true;
}

static const struct tcp_events events = {on_opened, on_readable, on_writable, on_closed};

// is_of is true when tuple, seen by the listening host, is the flow's.
static bool is_of(const struct flow *flow, const struct tcp_tuple *tuple)
{
	return flow->tuple.local_port == tuple->remote_port &&
	       flow->tuple.remote_port == tuple->local_port &&
	       addr_equal(&flow->tuple.local, &tuple->remote) &&
	       addr_equal(&flow->tuple.remote, &tuple->local);
}

// expected finds the flow whose handshake the listener's host has finished, NULL for none.
static struct flow *expected(const struct workload *workload, const struct tcp_tuple *tuple)
{
	for (uint32_t i = 0; i < workload->flow_count; i++) {
		struct flow *flow = &workload->flows[i];
		const struct flow_end *end = &flow->ends[1];
		bool was_here = end->is_live || end->is_closed || end->is_broken;
		if (flow->is_started && !was_here && is_of(flow, tuple))
			return flow;
	}
	return NULL;
}

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *tuple)
{
	struct workload_door *door = user;
	struct workload *workload = door->workload;
	struct flow *flow = expected(workload, tuple);
	if (!flow) {
		// a cookie's late ACK brings back what was over
		if (!workload->hosts[door->host].counters.value[COUNTER_tcp_cookies_accepted])
			workload_fail(workload, NULL, "a connection that no flow knows");
		return NULL;
	}
	struct flow_end *end = &flow->ends[1];
	trace(end, flow->kind == FLOW_REFUSED ? "refuses" : "accepts");
	if (flow->kind == FLOW_REFUSED)
		return NULL;
	end->conn = conn;
	end->is_live = true;
	tcp_set_user(end->host->tcp, conn, end);
	workload_activate(workload, flow);
	write_on(end);
	return end;
}

void workload_listen(struct workload *workload, uint32_t host, uint16_t backlog,
		     enum tcp_congestion congestion)
{
	workload->doors[host] = (struct workload_door){workload, host};
	struct tcp_listener listener = {.port = WORKLOAD_PORT,
					.backlog = backlog,
					.congestion = congestion,
					.events = &events,
					.accepted = on_accepted,
					.user = &workload->doors[host]};
	CHECK(tcp_listen_on(workload->hosts[host].tcp, &listener) == 0);
}

static bool dial(struct flow_end *end, uint16_t port)
{
	struct workload *workload = end->flow->workload;
	uint32_t peer = (uint32_t)(peer_of(end)->host - workload->hosts);
	struct tcp_connect connect = {.remote = sim_host_addr(peer + 1, end->flow->is_v6),
				      .remote_port = port,
				      .events = &events,
				      .user = end};
	if (tcp_connect_to(end->host->tcp, &connect, &end->conn) != 0)
		return false;
	end->is_live = true;
	trace(end, "connects");
	return true;
}

// are_idle is true when neither host of a simultaneous open remembers an earlier one.
static bool are_idle(const struct flow *flow)
{
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_in_use in_use = tcp_in_use(flow->ends[side].host->tcp);
		if (in_use.conn_count + in_use.time_wait_count + in_use.half_open_count)
			return false;
	}
	return true;
}

bool flow_start(struct flow *flow)
{
	struct workload *workload = flow->workload;
	bool is_twin = flow->kind == FLOW_TWIN;
	uint16_t port = is_twin ? WORKLOAD_TWIN : WORKLOAD_PORT;
	if (flow->kind == FLOW_NOBODY)
		port = WORKLOAD_SHUT;
	flow->start_us = workload->now_us + 1 + random_below(&workload->random, RETRY_US);
	if (is_twin && !are_idle(flow))
		return false;
	if (!dial(&flow->ends[0], port))
		return false;
	if (is_twin && !dial(&flow->ends[1], port))
		fail(&flow->ends[1], "no port for a simultaneous open");
	flow->is_started = true;
	flow->began_us = workload->now_us;
	for (unsigned side = 0; side < 2; side++)
		if (flow->ends[side].breaks_at_us != UINT64_MAX)
			flow->ends[side].breaks_at_us += workload->now_us;
	tcp_tuple_of(flow->ends[0].host->tcp, flow->ends[0].conn, &flow->tuple);
	return true;
}

void flow_pump(struct flow *flow)
{
	for (unsigned side = 0; side < 2; side++) {
		struct flow_end *end = &flow->ends[side];
		struct tcp_info info;
		if (should_break(end))
			break_off(end);
		if (!end->is_live || !tcp_info_of(end->host->tcp, end->conn, &info))
			continue;
		read_on(end);
		if (end->is_live && strncmp(info.state, "SYN", 3) != 0)
			write_on(end);
	}
}

bool flow_is_over(const struct flow *flow)
{
	return flow->is_started && !flow->ends[0].is_live && !flow->ends[1].is_live;
}

uint64_t flow_next_us(const struct flow *flow)
{
	uint64_t next_us = UINT64_MAX, now_us = flow->workload->now_us;
	for (unsigned side = 0; side < 2; side++) {
		const struct flow_end *end = &flow->ends[side];
		if (!end->is_live)
			continue;
		if (end->read_at_us > now_us)
			next_us = MIN(next_us, end->read_at_us);
		if (end->write_at_us > now_us && end->sent < end->to_send)
			next_us = MIN(next_us, end->write_at_us);
		next_us = MIN(next_us, end->breaks_at_us);
	}
	return next_us;
}

// is_giving_up is true for reasons that only a path that loses nearly everything excuses.
static bool is_giving_up(enum counter reason)
{
	return reason == COUNTER_tcp_timed_out || reason == COUNTER_tcp_connect_timed_out ||
	       reason == COUNTER_tcp_keepalive_timed_out;
}

// has_bounds is true when a handshake may have been lost at a bound of the listening host.
static bool has_bounds(const struct flow *flow)
{
	const uint64_t *counted = flow->ends[1].host->counters.value;
	return flow->workload->is_tight || counted[COUNTER_tcp_cookies_sent];
}

// was_evicted is true when an end whose reader slept for seconds pinned the most of too little
// memory.
static bool was_evicted(const struct flow *flow)
{
	for (unsigned side = 0; side < 2; side++)
		if (flow->ends[side].is_stalling &&
		    flow->ends[side].reason == COUNTER_tcp_receive_memory_evicted)
			return true;
	return false;
}

// is_excused is true when the end may have ended short of its plan: the path or a table says why.
static bool is_excused(const struct flow_end *end)
{
	const struct workload *workload = end->flow->workload;
	bool was_cut = is_giving_up(end->reason) || end->reason == COUNTER_tcp_reset_by_peer ||
		       end->reason == COUNTER_tcp_refused;
	if (was_evicted(end->flow))
		return true;
	return end->is_closed && was_cut && (workload->is_harsh || has_bounds(end->flow));
}

// is_whole is true when end did and heard everything.
static bool is_whole(struct flow_end *end)
{
	return end->is_closed && end->reason == COUNTER_tcp_closed && end->is_at_end &&
	       end->sent == end->to_send && end->read == peer_of(end)->to_send;
}

// is_late is true when both have all bytes but the last ACK of one was lost until the other's
// TIME-WAIT, which began when it closed, was over.
static bool is_late(struct flow_end *end)
{
	struct workload *workload = end->flow->workload;
	struct flow_end *peer = peer_of(end);
	uint64_t time_wait_us = workload->time_wait_us[peer->host - workload->hosts];
	return end->reason == COUNTER_tcp_reset_by_peer && end->is_at_end &&
	       end->read == peer->to_send && peer->read == end->to_send && peer->is_closed &&
	       end->closed_us >= peer->closed_us + time_wait_us;
}

static const char *judge(struct flow_end *end)
{
	switch (end->flow->kind) {
	case FLOW_WHOLE:
	case FLOW_TWIN: return is_whole(end) || is_late(end) ? NULL : "did not end whole";
	case FLOW_REFUSED:
		if (side_of(end) == 1)
			return NULL;
		return end->reason == COUNTER_tcp_reset_by_peer ? NULL : "refused, but not reset";
	case FLOW_NOBODY:
		if (side_of(end) == 1)
			return NULL;
		return end->reason == COUNTER_tcp_refused ? NULL : "nobody there, not refused";
	default: return is_giving_up(end->reason) ? "gave up on a peer that broke off" : NULL;
	}
}

void flow_check(struct flow *flow)
{
	struct workload *workload = flow->workload;
	bool is_short = false;
	for (unsigned side = 0; side < 2; side++) {
		struct flow_end *end = &flow->ends[side];
		const char *verdict = judge(end);
		if (!verdict || (side == 1 && !end->is_closed && is_excused(&flow->ends[0])))
			continue;
		if (!is_excused(end) && end->is_closed)
			workload_fail(workload, flow, verdict);
		if (!end->is_closed && !has_bounds(flow) && !workload->is_harsh)
			workload_fail(workload, flow, verdict);
		is_short = true;
	}
	workload->excused += is_short;
}

static void print_end(const struct flow_end *end)
{
	struct tcp_info info = {.state = "-"};
	tcp_info_of(end->host->tcp, end->conn, &info);
	fprintf(stderr,
		"    end %u on host %u: %s sent %lu/%lu read %lu live %d shut %d end %d closed %d "
		"broken %d reason %s; cwnd %u ssthresh %u wnd %u rwnd %u queued %u unacked %u "
		"rto %u retransmits %lu\n",
		side_of(end), (unsigned)(end->host - end->flow->workload->hosts) + 1, info.state,
		end->sent, end->to_send, end->read, end->is_live, end->is_shut, end->is_at_end,
		end->is_closed, end->is_broken,
		end->is_closed ? counter_info[end->reason].name : "-", info.cwnd_bytes,
		info.ssthresh_bytes, info.send_window, info.receive_window, info.queued_bytes,
		info.unacked_bytes, info.rto_us, info.retransmits);
}

void flow_print(const struct flow *flow)
{
	static const char *const kinds[FLOW_KINDS] = {"whole", "twin", "broken", "refused",
						      "nobody"};
	const struct workload *workload = flow->workload;
	fprintf(stderr, "  flow %u: %s v%d, port %u, began at %.3f s\n",
		(unsigned)(flow - workload->flows), kinds[flow->kind], flow->is_v6 ? 6 : 4,
		flow->tuple.local_port, (double)(flow->began_us - workload->began_us) / 1e6);
	print_end(&flow->ends[0]);
	print_end(&flow->ends[1]);
}
