// SPDX-License-Identifier: Apache-2.0
// From a configuration to running workers and back: EAL, memory, ports, workers, threads, telemetry
// and control's socket come up in the order of one table and go down in the reverse.
#pragma once

#include "conf.h"

// worker_boot_run runs the node until SIGTERM or SIGINT. Returns the process's exit code: 0 after a
// clean end, 1 when something could not start (said on stderr).
int worker_boot_run(const struct conf *conf);
