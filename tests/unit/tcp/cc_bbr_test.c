// SPDX-License-Identifier: Apache-2.0
// BBR on a modelled pipe: a bottleneck with a queue without end, or with one that drops, and a
// round trip; time goes on by milliseconds.
#include "cc_bbr.h"
#include "check.h"
#include "unit.h"

#define MSS        1000u
#define LINE_BYTES 2000u // a millisecond: 16 Mbit/s
#define RTT_MS     50u
#define BDP_BYTES  (LINE_BYTES * RTT_MS)
#define SLOTS      4096u

struct pipe {
	struct tcp_cc cc;
	uint64_t now_ms;
	uint64_t sent_bytes, delivered_bytes;
	uint32_t arrives[SLOTS]; // at the sender again, by millisecond
	uint64_t before[SLOTS];  // delivered when what arrives then left
	uint32_t left_ms[SLOTS]; // and when that was
	uint32_t in_flight, queued, queue_max, lost;
	uint64_t round_end;
	uint32_t queued_max;
	unsigned seen; // states, a bit each
};

static void begin(struct pipe *pipe, uint32_t queue_max)
{
	*pipe = (struct pipe){.now_ms = 1000, .queue_max = queue_max};
	tcp_cc_init(&pipe->cc, &tcp_cc_bbr, MSS);
}

// send puts what pace and window allow in this millisecond on its way.
static void send(struct pipe *pipe)
{
	uint64_t rate = pipe->cc.pacing_bytes_per_s;
	uint64_t may = rate ? rate / 1000 : pipe->cc.cwnd_bytes;
	uint32_t window = pipe->cc.cwnd_bytes;
	uint32_t room = window > pipe->in_flight ? window - pipe->in_flight : 0;
	uint32_t bytes = (uint32_t)MIN(may, (uint64_t)room);
	uint32_t taken = MIN(bytes, pipe->queue_max - MIN(pipe->queue_max, pipe->queued));
	uint64_t slot = pipe->now_ms + RTT_MS + (pipe->queued + taken) / LINE_BYTES;
	pipe->lost += bytes - taken;
	pipe->queued += taken;
	pipe->in_flight += taken;
	pipe->queued_max = MAX(pipe->queued_max, pipe->queued);
	if (taken && pipe->arrives[slot % SLOTS] == 0) {
		pipe->before[slot % SLOTS] = pipe->delivered_bytes;
		pipe->left_ms[slot % SLOTS] = (uint32_t)pipe->now_ms;
	}
	pipe->arrives[slot % SLOTS] += taken;
}

static void receive(struct pipe *pipe)
{
	uint32_t *bytes = &pipe->arrives[pipe->now_ms % SLOTS];
	uint64_t before = pipe->before[pipe->now_ms % SLOTS];
	if (*bytes == 0)
		return;
	uint32_t rtt_ms = (uint32_t)pipe->now_ms - pipe->left_ms[pipe->now_ms % SLOTS];
	struct tcp_cc_ack ack = {
		.now_us = pipe->now_ms * 1000,
		.acked_bytes = *bytes,
		.delivered_bytes = *bytes,
		.lost_bytes = pipe->lost,
		.prior_in_flight_bytes = pipe->in_flight,
		.srtt_us = rtt_ms * 1000,
		.rtt_us = rtt_ms * 1000,
		.is_round_start = before >= pipe->round_end,
	};
	pipe->in_flight -= *bytes;
	pipe->delivered_bytes += *bytes;
	ack.in_flight_bytes = pipe->in_flight;
	ack.rate.delivered_bytes = (uint32_t)(pipe->delivered_bytes - before);
	ack.rate.interval_us = ack.rtt_us;
	if (ack.is_round_start)
		pipe->round_end = pipe->delivered_bytes;
	pipe->lost = *bytes = 0;
	pipe->cc.ops->acked(&pipe->cc, &ack);
	pipe->seen |= 1u << pipe->cc.bbr.state;
}

static void run(struct pipe *pipe, uint32_t ms)
{
	for (; ms > 0; ms--) {
		receive(pipe);
		send(pipe);
		pipe->queued -= MIN(pipe->queued, LINE_BYTES);
		pipe->now_ms++;
	}
}

static void startup_finds_the_bandwidth_and_drains(void)
{
	static struct pipe pipe;
	begin(&pipe, 1u << 24);
	run(&pipe, 1000);
	CU_ASSERT(pipe.cc.bbr.is_full);
	CU_ASSERT(pipe.seen & 1u << BBR_DRAIN);
	uint32_t kbit_s = tcp_bbr_max_kbit_s(&pipe.cc.bbr);
	CU_ASSERT(kbit_s > 15000 && kbit_s < 17500);
	CU_ASSERT(pipe.cc.bbr.min_rtt_us <= RTT_MS * 1000 + 2000);
}

static void it_probes_all_states_and_keeps_the_pipe_full(void)
{
	static struct pipe pipe;
	begin(&pipe, 1u << 24);
	run(&pipe, 2000);
	uint64_t before = pipe.delivered_bytes;
	pipe.seen = pipe.queued_max = 0;
	run(&pipe, 20000);
	CU_ASSERT(pipe.delivered_bytes - before > 20000ull * LINE_BYTES * 85 / 100);
	CU_ASSERT(pipe.queued_max < 2 * BDP_BYTES);
	unsigned all = 1u << BBR_DOWN | 1u << BBR_CRUISE | 1u << BBR_REFILL | 1u << BBR_UP |
		       1u << BBR_PROBE_RTT;
	CU_ASSERT_EQUAL(pipe.seen, all);
}

static void losses_with_a_queue_bound_what_is_in_flight(void)
{
	static struct pipe pipe;
	begin(&pipe, BDP_BYTES / 2);
	run(&pipe, 10000);
	CU_ASSERT(pipe.cc.bbr.hi_bytes != BBR_NONE);
	uint64_t before = pipe.delivered_bytes;
	run(&pipe, 10000);
	CU_ASSERT(pipe.delivered_bytes - before > 10000ull * LINE_BYTES * 80 / 100);
}

static void chance_losses_bound_nothing(void)
{
	struct tcp_bbr bbr;
	tcp_bbr_model_init(&bbr);
	bbr.min_rtt_us = bbr.recent_rtt_us = 50000;
	bbr.round_lost_bytes = 20 * MSS;
	bbr.round_delivered_bytes = 380 * MSS;
	CU_ASSERT(!tcp_bbr_is_congested(&bbr, MSS)); // 5 %, no queue
	bbr.recent_rtt_us = 60000;
	CU_ASSERT(tcp_bbr_is_congested(&bbr, MSS)); // and with one
	bbr.recent_rtt_us = 50000;
	bbr.round_delivered_bytes = 80 * MSS;
	CU_ASSERT(tcp_bbr_is_congested(&bbr, MSS)); // 20 %: a policer
	bbr.round_lost_bytes = 0;
	CU_ASSERT(!tcp_bbr_is_congested(&bbr, MSS));
	bbr.is_marked = true;
	CU_ASSERT(tcp_bbr_is_congested(&bbr, MSS));
}

static void a_spurious_loss_is_taken_back(void)
{
	static struct pipe pipe;
	begin(&pipe, 1u << 24);
	run(&pipe, 2000);
	uint32_t cwnd_bytes = pipe.cc.cwnd_bytes;
	pipe.cc.ops->expired(&pipe.cc, pipe.in_flight, pipe.now_ms * 1000);
	CU_ASSERT_EQUAL(pipe.cc.cwnd_bytes, MSS);
	tcp_bbr_yield(&pipe.cc.bbr, cwnd_bytes);
	pipe.cc.ops->undo(&pipe.cc);
	CU_ASSERT_EQUAL(pipe.cc.cwnd_bytes, cwnd_bytes);
	CU_ASSERT_EQUAL(pipe.cc.bbr.lo_bytes, BBR_NONE);
	CU_ASSERT_EQUAL(pipe.cc.bbr.bw_lo_kbit_s, BBR_NONE);
}

UNIT_MAIN("cc_bbr",
	  {"STARTUP finds the bandwidth and drains", startup_finds_the_bandwidth_and_drains},
	  {"it probes all states and keeps the pipe full",
	   it_probes_all_states_and_keeps_the_pipe_full},
	  {"losses with a queue bound what is in flight",
	   losses_with_a_queue_bound_what_is_in_flight},
	  {"chance losses bound nothing", chance_losses_bound_nothing},
	  {"a spurious loss is taken back", a_spurious_loss_is_taken_back})
