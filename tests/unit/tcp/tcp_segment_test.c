// SPDX-License-Identifier: Apache-2.0
// Header and options: what is written reads back; what lies about its length is refused.
#include "check.h"
#include "tcp_segment.h"
#include "unit.h"

// with_options builds a header whose options are the bytes given, padded with End of Options.
static size_t with_options(uint8_t *out, const uint8_t *options, size_t bytes)
{
	size_t padded = (bytes + 3) / 4 * 4;
	memset(out, 0, TCP_HEADER_MAX_BYTES);
	out[12] = (uint8_t)((20 + padded) / 4 << 4);
	memcpy(out + 20, options, bytes);
	return 20 + padded;
}

static void a_syn_reads_back_as_it_was_written(void)
{
	struct tcp_segment syn = {.source_port = 40000,
				  .destination_port = 443,
				  .seq = seq_of(0xdeadbeef),
				  .ack = seq_of(7),
				  .window = 65535,
				  .mss = 1460,
				  .flags = TCP_SYN | TCP_ACK,
				  .scale = 7,
				  .has_mss = true,
				  .has_scale = true,
				  .has_timestamps = true,
				  .is_sack_permitted = true,
				  .ts_value = 1,
				  .ts_echo = 2};
	uint8_t bytes[TCP_HEADER_MAX_BYTES];
	uint8_t header_bytes = tcp_segment_write(&syn, bytes);
	struct tcp_segment back;
	CU_ASSERT_EQUAL(header_bytes, 44);
	CU_ASSERT_FATAL(tcp_segment_parse(bytes, header_bytes, &back));
	CU_ASSERT_EQUAL(memcmp(&syn, &back, sizeof(syn)), 0);
}

static void sack_blocks_read_back_beside_timestamps(void)
{
	struct tcp_segment ack = {.flags = TCP_ACK,
				  .has_timestamps = true,
				  .sack_count = 3,
				  .sack = {{seq_of(10), seq_of(20)},
					   {seq_of(30), seq_of(40)},
					   {seq_of(50), seq_of(60)}}};
	uint8_t bytes[TCP_HEADER_MAX_BYTES];
	struct tcp_segment back;
	CU_ASSERT_EQUAL(tcp_segment_write(&ack, bytes), 60);
	CU_ASSERT_FATAL(tcp_segment_parse(bytes, 60, &back));
	CU_ASSERT_EQUAL(back.sack_count, 3);
	CU_ASSERT(seq_equal(back.sack[2].end, seq_of(60)));
}

static void timestamps_are_read_wherever_they_stand(void)
{
	static const uint8_t places[][12] = {
		{1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4},
		{8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 1, 1},
		{1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 0},
	};
	uint8_t bytes[TCP_HEADER_MAX_BYTES];
	struct tcp_segment back;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t count = with_options(bytes, places[i], sizeof(places[i]));
		CU_ASSERT_FATAL(tcp_segment_parse(bytes, count, &back));
		CU_ASSERT(back.has_timestamps && back.ts_value == 0x102 && back.ts_echo == 0x304);
		CU_ASSERT_EQUAL(back.header_bytes, 32);
	}
}

static void options_that_lie_about_their_length_are_refused(void)
{
	static const struct {
		uint8_t bytes[8];
		size_t count;
	} bad[] = {
		{{2, 0, 5, 0}, 4},  {{2, 1, 5, 0}, 4},
		{{2, 3, 5, 0}, 4},  {{2, 5, 5, 0, 1, 1, 1, 1}, 8},
		{{3, 2, 1, 1}, 4},  {{4, 3, 1, 1}, 4},
		{{5, 2, 1, 1}, 4},  {{5, 6, 1, 1, 1, 1, 1, 1}, 8},
		{{8, 4, 1, 1}, 4},  {{1, 1, 1, 2}, 4},
		{{30, 9, 1, 1}, 4}, {{1, 1, 254, 0}, 4},
	};
	uint8_t header[TCP_HEADER_MAX_BYTES];
	struct tcp_segment segment;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t bytes = with_options(header, bad[i].bytes, bad[i].count);
		CU_ASSERT(!tcp_segment_parse(header, bytes, &segment));
	}
}

static void unknown_options_and_what_follows_the_end_are_skipped(void)
{
	static const uint8_t options[] = {30, 4, 9, 9, 1, 2, 4, 5, 0xb4, 0, 2, 0};
	uint8_t header[TCP_HEADER_MAX_BYTES];
	struct tcp_segment segment;
	size_t bytes = with_options(header, options, sizeof(options));
	CU_ASSERT_FATAL(tcp_segment_parse(header, bytes, &segment));
	CU_ASSERT(segment.has_mss);
	CU_ASSERT_EQUAL(segment.mss, 1460);
}

static void a_window_scale_above_fourteen_counts_as_fourteen(void)
{
	static const uint8_t options[] = {3, 3, 200, 0};
	uint8_t header[TCP_HEADER_MAX_BYTES];
	struct tcp_segment segment;
	size_t bytes = with_options(header, options, sizeof(options));
	CU_ASSERT_FATAL(tcp_segment_parse(header, bytes, &segment));
	CU_ASSERT_EQUAL(segment.scale, 14);
}

static void short_headers_and_offsets_beyond_the_packet_are_refused(void)
{
	uint8_t header[TCP_HEADER_MAX_BYTES] = {0};
	struct tcp_segment segment;
	for (unsigned offset = 0; offset < 16; offset++)
		for (size_t bytes = 0; bytes <= sizeof(header); bytes++) {
			header[12] = (uint8_t)(offset << 4);
			bool is_good = offset >= 5 && bytes >= offset * 4;
			CU_ASSERT_EQUAL(tcp_segment_parse(header, bytes, &segment), is_good);
		}
}

static void syn_and_fin_take_one_number_each(void)
{
	struct tcp_segment segment = {.seq = seq_of(0xffffffff), .flags = TCP_SYN | TCP_FIN};
	segment.payload_bytes = 3;
	CU_ASSERT_EQUAL(tcp_segment_length(&segment), 5);
	CU_ASSERT(seq_equal(tcp_segment_end(&segment), seq_of(4)));
}

UNIT_MAIN("tcp_segment", {"a syn reads back as it was written", a_syn_reads_back_as_it_was_written},
	  {"sack blocks read back beside timestamps", sack_blocks_read_back_beside_timestamps},
	  {"timestamps are read wherever they stand", timestamps_are_read_wherever_they_stand},
	  {"options that lie about their length are refused",
	   options_that_lie_about_their_length_are_refused},
	  {"unknown options and what follows the end are skipped",
	   unknown_options_and_what_follows_the_end_are_skipped},
	  {"a window scale above fourteen counts as fourteen",
	   a_window_scale_above_fourteen_counts_as_fourteen},
	  {"short headers and offsets beyond the packet are refused",
	   short_headers_and_offsets_beyond_the_packet_are_refused},
	  {"syn and fin take one number each", syn_and_fin_take_one_number_each})
