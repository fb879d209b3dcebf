// SPDX-License-Identifier: Apache-2.0
// Sockets for packetdrill; see packetdrill_socket.h.
#include "packetdrill_socket.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#define OPTION_TCP_MAXSEG     2 // of <netinet/tcp.h>, whose struct tcp_info has our name
#define OPTION_TCP_INFO       11
#define OPTION_TCP_CONGESTION 13

static struct tcp *tcp_of(const struct drill_socket *socket)
{
	return socket->table->host->host.tcp;
}

static int fd_of(const struct drill_socket *socket)
{
	return DRILL_FD_FIRST + (int)(socket - socket->table->sockets);
}

struct drill_socket *drill_find(struct drill_table *table, int fd)
{
	uint32_t index = (uint32_t)(fd - DRILL_FD_FIRST);
	bool is_ours = index < DRILL_SOCKETS && table->sockets[index].kind != DRILL_FREE;
	return is_ours ? &table->sockets[index] : NULL;
}

static struct drill_socket *fresh(struct drill_table *table)
{
	for (uint32_t i = 0; i < DRILL_SOCKETS; i++) {
		struct drill_socket *socket = &table->sockets[i];
		if (socket->kind != DRILL_FREE)
			continue;
		*socket = (struct drill_socket){.kind = DRILL_FRESH, .table = table};
		return socket;
	}
	return NULL;
}

// -- addresses

static int addr_from(const struct sockaddr *from, socklen_t bytes, struct addr *addr,
		     uint16_t *port)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	if (bytes >= sizeof(*v4) && from->sa_family == AF_INET) {
		*addr = addr_v4((const uint8_t *)&v4->sin_addr);
		if (v4->sin_addr.s_addr == INADDR_ANY)
			*addr = (struct addr){0};
		*port = ntohs(v4->sin_port);
		return 0;
	}
	if (bytes >= sizeof(*v6) && from->sa_family == AF_INET6) {
		*addr = addr_v6(v6->sin6_addr.s6_addr);
		*port = ntohs(v6->sin6_port);
		return 0;
	}
	return EAFNOSUPPORT;
}

static void addr_to(const struct addr *addr, uint16_t port, struct sockaddr *to, socklen_t *bytes)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (!to || !bytes)
		return;
	memcpy(&v4.sin_addr, addr->bytes + 12, 4);
	memcpy(&v6.sin6_addr, addr->bytes, 16);
	bool is_v4 = addr_is_v4(addr);
	size_t length = is_v4 ? sizeof(v4) : sizeof(v6);
	memcpy(to, is_v4 ? (const void *)&v4 : (const void *)&v6, MIN(length, (size_t)*bytes));
	*bytes = (socklen_t)length;
}

// -- what the stack tells

static void on_opened(void *user, struct pool_id)
{
	struct drill_socket *socket = user;
	socket->is_connecting = false;
	socket->is_open = true;
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct drill_socket *socket = user;
	socket->is_ended = true;
	socket->is_connecting = false;
	switch (reason) {
	case COUNTER_tcp_closed: break;
	case COUNTER_tcp_refused: socket->error = ECONNREFUSED; break;
	case COUNTER_tcp_reset_by_peer: socket->error = ECONNRESET; break;
	case COUNTER_tcp_unreachable: socket->error = EHOSTUNREACH; break;
	default: socket->error = ETIMEDOUT; break;
	}
}

static void on_ready(void *, struct pool_id) // who waits looks again
{
}

static const struct tcp_events events = {on_opened, on_ready, on_ready, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *tuple)
{
	struct drill_socket *listener = user;
	if (listener->kind != DRILL_LISTENER || listener->accept_count == DRILL_ACCEPTS)
		return NULL;
	struct drill_socket *socket = fresh(listener->table);
	if (!socket)
		return NULL;
	socket->kind = DRILL_CONN;
	socket->conn = conn;
	socket->is_open = true;
	socket->is_v6 = listener->is_v6;
	socket->tuple = *tuple;
	listener->accepts[listener->accept_count++] = (uint32_t)(socket - listener->table->sockets);
	return socket;
}

// -- calls

int drill_open(struct drill_table *table, int domain, int type, int protocol)
{
	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
	    (protocol != 0 && protocol != IPPROTO_TCP))
		return -EPROTONOSUPPORT;
	struct drill_socket *socket = fresh(table);
	if (!socket)
		return -EMFILE;
	socket->is_v6 = domain == AF_INET6;
	socket->is_nonblocking = type & SOCK_NONBLOCK;
	return fd_of(socket);
}

int drill_bind(struct drill_socket *socket, const struct sockaddr *addr, socklen_t bytes)
{
	return -addr_from(addr, bytes, &socket->local, &socket->local_port);
}

int drill_listen(struct drill_socket *socket, int backlog)
{
	if (socket->kind == DRILL_CONN)
		return -EINVAL;
	socket->backlog = (uint16_t)MIN(MAX(backlog, 0), (int)DRILL_ACCEPTS);
	struct tcp_listener listener = {
		.local = socket->local,
		.port = socket->local_port,
		.events = &events,
		.accepted = on_accepted,
		.user = socket,
	};
	int error = socket->kind == DRILL_LISTENER ? 0 : tcp_listen_on(tcp_of(socket), &listener);
	if (!error)
		socket->kind = DRILL_LISTENER;
	return -error;
}

int drill_accept(struct drill_socket *listener, struct sockaddr *addr, socklen_t *bytes)
{
	if (listener->kind != DRILL_LISTENER)
		return -EINVAL;
	if (listener->accept_count == 0)
		return -EAGAIN;
	struct drill_socket *socket = &listener->table->sockets[listener->accepts[0]];
	listener->accept_count--;
	memmove(listener->accepts, listener->accepts + 1,
		listener->accept_count * sizeof(listener->accepts[0]));
	addr_to(&socket->tuple.remote, socket->tuple.remote_port, addr, bytes);
	return fd_of(socket);
}

int drill_connect(struct drill_socket *socket, const struct sockaddr *addr, socklen_t bytes)
{
	struct tcp_connect connect = {.events = &events, .user = socket, .local = socket->local};
	if (socket->kind == DRILL_LISTENER)
		return -EOPNOTSUPP;
	if (socket->error) {
		int error = socket->error;
		socket->error = 0;
		return -error;
	}
	if (socket->kind == DRILL_CONN)
		return socket->is_connecting ? -EALREADY : -EISCONN;
	int error = addr_from(addr, bytes, &connect.remote, &connect.remote_port);
	if (!error)
		error = tcp_connect_to(tcp_of(socket), &connect, &socket->conn);
	if (error)
		return -error;
	socket->kind = DRILL_CONN;
	socket->is_connecting = true;
	tcp_tuple_of(tcp_of(socket), socket->conn, &socket->tuple);
	return -EINPROGRESS;
}

size_t drill_unread(const struct drill_socket *socket)
{
	return socket->kind == DRILL_CONN ? tcp_received(tcp_of(socket), socket->conn) : 0;
}

size_t drill_unsent(const struct drill_socket *socket)
{
	struct tcp_info info;
	if (socket->kind != DRILL_CONN || !tcp_info_of(tcp_of(socket), socket->conn, &info))
		return 0;
	return info.queued_bytes;
}

// read_some copies what waits; without is_peek it is consumed.
static size_t read_some(struct drill_socket *socket, uint8_t *data, size_t bytes, bool is_peek)
{
	size_t done = 0;
	while (done < bytes) {
		struct slice run = tcp_peek(tcp_of(socket), socket->conn);
		size_t part = MIN(run.bytes, bytes - done);
		if (part == 0)
			break;
		memcpy(data + done, run.at, part);
		done += part;
		if (is_peek) // the first run is enough to look at
			break;
		tcp_consume(tcp_of(socket), socket->conn, part);
	}
	return done;
}

ssize_t drill_read(struct drill_socket *socket, void *data, size_t bytes, bool is_peek)
{
	if (socket->kind != DRILL_CONN || socket->is_connecting)
		return socket->is_connecting ? -EAGAIN : -ENOTCONN;
	size_t done = read_some(socket, data, bytes, is_peek);
	if (done > 0 || bytes == 0)
		return (ssize_t)done;
	if (socket->error) {
		int error = socket->error;
		socket->error = 0;
		return -error;
	}
	bool is_over = socket->is_ended || socket->is_read_shut ||
		       tcp_at_end(tcp_of(socket), socket->conn);
	return is_over ? 0 : -EAGAIN;
}

ssize_t drill_write(struct drill_socket *socket, const void *data, size_t bytes)
{
	struct tcp *tcp = tcp_of(socket);
	size_t done = 0;
	if (socket->kind != DRILL_CONN || socket->is_connecting)
		return socket->is_connecting ? -EAGAIN : -EPIPE;
	if (socket->error) {
		int error = socket->error;
		socket->error = 0;
		return -error;
	}
	if (socket->is_ended || socket->is_write_shut)
		return -EPIPE;
	while (done < bytes) {
		size_t part =
			MIN(MIN(bytes - done, tcp_send_room(tcp, socket->conn)), (size_t)BUF_BYTES);
		struct buf *buf =
			part ? buf_new(&socket->table->host->host.memory->bufs, part) : NULL;
		if (!buf)
			break;
		memcpy(buf->data, (const uint8_t *)data + done, part);
		if (tcp_send(tcp, socket->conn, buf, 0, (uint32_t)part) != 0)
			break;
		done += part;
	}
	return done > 0 || bytes == 0 ? (ssize_t)done : -EAGAIN;
}

int drill_shutdown(struct drill_socket *socket, int how)
{
	if (socket->kind != DRILL_CONN || socket->is_connecting)
		return -ENOTCONN;
	if (how == SHUT_RD || how == SHUT_RDWR)
		socket->is_read_shut = true;
	if (how == SHUT_WR || how == SHUT_RDWR) {
		socket->is_write_shut = true;
		tcp_shutdown(tcp_of(socket), socket->conn);
	}
	return 0;
}

int drill_close(struct drill_socket *socket)
{
	for (uint32_t i = 0; socket->kind == DRILL_LISTENER && i < socket->accept_count; i++)
		drill_close(&socket->table->sockets[socket->accepts[i]]);
	if (socket->kind == DRILL_CONN && !socket->is_ended) {
		if (socket->is_lingering_0)
			tcp_abort(tcp_of(socket), socket->conn);
		else
			tcp_release(tcp_of(socket), socket->conn);
	}
	// a listener stays known to the stack and refuses: its place is not used again
	if (socket->kind == DRILL_LISTENER) {
		socket->kind = DRILL_FRESH;
		socket->accept_count = 0;
		return 0;
	}
	socket->kind = DRILL_FREE;
	return 0;
}

short drill_events(struct drill_socket *socket)
{
	struct tcp *tcp = tcp_of(socket);
	short found = 0;
	if (socket->kind == DRILL_LISTENER)
		return socket->accept_count ? POLLIN | POLLRDNORM : 0;
	if (socket->kind != DRILL_CONN || socket->is_connecting)
		return socket->kind == DRILL_CONN ? 0 : POLLOUT | POLLHUP;
	bool is_at_end = socket->is_ended || tcp_at_end(tcp, socket->conn);
	if (is_at_end || tcp_received(tcp, socket->conn) > 0 || socket->is_read_shut)
		found |= POLLIN | POLLRDNORM;
	if (is_at_end || socket->is_read_shut)
		found |= POLLRDHUP;
	if (socket->is_ended || tcp_send_room(tcp, socket->conn) > 0)
		found |= POLLOUT | POLLWRNORM;
	if (socket->is_ended || (is_at_end && socket->is_write_shut))
		found |= POLLHUP;
	if (socket->error)
		found |= POLLERR;
	return found;
}

// -- options

static int put(void *value, socklen_t *bytes, const void *from, size_t from_bytes)
{
	size_t length = MIN((size_t)*bytes, from_bytes);
	memcpy(value, from, length);
	*bytes = (socklen_t)length;
	return 0;
}

static int put_int(void *value, socklen_t *bytes, int number)
{
	return put(value, bytes, &number, sizeof(number));
}

static int get_report(struct drill_socket *socket, void *value, socklen_t *bytes)
{
	struct tcp_info info;
	struct drill_report report = {.state = "CLOSED"};
	if (socket->kind == DRILL_LISTENER)
		report.state = "LISTEN";
	else if (tcp_info_of(tcp_of(socket), socket->conn, &info))
		report = (struct drill_report){
			info.state,      info.rto_us,         info.srtt_us,      info.mss,
			info.cwnd_bytes, info.ssthresh_bytes, info.unacked_bytes};
	drill_report_write(&report, value, bytes);
	return 0;
}

int drill_get_option(struct drill_socket *socket, int level, int option, void *value,
		     socklen_t *bytes)
{
	struct tcp_info info;
	int error = socket->error;
	if (level == SOL_SOCKET && option == SO_ERROR) {
		socket->error = 0;
		return put_int(value, bytes, error);
	}
	if (level == SOL_SOCKET && option == SO_TYPE)
		return put_int(value, bytes, SOCK_STREAM);
	if (level == IPPROTO_TCP && option == OPTION_TCP_INFO)
		return get_report(socket, value, bytes);
	if (level == IPPROTO_TCP && option == OPTION_TCP_MAXSEG &&
	    tcp_info_of(tcp_of(socket), socket->conn, &info))
		return put_int(value, bytes, (int)info.mss);
	if (level == IPPROTO_TCP && option == OPTION_TCP_CONGESTION)
		return put(value, bytes, "cubic", 6);
	return -ENOPROTOOPT;
}

int drill_set_option(struct drill_socket *socket, int level, int option, const void *value,
		     socklen_t bytes)
{
	if (level == SOL_SOCKET && option == SO_LINGER && bytes >= sizeof(struct linger)) {
		const struct linger *linger = value;
		socket->is_lingering_0 = linger->l_onoff && linger->l_linger == 0;
		return 0;
	}
	// buffers are the configuration's, Nagle is off: what else a script sets does not matter
	return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
			       level == IPPROTO_IPV6
		       ? 0
		       : -ENOPROTOOPT;
}
