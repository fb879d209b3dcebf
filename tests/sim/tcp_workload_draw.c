// SPDX-License-Identifier: Apache-2.0
// What a seed of the random workload means: hosts and their limits, the link and what happens to
// it, the flows.
#include "check.h"
#include "sim_frame.h"
#include "tcp_workload.h"

#include <stdio.h>
#include <stdlib.h>

#define LOSS_HARSH 1500u // ten-thousandths

// chance is true once in one_in times.
static bool chance(struct workload *workload, uint32_t one_in)
{
	return random_below(&workload->random, one_in) == 0;
}

// between draws from low to high, both included.
static uint32_t between(struct workload *workload, uint32_t low, uint32_t high)
{
	return low + random_below(&workload->random, high - low + 1);
}

// tamper is the middlebox: it takes options from SYNs and shows who looks what passes.
static bool tamper(void *user, const struct port *, uint8_t *frame, uint32_t bytes)
{
	const struct workload *workload = user;
	sim_frame_strip(frame, bytes, workload->is_unwanted);
	if (workload->is_verbose && sim_frame_tcp(frame, bytes, NULL)) {
		fprintf(stderr, "%12.6f ", (double)(workload->now_us - workload->began_us) / 1e6);
		sim_frame_print(stderr, frame, bytes);
	}
	return true;
}

// loss_of is the share of frames that a path loses in the long run, bursts with the rest.
static uint32_t loss_of(const struct sim_link_config *path)
{
	uint32_t turns = path->turns_bad + path->turns_good;
	return path->loss + (turns ? path->turns_bad * path->bad_loss / turns : 0);
}

static void draw_path(struct workload *workload)
{
	static const uint32_t losses[] = {0, 0, 100, 300, 500, 1000, 2000, 3000};
	struct sim_link_config path = {
		.loss = losses[workload->seed % 8],
		.latency_us = between(workload, 50, 40000),
		.jitter_us = between(workload, 0, 3000),
		.reorder_us = between(workload, 1, 30000),
		.queue_bytes = between(workload, 20000, 230000),
		.mtu = (uint16_t)between(workload, 1280, chance(workload, 8) ? 9000 : 1500),
		.split = chance(workload, 4),
		.tamper = tamper,
		.user = workload,
	};
	if (chance(workload, 2))
		path.bytes_per_s = between(workload, 200000, 20000000);
	if (path.bytes_per_s && chance(workload, 2))
		path.mark_bytes = path.queue_bytes / 4;
	if (chance(workload, 3))
		path.reorder = between(workload, 10, 1000);
	if (chance(workload, 3))
		path.duplicate = between(workload, 10, 1000);
	if (chance(workload, 4))
		path.corrupt = between(workload, 10, 200);
	if (chance(workload, 4)) {
		path.turns_bad = between(workload, 10, 200);
		path.turns_good = between(workload, 1000, 5000);
		path.bad_loss = between(workload, 3000, 10000);
	}
	path.cuts = chance(workload, 8);
	workload->is_harsh = loss_of(&path) >= LOSS_HARSH;
	workload->path = workload->calm = path;
	workload->events_left = chance(workload, 2) ? between(workload, 1, 6) : 0;
	workload->event_us = workload->now_us + between(workload, 100000, 3000000);
	workload->is_unwanted[3] = chance(workload, 8); // window scale
	workload->is_unwanted[4] = chance(workload, 4); // SACK
	workload->is_unwanted[8] = chance(workload, 4); // timestamps
}

// squeeze makes one bound after the other small.
static void squeeze(struct workload *workload, struct tcp_limits *limits)
{
	switch (random_below(&workload->random, 3)) {
	case 0: limits->conn_count = between(workload, 2, 12); break;
	case 1: limits->half_open_count = between(workload, 0, 2); break;
	default: limits->time_wait_count = between(workload, 0, 2); break;
	}
}

static enum tcp_congestion draw_congestion(struct workload *workload)
{
	return chance(workload, 4) ? TCP_CONGESTION_BBR : TCP_CONGESTION_CUBIC;
}

static void open_host(struct workload *workload, uint32_t host, bool is_twin)
{
	struct sim_host_config config = {
		.number = host + 1,
		.memory = workload->memories[host],
		.link = workload->link,
		.limits = sim_limits(),
		.seed = random_key(&workload->random),
		.now_us = workload->now_us,
	};
	config.limits.conn_count = workload->is_crowd ? 2048 : 256;
	config.limits.time_wait_count = 4096;
	config.limits.time_wait_ms = workload->is_harsh ? 1500000 : 240000; // for a last FIN
	config.limits.keepalive_probes = 30;
	config.limits.sent_count = chance(workload, 6) ? between(workload, 1, 40) : 0;
	config.limits.receive_buffer_bytes = 4096u << between(workload, 0, 7);
	config.limits.send_buffer_bytes = 20000u << between(workload, 0, 4);
	config.limits.delayed_ack_ms = between(workload, 0, 2) * 20;
	config.limits.ecn = (enum tcp_ecn)random_below(&workload->random, 3);
	config.limits.is_paced = chance(workload, 2);
	config.limits.congestion = draw_congestion(workload);
	if (workload->is_tight)
		squeeze(workload, &config.limits);
	if (is_twin) {
		config.limits.port_first = config.limits.port_last = WORKLOAD_TWIN;
		config.limits.time_wait_ms = 2000;
	}
	workload->time_wait_us[host] = config.limits.time_wait_ms * 1000ull;
	sim_host_open(&workload->hosts[host], &config);
	uint16_t backlog = chance(workload, 4) ? 1 : 0;
	workload_listen(workload, host, backlog, draw_congestion(workload));
}

// draw_bytes draws a size: mostly little, seldom much.
static uint64_t draw_bytes(struct workload *workload, uint32_t bits_max)
{
	uint32_t bits = 3;
	if (chance(workload, 8))
		return 0;
	while (bits < bits_max && random_below(&workload->random, 100) < 78)
		bits++;
	return between(workload, 1, 1u << bits);
}

static void draw_manners(struct workload *workload, struct flow_end *end)
{
	uint32_t most = (uint32_t)MAX(end->to_send, end->flow->ends[0].to_send);
	end->breaks_after = end->breaks_at_us = UINT64_MAX;
	end->read_max = UINT32_MAX;
	end->write_max = 16384;
	if (chance(workload, 4)) {
		end->read_max = most / 100 + between(workload, 1, 20000);
		end->read_pause_us = between(workload, 1, 50000);
	}
	end->is_stalling = chance(workload, 12);
	if (end->is_stalling)
		end->read_max = MIN(end->read_max, most / 50 + between(workload, 1, 20000));
	if (chance(workload, 6)) {
		end->write_max = MIN(most / 50 + between(workload, 1, 2000), 16384u);
		end->write_pause_us = between(workload, 1, 400000);
	}
}

static void draw_break(struct workload *workload, struct flow *flow)
{
	struct flow_end *end = &flow->ends[random_below(&workload->random, 2)];
	uint64_t bytes = flow->ends[0].to_send + flow->ends[1].to_send;
	end->is_releasing = chance(workload, 2);
	end->breaks_after = between(workload, 0, (uint32_t)bytes);
	if (chance(workload, 4))
		end->breaks_at_us = between(workload, 0, 400000);
}

static enum flow_kind draw_kind(struct workload *workload)
{
	if (workload->host_count == WORKLOAD_HOSTS && !workload->is_crowd && chance(workload, 8))
		return FLOW_TWIN;
	if (!chance(workload, 3))
		return FLOW_WHOLE;
	static const enum flow_kind kinds[] = {FLOW_BROKEN, FLOW_BROKEN, FLOW_BROKEN, FLOW_REFUSED,
					       FLOW_NOBODY};
	return kinds[random_below(&workload->random, ARRAY_LEN(kinds))];
}

// draw_hosts chooses who talks: the last two of four hosts open simultaneously and nothing else.
static void draw_hosts(struct workload *workload, struct flow *flow)
{
	uint32_t count = MIN(workload->host_count, 3u);
	if (workload->host_count == WORKLOAD_HOSTS)
		count = 2;
	uint32_t first = random_below(&workload->random, count);
	uint32_t second = (first + 1 + random_below(&workload->random, count - 1)) % count;
	if (flow->kind == FLOW_TWIN) {
		first = 2;
		second = 3;
	}
	flow->ends[0].host = &workload->hosts[first];
	flow->ends[1].host = &workload->hosts[second];
}

static void draw_flow(struct workload *workload, struct flow *flow, uint32_t spread_us,
		      uint32_t bits_max)
{
	*flow = (struct flow){
		.workload = workload,
		.kind = draw_kind(workload),
		.start_us = workload->now_us + random_below(&workload->random, spread_us),
		.salt = (uint32_t)random_u64(&workload->random),
		.is_v6 = workload->has_v6 && chance(workload, 2),
	};
	draw_hosts(workload, flow);
	for (unsigned side = 0; side < 2; side++) {
		flow->ends[side].flow = flow;
		flow->ends[side].to_send = draw_bytes(workload, bits_max);
		draw_manners(workload, &flow->ends[side]);
	}
	for (unsigned side = 0; side < 2;
	     side++) { // a hundred naps at most for what the peer sends
		uint32_t least = (uint32_t)(flow->ends[!side].to_send / 100);
		flow->ends[side].read_max = MAX(flow->ends[side].read_max, least);
	}
	if (chance(workload, 3))
		flow->ends[random_below(&workload->random, 2)].waits_for_end = true;
	if (workload->is_tight) // a client that only listens never learns of a lost cookie
		flow->ends[0].waits_for_end = false;
	if (flow->kind == FLOW_BROKEN)
		draw_break(workload, flow);
}

static int by_start(const void *a, const void *b)
{
	const struct flow *left = a, *right = b;
	return (left->start_us > right->start_us) - (left->start_us < right->start_us);
}

static void draw_flows(struct workload *workload)
{
	uint32_t bits_max = workload->is_harsh ? 15 : workload->path.loss >= 500 ? 18 : 21;
	uint32_t count = between(workload, 1, workload->is_harsh ? 20 : 50);
	uint32_t spread_us = between(workload, 1, 10000000);
	if (workload->is_crowd) {
		count = between(workload, 1000, 3000);
		bits_max = 11;
		spread_us = count * 10000;
	}
	workload->flow_count = count;
	workload->flows = calloc(count, sizeof(*workload->flows));
	workload->active = calloc(count, sizeof(*workload->active));
	CHECK(workload->flows && workload->active);
	for (uint32_t i = 0; i < count; i++)
		draw_flow(workload, &workload->flows[i], spread_us, bits_max);
	qsort(workload->flows, count, sizeof(*workload->flows), by_start);
	for (uint32_t i = 0; i < count; i++)
		for (unsigned side = 0; side < 2; side++)
			workload->flows[i].ends[side].flow = &workload->flows[i];
}

void workload_draw(struct workload *workload, struct sim_memory *const large[WORKLOAD_HOSTS],
		   struct sim_memory *const small[WORKLOAD_HOSTS])
{
	random_init(&workload->random, (struct siphash_key){{workload->seed, 0x776f726b6c6f6164}});
	workload->now_us = 1 + random_u64(&workload->random) % 1000000000000ull; // clocks wrap
	workload->began_us = workload->now_us;
	workload->host_count = between(workload, 2, WORKLOAD_HOSTS);
	workload->has_v6 = !chance(workload, 4);
	workload->is_crowd = workload->seed % 64 == 5;
	workload->is_tight = chance(workload, 5) && !workload->is_crowd;
	bool is_poor = chance(workload, 6);
	draw_path(workload);
	workload->link =
		sim_link_new(&workload->path, &workload->now_us, random_key(&workload->random));
	for (uint32_t host = 0; host < workload->host_count; host++) {
		workload->memories[host] = is_poor ? small[host] : large[host];
		open_host(workload, host, host >= 2 && workload->host_count == WORKLOAD_HOSTS);
	}
	draw_flows(workload);
}

// disturb draws what happens to the path: nothing passes, or only short packets, or less per
// second.
static void disturb(struct workload *workload)
{
	struct sim_link_config *path = &workload->path;
	switch (random_below(&workload->random, 4)) {
	case 0: path->loss = SIM_LINK_CERTAIN; break;
	case 1: // a router of a narrower path says so
		path->mtu = (uint16_t)between(workload, workload->has_v6 ? 1280 : 600, path->mtu);
		path->tells_too_big = true;
		workload->calm = *path; // for good
		break;
	case 2: // nobody says so
		path->mtu = (uint16_t)between(workload, workload->has_v6 ? 1280 : 600, path->mtu);
		path->tells_too_big = false;
		workload->calm = *path; // for good too
		break;
	default: path->bytes_per_s = between(workload, 100000, 2000000); break;
	}
}

void workload_disturb(struct workload *workload)
{
	if (workload->now_us < workload->event_us)
		return;
	if (workload->is_disturbed)
		workload->path = workload->calm;
	else if (workload->events_left)
		disturb(workload);
	workload->is_disturbed = !workload->is_disturbed && workload->events_left;
	workload->events_left -= workload->is_disturbed;
	sim_link_configure(workload->link, &workload->path);
	if (workload->is_verbose)
		fprintf(stderr, "%12.6f path: loss %u mtu %u rate %lu\n",
			(double)(workload->now_us - workload->began_us) / 1e6, workload->path.loss,
			workload->path.mtu, workload->path.bytes_per_s);
	workload->event_us = workload->now_us + between(workload, 100000, 8000000);
	if (!workload->is_disturbed && !workload->events_left)
		workload->event_us = UINT64_MAX;
}
