// SPDX-License-Identifier: Apache-2.0
// Three hosts on a perfect link of 10 ms for directed TCP scenarios: a client, a server that
// listens and a forger that sends what it likes in the client's name.
#pragma once

#include "sim_host.h"
#include "tcp_segment.h"

#define TCP_WORLD_PORT 443u

struct tcp_end {
	struct sim_host *host;
	struct pool_id conn;
	size_t read;
	unsigned opened, closed, writable;
	enum counter reason;
	bool is_reading, is_at_end;
};

struct tcp_world {
	uint64_t now_us;
	struct sim_link_config config;
	struct sim_link *link;
	struct sim_host hosts[3]; // client, server, forger
	struct tcp_end client, server;
	bool is_refusing;
};

// tcp_world_events note what happened in a struct tcp_end, and read when it is_reading.
extern const struct tcp_events tcp_world_events;

// tcp_world_read is the readable event: for a reader that starts late.
void tcp_world_read(void *user, struct pool_id conn);

// tcp_world_memory is the memory of host number; it starts DPDK the first time.
struct sim_memory *tcp_world_memory(unsigned number);

// tcp_world_begin makes the link and the hosts; tcp_world_connected connects client and server too.
struct tcp_world *tcp_world_begin(struct tcp_limits limits);
struct tcp_world *tcp_world_connected(struct tcp_limits limits);

// tcp_world_begin_apart is tcp_world_begin with limits of its own for the client.
struct tcp_world *tcp_world_begin_apart(struct tcp_limits client, struct tcp_limits server);

// tcp_world_begin_sized is tcp_world_begin with ports of these MTUs at client and server, on a path
// that carries packets of path_mtu.
struct tcp_world *tcp_world_begin_sized(struct tcp_limits limits, uint16_t client_mtu,
					uint16_t server_mtu, uint16_t path_mtu);

// tcp_world_noted is a connected world that keeps the client's newest header in last, which must
// outlive it.
struct tcp_world *tcp_world_noted(struct tcp_segment *last);

// tcp_world_end frees it all and asserts that nothing leaked.
void tcp_world_end(struct tcp_world *world);

// tcp_world_run_ms lets ms virtual milliseconds pass.
void tcp_world_run_ms(struct tcp_world *world, uint64_t ms);

// tcp_world_count reads a counter of host number.
uint64_t tcp_world_count(const struct tcp_world *world, unsigned host, enum counter counter);

// tcp_world_dial connects the client to the server's port; returns what tcp_connect_to does.
// tcp_world_dial_by chooses the family.
int tcp_world_dial(struct tcp_world *world, uint16_t port);
int tcp_world_dial_by(struct tcp_world *world, uint16_t port, bool is_v6);

// tcp_world_send queues at most bytes bytes, as far as there is room; returns how many.
size_t tcp_world_send(struct tcp_end *end, size_t bytes);

// tcp_world_cut makes the link lose everything, or nothing again.
void tcp_world_cut(struct tcp_world *world, bool is_cut);

// tcp_world_forge sends segment to the server as if from the client.
void tcp_world_forge(struct tcp_world *world, struct tcp_segment segment);

// tcp_world_forge_icmp sends the client "unreachable" with this code and MTU, quoting seq of its
// own.
void tcp_world_forge_icmp(struct tcp_world *world, uint8_t code, uint16_t mtu, struct tcp_seq seq);

// tcp_world_note_header is a tamper callback that keeps the client's newest header in user.
bool tcp_world_note_header(void *user, const struct port *port, uint8_t *frame, uint32_t bytes);
