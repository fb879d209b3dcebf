// SPDX-License-Identifier: Apache-2.0
// DPDK's environment for a node: signals, run directory, cores, memory, devices.
#pragma once

#include "conf.h"

#include <stdbool.h>
#include <stddef.h>

// worker_eal_init starts EAL for the configuration: lcore 0 is the main thread on any core, lcore
// i + 1 is worker i on its core. Devices are made later (port_ethdev.h); PCI ones are allowed here.
// Real-time signals are ignored before, or net_tap would take one a packet. Returns 0, or an errno
// after a message on stderr.
int worker_eal_init(const struct conf *conf);

// worker_eal_fini ends EAL.
void worker_eal_fini(void);

// worker_eal_has_af_xdp is true when any port is an AF_XDP device.
bool worker_eal_has_af_xdp(const struct conf *conf);

// worker_eal_needed_bytes estimates the memory that packets and buffers of all workers take.
size_t worker_eal_needed_bytes(const struct conf *conf);
