// SPDX-License-Identifier: Apache-2.0
// HyStart++ against RFC 9406 4.2: when it enters, leaves and ends conservative slow start.
#include "tcp_cc.h"
#include "unit.h"

#define MSS 1448u

// round_of acknowledges a round of ten segments, each after rtt_us; returns what the last ACK let
// the window grow.
static uint32_t round_of(struct tcp_hystart *hystart, uint32_t rtt_us)
{
	uint32_t grown = 0;
	for (unsigned i = 0; i < 10; i++) {
		struct tcp_cc_ack ack = {.rtt_us = rtt_us, .is_round_start = i == 0};
		grown = tcp_hystart_acked(hystart, &ack, MSS);
	}
	return grown;
}

static struct tcp_hystart begun(void)
{
	struct tcp_hystart hystart;
	tcp_hystart_init(&hystart);
	return hystart;
}

static void steady_round_trips_never_end_slow_start(void)
{
	struct tcp_hystart hystart = begun();
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(round_of(&hystart, 40000), MSS);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_SLOW_START);
}

static void a_longer_round_trip_slows_growth_to_a_quarter(void)
{
	struct tcp_hystart hystart = begun();
	round_of(&hystart, 40000);
	CU_ASSERT_EQUAL(round_of(&hystart, 44900), MSS); // RttThresh is 40 / 8 = 5 ms
	CU_ASSERT_EQUAL(round_of(&hystart, 51000), MSS / 4);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_CSS);
}

static void the_threshold_lies_between_4_and_16_ms(void)
{
	struct tcp_hystart hystart = begun();
	round_of(&hystart, 1000);
	round_of(&hystart, 4900);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_SLOW_START);
	hystart = begun();
	round_of(&hystart, 400000);
	round_of(&hystart, 416000);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_CSS);
}

static void eight_samples_are_needed(void)
{
	struct tcp_hystart hystart = begun();
	round_of(&hystart, 20000);
	for (unsigned i = 0; i < 7; i++) {
		struct tcp_cc_ack ack = {.rtt_us = 50000, .is_round_start = i == 0};
		tcp_hystart_acked(&hystart, &ack, MSS);
	}
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_SLOW_START);
	struct tcp_cc_ack eighth = {.rtt_us = 50000};
	tcp_hystart_acked(&hystart, &eighth, MSS);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_CSS);
}

static void a_spike_that_passes_resumes_slow_start(void)
{
	struct tcp_hystart hystart = begun();
	round_of(&hystart, 20000);
	round_of(&hystart, 30000);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_CSS);
	CU_ASSERT_EQUAL(round_of(&hystart, 20000), MSS);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_SLOW_START);
}

static void five_rounds_of_it_end_slow_start(void)
{
	struct tcp_hystart hystart = begun();
	round_of(&hystart, 20000);
	round_of(&hystart, 30000);
	for (unsigned i = 0; i < 4; i++) {
		round_of(&hystart, 30000);
		CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_CSS);
	}
	round_of(&hystart, 30000);
	CU_ASSERT_EQUAL(hystart.phase, TCP_HYSTART_OFF);
}

UNIT_MAIN("tcp_hystart",
	  {"steady round trips never end slow start", steady_round_trips_never_end_slow_start},
	  {"a longer round trip slows growth to a quarter",
	   a_longer_round_trip_slows_growth_to_a_quarter},
	  {"the threshold lies between 4 and 16 ms", the_threshold_lies_between_4_and_16_ms},
	  {"eight samples are needed", eight_samples_are_needed},
	  {"a spike that passes resumes slow start", a_spike_that_passes_resumes_slow_start},
	  {"five rounds of it end slow start", five_rounds_of_it_end_slow_start})
