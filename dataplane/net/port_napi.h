// SPDX-License-Identifier: Apache-2.0
// How long the kernel's NAPI of an interface lets packets wait: two files of the interface in
// sysfs, as mounted where this process runs.
#pragma once

#include <stdint.h>

struct port_napi {
	uint64_t defer_count; // napi_defer_hard_irqs: looks that may find nothing before it rests
	uint64_t flush_ns;    // gro_flush_timeout: until such a look; 0: each packet wakes it
};

// port_napi_read reads how it stands with interface iface of this process's network namespace.
// Returns 0 or an errno; ENODEV also when sysfs shows another namespace's interface.
int port_napi_read(const char *iface, struct port_napi *napi);

// port_napi_write sets it. Returns 0 or an errno (as above; EACCES, EPERM, EROFS): then one of the
// two may be set already.
int port_napi_write(const char *iface, const struct port_napi *napi);
