// SPDX-License-Identifier: Apache-2.0
// Questions about flows are answered in bounded pieces, each flow once.
#include "worker_flows.h"
#include "worker_rig.h"

#include "check.h"
#include "unit.h"

#define FLOWS 40u

static void opened(void *, struct pool_id) {}
static void closed(void *, struct pool_id, enum counter) {}
static const struct tcp_events events = {opened, opened, opened, closed};

static void dial(struct worker_rig *rig, struct pool_id flows[FLOWS])
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct tcp_connect connect = {
			.remote = addr_v4((uint8_t[4]){198, 51, 100, (uint8_t)(100 + i)}),
			.remote_port = 443,
			.events = &events,
		};
		CHECK(tcp_connect_to(rig->worker->tcp, &connect, &flows[i]) == 0);
	}
}

static void hang_up(struct worker_rig *rig, struct pool_id flows[FLOWS])
{
	for (uint32_t i = 0; i < FLOWS; i++)
		tcp_abort(rig->worker->tcp, flows[i]);
}

static void pages_tell_each_flow_once(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct pool_id flows[FLOWS];
	struct flows_page page = {0};
	bool is_seen[FLOWS] = {0};
	uint32_t total = 0, page_count = 0;
	dial(rig, flows);
	do {
		page.count = 0;
		while (!flows_fill_page(rig->worker, &page))
			;
		for (uint32_t i = 0; i < page.count; i++) {
			uint32_t which = page.at[i].tuple.remote.bytes[15] - 100u;
			CU_ASSERT(which < FLOWS && !is_seen[which]);
			is_seen[which] = true;
			CU_ASSERT_STRING_EQUAL(page.at[i].state, "SYN-SENT");
		}
		CU_ASSERT(page.count <= FLOWS_MAX);
		total += page.count;
		page_count++;
	} while (page.next);
	CU_ASSERT_EQUAL(total, FLOWS);
	CU_ASSERT_EQUAL(page_count, (FLOWS + FLOWS_MAX - 1) / FLOWS_MAX);
	hang_up(rig, flows);
	worker_rig_free(rig);
}

static void a_piece_looks_at_no_more_than_its_slots(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct flows_page page = {.filter = {.port = 1}};
	uint32_t slots = tcp_flow_slots(rig->worker->tcp), pieces = 0;
	CU_ASSERT(slots > 2 * FLOWS_SLOTS_PER_TURN);
	for (; !flows_fill_page(rig->worker, &page); pieces++)
		CU_ASSERT_EQUAL(page.next, (pieces + 1) * FLOWS_SLOTS_PER_TURN);
	CU_ASSERT_EQUAL(pieces + 1, (slots + FLOWS_SLOTS_PER_TURN - 1) / FLOWS_SLOTS_PER_TURN);
	CU_ASSERT_EQUAL(page.next, 0);
	CU_ASSERT_EQUAL(page.count, 0);
	page.next = UINT32_MAX; // beyond all slots: ends at once
	CU_ASSERT(flows_fill_page(rig->worker, &page));
	CU_ASSERT_EQUAL(page.next, 0);
	worker_rig_free(rig);
}

static void a_summary_counts_states_and_adds_workers(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct pool_id flows[FLOWS];
	struct flows_summary summary = {0};
	dial(rig, flows);
	for (int worker = 0; worker < 2; worker++) { // the same one twice stands for two
		summary.next = 0;
		while (!flows_fill_summary(rig->worker, &summary))
			CU_ASSERT(!summary.is_whole);
		CU_ASSERT(summary.is_whole);
	}
	CU_ASSERT_EQUAL(summary.state_count, 1);
	CU_ASSERT_STRING_EQUAL(summary.states[0].name, "SYN-SENT");
	CU_ASSERT_EQUAL(summary.states[0].count, 2 * FLOWS);
	CU_ASSERT_STRING_EQUAL(summary.slabs[0].name, "conns");
	CU_ASSERT_EQUAL(summary.slabs[0].in_use, 2 * FLOWS);
	CU_ASSERT_EQUAL(summary.slabs[0].capacity, 2 * rig->conf.tcp.connections);
	hang_up(rig, flows);
	worker_rig_free(rig);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"pages tell each flow once", pages_tell_each_flow_once},
		{"a piece looks at no more than its slots",
		 a_piece_looks_at_no_more_than_its_slots},
		{"a summary counts states and adds workers",
		 a_summary_counts_states_and_adds_workers},
	};
	worker_rig_start();
	int code = unit_run("worker_flows", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
