// SPDX-License-Identifier: Apache-2.0
// What a worker may sleep on where its port is an AF_XDP socket. DPDK's driver has no interrupts
// and tells nobody its socket, but poll(2) works on it: the one that is there after a queue was set
// up, and was not before, is the queue's. See port_ethdev.h.
#include "port_priv.h"

#include <errno.h>

#include <sys/socket.h>
#include <unistd.h>

static bool is_xdp(int fd)
{
	int domain = 0;
	socklen_t bytes = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_XDP;
}

void port_xdp_note(fd_set *sockets)
{
	FD_ZERO(sockets);
	for (int fd = 0; fd < FD_SETSIZE; fd++)
		if (is_xdp(fd))
			FD_SET(fd, sockets);
}

int port_xdp_find(const fd_set *sockets)
{
	int found = -1;
	for (int fd = 0; fd < FD_SETSIZE; fd++) {
		if (!is_xdp(fd) || FD_ISSET(fd, sockets))
			continue;
		if (found >= 0)
			return -1;
		found = fd;
	}
	return found;
}
