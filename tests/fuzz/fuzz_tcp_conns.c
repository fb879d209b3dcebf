// SPDX-License-Identifier: Apache-2.0
// Two stacks, two connections, each passive at one end, through net and tcp; the input is a little
// program that delivers, loses, repeats, reorders and damages their segments, forges others near
// their live sequence numbers, lies by ICMP, calls as applications do and lets time pass. tcp's
// invariants hold after each step, and in the end every buffer is back.
//
//   byte 0: enum option bits; then operations: low nibble enum operation, high nibble n, arguments
#include "check.h"
#include "sim_frame.h"
#include "sim_host.h"

#include <rte_mbuf.h>

#include <stdlib.h>

#define FRAMES_MAX    64u // on their way in one direction
#define FRAME_BYTES   1600u
#define ROUNDS_MAX    64u  // of DELIVER_ALL
#define STEPS_MAX     400u // operations of one program
#define FUZZ_PORT     443u
#define FLAGS_AT      13u
#define ETHERNET_TYPE 12u

enum option {
	OPTION_V6 = 1,
	OPTION_UNCONNECTED = 2, // the program begins before the handshakes
	OPTION_NO_SACK = 4,
	OPTION_NO_TIMESTAMPS = 8,
	OPTION_SMALL_WINDOW = 16,
	OPTION_COOKIES = 32, // no half-open connection is kept
	OPTION_SMALL_TABLES = 64,
};

enum operation {
	STEP,
	DELIVER_SOME, // n + 1 segments, both directions in turn, in one burst each
	DELIVER,      // the first towards host n & 1
	DROP,
	REPEAT, // the first comes again, last
	ROTATE, // the first comes last
	DAMAGE, // one byte of the first: where, how
	FORGE,  // see forge; n & 4: it goes last on the wire
	ICMP,   // see lie
	PASS,   // 2^n ms
	SEND,   // at end n & 3
	CONSUME,
	SHUTDOWN,
	LEAVE,   // end n & 3 aborts (n & 4) or releases
	CONNECT, // connection n & 1, when it is gone
	DELIVER_ALL,
	OPERATION_COUNT
};

struct wire {
	uint32_t count;
	struct {
		uint32_t bytes;
		uint8_t data[FRAME_BYTES];
	} frames[FRAMES_MAX];
};

// What of a connection was last seen towards a host.
struct seen {
	struct tcp_segment segment;
	struct tcp_seq end;
	uint8_t headers[54]; // Ethernet and IP
};

struct end {
	struct world *world;
	struct sim_host *host;
	struct pool_id conn;
	bool is_live;
};

struct world {
	uint64_t now_us;
	uint8_t options;
	struct sim_link *link;
	struct sim_host hosts[2];
	struct wire wires[2];   // towards host
	struct seen seen[2][2]; // connection, towards host
	struct end ends[4];     // connection * 2 + host
	bool is_unwanted[256];
	const uint8_t *at, *end; // of the program
};

static uint8_t next_byte(struct world *world)
{
	return world->at < world->end ? *world->at++ : 0;
}

static void on_event(void *, struct pool_id) {}

static void on_closed(void *user, struct pool_id, enum counter)
{
	((struct end *)user)->is_live = false;
}

static const struct tcp_events events = {on_event, on_event, on_event, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct end *end = user;
	if (end->is_live)
		return NULL;
	end->conn = conn;
	end->is_live = true;
	return end;
}

// connection_of tells by its ports whose segment this is.
static unsigned connection_of(const struct tcp_segment *segment, unsigned to)
{
	bool is_from_listener = segment->source_port == FUZZ_PORT;
	return is_from_listener ? to : !to; // connection c is opened by host c
}

static void note(struct world *world, uint8_t *frame, uint32_t bytes, unsigned to)
{
	struct tcp_segment segment;
	uint32_t segment_bytes;
	const uint8_t *tcp = sim_frame_tcp(frame, bytes, &segment_bytes);
	if (!tcp_segment_parse(tcp, segment_bytes, &segment))
		return;
	segment.payload_bytes = segment_bytes - segment.header_bytes;
	struct seen *seen = &world->seen[connection_of(&segment, to)][to];
	seen->end = seq_plus(segment.seq, tcp_segment_length(&segment));
	seen->segment = segment;
	memcpy(seen->headers, frame, (size_t)(tcp - frame));
}

// hold keeps a frame on the wire, while there is room.
static void hold(struct wire *wire, const uint8_t *frame, uint32_t bytes)
{
	if (wire->count == FRAMES_MAX || bytes > FRAME_BYTES)
		return;
	wire->frames[wire->count].bytes = bytes;
	memcpy(wire->frames[wire->count++].data, frame, bytes);
}

// tamper keeps every TCP segment; the program says what becomes of it.
static bool tamper(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct world *world = user;
	unsigned to = port->mac[5] == 1;
	sim_frame_strip(frame, bytes, world->is_unwanted);
	if (!sim_frame_tcp(frame, bytes, NULL))
		return true;
	note(world, frame, bytes, to);
	hold(&world->wires[to], frame, bytes);
	return false;
}

// packet_of_frame makes a packet for a host, whose NIC finds its checksums good; NULL without
// mbufs.
static struct rte_mbuf *packet_of_frame(struct sim_host *host, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(host->memory->mbufs);
	if (!mbuf)
		return NULL;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes), frame, bytes);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return mbuf;
}

// input gives a frame to a host.
static void input(struct world *world, unsigned to, const uint8_t *frame, uint32_t bytes)
{
	struct sim_host *host = &world->hosts[to];
	struct rte_mbuf *mbuf = packet_of_frame(host, frame, bytes);
	if (mbuf)
		net_input(host->net, 0, &mbuf, 1);
}

static void step(struct world *world)
{
	for (unsigned round = 0; round < 2; round++) // ARP's answer comes in the second
		for (unsigned host = 0; host < 2; host++)
			sim_host_step(&world->hosts[host], world->now_us, 64);
}

static void take_first(struct wire *wire)
{
	if (wire->count == 0)
		return;
	wire->count--;
	memmove(wire->frames, wire->frames + 1, wire->count * sizeof(wire->frames[0]));
}

// deliver gives the first count segments towards host to to it, in one burst.
static void deliver(struct world *world, unsigned to, uint32_t count)
{
	struct sim_host *host = &world->hosts[to];
	struct wire *wire = &world->wires[to];
	struct rte_mbuf *burst[PORT_BURST];
	uint32_t in = 0;
	for (uint32_t i = 0; i < count && wire->count > 0; i++) {
		burst[in] = packet_of_frame(host, wire->frames[0].data, wire->frames[0].bytes);
		in += burst[in] != NULL;
		take_first(wire);
	}
	net_input(host->net, 0, burst, in);
}

static void deliver_all(struct world *world)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		if (world->wires[0].count + world->wires[1].count == 0)
			return;
		deliver(world, 0, 1);
		deliver(world, 1, 1);
		step(world);
	}
}

static void repeat(struct wire *wire, bool is_moved)
{
	if (wire->count == 0)
		return;
	if (wire->count < FRAMES_MAX)
		wire->frames[wire->count++] = wire->frames[0];
	if (is_moved)
		take_first(wire);
}

// damage changes a byte of the first segment's header or payload, not of its ports.
static void damage(struct world *world, unsigned to)
{
	struct wire *wire = &world->wires[to];
	uint8_t where = next_byte(world), how = next_byte(world);
	uint32_t bytes;
	if (wire->count == 0)
		return;
	uint8_t *tcp = sim_frame_tcp(wire->frames[0].data, wire->frames[0].bytes, &bytes);
	if (tcp)
		tcp[4 + where % (bytes - 4)] ^= how;
}

// near returns a sequence number some small or large steps from base, as the program says.
static struct tcp_seq near(struct world *world, struct tcp_seq base)
{
	int8_t steps = (int8_t)next_byte(world);
	int32_t distance = steps > 100 || steps < -100 ? steps * 500 : steps;
	return seq_of(base.value + (uint32_t)distance);
}

// forge sends host `to` a segment of a connection that its peer never sent: flags, seq, ack,
// window, payload bytes, options.
static void forge(struct world *world, unsigned to, unsigned connection, bool is_queued)
{
	const struct seen *seen = &world->seen[connection][to];
	const struct seen *other = &world->seen[connection][!to];
	uint8_t frame[FRAME_BYTES] = {0};
	struct tcp_segment segment = {.source_port = seen->segment.source_port,
				      .destination_port = seen->segment.destination_port};
	segment.flags = next_byte(world);
	segment.seq = near(world, seen->end);
	segment.ack = near(world, other->end);
	segment.window = (uint16_t)(next_byte(world) << 6);
	uint32_t payload_bytes = next_byte(world) * 5u;
	uint8_t options = next_byte(world);
	segment.has_timestamps = seen->segment.has_timestamps != (options & 1);
	segment.ts_value = seen->segment.ts_value + (options >> 1 & 1) - (options >> 2 & 1) * 9u;
	segment.ts_echo = other->segment.ts_value;
	segment.has_mss = segment.flags & TCP_SYN && options & 8;
	segment.mss = (uint16_t)(options * 4);
	if (!segment.has_mss) // there is room for either
		segment.sack_count = options >> 4 & 3;
	for (unsigned i = 0; i < segment.sack_count; i++) {
		segment.sack[i].start = near(world, segment.ack);
		segment.sack[i].end = near(world, other->end);
	}
	uint32_t ip_at = 14, ip_bytes = world->options & OPTION_V6 ? 40 : 20;
	if (seen->segment.header_bytes == 0)
		return;
	memcpy(frame, seen->headers, ip_at + ip_bytes);
	uint32_t bytes = tcp_segment_write(&segment, frame + ip_at + ip_bytes) + payload_bytes;
	uint32_t length = bytes + (world->options & OPTION_V6 ? 0 : 20);
	uint8_t *length_at = frame + ip_at + (world->options & OPTION_V6 ? 4 : 2);
	length_at[0] = (uint8_t)(length >> 8);
	length_at[1] = (uint8_t)length;
	if (is_queued)
		hold(&world->wires[to], frame, ip_at + ip_bytes + bytes);
	else
		input(world, to, frame, ip_at + ip_bytes + bytes);
}

// lie tells host `to` by ICMP that a segment of its own did not fit: MTU, sequence number.
static void lie(struct world *world, unsigned to, unsigned connection)
{
	const struct seen *own = &world->seen[connection][!to];
	uint8_t frame[128] = {0}, answer[SIM_FRAME_TOO_BIG_BYTES];
	uint32_t ip_bytes = world->options & OPTION_V6 ? 40 : 20;
	uint32_t mtu = next_byte(world) * 8u;
	uint8_t kind = next_byte(world);
	struct tcp_segment quoted = own->segment;
	quoted.seq = near(world, quoted.seq);
	quoted.sack_count = 0;
	if (own->segment.header_bytes == 0)
		return;
	memcpy(frame, own->headers, 14 + ip_bytes);
	tcp_segment_write(&quoted, frame + 14 + ip_bytes);
	uint32_t bytes = sim_frame_too_big(frame, sizeof(frame), mtu, answer);
	if (bytes == 0)
		return;
	uint8_t *icmp = answer + 14 + ip_bytes;
	icmp[0] ^= kind & 3; // checksums are taken as good
	icmp[1] ^= kind >> 4;
	input(world, to, answer, bytes);
}

static void send_some(struct world *world, struct end *end)
{
	uint32_t bytes = next_byte(world) * 64u + 1;
	struct tcp *tcp = end->host->tcp;
	if (!end->is_live || tcp_send_room(tcp, end->conn) < bytes)
		return;
	struct buf *buf = buf_new(&end->host->memory->bufs, bytes);
	if (!buf)
		return;
	memset(buf->data, 'x', bytes);
	tcp_send(tcp, end->conn, buf, 0, bytes);
}

static void consume(struct world *world, struct end *end)
{
	size_t want = next_byte(world) * 256u + 1;
	if (end->is_live)
		tcp_consume(end->host->tcp, end->conn,
			    MIN(want, tcp_received(end->host->tcp, end->conn)));
}

static void leave(struct end *end, bool is_aborting)
{
	if (!end->is_live)
		return;
	end->is_live = false;
	if (is_aborting)
		tcp_abort(end->host->tcp, end->conn);
	else
		tcp_release(end->host->tcp, end->conn);
}

static void dial(struct world *world, unsigned connection)
{
	struct end *end = &world->ends[connection * 2 + connection];
	struct tcp_connect connect = {
		.remote = sim_host_addr(2 - connection, world->options & OPTION_V6),
		.remote_port = FUZZ_PORT,
		.events = &events,
		.user = end};
	if (!end->is_live)
		end->is_live = tcp_connect_to(end->host->tcp, &connect, &end->conn) == 0;
}

static void pass(struct world *world, unsigned n)
{
	uint64_t until_us = world->now_us + (1000ull << n);
	for (unsigned i = 0; i < ROUNDS_MAX && world->now_us < until_us; i++) {
		uint64_t next_us = MIN(sim_host_next_us(&world->hosts[0], world->now_us),
				       sim_host_next_us(&world->hosts[1], world->now_us));
		world->now_us = MIN(MAX(next_us, world->now_us + 1), until_us);
		step(world);
	}
	world->now_us = until_us;
}

static void operate(struct world *world)
{
	uint8_t code = next_byte(world);
	unsigned n = code >> 4, to = n & 1;
	struct end *end = &world->ends[n & 3];
	switch ((enum operation)(code & 15)) {
	case DELIVER_SOME:
		deliver(world, 0, (n + 2) / 2);
		deliver(world, 1, (n + 1) / 2);
		break;
	case DELIVER: deliver(world, to, 1); break;
	case DROP: take_first(&world->wires[to]); break;
	case REPEAT: repeat(&world->wires[to], false); break;
	case ROTATE: repeat(&world->wires[to], true); break;
	case DAMAGE: damage(world, to); break;
	case FORGE: forge(world, to, n >> 1 & 1, n & 4); break;
	case ICMP: lie(world, to, n >> 1 & 1); break;
	case PASS: pass(world, n); break;
	case SEND: send_some(world, end); break;
	case CONSUME: consume(world, end); break;
	case SHUTDOWN: tcp_shutdown(end->host->tcp, end->conn); break;
	case LEAVE: leave(end, n & 4); break;
	case CONNECT: dial(world, to); break;
	case DELIVER_ALL: deliver_all(world); break;
	default: break;
	}
	step(world);
}

static void open_host(struct world *world, unsigned index, struct sim_memory *memory)
{
	struct sim_host_config config = {.number = index + 1,
					 .memory = memory,
					 .link = world->link,
					 .limits = sim_limits(),
					 .seed = {{index, 7}},
					 .now_us = world->now_us};
	config.limits.conn_count = world->options & OPTION_SMALL_TABLES ? 2 : 8;
	config.limits.half_open_count = world->options & OPTION_COOKIES ? 0 : 4;
	config.limits.time_wait_count = world->options & OPTION_SMALL_TABLES ? 1 : 4;
	config.limits.sent_count = world->options & OPTION_SMALL_TABLES ? 3 : 256;
	if (world->options & OPTION_SMALL_WINDOW)
		config.limits.receive_buffer_bytes = 2048;
	sim_host_open(&world->hosts[index], &config);
	world->hosts[index].port->can_checksum_rx = true;
	struct end *accepted = &world->ends[(1 - index) * 2 + index];
	struct tcp_listener listener = {
		.port = FUZZ_PORT, .events = &events, .accepted = on_accepted, .user = accepted};
	CHECK(tcp_listen_on(world->hosts[index].tcp, &listener) == 0);
}

static void open_world(struct world *world, struct sim_memory *memories[2])
{
	struct sim_link_config link = {.mtu = 1500, .tamper = tamper, .user = world};
	world->now_us = 1000000;
	world->options = next_byte(world);
	world->is_unwanted[4] = world->options & OPTION_NO_SACK;
	world->is_unwanted[8] = world->options & OPTION_NO_TIMESTAMPS;
	world->link = sim_link_new(&link, &world->now_us, (struct siphash_key){{1, 2}});
	for (unsigned i = 0; i < 4; i++)
		world->ends[i] = (struct end){.world = world, .host = &world->hosts[i & 1]};
	for (unsigned i = 0; i < 2; i++)
		open_host(world, i, memories[i]);
	if (world->options & OPTION_UNCONNECTED)
		return;
	dial(world, 0);
	dial(world, 1);
	step(world);
	deliver_all(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct sim_memory *memories[2];
	if (!memories[0]) {
		sim_start();
		memories[0] = sim_memory_new("fuzz0", 255, 12, 24);
		memories[1] = sim_memory_new("fuzz1", 255, 12, 24);
	}
	struct world *world = calloc(1, sizeof(*world));
	CHECK(world);
	world->at = data;
	world->end = data + bytes;
	open_world(world, memories);
	for (unsigned i = 0; i < STEPS_MAX && world->at < world->end; i++)
		operate(world);
	for (unsigned i = 0; i < 2; i++) {
		sim_host_close(&world->hosts[i]);
		CHECK(world->hosts[i].wheel.armed_count == 0);
	}
	sim_link_free(world->link);
	CHECK(sim_memory_in_use(memories[0]) + sim_memory_in_use(memories[1]) == 0);
	free(world);
	return 0;
}
