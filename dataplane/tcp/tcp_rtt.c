// SPDX-License-Identifier: Apache-2.0
// Round-trip time and retransmission timeout; see tcp_rtt.h. Equation numbers are RFC 6298's.
#include "tcp_rtt.h"

#include "check.h"

void tcp_rtt_init(struct tcp_rtt *rtt)
{
	*rtt = (struct tcp_rtt){.rto_us = TCP_RTO_INITIAL_US};
}

void tcp_rtt_sample(struct tcp_rtt *rtt, uint32_t sample_us)
{
	sample_us = MAX(MIN(sample_us, TCP_RTO_MAX_US), 1u);
	if (rtt->srtt_us == 0) { // 2.2
		rtt->srtt_us = sample_us;
		rtt->rttvar_us = sample_us / 2;
	} else { // 2.3: alpha = 1/8, beta = 1/4
		uint32_t error_us = rtt->srtt_us > sample_us ? rtt->srtt_us - sample_us
							     : sample_us - rtt->srtt_us;
		rtt->rttvar_us = (uint32_t)((3ull * rtt->rttvar_us + error_us) / 4);
		rtt->srtt_us = (uint32_t)((7ull * rtt->srtt_us + sample_us) / 8);
		rtt->srtt_us = MAX(rtt->srtt_us, 1u);
	}
	uint64_t rto_us = rtt->srtt_us + MAX((uint64_t)TCP_RTO_SLACK_US, 4ull * rtt->rttvar_us);
	rtt->rto_us =
		(uint32_t)MIN(MAX(rto_us, (uint64_t)TCP_RTO_MIN_US), (uint64_t)TCP_RTO_MAX_US);
	rtt->backoff = 0;
}

void tcp_rtt_back_off(struct tcp_rtt *rtt)
{
	if (tcp_rtt_timeout_us(rtt) < TCP_RTO_MAX_US)
		rtt->backoff++;
}

uint32_t tcp_rtt_timeout_us(const struct tcp_rtt *rtt)
{
	uint64_t timeout_us = (uint64_t)rtt->rto_us << MIN(rtt->backoff, 16u);
	return (uint32_t)MIN(timeout_us, (uint64_t)TCP_RTO_MAX_US);
}
