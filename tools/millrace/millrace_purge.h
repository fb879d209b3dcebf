// SPDX-License-Identifier: Apache-2.0
// millrace purge: asks control, and waits until all edges have done it.
#pragma once

#include "millrace_args.h"

// millrace_purge purges and tells how it went. Returns the exit code: 1 when it was refused, or
// when an edge has not answered within 5 s; such a one does it when it is back.
int millrace_purge(const struct millrace_args *args, const char *run_dir);
