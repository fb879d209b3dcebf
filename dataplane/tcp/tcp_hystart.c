// SPDX-License-Identifier: Apache-2.0
// HyStart++ (RFC 9406 4.2): slow start that looks at the round trips and, when they grow, slows
// down for five rounds (CSS) before it ends. Names in comments are the RFC's.
#include "tcp_cc.h"

#include "check.h"

#define NEVER         TCP_HYSTART_RTT_US_NEVER
#define THRESH_US_MIN 4000u  // MIN_RTT_THRESH
#define THRESH_US_MAX 16000u // MAX_RTT_THRESH
#define RTT_DIVISOR   8u     // MIN_RTT_DIVISOR
#define SAMPLES       8u     // N_RTT_SAMPLE
#define CSS_DIVISOR   4u     // CSS_GROWTH_DIVISOR
#define CSS_ROUNDS    5u

void tcp_hystart_init(struct tcp_hystart *hystart)
{
	*hystart = (struct tcp_hystart){
		.last_min_us = NEVER,
		.round_min_us = NEVER,
		.baseline_us = NEVER,
	};
}

static void begin_round(struct tcp_hystart *hystart)
{
	hystart->last_min_us = hystart->round_min_us;
	hystart->round_min_us = NEVER;
	hystart->sample_count = 0;
	if (hystart->phase == TCP_HYSTART_CSS && ++hystart->css_rounds >= CSS_ROUNDS)
		hystart->phase = TCP_HYSTART_OFF;
}

// judge moves between slow start and CSS once a round has samples enough.
static void judge(struct tcp_hystart *hystart)
{
	if (hystart->sample_count < SAMPLES || hystart->last_min_us == NEVER)
		return;
	uint32_t thresh_us = MIN(hystart->last_min_us / RTT_DIVISOR, THRESH_US_MAX);
	thresh_us = MAX(thresh_us, THRESH_US_MIN);
	bool is_longer = hystart->round_min_us >= hystart->last_min_us + thresh_us;
	if (hystart->phase == TCP_HYSTART_SLOW_START && is_longer) {
		hystart->phase = TCP_HYSTART_CSS;
		hystart->baseline_us = hystart->round_min_us;
		hystart->css_rounds = 0;
	} else if (hystart->phase == TCP_HYSTART_CSS &&
		   hystart->round_min_us < hystart->baseline_us) { // it was a spike
		hystart->phase = TCP_HYSTART_SLOW_START;
		hystart->baseline_us = NEVER;
	}
}

uint32_t tcp_hystart_acked(struct tcp_hystart *hystart, const struct tcp_cc_ack *ack,
			   uint32_t bytes)
{
	if (hystart->phase == TCP_HYSTART_OFF)
		return bytes;
	if (ack->is_round_start)
		begin_round(hystart);
	if (ack->rtt_us) {
		hystart->round_min_us = MIN(hystart->round_min_us, ack->rtt_us);
		hystart->sample_count = (uint8_t)MIN(hystart->sample_count + 1u, SAMPLES);
		judge(hystart);
	}
	return hystart->phase == TCP_HYSTART_CSS ? bytes / CSS_DIVISOR : bytes;
}
