// SPDX-License-Identifier: Apache-2.0
// RACK; see tcp_rack.h. Steps are those of RFC 8985 6.2.
#include "tcp_rack.h"

#include "check.h"

#define EPOCH_SHIFT 26 // 67 s

void tcp_rack_init(struct tcp_rack *rack, struct tcp_seq seq)
{
	*rack = (struct tcp_rack){.end = seq, .fack = seq, .window_quarters = 1};
}

// note_min keeps the minimum of this epoch and the one before it: a path that grew longer is
// believed after two (step 1).
static void note_min(struct tcp_rack *rack, uint32_t rtt_us, uint64_t now_us)
{
	uint16_t epoch = (uint16_t)(now_us >> EPOCH_SHIFT);
	rtt_us = MAX(rtt_us, 1u);
	if (rack->min_rtt_us == 0 || epoch != rack->epoch) {
		bool is_next = rack->min_rtt_us && epoch == (uint16_t)(rack->epoch + 1);
		uint32_t before_us = is_next ? rack->epoch_min_rtt_us : rtt_us;
		rack->epoch = epoch;
		rack->epoch_min_rtt_us = rtt_us;
		rack->min_rtt_us = MIN(before_us, rtt_us);
		return;
	}
	rack->epoch_min_rtt_us = MIN(rack->epoch_min_rtt_us, rtt_us);
	rack->min_rtt_us = MIN(rack->min_rtt_us, rtt_us);
}

void tcp_rack_delivered(struct tcp_rack *rack, const struct tcp_sent_news *news)
{
	if (news->has_rack) { // step 2
		bool is_later =
			news->rack_us > rack->sent_us ||
			(news->rack_us == rack->sent_us && seq_before(rack->end, news->rack_end));
		rack->rtt_us = (uint32_t)MIN(news->now_us - news->rack_us, (uint64_t)UINT32_MAX);
		note_min(rack, rack->rtt_us, news->now_us);
		if (is_later || !rack->has_delivered) {
			rack->sent_us = news->rack_us;
			rack->end = news->rack_end;
			rack->has_delivered = true;
		}
	}
	if (news->has_once && seq_before(news->once_start, rack->fack)) // step 3
		rack->is_reordering_seen = true;
	if (news->delivered_bytes)
		rack->fack = seq_later(rack->fack, news->end);
}

void tcp_rack_dsack(struct tcp_rack *rack, struct tcp_seq una, struct tcp_seq nxt)
{
	if (rack->has_dsack_round && seq_before(una, rack->dsack_round))
		return;
	rack->has_dsack_round = true;
	rack->dsack_round = nxt;
	rack->window_quarters = (uint8_t)MIN(rack->window_quarters + 1u, TCP_RACK_WINDOW_MAX);
	rack->persist = TCP_RACK_PERSIST;
}

void tcp_rack_reordered(struct tcp_rack *rack)
{
	rack->is_reordering_seen = true;
}

void tcp_rack_recovered(struct tcp_rack *rack)
{
	if (rack->persist > 0)
		rack->persist--;
	if (rack->persist == 0)
		rack->window_quarters = 1;
}

uint32_t tcp_rack_window_us(const struct tcp_rack *rack, uint32_t srtt_us, bool is_eager)
{
	if (!rack->is_reordering_seen && is_eager)
		return 0;
	uint64_t window_us = (uint64_t)rack->min_rtt_us / 4 * rack->window_quarters;
	return (uint32_t)MIN(window_us, (uint64_t)srtt_us);
}

struct tcp_rack_losses tcp_rack_detect(const struct tcp_rack *rack, struct tcp_sent_queue *queue,
				       uint64_t now_us, uint32_t window_us)
{
	struct tcp_rack_losses losses = {0};
	struct list *node, *next;
	if (!rack->has_delivered)
		return losses;
	list_for_each_safe (node, next, &queue->flying) {
		struct tcp_sent *record = container_of(node, struct tcp_sent, by_time);
		bool is_before = record->sent_us < rack->sent_us ||
				 (record->sent_us == rack->sent_us &&
				  seq_before(record->range.end, rack->end));
		if (!is_before)
			break;
		uint64_t due_us = record->sent_us + rack->rtt_us + window_us;
		if (due_us > now_us) { // those behind it are due later
			losses.due_us = due_us;
			break;
		}
		losses.bytes += seq_distance(record->range.start, record->range.end);
		losses.count++;
		losses.again_count += record->is_again;
		tcp_sent_lose(queue, record);
	}
	return losses;
}
