// SPDX-License-Identifier: Apache-2.0
// Sockets for packetdrill over one stack stepped by hand: as much of the system calls as scripts
// about TCP use. Nothing here waits: what would block fails with EAGAIN or EINPROGRESS, and the
// caller tries again after time has passed.
#pragma once

#include "packetdrill_host.h"
#include "packetdrill_report.h"

#include <sys/socket.h>

#define DRILL_SOCKETS  64u
#define DRILL_FD_FIRST 1000 // so that nobody takes them for the kernel's
#define DRILL_ACCEPTS  16u  // connections that wait for accept

enum drill_kind { DRILL_FREE, DRILL_FRESH, DRILL_LISTENER, DRILL_CONN };

struct drill_socket {
	enum drill_kind kind;
	struct drill_table *table;
	struct addr local; // zero: any
	uint16_t local_port;
	uint16_t backlog;
	struct pool_id conn;
	bool is_v6, is_nonblocking, is_connecting, is_open, is_ended, is_write_shut, is_read_shut;
	bool is_lingering_0;             // SO_LINGER with 0 s: close resets
	int error;                       // SO_ERROR
	uint32_t accepts[DRILL_ACCEPTS]; // indexes of sockets, oldest first
	uint32_t accept_count;
	struct tcp_tuple tuple;
};

struct drill_table {
	struct drill_host *host;
	struct drill_socket sockets[DRILL_SOCKETS];
};

// drill_find returns the socket of fd, or NULL.
struct drill_socket *drill_find(struct drill_table *table, int fd);

// The calls below return what the system call of the name does, or minus an error number; they take
// its arguments and keep none of them. drill_open makes a socket and returns its fd (-EMFILE at
// DRILL_SOCKETS); drill_bind notes where it will listen or connect from.
int drill_open(struct drill_table *table, int domain, int type, int protocol);
int drill_bind(struct drill_socket *socket, const struct sockaddr *addr, socklen_t bytes);

// drill_listen makes socket a listener; drill_accept returns the fd of its oldest connection, or
// -EAGAIN; drill_connect returns -EINPROGRESS, then -EALREADY, and -EISCONN once it is open.
int drill_listen(struct drill_socket *socket, int backlog);
int drill_accept(struct drill_socket *socket, struct sockaddr *addr, socklen_t *bytes);
int drill_connect(struct drill_socket *socket, const struct sockaddr *addr, socklen_t bytes);

// drill_read and drill_write move as many bytes as they can, -EAGAIN when that is none; is_peek
// leaves them where they are.
ssize_t drill_read(struct drill_socket *socket, void *data, size_t bytes, bool is_peek);
ssize_t drill_write(struct drill_socket *socket, const void *data, size_t bytes);

// drill_shutdown ends a direction, drill_close the socket.
int drill_shutdown(struct drill_socket *socket, int how);
int drill_close(struct drill_socket *socket);

// drill_get_option knows SO_ERROR, SO_TYPE, TCP_INFO, TCP_MAXSEG and TCP_CONGESTION;
// drill_set_option acts on SO_LINGER and takes every other option of sockets, TCP and IP in
// silence.
int drill_get_option(struct drill_socket *socket, int level, int option, void *value,
		     socklen_t *bytes);
int drill_set_option(struct drill_socket *socket, int level, int option, const void *value,
		     socklen_t bytes);

// drill_events is poll's revents, of all bits it knows.
short drill_events(struct drill_socket *socket);

// drill_unread and drill_unsent are what SIOCINQ and SIOCOUTQ ask for.
size_t drill_unread(const struct drill_socket *socket);
size_t drill_unsent(const struct drill_socket *socket);
