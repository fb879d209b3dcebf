// SPDX-License-Identifier: Apache-2.0
// DPDK's environment for a node: signals, run directory, cores, memory, devices.
#pragma once

#include "conf.h"

#include <stddef.h>

// worker_eal_init starts EAL for the configuration: lcore 0 is the main thread on any core, lcore i + 1
// is worker i on its core; every port's device is made, and the exception taps (worker_eal_tap_name).
// Real-time signals are ignored before, or net_tap would take one a packet. Returns 0; else a message
// was written to stderr.
int worker_eal_init(const struct conf *conf);

// worker_eal_fini ends EAL.
void worker_eal_fini(void);

// worker_eal_device_name writes the name by which EAL knows port port_index's device.
void worker_eal_device_name(const struct conf *conf, uint32_t port_index, char out[CONF_TEXT_BYTES]);

// worker_eal_tap_name writes the name of port port_index's exception tap.
void worker_eal_tap_name(uint32_t port_index, char out[CONF_NAME_BYTES]);

// worker_eal_needed_bytes estimates the memory that packets and buffers of all workers take.
size_t worker_eal_needed_bytes(const struct conf *conf);
