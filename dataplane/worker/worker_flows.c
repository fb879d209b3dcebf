// SPDX-License-Identifier: Apache-2.0
// Flows by page and in sum; see worker_flows.h. Runs on the worker's thread, between two turns.
#include "worker_flows.h"

#include "check.h"

bool flows_fill_page(struct worker *worker, void *user)
{
	struct flows_page *page = user;
	uint32_t slots = tcp_flow_slots(worker->tcp);
	uint32_t end = page->next < slots ? MIN(slots, page->next + FLOWS_SLOTS_PER_TURN) : slots;
	page->now_us = worker->now_us;
	for (; page->next < end && page->count < FLOWS_MAX; page->next++) {
		if (!tcp_flow_at(worker->tcp, page->next, &page->filter, &page->at[page->count]))
			continue;
		page->slot[page->count++] = page->next;
	}
	if (page->next >= slots)
		page->next = 0;
	return page->next == 0 || page->count == FLOWS_MAX;
}

static void count_state(struct flows_summary *summary, const char *name)
{
	uint32_t i = 0;
	while (i < summary->state_count && summary->states[i].name != name)
		i++;
	if (i == FLOWS_STATES_MAX)
		return;
	summary->state_count = MAX(summary->state_count, i + 1);
	summary->states[i].name = name;
	summary->states[i].count++;
}

static void add_fixed(struct flows_summary *summary, const struct tcp *tcp)
{
	struct tcp_slab slab;
	struct tcp_budgets budgets = tcp_budgets_of(tcp);
	for (uint32_t i = 0; i < FLOWS_SLABS_MAX && tcp_slab_at(tcp, i, &slab); i++) {
		struct tcp_slab *to = &summary->slabs[i];
		to->name = slab.name;
		to->in_use += slab.in_use;
		to->capacity += slab.capacity;
		to->bytes += slab.bytes;
		summary->slab_count = MAX(summary->slab_count, i + 1);
	}
	summary->budgets.held_mbufs += budgets.held_mbufs;
	summary->budgets.held_mbufs_max += budgets.held_mbufs_max;
	summary->budgets.challenge_acks += budgets.challenge_acks;
	summary->budgets.resets += budgets.resets;
}

bool flows_fill_summary(struct worker *worker, void *user)
{
	static const struct tcp_filter all = {0};
	struct flows_summary *summary = user;
	struct tcp_info info;
	uint32_t slots = tcp_flow_slots(worker->tcp);
	uint32_t end = MIN(slots, summary->next + FLOWS_SLOTS_PER_TURN);
	for (; summary->next < end; summary->next++) {
		if (!tcp_flow_at(worker->tcp, summary->next, &all, &info))
			continue;
		count_state(summary, info.state);
		summary->queued_bytes += info.queued_bytes;
		summary->unacked_bytes += info.unacked_bytes;
		summary->unread_bytes += info.unread_bytes;
	}
	summary->is_whole = summary->next == slots;
	if (summary->is_whole)
		add_fixed(summary, worker->tcp);
	return summary->is_whole;
}
