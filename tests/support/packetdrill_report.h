// SPDX-License-Identifier: Apache-2.0
// TCP_INFO in our words, and as the kernel's headers describe it: apart, because our struct
// tcp_info has the same name as theirs.
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct drill_report {
	const char *state; // as struct tcp_info of tcp.h names it
	uint32_t rto_us, rtt_us, mss, cwnd_bytes, ssthresh_bytes, unacked_bytes;
};

// drill_report_write fills value, at most *bytes long, as the kernel's struct tcp_info.
void drill_report_write(const struct drill_report *report, void *value, socklen_t *bytes);
