// SPDX-License-Identifier: Apache-2.0
// SACK scoreboard; see tcp_sack.h.
#include "tcp_sack.h"

#include "check.h"

#include <string.h>

void tcp_sack_clear(struct tcp_scoreboard *board)
{
	board->count = 0;
}

static void remove_at(struct tcp_scoreboard *board, uint32_t index, uint32_t count)
{
	memmove(board->ranges + index, board->ranges + index + count,
		(board->count - index - count) * sizeof(board->ranges[0]));
	board->count -= count;
}

static bool insert_at(struct tcp_scoreboard *board, uint32_t index, struct tcp_range block)
{
	if (board->count == TCP_SACK_RANGES)
		return false;
	memmove(board->ranges + index + 1, board->ranges + index,
		(board->count - index) * sizeof(board->ranges[0]));
	board->ranges[index] = block;
	board->count++;
	return true;
}

bool tcp_sack_add(struct tcp_scoreboard *board, struct tcp_range sent, struct tcp_range block)
{
	if (!seq_before(block.start, block.end) || !seq_before(sent.start, block.start) ||
	    !seq_at_or_before(block.end, sent.end))
		return false;
	uint32_t first = 0;
	while (first < board->count && seq_before(board->ranges[first].end, block.start))
		first++;
	uint32_t after = first; // ranges first .. after touch the block
	while (after < board->count && seq_at_or_before(board->ranges[after].start, block.end))
		after++;
	if (first == after)
		return insert_at(board, first, block);
	struct tcp_range *range = &board->ranges[first];
	if (after == first + 1 && seq_at_or_before(range->start, block.start) &&
	    seq_at_or_before(block.end, range->end))
		return false;
	range->start = seq_earlier(range->start, block.start);
	range->end = seq_later(board->ranges[after - 1].end, block.end);
	remove_at(board, first + 1, after - first - 1);
	return true;
}

void tcp_sack_acked(struct tcp_scoreboard *board, struct tcp_seq una)
{
	uint32_t gone = 0;
	while (gone < board->count && seq_at_or_before(board->ranges[gone].end, una))
		gone++;
	remove_at(board, 0, gone);
	if (board->count && seq_before(board->ranges[0].start, una))
		board->ranges[0].start = una;
}

struct tcp_seq tcp_sack_skip(const struct tcp_scoreboard *board, struct tcp_seq seq)
{
	for (uint32_t i = 0; i < board->count; i++)
		if (seq_within(seq, board->ranges[i]))
			return board->ranges[i].end;
	return seq;
}

uint32_t tcp_sack_room(const struct tcp_scoreboard *board, struct tcp_seq seq, uint32_t max_bytes)
{
	for (uint32_t i = 0; i < board->count; i++)
		if (seq_before(seq, board->ranges[i].start))
			return MIN(max_bytes, seq_distance(seq, board->ranges[i].start));
	return max_bytes;
}

// is_lost_below is IsLost for any byte just below range first.
static bool is_lost_below(const struct tcp_scoreboard *board, uint32_t first, uint32_t mss)
{
	uint32_t held_bytes = 0;
	if (board->count - first >= TCP_DUP_THRESH)
		return true;
	for (uint32_t i = first; i < board->count; i++)
		held_bytes += seq_distance(board->ranges[i].start, board->ranges[i].end);
	return held_bytes > (TCP_DUP_THRESH - 1) * mss;
}

bool tcp_sack_is_lost(const struct tcp_scoreboard *board, struct tcp_seq seq, uint32_t mss)
{
	uint32_t first = 0;
	while (first < board->count && seq_at_or_before(board->ranges[first].end, seq))
		first++;
	return is_lost_below(board, first, mss);
}

uint32_t tcp_sack_held_bytes(const struct tcp_scoreboard *board, struct tcp_range part)
{
	uint32_t held_bytes = 0;
	for (uint32_t i = 0; i < board->count; i++) {
		struct tcp_seq start = seq_later(part.start, board->ranges[i].start);
		struct tcp_seq end = seq_earlier(part.end, board->ranges[i].end);
		if (seq_before(start, end))
			held_bytes += seq_distance(start, end);
	}
	return held_bytes;
}

uint32_t tcp_sack_pipe_bytes(const struct tcp_scoreboard *board, struct tcp_range sent,
			     struct tcp_seq retransmitted, uint32_t mss)
{
	uint32_t pipe_bytes = 0;
	struct tcp_seq at = sent.start;
	for (uint32_t i = 0; i <= board->count && seq_before(at, sent.end); i++) {
		struct tcp_seq end = sent.end;
		if (i < board->count)
			end = seq_earlier(end, board->ranges[i].start);
		if (seq_before(at, end)) {
			if (!is_lost_below(board, i, mss))
				pipe_bytes += seq_distance(at, end);
			if (seq_before(at, retransmitted))
				pipe_bytes += seq_distance(at, seq_earlier(end, retransmitted));
		}
		if (i < board->count)
			at = seq_later(at, board->ranges[i].end);
	}
	return pipe_bytes;
}

bool tcp_sack_next_hole(const struct tcp_scoreboard *board, struct tcp_seq from,
			struct tcp_seq *hole)
{
	for (uint32_t i = 0; i < board->count; i++) {
		if (seq_before(from, board->ranges[i].start)) {
			*hole = from;
			return true;
		}
		from = seq_later(from, board->ranges[i].end);
	}
	return false;
}
