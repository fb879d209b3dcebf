// SPDX-License-Identifier: Apache-2.0
// The proxy's own structs: proxy, downstream, upstream, and what its files call of each other.
#pragma once

#include "exchange.h"
#include "lending.h"
#include "proxy.h"
#include "proxy_role.h"
#include "share.h"
#include "transport.h"
#include "upstream.h"
#include "upstream_line.h"

#include "arena.h"
#include "cache_status.h"
#include "list.h"
#include "slab.h"

#include <assert.h>

#define PROXY_LISTENERS_MAX    32u
#define PROXY_SCRATCH_BYTES    65536u
#define PROXY_REFRESH_SLOTS    256u
#define PROXY_UPSTREAM_BUCKETS 256u
#define PROXY_RETRY_COST       11u // requests that earn one retry: under a tenth
#define PROXY_RETRIES_SAVED    3u  // for a node that has just begun

// A client's or another node's connection to us.
struct downstream {
	struct transport transport;
	const struct proxy_listener *listener;
	struct tcp_tuple tuple;
	uint32_t share_row;       // of proxy->share where it counts, or SHARE_ROWS
	struct wheel_timer timer; // head, keepalive or linger, by is_* below
	struct list idle_link;    // proxy->idle, while it has no exchange; not between nodes
	uint64_t since_us;        // idle; behind our FIN: tail_bytes is what it is
	struct downstream_pace {
		struct wheel_timer timer;
		uint64_t acked_bytes, owed_bytes; // of what TCP has for the client, last time
	} pace;
	struct list exchanges; // exchange.down_link
	uint32_t exchange_count;
	uint32_t tail_bytes;  // behind our FIN, what TCP still had for the peer
	bool is_slow;         // a request or an answer was given up for that: no patience behind it
	bool is_ending;       // HTTP says its last words; closed at the next deadline in any case
	bool has_broken;      // an exchange of it was given up: no patience at its end
	bool is_reading_head; // a head has begun: its deadline does not move
};

// Whole cache lines, as a pool gives.
static_assert(sizeof(struct downstream) <= 4 * 64);

struct proxy {
	const struct role *role;
	char node[RECORD_NAME_BYTES];
	char cache_text[CACHE_STATUS_NAME_BYTES];
	struct slice cache_name; // in Cache-Status
	char location[RECORD_NAME_BYTES];
	char mesh[RECORD_NAME_BYTES];
	struct proxy_listener listeners[PROXY_LISTENERS_MAX];
	struct listener_user {
		struct proxy *proxy;
		const struct proxy_listener *listener;
	} listener_users[PROXY_LISTENERS_MAX];
	uint32_t listener_count;
	struct proxy_limits limits;
	struct http_limits mesh_http; // of connections from nodes, whose streams are many users'
	struct http_window_budget window_budget;
	struct http_spare http_spare;
	struct http_frame_room frame_room;
	struct slab h2_slab;
	struct proxy_callbacks callbacks;
	struct tcp *tcp;
	struct tls *tls;
	struct route_table *routes;
	struct policy_table *policies; // NULL but on an edge
	struct rate_table *rates;      // borrowed
	struct cache *cache;           // NULL but on an edge
	struct compressor compressor;
	struct slicing_mark slicing_marks[SLICING_MARKS];
	bool has_slicing_marks;
	struct buf_pool *bufs;
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
	struct journal *journal;
	uint64_t now_us;
	uint64_t wall_s;
	uint64_t date_s; // of date, a Date's value (RFC 9110 6.6.1), which is written once a second
	char date[30];   // "": none yet
	bool is_draining;
	bool is_closing;
	struct lending lending; // of the record in work
	struct pool downstreams;
	struct share share; // who has them
	struct list idle;   // downstream.idle_link, the longest first
	struct pool upstream_pool;
	struct pool exchanges;
	struct list busy;    // transport.busy
	struct list starved; // transport.busy: no buffer to send from
	struct upstream_bucket upstreams[PROXY_UPSTREAM_BUCKETS];
	struct pool lines;      // upstream_line
	struct list stirred;    // upstream_line.stirred: a place may have come free
	uint64_t next_ticket;   // of who waits for a place
	bool is_short;          // of connections, in this look at the lines
	struct list lookups;    // exchange.wait_link: waits for control's answer
	struct list queue;      // exchange.wait_link: waits for a place at an endpoint, in a line
	uint32_t waiting_count; // of lookups and queue
	uint64_t shed_us;       // when shedding was last thought of
	uint64_t place_shed_us; // the same, of places at endpoints
	uint32_t retry_tokens;  // a request earns one, a retry costs PROXY_RETRY_COST
	struct {
		uint64_t host_hash;
		uint64_t asked_us;
	} refreshed[PROXY_REFRESH_SLOTS]; // lookups of stale routes, once a second a host
	struct siphash_key hash_key;
	struct arena scratch; // heads being built
	uint64_t scratch_memory[PROXY_SCRATCH_BYTES / 8];
};

// pace_start begins to measure a client's rates (pace.c), pace_stop ends it. While the connection
// is idle it rests by itself; pace_go_on is for bytes that came.
void pace_start(struct downstream *down);
void pace_go_on(struct downstream *down);
void pace_stop(struct downstream *down);

// downstream_accepted is tcp_listener.accepted; user is a struct listener_user.
void *downstream_accepted(void *user, struct pool_id tcp, const struct tcp_tuple *tuple);

// proxy_shed makes room while buffers are short: bodies that have stood still for a second are
// given up, the connections of users that do not read with them. Call once a loop.
void proxy_shed(struct proxy *proxy);

// proxy_shed_places gives up exchanges whose clients stand still while others wait for their places
// at the same endpoint.
void proxy_shed_places(struct proxy *proxy);

// downstream_note_slow: the connection has linger_ms and no more when its last exchange is over.
// One between nodes is many users', and stays.
void downstream_note_slow(struct downstream *downstream);

// downstream_exchange_done tells that one exchange of the connection is over (freed by the caller).
void downstream_exchange_done(struct downstream *downstream);

// downstream_drain gives the client notice that the node ends; downstream_finish closes the
// connection when it is idle, else after what it does; downstream_cut resets it, unless everything
// was said.
void downstream_drain(struct downstream *downstream);
void downstream_finish(struct downstream *downstream);
void downstream_cut(struct downstream *downstream);
