// SPDX-License-Identifier: Apache-2.0
// What a script runs on; see segment_bed.h.
#include "segment_bed.h"

#include "check.h"

#include <rte_mbuf.h>

#include <stdlib.h>

#define STEPS_MAX 10000u // of one moment: a stack that never rests is an error

static struct sim_memory *memory_of(unsigned side)
{
	static struct sim_memory *memories[2];
	if (!memories[0]) {
		sim_start();
		memories[0] = sim_memory_new("stack", 4095, 128, 64);
		memories[1] = sim_memory_new("script", 4095, 1, 1);
	}
	return memories[side];
}

uint8_t segment_byte(uint64_t offset, bool is_peer)
{
	uint64_t mixed = offset ^ offset >> 8 ^ offset >> 16;
	return (uint8_t)(mixed * 167 + (is_peer ? 'p' : 'o'));
}

static void on_opened(void *user, struct pool_id)
{
	((struct segment_flow *)user)->opened++;
}

static void on_readable(void *user, struct pool_id)
{
	((struct segment_flow *)user)->readable++;
}

static void on_writable(void *user, struct pool_id)
{
	((struct segment_flow *)user)->writable++;
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct segment_flow *flow = user;
	flow->closed++;
	flow->reason = reason;
	flow->has_conn = false;
}

const struct tcp_events segment_bed_events = {on_opened, on_readable, on_writable, on_closed};

void *segment_bed_accepted(void *user, struct pool_id conn, const struct tcp_tuple *tuple)
{
	struct segment_bed *bed = user;
	struct segment_flow *flow = segment_bed_flow(bed, tuple->remote_port, tuple->local_port);
	if (bed->is_refusing || !flow)
		return NULL;
	flow->conn = conn;
	flow->has_conn = true;
	flow->accepted++;
	return flow;
}

struct segment_bed *segment_bed_new(bool is_v6)
{
	struct segment_bed *bed = calloc(1, sizeof(*bed));
	CHECK(bed);
	memory_of(0);
	bed->now_us = 1000000;
	bed->mtu = 1500;
	bed->limits = sim_limits();
	bed->limits.keepalive_idle_ms = 0; // a script asks for it
	bed->ends = (struct segment_ends){
		.is_v6 = is_v6,
		.peer_mac = {2, 0, 0, 0, 0, SEGMENT_PEER},
		.our_mac = {2, 0, 0, 0, 0, SEGMENT_OUR},
		.peer_v4 = {10, 0, 0, SEGMENT_PEER},
		.our_v4 = {10, 0, 0, SEGMENT_OUR},
		.peer_v6 = {0xfd, [15] = SEGMENT_PEER},
		.our_v6 = {0xfd, [15] = SEGMENT_OUR},
	};
	return bed;
}

void segment_bed_open(struct segment_bed *bed)
{
	struct siphash_key seed = {{1, 2}};
	bed->link_config = (struct sim_link_config){.mtu = bed->mtu};
	bed->link = sim_link_new(&bed->link_config, &bed->now_us, seed);
	struct sim_host_config config = {
		.number = SEGMENT_OUR,
		.memory = memory_of(0),
		.link = bed->link,
		.limits = bed->limits,
		.seed = seed,
		.now_us = bed->now_us,
	};
	sim_host_open(&bed->host, &config);
	bed->port = sim_link_attach(bed->link, bed->ends.peer_mac, memory_of(1)->mbufs);
}

static void forget_packets(struct segment_bed *bed)
{
	while (segment_bed_next(bed))
		segment_bed_took(bed);
	bed->packet_at = bed->packet_count = 0;
}

uint32_t segment_bed_free(struct segment_bed *bed)
{
	uint32_t lost = 0;
	if (bed->link) {
		for (unsigned i = 0; i < bed->flow_count; i++)
			if (bed->flow[i].has_conn)
				tcp_abort(bed->host.tcp, bed->flow[i].conn);
		segment_bed_settle(bed);
		sim_host_close(&bed->host);
		sim_link_free(bed->link);
		lost = sim_memory_in_use(memory_of(0)) + sim_memory_in_use(memory_of(1));
	}
	forget_packets(bed);
	free(bed);
	return lost;
}

struct segment_flow *segment_bed_flow(struct segment_bed *bed, uint16_t peer_port,
				      uint16_t our_port)
{
	for (unsigned i = 0; i < bed->flow_count; i++) {
		struct segment_flow *flow = &bed->flow[i];
		if (flow->peer_port != peer_port)
			continue;
		if (flow->our_port == 0)
			flow->our_port = our_port;
		if (our_port == 0 || flow->our_port == our_port)
			return flow;
	}
	if (bed->flow_count == SEGMENT_FLOWS)
		return NULL;
	struct segment_flow *flow = &bed->flow[bed->flow_count++];
	*flow = (struct segment_flow){.peer_port = peer_port, .our_port = our_port};
	// over IPv6 the peer's numbers wrap soon
	flow->peer_isn = bed->ends.is_v6 ? 0xfffffe00u : 1000000u;
	return flow;
}

void segment_bed_inject(struct segment_bed *bed, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mempool *mbufs = memory_of(1)->mbufs;
	struct rte_mbuf *head = NULL;
	for (uint32_t done = 0; done < bytes;) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(mbufs);
		CHECK(mbuf);
		uint32_t part = MIN(bytes - done, (uint32_t)rte_pktmbuf_tailroom(mbuf));
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)part), frame + done, part);
		done += part;
		if (head)
			CHECK(rte_pktmbuf_chain(head, mbuf) == 0);
		else
			head = mbuf;
	}
	CHECK(bed->port->ops->tx(bed->port, &head, 1) == 1);
}

// note takes over what a segment of ours tells about its flow: our numbers and our clock.
static void note(struct segment_bed *bed, const struct segment_frame *frame)
{
	struct segment_flow *flow =
		segment_bed_flow(bed, frame->destination_port, frame->source_port);
	const struct segment_option *stamp = NULL;
	if (!flow)
		return;
	for (unsigned i = 0; i < frame->option_count; i++)
		if (frame->option[i].kind == SEGMENT_TIMESTAMPS)
			stamp = &frame->option[i];
	if (frame->flags & SEGMENT_SYN) {
		flow->our_isn = frame->seq;
		flow->is_stamping = stamp != NULL;
	}
	if (!stamp)
		return;
	flow->our_ts_last = stamp->value[0];
	if (!flow->has_our_ts)
		flow->our_ts_first = stamp->value[0];
	flow->has_our_ts = true;
}

// keep stores what left until the script looks at it.
static void keep(struct segment_bed *bed, struct segment_frame frame)
{
	if (!frame.icmp)
		note(bed, &frame);
	if (bed->packet_count == SEGMENT_PACKETS) {
		bed->overrun_count++;
		return;
	}
	uint8_t *payload = malloc(frame.payload_bytes + 1);
	CHECK(payload);
	if (frame.payload_bytes)
		memcpy(payload, frame.payload, frame.payload_bytes);
	frame.payload = payload;
	bed->packet[bed->packet_count++] = (struct segment_packet){bed->now_us, frame};
}

// take looks at a frame that left our stack: a segment, an ICMP error, or a question for the peer's
// address.
static void take(struct segment_bed *bed, struct rte_mbuf *mbuf)
{
	static uint8_t data[SEGMENT_FRAME_BYTES];
	uint8_t answer[128];
	uint32_t bytes = mbuf->pkt_len;
	CHECK(bytes <= sizeof(data));
	const uint8_t *at = rte_pktmbuf_read(mbuf, 0, bytes, data);
	struct segment_frame frame;
	uint32_t answer_bytes = segment_frame_resolve(&bed->ends, at, bytes, answer);
	if (answer_bytes)
		segment_bed_inject(bed, answer, answer_bytes);
	else if (segment_frame_read(&bed->ends, at, bytes, &frame) ||
		 segment_frame_icmp_read(&bed->ends, at, bytes, &frame))
		keep(bed, frame);
	rte_pktmbuf_free(mbuf);
}

static void collect(struct segment_bed *bed)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint16_t count;
	while ((count = bed->port->ops->rx(bed->port, mbufs, PORT_BURST)) > 0)
		for (uint16_t i = 0; i < count; i++)
			take(bed, mbufs[i]);
}

void segment_bed_settle(struct segment_bed *bed)
{
	unsigned steps = 0;
	do {
		CHECK(steps++ < STEPS_MAX);
		sim_host_step(&bed->host, bed->now_us, 64);
		collect(bed);
	} while (sim_link_next_us(bed->link) <= bed->now_us ||
		 tcp_in_use(bed->host.tcp).ready_count > 0);
}

bool segment_bed_run(struct segment_bed *bed, uint64_t until_us, bool is_watching)
{
	segment_bed_settle(bed);
	while (bed->now_us < until_us && !(is_watching && segment_bed_next(bed))) {
		uint64_t next_us = sim_host_next_us(&bed->host, bed->now_us);
		bed->now_us = MIN(MAX(next_us, bed->now_us + 1), until_us);
		segment_bed_settle(bed);
	}
	return segment_bed_next(bed) != NULL;
}

struct segment_packet *segment_bed_next(struct segment_bed *bed)
{
	return bed->packet_at < bed->packet_count ? &bed->packet[bed->packet_at] : NULL;
}

void segment_bed_took(struct segment_bed *bed)
{
	free((uint8_t *)(uintptr_t)bed->packet[bed->packet_at].frame.payload);
	if (++bed->packet_at == bed->packet_count)
		bed->packet_at = bed->packet_count = 0;
}
