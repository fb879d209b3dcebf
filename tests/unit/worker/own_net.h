// SPDX-License-Identifier: Apache-2.0
// A network namespace of a unit test's own.
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>

// own_net_enter takes the process to a network of its own, with a /sys that shows it; false without
// root and namespaces.
static inline bool own_net_enter(void)
{
	return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/sys", "sysfs", 0, NULL) == 0;
}
