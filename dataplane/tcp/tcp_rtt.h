// SPDX-License-Identifier: Apache-2.0
// Round-trip time and retransmission timeout of one connection (RFC 6298). Pure.
#pragma once

#include <stdint.h>

#define TCP_RTO_INITIAL_US   1000000u  // RFC 6298 2.1
#define TCP_RTO_AFTER_SYN_US 3000000u  // RFC 6298 5.7
#define TCP_RTO_MIN_US       200000u   // below RFC 6298 2.4's second, as everybody
#define TCP_RTO_MAX_US       60000000u // RFC 6298 2.5
#define TCP_RTO_SLACK_US     100000u   // above SRTT at least, for G: long steady paths have jitter

struct tcp_rtt {
	uint32_t srtt_us; // 0 = no sample yet
	uint32_t rttvar_us;
	uint32_t rto_us;  // without back-off
	uint32_t backoff; // doublings
};

// tcp_rtt_init starts with RTO_INITIAL.
void tcp_rtt_init(struct tcp_rtt *rtt);

// tcp_rtt_sample takes a measured round trip and forgets back-off. Never of a segment that was sent
// twice (Karn), unless by timestamps.
void tcp_rtt_sample(struct tcp_rtt *rtt, uint32_t sample_us);

// tcp_rtt_back_off doubles the timeout after an expiry (RFC 6298 5.5).
void tcp_rtt_back_off(struct tcp_rtt *rtt);

// tcp_rtt_timeout_us is the timeout now, at most TCP_RTO_MAX_US.
uint32_t tcp_rtt_timeout_us(const struct tcp_rtt *rtt);
