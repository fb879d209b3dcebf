// SPDX-License-Identifier: Apache-2.0
// What the connection's owner does, and the script's own switches: listen, connect, write, read,
// shutdown, close, abort; with, fresh, hold, go.
#include "segment_run.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES 16000u // of one buffer

static bool read_u16(struct segment_run *run, struct segment_words *words, uint16_t *out)
{
	int64_t value;
	if (!segment_number(run, words, &value))
		return false;
	*out = (uint16_t)value;
	return value == *out || segment_fail(run, "%lld does not fit", (long long)value);
}

static bool needs_conn(struct segment_run *run)
{
	return run->flow->has_conn ||
	       segment_fail(run, "no connection is open, accepted or connecting");
}

// listen PORT [backlog N]
static bool listen_on(struct segment_run *run, struct segment_words *words)
{
	struct tcp_listener listener = {
		.events = &segment_bed_events,
		.accepted = segment_bed_accepted,
		.congestion = run->bed->limits.congestion,
		.user = run->bed,
	};
	if (!read_u16(run, words, &listener.port))
		return false;
	if (segment_words_accept(words, "backlog") && !read_u16(run, words, &listener.backlog))
		return false;
	if (tcp_listen_on(run->bed->host.tcp, &listener) != 0)
		return segment_fail(run, "listen failed");
	if (run->flow->our_port == 0)
		run->flow->our_port = listener.port;
	return true;
}

// connect PORT [fails]
static bool connect_to(struct segment_run *run, struct segment_words *words)
{
	struct segment_flow *flow = run->flow;
	struct tcp_connect connect = {
		.remote = sim_host_addr(SEGMENT_PEER, run->bed->ends.is_v6),
		.events = &segment_bed_events,
		.user = flow,
	};
	if (!read_u16(run, words, &connect.remote_port))
		return false;
	bool must_fail = segment_words_accept(words, "fails");
	flow->peer_port = connect.remote_port;
	flow->our_port = 0;
	int failed = tcp_connect_to(run->bed->host.tcp, &connect, &flow->conn);
	flow->has_conn = !failed;
	if (!!failed != must_fail)
		return segment_fail(run, "connect returned %s", strerror(failed));
	if (failed)
		return true;
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(run->bed->host.tcp, flow->conn, &tuple));
	flow->our_port = tuple.local_port;
	return true;
}

// write BYTES [fails]
static bool write_bytes(struct segment_run *run, struct segment_words *words)
{
	struct segment_flow *flow = run->flow;
	struct tcp *tcp = run->bed->host.tcp;
	int64_t bytes;
	if (!segment_number(run, words, &bytes))
		return false;
	bool must_fail = segment_words_accept(words, "fails");
	bool has_failed = false;
	for (int64_t done = 0; done < bytes && !has_failed;) {
		uint32_t part = (uint32_t)MIN(bytes - done, (int64_t)WRITE_BYTES);
		struct buf *buf = buf_new(&run->bed->host.memory->bufs, part);
		CHECK(buf);
		for (uint32_t i = 0; i < part; i++)
			buf->data[i] = segment_byte(flow->written_bytes + i, false);
		has_failed = tcp_send(tcp, flow->conn, buf, 0, part) != 0;
		if (!has_failed)
			flow->written_bytes += part;
		done += part;
	}
	return has_failed == must_fail ||
	       segment_fail(run, "write %s", has_failed ? "failed" : "did not fail");
}

// verify compares what waits to be read with the peer's stream, or with fill.
static bool verify(struct segment_run *run, struct slice slice, const int64_t *fill)
{
	struct segment_flow *flow = run->flow;
	for (size_t i = 0; i < slice.bytes; i++) {
		uint8_t wanted = segment_byte(flow->read_bytes + i, true);
		if (fill)
			wanted = (uint8_t)*fill;
		uint8_t got = (uint8_t)slice.at[i];
		if (got != wanted)
			return segment_fail(run, "byte %llu of the stream is %02x, not %02x",
					    (unsigned long long)(flow->read_bytes + i), slice.at[i],
					    wanted);
	}
	return true;
}

// read BYTES|all [fill N]
static bool read_bytes(struct segment_run *run, struct segment_words *words)
{
	struct segment_flow *flow = run->flow;
	struct tcp *tcp = run->bed->host.tcp;
	int64_t fill = 0;
	int64_t bytes = (int64_t)tcp_received(tcp, flow->conn);
	int64_t waiting = bytes;
	if (!segment_words_accept(words, "all") && !segment_number(run, words, &bytes))
		return false;
	bool has_fill = segment_words_accept(words, "fill");
	if (has_fill && !segment_number(run, words, &fill))
		return false;
	if (bytes > waiting)
		return segment_fail(run, "only %lld bytes wait", (long long)waiting);
	while (bytes > 0) {
		struct slice slice = tcp_peek(tcp, flow->conn);
		slice.bytes = MIN(slice.bytes, (size_t)bytes);
		if (!verify(run, slice, has_fill ? &fill : NULL))
			return false;
		tcp_consume(tcp, flow->conn, slice.bytes);
		flow->read_bytes += slice.bytes;
		bytes -= (int64_t)slice.bytes;
	}
	return true;
}

static bool shut_down(struct segment_run *run, struct segment_words *)
{
	tcp_shutdown(run->bed->host.tcp, run->flow->conn);
	return true;
}

static bool release(struct segment_run *run, struct segment_words *)
{
	run->flow->has_conn = false;
	tcp_release(run->bed->host.tcp, run->flow->conn);
	return true;
}

static bool abort_conn(struct segment_run *run, struct segment_words *)
{
	tcp_abort(run->bed->host.tcp, run->flow->conn);
	run->flow->has_conn = false;
	return true;
}

// refuse makes the listener's owner take nobody from here on.
static bool refuse(struct segment_run *run, struct segment_words *)
{
	run->bed->is_refusing = true;
	return true;
}

// with PORT: the following lines are about the flow from this port of the peer; a new one counts
// from the same numbers as the one before.
static bool turn_to(struct segment_run *run, struct segment_words *words)
{
	uint16_t port, our_port = run->flow->our_port;
	if (!read_u16(run, words, &port))
		return false;
	for (unsigned i = 0; i < run->bed->flow_count; i++) {
		if (run->bed->flow[i].peer_port == port) {
			run->flow = &run->bed->flow[i];
			return true;
		}
	}
	uint32_t peer_isn = run->flow->peer_isn, our_isn = run->flow->our_isn;
	run->flow = segment_bed_flow(run->bed, port, our_port);
	if (!run->flow)
		return segment_fail(run, "too many flows");
	run->flow->peer_isn = peer_isn;
	run->flow->our_isn = our_isn; // until a SYN of ours says otherwise
	return true;
}

// fresh N: the peer starts again on the same ports, its initial number moved on by N.
static bool begin_again(struct segment_run *run, struct segment_words *words)
{
	struct segment_flow *flow = run->flow;
	int64_t step;
	if (!segment_number(run, words, &step))
		return false;
	flow->peer_isn += (uint32_t)step;
	flow->read_bytes = flow->written_bytes = 0;
	return true;
}

// established [win N] [after DURATION] <OPTIONS>: a passive open with these options of the peer,
// the window in its SYN and ACK, and this round trip.
static bool establish(struct segment_run *run, struct segment_words *words)
{
	char line[2 * SEGMENT_LINE_BYTES];
	const char *window =
		segment_words_accept(words, "win") ? segment_words_take(words) : "65535";
	const char *trip =
		segment_words_accept(words, "after") ? segment_words_take(words) : "10ms";
	char options[SEGMENT_LINE_BYTES] = "";
	while (*segment_words_peek(words)) {
		strncat(options, " ", sizeof(options) - strlen(options) - 1);
		strncat(options, segment_words_take(words), sizeof(options) - strlen(options) - 1);
	}
	snprintf(line, sizeof(line), "< S 0 win %s %s", window, options);
	if (!(run->flow->our_port || segment_run_line(run, "listen 80")) ||
	    !segment_run_line(run, line) || !segment_run_line(run, "> SA 0 ack 1 <any>"))
		return false;
	snprintf(line, sizeof(line), "+%s < A 1 ack 1 win %s", trip, window);
	return segment_run_line(run, line) && segment_run_line(run, "event accepted");
}

static bool hold(struct segment_run *run, struct segment_words *)
{
	run->is_holding = true;
	return true;
}

// go lets what was held arrive in one burst.
static bool go(struct segment_run *run, struct segment_words *)
{
	for (unsigned i = 0; i < run->held_count; i++) {
		segment_bed_inject(run->bed, run->held[i], run->held_bytes[i]);
		free(run->held[i]);
	}
	run->held_count = 0;
	run->is_holding = false;
	return true;
}

// port N: from which port of the peer; where the peer's numbers start: peer_isn N.
static bool set_isn(struct segment_run *run, struct segment_words *words)
{
	int64_t value;
	if (!segment_number(run, words, &value))
		return false;
	run->flow->peer_isn = (uint32_t)value;
	return true;
}

static const struct {
	const char *name;
	bool (*act)(struct segment_run *run, struct segment_words *words);
	bool needs_conn;
} acts[] = {
	{"listen", listen_on, false},  {"connect", connect_to, false},
	{"write", write_bytes, true},  {"read", read_bytes, true},
	{"shutdown", shut_down, true}, {"close", release, true},
	{"abort", abort_conn, true},   {"refuse", refuse, false},
	{"with", turn_to, false},      {"fresh", begin_again, false},
	{"hold", hold, false},         {"go", go, false},
	{"peer_isn", set_isn, false},  {"established", establish, false},
};

bool segment_do_act(struct segment_run *run, struct segment_words *words)
{
	const char *name = segment_words_take(words);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (strcmp(acts[i].name, name) != 0)
			continue;
		segment_open(run);
		if (!segment_wait(run) || (acts[i].needs_conn && !needs_conn(run)))
			return false;
		segment_note(run, "%s", run->text);
		if (!acts[i].act(run, words))
			return false;
		if (!run->is_holding)
			segment_bed_settle(run->bed);
		return true;
	}
	return segment_fail(run, "no such command: %s", name);
}
