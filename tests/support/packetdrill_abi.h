// SPDX-License-Identifier: Apache-2.0
// What google/packetdrill asks of a stack under test that it loads with --so_filename: one entry
// point that fills a table of functions. Order and types are its binary interface; each function
// gets the userdata of the table first and otherwise behaves as the system call of its name.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

struct packetdrill_interface {
	void *userdata;
	void (*free)(void *userdata);
	int (*socket)(void *userdata, int domain, int type, int protocol);
	int (*bind)(void *userdata, int fd, const struct sockaddr *addr, socklen_t bytes);
	int (*listen)(void *userdata, int fd, int backlog);
	int (*accept)(void *userdata, int fd, struct sockaddr *addr, socklen_t *bytes);
	int (*connect)(void *userdata, int fd, const struct sockaddr *addr, socklen_t bytes);
	ssize_t (*read)(void *userdata, int fd, void *data, size_t bytes);
	ssize_t (*readv)(void *userdata, int fd, const struct iovec *parts, int count);
	ssize_t (*recv)(void *userdata, int fd, void *data, size_t bytes, int flags);
	ssize_t (*recvfrom)(void *userdata, int fd, void *data, size_t bytes, int flags,
			    struct sockaddr *addr, socklen_t *addr_bytes);
	ssize_t (*recvmsg)(void *userdata, int fd, struct msghdr *message, int flags);
	ssize_t (*write)(void *userdata, int fd, const void *data, size_t bytes);
	ssize_t (*writev)(void *userdata, int fd, const struct iovec *parts, int count);
	ssize_t (*send)(void *userdata, int fd, const void *data, size_t bytes, int flags);
	ssize_t (*sendto)(void *userdata, int fd, const void *data, size_t bytes, int flags,
			  const struct sockaddr *addr, socklen_t addr_bytes);
	ssize_t (*sendmsg)(void *userdata, int fd, const struct msghdr *message, int flags);
	int (*fcntl)(void *userdata, int fd, int command, ...);
	int (*ioctl)(void *userdata, int fd, unsigned long request, ...);
	int (*close)(void *userdata, int fd);
	int (*shutdown)(void *userdata, int fd, int how);
	int (*getsockopt)(void *userdata, int fd, int level, int option, void *value,
			  socklen_t *bytes);
	int (*setsockopt)(void *userdata, int fd, int level, int option, const void *value,
			  socklen_t bytes);
	int (*poll)(void *userdata, struct pollfd *fds, nfds_t count, int timeout_ms);
	// netdev_send gives the stack an IP packet; netdev_receive takes the next one that leaves
	// it into data (*bytes long; 0 afterwards: none came) with the time it left at.
	int (*netdev_send)(void *userdata, const void *data, size_t bytes);
	int (*netdev_receive)(void *userdata, void *data, size_t *bytes, long long *time_us);
	int (*usleep)(void *userdata, useconds_t us);
	int (*gettimeofday)(void *userdata, struct timeval *tv, struct timezone *tz);
	int (*epoll_create)(void *userdata, int size);
	int (*epoll_ctl)(void *userdata, int epoll_fd, int operation, int fd,
			 struct epoll_event *event);
	int (*epoll_wait)(void *userdata, int epoll_fd, struct epoll_event *events, int count,
			  int timeout_ms);
	int (*pipe)(void *userdata, int fds[2]);
	int (*splice)(void *userdata, int fd_in, loff_t *offset_in, int fd_out, loff_t *offset_out,
		      size_t bytes, unsigned int flags);
};

// packetdrill_interface_init fills interface; flags is packetdrill's --so_flags, or NULL.
void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface);
