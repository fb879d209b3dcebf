// SPDX-License-Identifier: Apache-2.0
// Which threads run the NAPIs of an interface (/sys/class/net/NAME/threaded): the kernel tells by
// its generic netlink family `netdev`, since Linux 6.7.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// port_napi_threads writes the threads of interface iface of this process's network namespace to
// tids, at most count of them; *found is how many, 0 where its NAPIs have none. Returns 0 or an
// errno: ENODEV without such an interface, EOPNOTSUPP with a kernel that does not tell.
int port_napi_threads(const char *iface, pid_t *tids, uint32_t count, uint32_t *found);
