// SPDX-License-Identifier: Apache-2.0
// `millrace flows`: the data plane's TCP connections, as ss -ti shows a kernel's.
#pragma once

#include "millrace_args.h"

// millrace_flows reads, sorts and prints them. Returns the exit status.
int millrace_flows(const struct millrace_args *args, const char *run_dir);
