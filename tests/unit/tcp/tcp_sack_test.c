// SPDX-License-Identifier: Apache-2.0
// The scoreboard against a bitmap that knows every byte, and the rules of RFC 6675.
#include "random.h"
#include "tcp_sack.h"
#include "unit.h"

#define MSS 100u

static struct tcp_range range(uint32_t start, uint32_t end)
{
	return (struct tcp_range){seq_of(start), seq_of(end)};
}

static void blocks_merge_and_match_a_bitmap(void)
{
	enum { BYTES = 400 };
	struct random_source random;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct tcp_scoreboard board = {0};
		bool is_held[BYTES] = {0};
		uint32_t base = (uint32_t)seed * 0x01000193u - 200; // some runs wrap
		random_init(&random, (struct siphash_key){{seed, 2}});
		for (int i = 0; i < 20; i++) {
			uint32_t start = 1 + random_below(&random, BYTES - 1);
			uint32_t end = start + 1 + random_below(&random, BYTES - start);
			bool is_news = false;
			for (uint32_t b = start; b < end && b < BYTES; b++)
				is_news |= !is_held[b];
			bool fits = end <= BYTES;
			bool told = tcp_sack_add(&board, range(base, base + BYTES),
						 range(base + start, base + end));
			CU_ASSERT_EQUAL(told, is_news && fits);
			for (uint32_t b = start; b < end && fits; b++)
				is_held[b] = true;
		}
		uint32_t held = 0;
		for (uint32_t b = 0; b < BYTES; b++) {
			struct tcp_seq skipped = tcp_sack_skip(&board, seq_of(base + b));
			CU_ASSERT_EQUAL(!seq_equal(skipped, seq_of(base + b)), is_held[b]);
			held += is_held[b];
		}
		CU_ASSERT_EQUAL(tcp_sack_held_bytes(&board, range(base, base + BYTES)), held);
		for (uint32_t i = 1; i < board.count; i++)
			CU_ASSERT(seq_before(board.ranges[i - 1].end, board.ranges[i].start));
	}
}

static void blocks_outside_of_what_was_sent_are_ignored(void)
{
	struct tcp_scoreboard board = {0};
	CU_ASSERT(!tcp_sack_add(&board, range(1000, 2000), range(500, 700)));   // D-SACK
	CU_ASSERT(!tcp_sack_add(&board, range(1000, 2000), range(1900, 2001))); // never sent
	CU_ASSERT(!tcp_sack_add(&board, range(1000, 2000), range(1500, 1500)));
	CU_ASSERT(!tcp_sack_add(&board, range(1000, 2000), range(1600, 1500)));
	CU_ASSERT_EQUAL(board.count, 0);
}

static void a_full_board_forgets_new_blocks_only(void)
{
	struct tcp_scoreboard board = {0};
	for (uint32_t i = 0; i < 2 * TCP_SACK_RANGES; i++)
		CU_ASSERT_EQUAL(
			tcp_sack_add(&board, range(0, 10000), range(10 + 20 * i, 20 + 20 * i)),
			i < TCP_SACK_RANGES);
	CU_ASSERT_EQUAL(board.count, TCP_SACK_RANGES);
	CU_ASSERT(tcp_sack_add(&board, range(0, 10000), range(5, 9000))); // merging still works
	CU_ASSERT_EQUAL(board.count, 1);
}

static void an_acknowledgement_cuts_what_lies_before_it(void)
{
	struct tcp_scoreboard board = {0};
	tcp_sack_add(&board, range(0, 1000), range(100, 200));
	tcp_sack_add(&board, range(0, 1000), range(300, 400));
	tcp_sack_acked(&board, seq_of(350));
	CU_ASSERT_EQUAL(board.count, 1);
	CU_ASSERT(seq_equal(board.ranges[0].start, seq_of(350)));
	tcp_sack_acked(&board, seq_of(400));
	CU_ASSERT_EQUAL(board.count, 0);
}

static void three_blocks_or_two_segments_and_a_byte_above_mean_lost(void)
{
	struct tcp_scoreboard board = {0};
	tcp_sack_add(&board, range(0, 9000), range(100, 300));
	CU_ASSERT(!tcp_sack_is_lost(&board, seq_of(0), MSS));
	tcp_sack_add(&board, range(0, 9000), range(300, 301));
	CU_ASSERT(tcp_sack_is_lost(&board, seq_of(0), MSS));
	tcp_sack_clear(&board);
	tcp_sack_add(&board, range(0, 9000), range(100, 110));
	tcp_sack_add(&board, range(0, 9000), range(200, 210));
	CU_ASSERT(!tcp_sack_is_lost(&board, seq_of(0), MSS));
	tcp_sack_add(&board, range(0, 9000), range(300, 310));
	CU_ASSERT(tcp_sack_is_lost(&board, seq_of(0), MSS));
	CU_ASSERT(!tcp_sack_is_lost(&board, seq_of(150), MSS)); // two blocks above only
}

static void the_pipe_leaves_out_what_is_lost_and_counts_what_was_sent_again(void)
{
	struct tcp_scoreboard board = {0};
	tcp_sack_add(&board, range(0, 1000), range(100, 400));
	// [0,100) lost, [100,400) held, [400,1000) in flight
	CU_ASSERT_EQUAL(tcp_sack_pipe_bytes(&board, range(0, 1000), seq_of(0), MSS), 600);
	CU_ASSERT_EQUAL(tcp_sack_pipe_bytes(&board, range(0, 1000), seq_of(100), MSS), 700);
	CU_ASSERT_EQUAL(tcp_sack_pipe_bytes(&board, range(0, 50), seq_of(0), MSS), 0);
	tcp_sack_clear(&board);
	CU_ASSERT_EQUAL(tcp_sack_pipe_bytes(&board, range(0, 1000), seq_of(0), MSS), 1000);
}

static void holes_are_found_below_the_highest_block(void)
{
	struct tcp_scoreboard board = {0};
	struct tcp_seq hole;
	CU_ASSERT(!tcp_sack_next_hole(&board, seq_of(0), &hole));
	tcp_sack_add(&board, range(0, 1000), range(100, 200));
	tcp_sack_add(&board, range(0, 1000), range(300, 400));
	CU_ASSERT(tcp_sack_next_hole(&board, seq_of(0), &hole) && seq_equal(hole, seq_of(0)));
	CU_ASSERT(tcp_sack_next_hole(&board, seq_of(100), &hole) && seq_equal(hole, seq_of(200)));
	CU_ASSERT(tcp_sack_next_hole(&board, seq_of(250), &hole) && seq_equal(hole, seq_of(250)));
	CU_ASSERT(!tcp_sack_next_hole(&board, seq_of(300), &hole));
	CU_ASSERT_EQUAL(tcp_sack_room(&board, seq_of(200), 1000), 100);
	CU_ASSERT_EQUAL(tcp_sack_room(&board, seq_of(400), 1000), 1000);
}

UNIT_MAIN("tcp_sack", {"blocks merge and match a bitmap", blocks_merge_and_match_a_bitmap},
	  {"blocks outside of what was sent are ignored",
	   blocks_outside_of_what_was_sent_are_ignored},
	  {"a full board forgets new blocks only", a_full_board_forgets_new_blocks_only},
	  {"an acknowledgement cuts what lies before it",
	   an_acknowledgement_cuts_what_lies_before_it},
	  {"three blocks, or two segments and a byte above, mean lost",
	   three_blocks_or_two_segments_and_a_byte_above_mean_lost},
	  {"the pipe leaves out what is lost and counts what was sent again",
	   the_pipe_leaves_out_what_is_lost_and_counts_what_was_sent_again},
	  {"holes are found below the highest block", holes_are_found_below_the_highest_block})
