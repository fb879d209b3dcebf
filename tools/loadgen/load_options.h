// SPDX-License-Identifier: Apache-2.0
// The command line of loadgen, and the node's configuration that our stack wants, made from it.
#pragma once

#include "addr.h"
#include "conf.h"
#include "load_mix.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_TARGETS_MAX   8u
#define LOAD_ADDRESSES_MAX CONF_PREFIXES_MAX
#define LOAD_FOR_EVER      UINT64_MAX

struct load_options {
	const char *device; // DPDK's arguments of the port
	const char *addresses[LOAD_ADDRESSES_MAX];
	struct addr sources[LOAD_ADDRESSES_MAX]; // the same, without prefix length
	uint32_t address_count;
	const char *gateway; // or NULL
	const char *run_dir; // or NULL: a temporary one
	struct endpoint_addr targets[LOAD_TARGETS_MAX];
	uint32_t target_count;
	const char *host;
	const char *ca; // file of certificates to trust; NULL: anybody
	uint32_t http;  // 1 or 2
	bool is_plain;
	bool is_poisson;
	bool is_resuming;
	bool is_resuming_one; // all but the first, by one ticket
	bool is_polling;
	bool is_serving; // several runs, told on standard input
	uint32_t mtu;
	uint32_t connections;
	uint32_t streams;        // requests at once on a connection
	uint32_t opening;        // handshakes at once
	uint64_t per_connection; // requests of a connection, 0: its handshake is the work
	uint64_t count;          // pieces of work
	double rate;             // of them a second; 0: closed loop
	double fresh_share; // of the requests of a rate, 0 to 1: each on a connection of its own
	double seconds;     // of measuring
	double warmup_s;
	double hold_s;   // connections stay open and idle this long
	uint32_t sample; // of them, asked once more after that
	uint64_t seed;
	struct load_mix mix;
};

// load_options_read reads the command line into *options; ends the program with a message when it
// is wrong, and after --help.
void load_options_read(int argc, char **argv, struct load_options *options);

// load_options_places is how many connections there may be at once: those that stay and, with
// fresh_share, as many more as may shake hands at once.
uint32_t load_options_places(const struct load_options *options);

// load_options_conf makes the configuration, in memory (free it); ends the program with a message
// when the options make none.
struct conf *load_options_conf(const struct load_options *options);
