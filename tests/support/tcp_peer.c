// SPDX-License-Identifier: Apache-2.0
// Transfers (transfer.h) over the kernel's sockets: what our stack is shown against.
//
//   tcp_peer --listen PORT | --connect ADDR:PORT [options of transfer_job.h]
//
// Says "ready", then one line of JSON when its transfers, or its seconds, are over, or on TERM.
#include "transfer_job.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX 4096u
#define OUT_BYTES 65536u
#define TICK_MS   1 // how late a pause ends
#define IDLE_MS   50

struct conn {
	int fd;
	struct transfer transfer;
	uint64_t began_us, opened_us, read_us, write_us; // 0, or the last time
	uint32_t out_at, out_bytes;                      // given, not yet written
	bool is_shut;
	uint8_t out[OUT_BYTES];
};

struct peer {
	struct transfer_options options;
	struct transfer_tally tally;
	struct conn *conns[CONNS_MAX];
	uint32_t count;
	int listener;
	uint64_t now_us, last_connect_us, traced_us;
};

static volatile sig_atomic_t is_stopped;

static void stop(int)
{
	is_stopped = 1;
}

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "tcp_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_int(int fd, int level, int name, int value)
{
	if (value && setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		fail("setsockopt");
}

static void set_up(const struct transfer_options *options, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, options->rcvbuf);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, options->sndbuf);
	set_int(fd, IPPROTO_TCP, TCP_MAXSEG, options->maxseg);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, options->is_nodelay);
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options->cc,
		       (socklen_t)strlen(options->cc)) != 0)
		fail(options->cc);
}

static struct conn *add(struct peer *peer, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	if (!conn || peer->count == CONNS_MAX)
		fail("too many connections");
	conn->fd = fd;
	conn->began_us = peer->now_us;
	peer->conns[peer->count++] = conn;
	transfer_tally_begin(&peer->tally);
	return conn;
}

static void opened(struct peer *peer, struct conn *conn)
{
	conn->opened_us = peer->now_us;
	transfer_tally_opened(&peer->tally, peer->now_us, peer->now_us - conn->began_us);
}

static void note_info(struct peer *peer, const struct conn *conn)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof(info);
	getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
	peer->tally.retransmits += info.tcpi_total_retrans;
	peer->tally.srtt_us = info.tcpi_rtt;
	peer->tally.cwnd_bytes = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
}

// end_at ends the connection in slot index; the last one takes its place.
static void end_at(struct peer *peer, uint32_t index, enum transfer_end how)
{
	struct conn *conn = peer->conns[index];
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	note_info(peer, conn);
	if (how == TRANSFER_STOPPED)
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(conn->fd);
	transfer_tally_end(&peer->tally, &conn->transfer, how, peer->now_us);
	free(conn);
	peer->conns[index] = peer->conns[--peer->count];
}

static void dial(struct peer *peer, const struct sockaddr *to, socklen_t bytes)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	set_up(&peer->options, fd);
	struct conn *conn = add(peer, fd);
	peer->last_connect_us = peer->now_us;
	transfer_ask(&conn->transfer, &peer->options.request);
	if (connect(fd, to, bytes) != 0 && errno != EINPROGRESS)
		end_at(peer, peer->count - 1, TRANSFER_FAILED);
}

static void accept_all(struct peer *peer)
{
	for (int fd; (fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
		set_up(&peer->options, fd);
		struct conn *conn = add(peer, fd);
		transfer_serve(&conn->transfer);
		opened(peer, conn);
	}
}

static enum transfer_end end_of(int error)
{
	return error == ECONNRESET || error == EPIPE ? TRANSFER_RESET : TRANSFER_FAILED;
}

// Each step below returns how the connection ended, or -1.
static int do_open(struct peer *peer, struct conn *conn)
{
	int error = 0;
	socklen_t bytes = sizeof(error);
	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (error)
		return TRANSFER_FAILED;
	opened(peer, conn);
	return -1;
}

static int do_read(struct peer *peer, struct conn *conn)
{
	static uint8_t room[1 << 18];
	size_t most = peer->options.slow_bytes ? peer->options.slow_bytes : sizeof(room);
	ssize_t got = recv(conn->fd, room, most < sizeof(room) ? most : sizeof(room), 0);
	conn->read_us = peer->now_us;
	if (got < 0)
		return errno == EAGAIN ? -1 : (int)end_of(errno);
	if (got == 0)
		transfer_take_end(&conn->transfer);
	else
		transfer_take(&conn->transfer, room, (size_t)got);
	return -1;
}

static int do_write(struct peer *peer, struct conn *conn)
{
	ssize_t sent = send(conn->fd, conn->out + conn->out_at, conn->out_bytes, MSG_NOSIGNAL);
	conn->write_us = peer->now_us;
	if (sent < 0)
		return errno == EAGAIN ? -1 : (int)end_of(errno);
	conn->out_at += (uint32_t)sent;
	conn->out_bytes -= (uint32_t)sent;
	return -1;
}

static void refill(struct peer *peer, struct conn *conn)
{
	if (conn->out_bytes > 0 || !conn->opened_us)
		return;
	uint32_t most = peer->options.write_bytes ? peer->options.write_bytes : OUT_BYTES;
	conn->out_at = 0;
	conn->out_bytes = (uint32_t)transfer_give(&conn->transfer, conn->out, most);
	if (conn->out_bytes == 0 && transfer_has_given(&conn->transfer) && !conn->is_shut) {
		conn->is_shut = true;
		shutdown(conn->fd, SHUT_WR);
	}
}

static short wanted(struct peer *peer, struct conn *conn)
{
	const struct transfer_options *options = &peer->options;
	short events = 0;
	refill(peer, conn);
	if (!conn->opened_us)
		return POLLOUT;
	if (!conn->transfer.is_at_end && peer->now_us - conn->read_us >= options->slow_ms * 1000ull)
		events |= POLLIN;
	if (conn->out_bytes > 0 && peer->now_us - conn->write_us >= options->write_us)
		events |= POLLOUT;
	return events;
}

static int serve(struct peer *peer, struct conn *conn, short events, short got)
{
	int how = -1;
	if (got && !conn->opened_us)
		return do_open(peer, conn);
	if (got & POLLERR && !(got & POLLIN))
		how = TRANSFER_RESET;
	if (how < 0 && events & POLLIN && got & (POLLIN | POLLHUP))
		how = do_read(peer, conn);
	if (how < 0 && events & got & POLLOUT)
		how = do_write(peer, conn);
	if (how >= 0)
		return how;
	if (transfer_must_stop(&peer->options, &conn->transfer, conn->opened_us, peer->now_us))
		return TRANSFER_STOPPED;
	if (conn->transfer.is_at_end && conn->is_shut && conn->out_bytes == 0)
		return transfer_is_good(&conn->transfer) ? TRANSFER_GOOD : TRANSFER_WRONG;
	return -1;
}

// skip begins to count when the options say so.
static void skip(struct peer *peer)
{
	struct transfer_tally *tally = &peer->tally;
	uint64_t in = 0;
	if (!peer->options.skip_ms || !tally->first_us || tally->skipped_us ||
	    peer->now_us < tally->first_us + peer->options.skip_ms * 1000)
		return;
	for (uint32_t i = 0; i < peer->count; i++)
		in += peer->conns[i]->transfer.in;
	transfer_tally_skip(tally, peer->now_us, in);
}

// trace tells what the kernel thinks of each connection, as tcp_host does of its own.
static void trace(struct peer *peer)
{
	uint32_t trace_ms = peer->options.trace_ms;
	if (!trace_ms || peer->now_us - peer->traced_us < trace_ms * 1000ull)
		return;
	peer->traced_us = peer->now_us;
	for (uint32_t i = 0; i < peer->count; i++) {
		const struct conn *conn = peer->conns[i];
		struct tcp_info info = {0};
		socklen_t bytes = sizeof(info);
		getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
		fprintf(stderr, "%u: %lu ms: cwnd %u ssthresh %u unacked %u srtt %u us again %u\n",
			i, (peer->now_us - conn->opened_us) / 1000,
			info.tcpi_snd_cwnd * info.tcpi_snd_mss,
			info.tcpi_snd_ssthresh * info.tcpi_snd_mss,
			info.tcpi_unacked * info.tcpi_snd_mss, info.tcpi_rtt,
			info.tcpi_total_retrans);
	}
}

static int timeout_ms(const struct peer *peer)
{
	const struct transfer_options *options = &peer->options;
	bool is_timed =
		options->slow_bytes || options->write_bytes || options->gap_us || options->stop_ms;
	return is_timed ? TICK_MS : IDLE_MS;
}

static void turn(struct peer *peer)
{
	static struct pollfd polls[CONNS_MAX + 1];
	uint32_t count = peer->count;
	for (uint32_t i = 0; i < count; i++)
		polls[i] = (struct pollfd){peer->conns[i]->fd, wanted(peer, peer->conns[i]), 0};
	polls[count] = (struct pollfd){peer->listener, POLLIN, 0};
	poll(polls, count + 1, timeout_ms(peer));
	peer->now_us = clock_us();
	skip(peer);
	trace(peer);
	// Backwards: the one that takes an ended one's place was served.
	for (uint32_t i = count; i-- > 0;) {
		int how = serve(peer, peer->conns[i], polls[i].events, polls[i].revents);
		if (how >= 0)
			end_at(peer, i, (enum transfer_end)how);
	}
	if (polls[count].revents)
		accept_all(peer);
}

static int open_listener(const struct transfer_options *options)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(options->listen)};
	int one = 1;
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	set_up(options, fd); // the window scale is told before a connection is ours
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0)
		fail("listen");
	return fd;
}

// parse_target reads "192.0.2.1:80" or "[2001:db8::1]:80".
static socklen_t parse_target(const char *text, struct sockaddr_storage *out)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	bool is_v6 = text[0] == '[';
	if (!colon || colon - text >= (long)sizeof(host))
		fail(text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * is_v6, text + is_v6);
	uint16_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (is_v6) {
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
			fail(text);
		return sizeof(*in6);
	}
	*in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
	if (inet_pton(AF_INET, host, &in4->sin_addr) != 1)
		fail(text);
	return sizeof(*in4);
}

int main(int argc, char **argv)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct sockaddr_storage target;
	socklen_t target_bytes = 0;
	transfer_options_read(argc, argv, &peer->options);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	peer->listener = peer->options.listen ? open_listener(&peer->options) : -1;
	if (peer->options.connect)
		target_bytes = parse_target(peer->options.connect, &target);
	puts("ready");
	fflush(stdout);
	peer->now_us = clock_us();
	uint64_t end_us = peer->now_us + peer->options.seconds * 1000000;
	while (!is_stopped && peer->now_us < end_us &&
	       !transfer_is_over(&peer->options, &peer->tally)) {
		while (transfer_wants_connect(&peer->options, &peer->tally, peer->now_us,
					      peer->last_connect_us))
			dial(peer, (struct sockaddr *)&target, target_bytes);
		turn(peer);
	}
	for (uint32_t i = 0; i < peer->count; i++)
		note_info(peer, peer->conns[i]);
	printf("{");
	transfer_tally_print(&peer->tally, stdout);
	printf("}\n");
	while (peer->count > 0)
		end_at(peer, 0, TRANSFER_STOPPED);
	return 0;
}
