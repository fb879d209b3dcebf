// SPDX-License-Identifier: Apache-2.0
// What the files of telemetry ask of each other. Nobody else includes it.
#pragma once

#include "worker_telemetry.h"

#include <rte_telemetry.h>

#define TELEMETRY_TIMEOUT_US 1000000u // for a worker's answer; then what it has told stands

// telemetry_answer fills data, or returns a negative errno.
typedef int telemetry_answer(const struct telemetry *telemetry, const char *cmd, const char *params,
			     struct rte_tel_data *data);

// Which workers an answer is about: [first, end).
struct telemetry_range {
	uint32_t first;
	uint32_t end;
};

// telemetry_range reads "", NULL or "N". False when there is no worker N.
bool telemetry_range(const struct telemetry *telemetry, const char *params,
		     struct telemetry_range *range);

// telemetry_sum adds a counter up over workers.
uint64_t telemetry_sum(const struct telemetry *telemetry, struct telemetry_range range,
		       unsigned counter);

// telemetry_row makes a dictionary called name inside data (DPDK knows no arrays of them); NULL
// when memory is short.
struct rte_tel_data *telemetry_row(struct rte_tel_data *data, const char *name);

// The answers of worker_telemetry_tcp.c.
telemetry_answer telemetry_events, telemetry_summary, telemetry_flows;

// And those of worker_telemetry_l4.c.
telemetry_answer telemetry_l4_flows, telemetry_l4_endpoints, telemetry_l4_weight;
