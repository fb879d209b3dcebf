// SPDX-License-Identifier: Apache-2.0
// Transfers (transfer.h) over our own stack, on a port of its own: what the kernel's peers meet.
//
//   tcp_host --conf FILE --listen PORT | --connect ADDR:PORT [options of transfer_job.h]
//
// Says "ready", then one line of JSON (with all counters) when its transfers, or its seconds, are
// over, or on TERM. --cc is the listener's. Options that set up kernel sockets have no effect here.
#include "transfer_job.h"

#include "check.h"
#include "host_stack.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384u
#define TICK_US     1000u // how late a pause ends

struct conn {
	struct pool_id id;
	struct transfer transfer;
	uint64_t began_us, opened_us, read_us;
	uint64_t retransmits; // as of the last look
	bool is_shut;
	bool is_in_use;
};

struct host {
	struct host_stack stack;
	struct transfer_options options;
	struct transfer_tally tally;
	struct conn *conns; // conf.tcp.connections of them
	uint32_t conn_count;
	struct endpoint_addr target;
	uint64_t last_connect_us;
	uint64_t looked_us, traced_us;
	uint32_t next_free; // where to look for a free slot
	bool is_starved;    // buffers ran out: try again
};

static struct host *host_now; // tcp_events carry the connection, not the host
static volatile sig_atomic_t is_stopped;

static void stop(int)
{
	is_stopped = 1;
}

static struct conn *conn_new(struct host *host)
{
	for (uint32_t i = 0; i < host->conn_count; i++) {
		struct conn *conn = &host->conns[host->next_free++ % host->conn_count];
		if (conn->is_in_use)
			continue;
		*conn = (struct conn){.is_in_use = true, .began_us = host->stack.now_us};
		transfer_tally_begin(&host->tally);
		return conn;
	}
	return NULL;
}

static void note_info(struct host *host, struct conn *conn)
{
	struct tcp_info info;
	if (!tcp_info_of(host->stack.tcp, conn->id, &info))
		return;
	host->tally.retransmits += info.retransmits - conn->retransmits;
	host->tally.srtt_us = info.srtt_us;
	host->tally.cwnd_bytes = info.cwnd_bytes;
	conn->retransmits = info.retransmits;
}

static void conn_end(struct host *host, struct conn *conn, enum transfer_end how)
{
	if (how == TRANSFER_STOPPED)
		tcp_abort(host->stack.tcp, conn->id);
	transfer_tally_end(&host->tally, &conn->transfer, how, host->stack.now_us);
	conn->is_in_use = false;
}

// pump queues what there is room for, and ends the direction behind the last byte.
static void pump(struct host *host, struct conn *conn)
{
	struct tcp *tcp = host->stack.tcp;
	while (!conn->is_shut && tcp_send_room(tcp, conn->id) >= CHUNK_BYTES) {
		struct buf *buf = buf_new(&host->stack.bufs, CHUNK_BYTES);
		if (!buf) {
			host->is_starved = true;
			return;
		}
		size_t bytes = transfer_give(&conn->transfer, buf->data, CHUNK_BYTES);
		if (bytes == 0) {
			buf_unref(buf);
			break;
		}
		if (tcp_send(tcp, conn->id, buf, 0, (uint32_t)bytes) != 0)
			return;
	}
	if (!conn->is_shut && transfer_has_given(&conn->transfer)) {
		conn->is_shut = true;
		tcp_shutdown(tcp, conn->id);
	}
}

// take consumes what waits, as fast as the options allow.
static void take(struct host *host, struct conn *conn)
{
	struct tcp *tcp = host->stack.tcp;
	size_t left = host->options.slow_bytes ? host->options.slow_bytes : SIZE_MAX;
	if (host->stack.now_us - conn->read_us < host->options.slow_ms * 1000ull)
		return;
	while (left > 0) {
		struct slice some = tcp_peek(tcp, conn->id);
		size_t bytes = MIN(some.bytes, left);
		if (bytes == 0)
			break;
		transfer_take(&conn->transfer, (const uint8_t *)some.at, bytes);
		tcp_consume(tcp, conn->id, bytes);
		left -= bytes;
	}
	conn->read_us = host->stack.now_us;
	if (!conn->transfer.is_at_end && tcp_at_end(tcp, conn->id))
		transfer_take_end(&conn->transfer);
	pump(host, conn);
}

static void on_opened(void *user, struct pool_id)
{
	struct conn *conn = user;
	struct host *host = host_now;
	conn->opened_us = host->stack.now_us;
	transfer_tally_opened(&host->tally, conn->opened_us, conn->opened_us - conn->began_us);
	pump(host, conn);
}

static void on_readable(void *user, struct pool_id)
{
	take(host_now, user);
}

static void on_writable(void *user, struct pool_id)
{
	pump(host_now, user);
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct conn *conn = user;
	enum transfer_end how = TRANSFER_FAILED;
	if (reason == COUNTER_tcp_closed)
		how = transfer_is_good(&conn->transfer) ? TRANSFER_GOOD : TRANSFER_WRONG;
	else if (reason == COUNTER_tcp_reset_by_peer)
		how = TRANSFER_RESET;
	conn_end(host_now, conn, how);
}

static const struct tcp_events events = {on_opened, on_readable, on_writable, on_closed};

static void *on_accepted(void *user, struct pool_id id, const struct tcp_tuple *)
{
	struct host *host = user;
	struct conn *conn = conn_new(host);
	if (!conn)
		return NULL;
	conn->id = id;
	transfer_serve(&conn->transfer);
	conn->opened_us = host->stack.now_us;
	transfer_tally_opened(&host->tally, conn->opened_us, 0);
	return conn;
}

static void dial(struct host *host)
{
	struct conn *conn = conn_new(host);
	if (!conn)
		return;
	struct tcp_connect connect = {.remote = host->target.addr,
				      .remote_port = host->target.port,
				      .events = &events,
				      .user = conn};
	host->last_connect_us = host->stack.now_us;
	transfer_ask(&conn->transfer, &host->options.request);
	if (tcp_connect_to(host->stack.tcp, &connect, &conn->id) != 0)
		conn_end(host, conn, TRANSFER_FAILED);
}

// look_after does what no event tells: pauses that end, transfers to stop, buffers that came back.
static void look_after(struct host *host)
{
	host->looked_us = host->stack.now_us;
	bool was_starved = host->is_starved;
	host->is_starved = false;
	for (uint32_t i = 0; i < host->conn_count; i++) {
		struct conn *conn = &host->conns[i];
		if (!conn->is_in_use)
			continue;
		note_info(host, conn);
		if (transfer_must_stop(&host->options, &conn->transfer, conn->opened_us,
				       host->stack.now_us)) {
			conn_end(host, conn, TRANSFER_STOPPED);
			continue;
		}
		if (host->options.slow_bytes && conn->opened_us)
			take(host, conn);
		if (was_starved)
			pump(host, conn);
	}
}

// trace tells the state of each connection, for whoever wants to see why one is slow.
static void trace(struct host *host)
{
	const struct counters *counters = &host->stack.counters;
	struct tcp_info info;
	host->traced_us = host->stack.now_us;
	for (uint32_t i = 0; i < host->conn_count; i++) {
		struct conn *conn = &host->conns[i];
		if (!conn->is_in_use || !tcp_info_of(host->stack.tcp, conn->id, &info))
			continue;
		fprintf(stderr,
			"%u: %lu ms: cwnd %u ssthresh %u unacked %u queued %u window %u srtt %u us "
			"sent %lu again %lu; rto %lu\n",
			i, (host->stack.now_us - conn->opened_us) / 1000, info.cwnd_bytes,
			info.ssthresh_bytes, info.unacked_bytes, info.queued_bytes,
			info.send_window, info.srtt_us, info.bytes_sent, info.retransmits,
			counters->value[COUNTER_tcp_rto_expiries]);
	}
}

static void run(struct host *host)
{
	const struct transfer_options *options = &host->options;
	uint64_t end_us = host->stack.now_us + options->seconds * 1000000;
	while (!is_stopped && host->stack.now_us < end_us &&
	       !transfer_is_over(options, &host->tally)) {
		while (transfer_wants_connect(options, &host->tally, host->stack.now_us,
					      host->last_connect_us))
			dial(host);
		if (host->stack.now_us - host->looked_us >= TICK_US)
			look_after(host);
		if (options->trace_ms &&
		    host->stack.now_us - host->traced_us >= options->trace_ms * 1000ull)
			trace(host);
		host_stack_turn(&host->stack, TICK_US);
	}
	// What the last turn queued leaves, among it the last ACK.
	host_stack_turn(&host->stack, 0);
}

static void open_all(struct host *host)
{
	host->conn_count = host->stack.conf->tcp.connections;
	host->conns = calloc(host->conn_count, sizeof(*host->conns));
	CHECK(host->conns);
	bool is_bbr = strcmp(host->options.cc, "bbr") == 0;
	struct tcp_listener listener = {.port = host->options.listen,
					.events = &events,
					.accepted = on_accepted,
					.congestion =
						is_bbr ? TCP_CONGESTION_BBR : TCP_CONGESTION_CUBIC,
					.user = host};
	if (host->options.listen)
		CHECK(tcp_listen_on(host->stack.tcp, &listener) == 0);
	if (host->options.connect &&
	    endpoint_addr_parse(host->options.connect, &host->target) != 0) {
		fprintf(stderr, "tcp_host: no such address: %s\n", host->options.connect);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct host *host = calloc(1, sizeof(*host));
	CHECK(host);
	host_now = host;
	transfer_options_read(argc, argv, &host->options);
	if (!host->options.conf) {
		fputs("tcp_host: --conf is wanted\n", stderr);
		return 2;
	}
	struct conf *conf = calloc(1, sizeof(*conf));
	if (!conf || conf_load(host->options.conf, conf, stderr) != 0)
		return 2;
	host_stack_open(&host->stack, conf);
	open_all(host);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	puts("ready");
	fflush(stdout);
	run(host);
	printf("{");
	transfer_tally_print(&host->tally, stdout);
	printf(", \"counters\": {");
	host_stack_print(&host->stack, stdout);
	printf("}}\n");
	host_stack_close(&host->stack);
	free(host->conns);
	free(host);
	return 0;
}
