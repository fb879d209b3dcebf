// SPDX-License-Identifier: Apache-2.0
// Sizes of windows; see tcp_autosize.h.
#include "tcp_autosize.h"

#include "check.h"

#define SPARE_SEGMENTS 16u // a round trip is not cut exactly

void tcp_rightsize_init(struct tcp_rightsize *size, uint32_t max_bytes, uint32_t rtt_us)
{
	*size = (struct tcp_rightsize){
		.buffer_bytes = MIN(max_bytes, TCP_RECEIVE_START),
		.rtt_us = rtt_us,
	};
}

void tcp_rightsize_echo(struct tcp_rightsize *size, uint32_t echo, uint32_t echo_us)
{
	if (echo == size->echo) // of the same flight
		return;
	size->echo = echo;
	echo_us = MAX(echo_us, 1u);
	if (size->rtt_us == 0 || echo_us < size->rtt_us)
		size->rtt_us = echo_us;
	else
		size->rtt_us += (echo_us - size->rtt_us) / 8;
}

void tcp_rightsize_turn(struct tcp_rightsize *size, struct tcp_seq next, struct tcp_seq edge,
			uint64_t now_us)
{
	if (size->turn_us && seq_before(next, size->turn_end))
		return;
	uint64_t turn_us = now_us - size->turn_us;
	if (size->turn_us && (size->rtt_us == 0 || turn_us < size->rtt_us))
		size->rtt_us = (uint32_t)MAX(turn_us, (uint64_t)1);
	size->turn_us = now_us;
	size->turn_end = edge;
}

// wanted is room for what comes in the next round trip while this one is read; while the rate still
// doubles (slow start), for the one after that.
static uint64_t wanted(const struct tcp_rightsize *size, uint32_t segment_bytes)
{
	uint64_t twice = 2ull * size->consumed_bytes;
	uint64_t want_bytes = twice + (uint64_t)SPARE_SEGMENTS * segment_bytes;
	if (size->consumed_bytes > size->before_bytes && size->before_bytes > 0) {
		uint64_t grown = size->consumed_bytes - size->before_bytes;
		want_bytes += twice * MIN(grown, (uint64_t)size->before_bytes) / size->before_bytes;
	}
	return want_bytes;
}

static enum tcp_rightsize_result resize(struct tcp_rightsize *size,
					const struct tcp_rightsize_bounds *bounds)
{
	uint64_t want_bytes = MIN(wanted(size, bounds->segment_bytes), (uint64_t)bounds->max_bytes);
	if (want_bytes > size->buffer_bytes) {
		if (bounds->is_memory_low)
			return TCP_RIGHTSIZE_DENIED;
		size->buffer_bytes = (uint32_t)want_bytes;
		return TCP_RIGHTSIZE_GROWN;
	}
	uint32_t start_bytes = MIN(bounds->max_bytes, TCP_RECEIVE_START);
	if (!bounds->is_memory_low || want_bytes > size->buffer_bytes / 2 ||
	    size->buffer_bytes <= start_bytes)
		return TCP_RIGHTSIZE_SAME;
	size->buffer_bytes = MAX((uint32_t)want_bytes, start_bytes);
	return TCP_RIGHTSIZE_SHRUNK;
}

enum tcp_rightsize_result tcp_rightsize_consumed(struct tcp_rightsize *size, uint32_t bytes,
						 uint64_t now_us,
						 const struct tcp_rightsize_bounds *bounds)
{
	if (size->rtt_us == 0) { // began_us tells when the owner read, also while nothing is known
		size->began_us = now_us;
		size->consumed_bytes = 0;
	} else if (size->began_us == 0) {
		size->began_us = now_us;
	}
	size->consumed_bytes += bytes;
	if (size->rtt_us == 0 || now_us < size->began_us + size->rtt_us)
		return TCP_RIGHTSIZE_SAME;
	enum tcp_rightsize_result result = resize(size, bounds);
	size->before_bytes = size->consumed_bytes;
	size->consumed_bytes = 0;
	size->began_us = now_us;
	return result;
}

uint32_t tcp_autosize_send(const struct tcp_autosize_bounds *bounds)
{
	uint64_t path = bounds->is_memory_low ? 0 : 2ull * bounds->cwnd_bytes + bounds->extra_bytes;
	uint64_t want = MAX(path, (uint64_t)TCP_SEND_START);
	if (bounds->window_bytes < TCP_SEND_START / 2)
		want = MIN(want, (uint64_t)bounds->window_bytes + bounds->extra_bytes);
	return (uint32_t)MIN(want, (uint64_t)bounds->max_bytes);
}
