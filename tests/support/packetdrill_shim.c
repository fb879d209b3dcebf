// SPDX-License-Identifier: Apache-2.0
// The shared object that packetdrill loads to judge our TCP by its scripts:
//
//   packetdrill --so_filename=.../packetdrill_shim.so --local_ip=10.0.0.1 --remote_ip=10.0.0.2
//   SCRIPT
//   (--ip_version=ipv6 --local_ip=fd00::1 --remote_ip=fd00::2)
//
// Time is virtual: it moves while packetdrill sleeps or waits for a packet. A call that blocks, in
// a thread of its own, waits for that; time goes in steps of a millisecond meanwhile. What has no
// meaning here (epoll, pipe, splice) fails with ENOSYS.
#include "packetdrill_abi.h"
#include "packetdrill_socket.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#define STEP_US 1000u // while somebody waits

struct shim {
	pthread_mutex_t lock;
	pthread_cond_t moved; // time has passed
	uint32_t waiting;     // threads inside a blocking call
	struct drill_host host;
	struct drill_table table;
};

static ssize_t answer(struct shim *shim, ssize_t result)
{
	drill_host_settle(&shim->host);
	pthread_mutex_unlock(&shim->lock);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

// enter locks and finds fd's socket; NULL has unlocked and set errno.
static struct drill_socket *enter(struct shim *shim, int fd)
{
	pthread_mutex_lock(&shim->lock);
	struct drill_socket *socket = drill_find(&shim->table, fd);
	if (!socket)
		answer(shim, -EBADF);
	return socket;
}

static void wait_for_time(struct shim *shim)
{
	drill_host_settle(&shim->host);
	shim->waiting++;
	pthread_cond_wait(&shim->moved, &shim->lock);
	shim->waiting--;
}

// has_waited waits when a call that returned result has to, and is to be tried again.
static bool has_waited(struct shim *shim, const struct drill_socket *socket, ssize_t result,
		       int flags)
{
	bool is_blocked = result == -EAGAIN || result == -EINPROGRESS || result == -EALREADY;
	if (!is_blocked || socket->is_nonblocking || flags & MSG_DONTWAIT)
		return false;
	wait_for_time(shim);
	return true;
}

// pause gives threads that were woken, or are about to call, a moment of real time.
static void pause_briefly(struct shim *shim)
{
	const struct timespec moment = {.tv_nsec = 100000};
	pthread_cond_broadcast(&shim->moved);
	pthread_mutex_unlock(&shim->lock);
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&shim->lock);
}

// -- sockets

static int shim_socket(void *userdata, int domain, int type, int protocol)
{
	struct shim *shim = userdata;
	pthread_mutex_lock(&shim->lock);
	return (int)answer(shim, drill_open(&shim->table, domain, type, protocol));
}

static int shim_bind(void *userdata, int fd, const struct sockaddr *addr, socklen_t bytes)
{
	struct drill_socket *socket = enter(userdata, fd);
	return socket ? (int)answer(userdata, drill_bind(socket, addr, bytes)) : -1;
}

static int shim_listen(void *userdata, int fd, int backlog)
{
	struct drill_socket *socket = enter(userdata, fd);
	return socket ? (int)answer(userdata, drill_listen(socket, backlog)) : -1;
}

static int shim_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *bytes)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	int result;
	do
		result = drill_accept(socket, addr, bytes);
	while (has_waited(userdata, socket, result, 0));
	return (int)answer(userdata, result);
}

static int shim_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t bytes)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	int result = drill_connect(socket, addr, bytes);
	bool is_begun = result == -EINPROGRESS;
	while (has_waited(userdata, socket, result, 0))
		result = drill_connect(socket, addr, bytes);
	return (int)answer(userdata, is_begun && result == -EISCONN ? 0 : result);
}

static ssize_t shim_recv(void *userdata, int fd, void *data, size_t bytes, int flags)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	ssize_t result;
	do
		result = drill_read(socket, data, bytes, flags & MSG_PEEK);
	while (has_waited(userdata, socket, result, flags));
	return answer(userdata, result);
}

static ssize_t shim_send(void *userdata, int fd, const void *data, size_t bytes, int flags)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	size_t done = 0;
	ssize_t result;
	do {
		result = drill_write(socket, (const char *)data + done, bytes - done);
		done += result > 0 ? (size_t)result : 0;
		if (done < bytes && result > 0)
			result = -EAGAIN;
	} while (done < bytes && has_waited(userdata, socket, result, flags));
	return answer(userdata, done > 0 ? (ssize_t)done : result);
}

static ssize_t shim_read(void *userdata, int fd, void *data, size_t bytes)
{
	return shim_recv(userdata, fd, data, bytes, 0);
}

static ssize_t shim_recvfrom(void *userdata, int fd, void *data, size_t bytes, int flags,
			     struct sockaddr *, socklen_t *)
{
	return shim_recv(userdata, fd, data, bytes, flags);
}

static ssize_t shim_write(void *userdata, int fd, const void *data, size_t bytes)
{
	return shim_send(userdata, fd, data, bytes, 0);
}

static ssize_t shim_sendto(void *userdata, int fd, const void *data, size_t bytes, int flags,
			   const struct sockaddr *, socklen_t)
{
	return shim_send(userdata, fd, data, bytes, flags);
}

// read_parts reads into each part in turn until one comes out short.
static ssize_t read_parts(void *userdata, int fd, const struct iovec *parts, size_t count,
			  int flags)
{
	ssize_t done = 0;
	for (size_t i = 0; i < count; i++) {
		ssize_t part = shim_recv(userdata, fd, parts[i].iov_base, parts[i].iov_len,
					 done ? flags | MSG_DONTWAIT : flags);
		if (part < 0)
			return done ? done : -1;
		done += part;
		if ((size_t)part < parts[i].iov_len)
			break;
	}
	return done;
}

static ssize_t write_parts(void *userdata, int fd, const struct iovec *parts, size_t count,
			   int flags)
{
	ssize_t done = 0;
	for (size_t i = 0; i < count; i++) {
		ssize_t part = shim_send(userdata, fd, parts[i].iov_base, parts[i].iov_len, flags);
		if (part < 0)
			return done ? done : -1;
		done += part;
		if ((size_t)part < parts[i].iov_len)
			break;
	}
	return done;
}

static ssize_t shim_readv(void *userdata, int fd, const struct iovec *parts, int count)
{
	return read_parts(userdata, fd, parts, (size_t)count, 0);
}

static ssize_t shim_writev(void *userdata, int fd, const struct iovec *parts, int count)
{
	return write_parts(userdata, fd, parts, (size_t)count, 0);
}

static ssize_t shim_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
	message->msg_controllen = 0;
	message->msg_flags = 0;
	return read_parts(userdata, fd, message->msg_iov, message->msg_iovlen, flags);
}

static ssize_t shim_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
	return write_parts(userdata, fd, message->msg_iov, message->msg_iovlen, flags);
}

static int shim_fcntl(void *userdata, int fd, int command, ...)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	va_list arguments;
	va_start(arguments, command);
	int result = -EINVAL;
	if (command == F_GETFL)
		result = O_RDWR | (socket->is_nonblocking ? O_NONBLOCK : 0);
	if (command == F_SETFL) {
		socket->is_nonblocking = va_arg(arguments, int) & O_NONBLOCK;
		result = 0;
	}
	va_end(arguments);
	return (int)answer(userdata, result);
}

static int shim_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	va_list arguments;
	va_start(arguments, request);
	int *value = va_arg(arguments, int *);
	va_end(arguments);
	if (request == FIONREAD)
		*value = (int)drill_unread(socket);
	else if (request == TIOCOUTQ)
		*value = (int)drill_unsent(socket);
	else
		return (int)answer(userdata, -EINVAL);
	return (int)answer(userdata, 0);
}

static int shim_close(void *userdata, int fd)
{
	struct drill_socket *socket = enter(userdata, fd);
	return socket ? (int)answer(userdata, drill_close(socket)) : -1;
}

static int shim_shutdown(void *userdata, int fd, int how)
{
	struct drill_socket *socket = enter(userdata, fd);
	return socket ? (int)answer(userdata, drill_shutdown(socket, how)) : -1;
}

static int shim_getsockopt(void *userdata, int fd, int level, int option, void *value,
			   socklen_t *bytes)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	return (int)answer(userdata, drill_get_option(socket, level, option, value, bytes));
}

static int shim_setsockopt(void *userdata, int fd, int level, int option, const void *value,
			   socklen_t bytes)
{
	struct drill_socket *socket = enter(userdata, fd);
	if (!socket)
		return -1;
	return (int)answer(userdata, drill_set_option(socket, level, option, value, bytes));
}

// look fills revents; returns how many fds have some.
static int look(struct shim *shim, struct pollfd *fds, nfds_t count)
{
	int found = 0;
	for (nfds_t i = 0; i < count; i++) {
		struct drill_socket *socket = drill_find(&shim->table, fds[i].fd);
		short events = socket ? drill_events(socket) : POLLNVAL;
		fds[i].revents = (short)(events & (fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		found += fds[i].revents != 0;
	}
	return found;
}

static int shim_poll(void *userdata, struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct shim *shim = userdata;
	pthread_mutex_lock(&shim->lock);
	uint64_t end_us = UINT64_MAX;
	if (timeout_ms >= 0)
		end_us = shim->host.now_us + (uint64_t)timeout_ms * 1000;
	int found = look(shim, fds, count);
	while (found == 0 && shim->host.now_us < end_us) {
		wait_for_time(shim);
		found = look(shim, fds, count);
	}
	return (int)answer(shim, found);
}

// -- wire and clock

static int shim_netdev_send(void *userdata, const void *data, size_t bytes)
{
	struct shim *shim = userdata;
	pthread_mutex_lock(&shim->lock);
	int error = drill_host_send(&shim->host, data, bytes);
	pause_briefly(shim);
	return (int)answer(shim, -error);
}

static int shim_netdev_receive(void *userdata, void *data, size_t *bytes, long long *time_us)
{
	struct shim *shim = userdata;
	uint64_t left_us;
	pthread_mutex_lock(&shim->lock);
	pause_briefly(shim);
	uint64_t end_us = shim->host.now_us + DRILL_SILENCE_US;
	while (shim->waiting && shim->host.left_count == 0 && shim->host.now_us < end_us) {
		drill_host_pass(&shim->host, STEP_US);
		pause_briefly(shim);
	}
	drill_host_receive(&shim->host, data, bytes, &left_us);
	*time_us = (long long)left_us;
	pthread_cond_broadcast(&shim->moved);
	return (int)answer(shim, 0);
}

static int shim_usleep(void *userdata, useconds_t us)
{
	struct shim *shim = userdata;
	pthread_mutex_lock(&shim->lock);
	pause_briefly(shim);
	uint64_t end_us = shim->host.now_us + us;
	while (shim->host.now_us < end_us) {
		uint64_t left_us = end_us - shim->host.now_us;
		drill_host_pass(&shim->host, shim->waiting ? MIN(left_us, STEP_US) : left_us);
		if (shim->waiting)
			pause_briefly(shim);
	}
	return (int)answer(shim, 0);
}

static int shim_gettimeofday(void *userdata, struct timeval *tv, struct timezone *)
{
	struct shim *shim = userdata;
	pthread_mutex_lock(&shim->lock);
	tv->tv_sec = (time_t)(shim->host.now_us / 1000000);
	tv->tv_usec = (suseconds_t)(shim->host.now_us % 1000000);
	pthread_mutex_unlock(&shim->lock);
	return 0;
}

// -- what has no meaning here

static int refuse(void)
{
	errno = ENOSYS;
	return -1;
}

static int shim_epoll_create(void *, int)
{
	return refuse();
}

static int shim_epoll_ctl(void *, int, int, int, struct epoll_event *)
{
	return refuse();
}

static int shim_epoll_wait(void *, int, struct epoll_event *, int, int)
{
	return refuse();
}

static int shim_pipe(void *, int[2])
{
	return refuse();
}

static int shim_splice(void *, int, loff_t *, int, loff_t *, size_t, unsigned int)
{
	return refuse();
}

static void shim_free(void *userdata)
{
	struct shim *shim = userdata;
	drill_host_close(&shim->host);
	free(shim);
}

void packetdrill_interface_init(const char *, struct packetdrill_interface *interface)
{
	struct shim *shim = calloc(1, sizeof(*shim));
	CHECK(shim);
	pthread_mutex_init(&shim->lock, NULL);
	pthread_cond_init(&shim->moved, NULL);
	drill_host_open(&shim->host);
	shim->table.host = &shim->host;
	*interface = (struct packetdrill_interface){
		.userdata = shim,
		.free = shim_free,
		.socket = shim_socket,
		.bind = shim_bind,
		.listen = shim_listen,
		.accept = shim_accept,
		.connect = shim_connect,
		.read = shim_read,
		.readv = shim_readv,
		.recv = shim_recv,
		.recvfrom = shim_recvfrom,
		.recvmsg = shim_recvmsg,
		.write = shim_write,
		.writev = shim_writev,
		.send = shim_send,
		.sendto = shim_sendto,
		.sendmsg = shim_sendmsg,
		.fcntl = shim_fcntl,
		.ioctl = shim_ioctl,
		.close = shim_close,
		.shutdown = shim_shutdown,
		.getsockopt = shim_getsockopt,
		.setsockopt = shim_setsockopt,
		.poll = shim_poll,
		.netdev_send = shim_netdev_send,
		.netdev_receive = shim_netdev_receive,
		.usleep = shim_usleep,
		.gettimeofday = shim_gettimeofday,
		.epoll_create = shim_epoll_create,
		.epoll_ctl = shim_epoll_ctl,
		.epoll_wait = shim_epoll_wait,
		.pipe = shim_pipe,
		.splice = shim_splice,
	};
}
