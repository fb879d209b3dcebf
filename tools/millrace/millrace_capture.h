// SPDX-License-Identifier: Apache-2.0
// `millrace capture`: frames of a running data plane into a pcapng file.
#pragma once

#include "millrace_args.h"

// millrace_capture asks for the frames and writes them until the data plane ends it, or Ctrl-C.
// Returns the exit status.
int millrace_capture(const struct millrace_args *args, const char *run_dir);
