// SPDX-License-Identifier: Apache-2.0
// Two files of sysfs; see port_napi.h.
#include "port_napi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_file(const char *iface, const char *name, int flags)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/class/net/%.*s/%s", IFNAMSIZ - 1, iface, name);
	return open(path, flags | O_CLOEXEC);
}

static int read_number(const char *iface, const char *name, uint64_t *value)
{
	char text[32] = "", *end;
	int fd = open_file(iface, name, O_RDONLY);
	if (fd < 0)
		return errno;
	ssize_t bytes = read(fd, text, sizeof(text) - 1);
	int error = bytes < 0 ? errno : 0;
	close(fd);
	if (error)
		return error;
	*value = strtoull(text, &end, 10);
	return end == text ? EIO : 0;
}

static int write_number(const char *iface, const char *name, uint64_t value)
{
	char text[32];
	int bytes = snprintf(text, sizeof(text), "%" PRIu64, value);
	int fd = open_file(iface, name, O_WRONLY);
	if (fd < 0)
		return errno;
	int error = write(fd, text, (size_t)bytes) < 0 ? errno : 0;
	close(fd);
	return error;
}

// find tells whether sysfs shows our interface: another namespace's may have the same name.
static int find(const char *iface)
{
	uint64_t index = 0;
	int error = read_number(iface, "ifindex", &index);
	if (error)
		return error == ENOENT ? ENODEV : error;
	return index == if_nametoindex(iface) ? 0 : ENODEV;
}

int port_napi_read(const char *iface, struct port_napi *napi)
{
	int error = find(iface);
	if (!error)
		error = read_number(iface, "napi_defer_hard_irqs", &napi->defer_count);
	return error ? error : read_number(iface, "gro_flush_timeout", &napi->flush_ns);
}

int port_napi_write(const char *iface, const struct port_napi *napi)
{
	int error = find(iface);
	if (!error)
		error = write_number(iface, "gro_flush_timeout", napi->flush_ns);
	return error ? error : write_number(iface, "napi_defer_hard_irqs", napi->defer_count);
}
