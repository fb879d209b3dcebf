// SPDX-License-Identifier: Apache-2.0
// What all algorithms of congestion control share: the initial window (RFC 6928) and the pace of
// those that know only a window.
#include "tcp_cc.h"

#include "check.h"

void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss)
{
	*cc = (struct tcp_cc){
		.ops = ops,
		.ssthresh_bytes = TCP_CC_WINDOW_BYTES_MAX,
		.mss = mss,
		.is_paced = cc->is_paced,
	};
	cc->cwnd_bytes = tcp_cc_initial_bytes(cc);
	ops->start(cc);
}

uint32_t tcp_cc_initial_bytes(const struct tcp_cc *cc)
{
	return MIN(TCP_CC_INITIAL_SEGMENTS * cc->mss, MAX(2 * cc->mss, 14600u));
}

void tcp_cc_pace(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	bool is_slow_start = cc->cwnd_bytes < cc->ssthresh_bytes;
	cc->pacing_bytes_per_s = 0;
	if (cc->is_paced && is_slow_start && ack->srtt_us)
		cc->pacing_bytes_per_s = cc->cwnd_bytes * 2000000ull / ack->srtt_us;
}
