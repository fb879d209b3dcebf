// SPDX-License-Identifier: Apache-2.0
// One connection to an endpoint, and which exchange gets which connection.
#pragma once

#include "exchange.h"
#include "transport.h"

// Which connections may carry which exchanges.
struct upstream_key {
	struct endpoint_addr to;
	uint8_t hop;         // enum record_hop
	uint8_t protocol;    // enum record_protocol
	uint16_t reserved;   // 0: the key is hashed as bytes
	uint32_t service_id; // of a SIDECAR hop, whose peer is named by service; else 0
};

// Connections and lines of the endpoints whose keys have one hash.
struct upstream_bucket {
	struct list connections; // upstream.link
	struct list lines;       // upstream_line.link: those who wait
};

enum upstream_state { UPSTREAM_CONNECTING, UPSTREAM_OPEN, UPSTREAM_CLOSING };

struct upstream {
	struct transport transport;
	struct upstream_key key;
	struct route_target target; // as it was chosen: peer and names of the hop
	enum upstream_state state;
	struct wheel_timer timer; // connect, idle or linger deadline, or the next look at a node
	struct upstream_bucket *bucket;
	struct list link;      // bucket->connections
	struct list exchanges; // exchange.up_link of those being served
	struct list waiting;   // exchange.up_link of those that wait for the connection
	uint32_t exchange_count;
	uint32_t waiting_count;
	uint32_t served_count; // exchanges ever
	uint32_t silent_looks; // in a row
	uint64_t heard_bytes;  // received and acknowledged until the last look
};

// upstream_open starts a connection to target. NULL: *error is ENOBUFS (a bound) or EHOSTUNREACH.
struct upstream *upstream_open(struct proxy *proxy, const struct upstream_key *key,
			       const struct route_target *target, int *error);

// upstream_close ends a connection politely; it takes no more exchanges.
void upstream_close(struct upstream *up);

// upstream_watch looks after a node that has its first request of those it has now: one that is
// silent for limits.silence_timeout_ms, also to a PING, is given up. The kernel of a workload
// answers for it as long as it lives.
void upstream_watch(struct upstream *up);

// upstream_note_idle arms the idle deadline when the connection serves nobody.
void upstream_note_idle(struct upstream *up);

// upstream_tcp_opened starts TLS or HTTP of a connection that upstream_open made.
void upstream_tcp_opened(struct transport *transport);

// upstream_attach gives the exchange (whose target is set) a connection: an open one at once
// (exchange_send is called), or one that is being made; behind those who wait for one already.
// Returns 0 (it has one or waits), ENOBUFS (a bound) or EHOSTUNREACH.
int upstream_attach(struct proxy *proxy, struct exchange *exchange);

// upstream_take does so if it can be done now: EAGAIN when the endpoint has no place. An exchange
// that gets one waits no longer.
int upstream_take(struct upstream_bucket *bucket, const struct upstream_key *key,
		  struct exchange *exchange);

// upstream_must_hold tells whether as many clients as may are sending bodies to the endpoint, and
// the exchange's is one more.
bool upstream_must_hold(const struct upstream_bucket *bucket, const struct upstream_key *key,
			struct exchange *exchange);

// upstream_stir: something happened to the connection that may have made a place, or a new
// connection possible.
void upstream_stir(struct upstream *up);

// upstream_detach ends the exchange's tie to its connection, resetting the stream when it still
// lives, and lets others use the free place.
void upstream_detach(struct exchange *exchange);

// upstream_serve_waiting gives an opened connection to the exchanges that waited for it.
void upstream_serve_waiting(struct upstream *up);

// upstream_serve_queue gives waiting exchanges places that came free. Call once a turn, when what
// frees them is done.
void upstream_serve_queue(struct proxy *proxy);
