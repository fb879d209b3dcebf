// SPDX-License-Identifier: Apache-2.0
// Delivery-rate samples; see tcp_rate.h. Names in comments are the draft's.
#include "tcp_rate.h"

#include "check.h"

static uint32_t clamp(uint64_t us)
{
	return (uint32_t)MIN(us, (uint64_t)UINT32_MAX);
}

void tcp_rate_stamp(struct tcp_rate_clock *clock, struct tcp_sent *fresh, uint64_t now_us,
		    uint32_t flying_bytes)
{
	if (flying_bytes == 0)
		clock->first_us = clock->delivered_us = now_us;
	fresh->sent_us = now_us;
	fresh->delivered_bytes = clock->delivered_bytes;
	fresh->delivered_ago_us = clamp(now_us - clock->delivered_us);
	fresh->first_ago_us = clamp(now_us - clock->first_us);
	fresh->is_app_limited = clock->is_limited;
}

void tcp_rate_limit(struct tcp_rate_clock *clock, uint32_t flying_bytes)
{
	clock->is_limited = true;
	clock->limited_bytes = clock->delivered_bytes + flying_bytes;
}

// end_round is true when what is newest was sent after the last round trip ended; it begins the
// next.
static bool end_round(struct tcp_rate_clock *clock, const struct tcp_sent *newest)
{
	if ((int32_t)(newest->delivered_bytes - clock->round_bytes) < 0)
		return false;
	clock->round_bytes = clock->delivered_bytes;
	return true;
}

bool tcp_rate_sample(struct tcp_rate_clock *clock, const struct tcp_sent_news *news,
		     struct tcp_rate *rate)
{
	*rate = (struct tcp_rate){0};
	if (!news->has_newest)
		return false;
	const struct tcp_sent *newest = &news->newest;
	clock->delivered_bytes += news->delivered_bytes;
	clock->delivered_us = news->now_us;
	clock->first_us = newest->sent_us;
	if (clock->is_limited && (int32_t)(clock->delivered_bytes - clock->limited_bytes) > 0)
		clock->is_limited = false;
	uint64_t ack_elapsed_us = news->now_us - newest->sent_us + newest->delivered_ago_us;
	uint32_t interval_us = clamp(MAX(ack_elapsed_us, (uint64_t)newest->first_ago_us));
	if (interval_us > 0 && interval_us >= news->min_rtt_us)
		*rate = (struct tcp_rate){
			.delivered_bytes = clock->delivered_bytes - newest->delivered_bytes,
			.interval_us = interval_us,
			.is_app_limited = newest->is_app_limited,
		};
	return end_round(clock, newest);
}
