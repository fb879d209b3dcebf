// SPDX-License-Identifier: Apache-2.0
// The sockets of a node: control's (JSON lines) and the data plane's telemetry (DPDK's, SEQPACKET).
#pragma once

#include "millrace_args.h"

#define MILLRACE_PATH_BYTES 256u

// millrace_find_run_dir finds the directory of the node's sockets. False: told.
bool millrace_find_run_dir(const struct millrace_args *args, char out[MILLRACE_PATH_BYTES]);

// millrace_ask sends the request to control and returns its reply, owned. NULL: told.
json_t *millrace_ask(const char *run_dir, const json_t *request);

// millrace_telemetry_open connects to the data plane's telemetry. -1: told.
int millrace_telemetry_open(const char *run_dir);

// millrace_telemetry_ask asks one thing ("/millrace/..."), or, when what is NULL, everything of
// ours that needs no argument, by name. The reply is owned. NULL: told.
json_t *millrace_telemetry_ask(int fd, const char *what);
