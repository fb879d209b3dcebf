// SPDX-License-Identifier: Apache-2.0
// What the data plane says about itself, gathered from its telemetry for `status` and `top`.
#pragma once

#include <jansson.h>

// millrace_plane_read asks the telemetry behind fd (of millrace_telemetry_open):
//   {"node": {...}, "workers": [{"worker", "core", "loops", ...}], "ports": [...],
//    "traffic": {...}, "reasons": ["module.name N: text"]}
// The caller owns it; NULL: told.
json_t *millrace_plane_read(int fd);

// millrace_plane_show prints it for people.
void millrace_plane_show(const json_t *plane);

// millrace_plane_rates makes the table of workers between two answers, seconds apart:
//   [{"worker", "busy_percent", "asleep_percent", "loops_per_s", ...}]
// The caller owns it.
json_t *millrace_plane_rates(const json_t *now, const json_t *then, double seconds);
