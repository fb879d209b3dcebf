// SPDX-License-Identifier: Apache-2.0
// Three hosts for directed TCP scenarios; see tcp_world.h.
#include "big_endian.h"
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <stdlib.h>

static void on_opened(void *user, struct pool_id)
{
	((struct tcp_end *)user)->opened++;
}

void tcp_world_read(void *user, struct pool_id conn)
{
	struct tcp_end *end = user;
	struct tcp *tcp = end->host->tcp;
	if (!end->is_reading)
		return;
	size_t waiting = tcp_received(tcp, conn);
	end->read += waiting;
	tcp_consume(tcp, conn, waiting);
	end->is_at_end = tcp_at_end(tcp, conn);
}

static void on_writable(void *user, struct pool_id)
{
	((struct tcp_end *)user)->writable++;
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct tcp_end *end = user;
	end->closed++;
	end->reason = reason;
}

const struct tcp_events tcp_world_events = {on_opened, tcp_world_read, on_writable, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct tcp_world *world = user;
	world->server.conn = conn;
	world->server.opened++;
	return world->is_refusing ? NULL : &world->server;
}

struct sim_memory *tcp_world_memory(unsigned number)
{
	static struct sim_memory *memories[3];
	static const char *const names[3] = {"client", "server", "forger"};
	if (!memories[0]) {
		sim_start();
		for (unsigned i = 0; i < 3; i++)
			memories[i] = sim_memory_new(names[i], 2047, 512, 64);
	}
	return memories[number];
}

static void open_host(struct tcp_world *world, unsigned number, struct tcp_limits limits,
		      uint16_t mtu)
{
	uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(number + 1)};
	struct port *port = sim_link_attach(world->link, mac, tcp_world_memory(number)->mbufs);
	port->mtu = mtu;
	struct sim_host_config config = {.number = number + 1,
					 .port = port,
					 .memory = tcp_world_memory(number),
					 .link = world->link,
					 .limits = limits,
					 .seed = {{number, 3}},
					 .now_us = world->now_us};
	sim_host_open(&world->hosts[number], &config);
}

// begin makes a perfect link of 10 ms and three hosts; the server listens.
static struct tcp_world *begin(const struct tcp_limits limits[2], const uint16_t mtus[2],
			       uint16_t path_mtu)
{
	struct tcp_world *world = calloc(1, sizeof(*world));
	CHECK(world);
	world->now_us = 1000000;
	world->config = (struct sim_link_config){.latency_us = 10000, .mtu = path_mtu};
	tcp_world_memory(0);
	world->link = sim_link_new(&world->config, &world->now_us, (struct siphash_key){{1, 2}});
	open_host(world, 0, limits[0], mtus[0]);
	open_host(world, 1, limits[1], mtus[1]);
	open_host(world, 2, limits[1], mtus[1]);
	world->client = (struct tcp_end){.host = &world->hosts[0], .is_reading = true};
	world->server = (struct tcp_end){.host = &world->hosts[1], .is_reading = true};
	struct tcp_listener listener = {.port = TCP_WORLD_PORT,
					.events = &tcp_world_events,
					.accepted = on_accepted,
					.user = world};
	CHECK(tcp_listen_on(world->hosts[1].tcp, &listener) == 0);
	CHECK(tcp_listen_on(world->hosts[1].tcp, &listener) == EADDRINUSE);
	return world;
}

struct tcp_world *tcp_world_begin_apart(struct tcp_limits client, struct tcp_limits server)
{
	return begin((struct tcp_limits[]){client, server}, (uint16_t[]){1500, 1500}, 1500);
}

struct tcp_world *tcp_world_begin(struct tcp_limits limits)
{
	return tcp_world_begin_apart(limits, limits);
}

struct tcp_world *tcp_world_begin_sized(struct tcp_limits limits, uint16_t client_mtu,
					uint16_t server_mtu, uint16_t path_mtu)
{
	return begin((struct tcp_limits[]){limits, limits}, (uint16_t[]){client_mtu, server_mtu},
		     path_mtu);
}

void tcp_world_run_ms(struct tcp_world *world, uint64_t ms)
{
	uint64_t end_us = world->now_us + ms * 1000;
	while (world->now_us < end_us) {
		uint64_t next = sim_link_next_us(world->link);
		for (unsigned i = 0; i < 3; i++) {
			sim_host_step(&world->hosts[i], world->now_us, 64);
			next = MIN(next, sim_host_next_us(&world->hosts[i], world->now_us));
		}
		next = MIN(next, sim_link_next_us(world->link));
		world->now_us = MIN(MAX(next, world->now_us + 1), end_us);
	}
}

void tcp_world_end(struct tcp_world *world)
{
	for (unsigned i = 0; i < 3; i++)
		sim_host_close(&world->hosts[i]);
	sim_link_free(world->link);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(sim_memory_in_use(tcp_world_memory(i)), 0);
	free(world);
}

uint64_t tcp_world_count(const struct tcp_world *world, unsigned host, enum counter counter)
{
	return world->hosts[host].counters.value[counter];
}

int tcp_world_dial_by(struct tcp_world *world, uint16_t port, bool is_v6)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, is_v6),
				      .remote_port = port,
				      .events = &tcp_world_events,
				      .user = &world->client};
	return tcp_connect_to(world->hosts[0].tcp, &connect, &world->client.conn);
}

int tcp_world_dial(struct tcp_world *world, uint16_t port)
{
	return tcp_world_dial_by(world, port, false);
}

struct tcp_world *tcp_world_connected(struct tcp_limits limits)
{
	struct tcp_world *world = tcp_world_begin(limits);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL_FATAL(world->client.opened, 1);
	CU_ASSERT_EQUAL_FATAL(world->server.opened, 1);
	return world;
}

// send queues bytes bytes as far as there is room; returns how many.
size_t tcp_world_send(struct tcp_end *end, size_t bytes)
{
	size_t sent = 0;
	while (sent < bytes) {
		uint32_t part = (uint32_t)MIN(bytes - sent, (size_t)16000);
		if (tcp_send_room(end->host->tcp, end->conn) < part)
			break;
		struct buf *buf = buf_new(&end->host->memory->bufs, part);
		CHECK(buf);
		memset(buf->data, 'x', part);
		CHECK(tcp_send(end->host->tcp, end->conn, buf, 0, part) == 0);
		sent += part;
	}
	return sent;
}

void tcp_world_cut(struct tcp_world *world, bool is_cut)
{
	world->config.loss = is_cut ? SIM_LINK_CERTAIN : 0;
	sim_link_configure(world->link, &world->config);
}

// forge sends a segment to the server as if from the client.
void tcp_world_forge(struct tcp_world *world, struct tcp_segment segment)
{
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	segment.source_port = tuple.local_port;
	segment.destination_port = tuple.remote_port;
	uint8_t header[TCP_HEADER_MAX_BYTES];
	tcp_segment_write(&segment, header);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	memcpy(rte_pktmbuf_append(mbuf, segment.header_bytes), header, segment.header_bytes);
	struct net_tx tx = {.local = tuple.local,
			    .remote = tuple.remote,
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = segment.header_bytes};
	CHECK(net_output(world->hosts[2].net, mbuf, &tx) == 0);
}

// note_header remembers the client's newest TCP header, for forgers that know everything.
bool tcp_world_note_header(void *user, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	struct tcp_segment *last = user;
	if (port->mac[5] == 1 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6)
		tcp_segment_parse(frame + 34, bytes - 34, last);
	return true;
}

struct tcp_world *tcp_world_noted(struct tcp_segment *last)
{
	struct tcp_world *world = tcp_world_begin(sim_limits());
	world->config.tamper = tcp_world_note_header;
	world->config.user = last;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	return world;
}

static void put_checksum(uint8_t *at, const uint8_t *from, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)from[i] << 8 | from[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at, ~((sum & 0xffff) + (sum >> 16)));
}

static void put_ip4(uint8_t *at, uint32_t bytes, uint8_t protocol, const uint8_t ends[2])
{
	const uint8_t header[20] = {0x45,    [8] = 64, protocol, [12] = 10, 0,      0,
				    ends[0], 10,       0,        0,         ends[1]};
	memcpy(at, header, 20);
	put16(at + 2, bytes);
	put_checksum(at + 10, at, 20);
}

// forge_icmp sends the client "unreachable" with this code and MTU, quoting a segment of its own.
void tcp_world_forge_icmp(struct tcp_world *world, uint8_t code, uint16_t mtu, struct tcp_seq seq)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(world->hosts[2].memory->mbufs);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, 14 + 20 + 8 + 28);
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 0x08, 0x00};
	struct tcp_tuple tuple;
	CHECK(tcp_tuple_of(world->hosts[0].tcp, world->client.conn, &tuple));
	memset(frame, 0, 70);
	memcpy(frame, ethernet, 14);
	put_ip4(frame + 14, 56, 1, (uint8_t[]){3, 1});
	uint8_t *icmp = frame + 34;
	icmp[0] = 3;
	icmp[1] = code;
	put16(icmp + 6, mtu);
	put_ip4(icmp + 8, 1500, 6, (uint8_t[]){1, 2});
	put16(icmp + 28, tuple.local_port);
	put16(icmp + 30, tuple.remote_port);
	put16(icmp + 32, seq.value >> 16);
	put16(icmp + 34, seq.value);
	put_checksum(icmp + 2, icmp, 36);
	CHECK(world->hosts[2].port->ops->tx(world->hosts[2].port, &mbuf, 1) == 1);
}
