// SPDX-License-Identifier: Apache-2.0
// What a program that does transfers is asked to do, and what became of them: the options and the
// one line of JSON that tcp_peer and tcp_host share.
#pragma once

#include "transfer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum transfer_end {
	TRANSFER_GOOD,    // every byte and both ends
	TRANSFER_WRONG,   // ended in order, but not as it should
	TRANSFER_RESET,   // the peer reset it
	TRANSFER_STOPPED, // we aborted it: --stop-ms or --reset-after
	TRANSFER_FAILED,  // refused, unreachable, timed out
	TRANSFER_END_COUNT,
};

struct transfer_options {
	const char *conf;    // tcp_host: the node's configuration
	const char *connect; // "ADDR:PORT", or NULL: serve
	uint16_t listen;     // port
	uint32_t count;      // connections to make
	uint32_t at_once;
	struct transfer_request request;
	uint64_t gap_us;      // between two connects
	uint64_t skip_ms;     // tcp_peer: in_kbit begins so long after the first is open
	uint64_t stop_ms;     // abort a transfer that has been open so long; 0 = never
	uint64_t reset_after; // abort when so many bytes came; 0 = never
	uint32_t slow_bytes;  // read at most so many every slow_ms; 0 = at once
	uint32_t slow_ms;
	uint32_t write_bytes; // tcp_peer: write so many every write_us; 0 = all
	uint32_t write_us;
	const char *cc; // congestion control; "cubic"
	int rcvbuf, sndbuf, maxseg;
	uint32_t trace_ms; // tell the state of the connections this often
	bool is_nodelay;
	uint64_t seconds; // end after so long, whatever happens
};

struct transfer_tally {
	uint32_t begun, opened;
	uint32_t ended[TRANSFER_END_COUNT];
	uint64_t in, out;                // bytes of the streams
	uint64_t first_us, last_us;      // opened, ended
	uint64_t skipped_us, skipped_in; // 0, or where in_kbit begins
	uint32_t *open_us;               // how long each open took
	uint32_t open_capacity;
	uint64_t retransmits;         // of all ended connections
	uint32_t srtt_us, cwnd_bytes; // of the last one
};

// transfer_options_read reads the command line; ends the program when it cannot.
void transfer_options_read(int argc, char **argv, struct transfer_options *options);

// transfer_tally_begin counts an attempt; transfer_tally_opened one that became a connection after
// took_us.
void transfer_tally_begin(struct transfer_tally *tally);
void transfer_tally_opened(struct transfer_tally *tally, uint64_t now_us, uint64_t took_us);

// transfer_tally_end counts how one ended.
void transfer_tally_end(struct transfer_tally *tally, const struct transfer *transfer,
			enum transfer_end how, uint64_t now_us);

// transfer_tally_skip leaves what came until now out of in_kbit, once: in bytes of transfers that
// have not ended.
void transfer_tally_skip(struct transfer_tally *tally, uint64_t now_us, uint64_t in);

// transfer_tally_in_flight is how many have begun and not ended.
uint32_t transfer_tally_in_flight(const struct transfer_tally *tally);

// transfer_wants_connect is true when a client should open one more connection now, given when it
// opened the last one.
bool transfer_wants_connect(const struct transfer_options *options,
			    const struct transfer_tally *tally, uint64_t now_us, uint64_t last_us);

// transfer_is_over is true when a client's last transfer has ended.
bool transfer_is_over(const struct transfer_options *options, const struct transfer_tally *tally);

// transfer_must_stop is true when the options end this transfer, open since opened_us (0 = not
// yet).
bool transfer_must_stop(const struct transfer_options *options, const struct transfer *transfer,
			uint64_t opened_us, uint64_t now_us);

// transfer_tally_print writes the tally as JSON members, without braces.
void transfer_tally_print(const struct transfer_tally *tally, FILE *out);
