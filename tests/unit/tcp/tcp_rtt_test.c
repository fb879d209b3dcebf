// SPDX-License-Identifier: Apache-2.0
// The retransmission timeout against RFC 6298.
#include "tcp_rtt.h"
#include "unit.h"

static void the_first_timeout_is_a_second(void)
{
	struct tcp_rtt rtt;
	tcp_rtt_init(&rtt);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), 1000000);
}

static void samples_follow_the_equations(void)
{
	struct tcp_rtt rtt;
	tcp_rtt_init(&rtt);
	tcp_rtt_sample(&rtt, 400000);
	CU_ASSERT_EQUAL(rtt.srtt_us, 400000);
	CU_ASSERT_EQUAL(rtt.rttvar_us, 200000);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), 1200000);
	tcp_rtt_sample(&rtt, 800000);
	CU_ASSERT_EQUAL(rtt.rttvar_us, 250000); // 3/4 * 200 ms + 1/4 * 400 ms
	CU_ASSERT_EQUAL(rtt.srtt_us, 450000);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), 1450000);
}

static void the_timeout_keeps_its_floor_and_ceiling(void)
{
	struct tcp_rtt rtt;
	tcp_rtt_init(&rtt);
	for (int i = 0; i < 100; i++)
		tcp_rtt_sample(&rtt, 50);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), TCP_RTO_MIN_US);
	tcp_rtt_sample(&rtt, UINT32_MAX);
	CU_ASSERT(tcp_rtt_timeout_us(&rtt) <= TCP_RTO_MAX_US);
	for (int i = 0; i < 100; i++)
		tcp_rtt_back_off(&rtt);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), TCP_RTO_MAX_US);
}

static void a_steady_long_path_has_slack(void)
{
	struct tcp_rtt rtt;
	tcp_rtt_init(&rtt);
	for (int i = 0; i < 100; i++)
		tcp_rtt_sample(&rtt, 195000);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), 195000 + TCP_RTO_SLACK_US);
}

static void expiries_double_it_and_a_sample_forgets_them(void)
{
	struct tcp_rtt rtt;
	tcp_rtt_init(&rtt);
	tcp_rtt_sample(&rtt, 1000);
	tcp_rtt_back_off(&rtt);
	tcp_rtt_back_off(&rtt);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), 4 * TCP_RTO_MIN_US);
	tcp_rtt_sample(&rtt, 1000);
	CU_ASSERT_EQUAL(tcp_rtt_timeout_us(&rtt), TCP_RTO_MIN_US);
}

UNIT_MAIN("tcp_rtt", {"the first timeout is a second", the_first_timeout_is_a_second},
	  {"samples follow the equations", samples_follow_the_equations},
	  {"the timeout keeps its floor and ceiling", the_timeout_keeps_its_floor_and_ceiling},
	  {"a steady long path has slack", a_steady_long_path_has_slack},
	  {"expiries double it and a sample forgets them",
	   expiries_double_it_and_a_sample_forgets_them})
