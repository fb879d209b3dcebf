// SPDX-License-Identifier: Apache-2.0
// TCP_INFO as the kernel tells it; see packetdrill_report.h.
#include "packetdrill_report.h"

#include <linux/tcp.h>

#include <stdint.h>
#include <string.h>

// state_number is the kernel's number of a state.
static uint8_t state_number(const char *state)
{
	static const char *const names[] = {
		"",           "ESTABLISHED", "SYN-SENT",  "SYN-RECEIVED",
		"FIN-WAIT-1", "FIN-WAIT-2",  "TIME-WAIT", "CLOSED",
		"CLOSE-WAIT", "LAST-ACK",    "LISTEN",    "CLOSING",
	};
	for (uint8_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], state) == 0)
			return i;
	return 7;
}

void drill_report_write(const struct drill_report *report, void *value, socklen_t *bytes)
{
	uint32_t mss = report->mss ? report->mss : 1;
	struct tcp_info info = {
		.tcpi_state = state_number(report->state),
		.tcpi_rto = report->rto_us,
		.tcpi_rtt = report->rtt_us,
		.tcpi_snd_mss = report->mss,
		.tcpi_unacked = (report->unacked_bytes + mss - 1) / mss,
		.tcpi_snd_cwnd = report->cwnd_bytes / mss,
		.tcpi_snd_ssthresh = report->ssthresh_bytes / mss,
	};
	size_t length = *bytes < sizeof(info) ? *bytes : sizeof(info);
	memcpy(value, &info, length);
	*bytes = (socklen_t)length;
}
