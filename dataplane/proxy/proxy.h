// SPDX-License-Identifier: Apache-2.0
// The proxy of one worker: connections from clients or other nodes (downstream), exchanges, and
// connections to the next node or the workload (upstream). An exchange is one request and its
// response; what differs between edge, gateway and sidecar is a policy table (proxy_role.h).
//
// A loop calls: tcp_run_events, proxy_run, tcp_run_ready (what proxy_run queued leaves in the same
// loop, and the ACKs with it), net_flush.
#pragma once

#include "addr.h"
#include "buf.h"
#include "cache.h"
#include "compress.h"
#include "counter.h"
#include "http.h"
#include "journal.h"
#include "random.h"
#include "route.h"
#include "tcp.h"
#include "tls.h"
#include "wheel.h"

struct proxy; // one a worker
struct access_entry;
struct rate_table;
struct record;

enum proxy_role { PROXY_EDGE, PROXY_GATEWAY, PROXY_SIDECAR, PROXY_ROLE_COUNT };

enum proxy_protocol {
	PROXY_LISTEN_HTTPS,    // TLS, h2 and http/1.1, for the public
	PROXY_LISTEN_HTTP,     // plain http/1.1
	PROXY_LISTEN_REDIRECT, // plain http/1.1: 308 to https
	PROXY_LISTEN_MESH,     // mutual TLS, h2, from other nodes only
	PROXY_LISTEN_COUNT
};

struct proxy_listener {
	struct addr addr; // zero = every address of ours
	uint16_t port;
	enum proxy_protocol protocol;
	enum tcp_congestion congestion;
};

struct proxy_limits {
	uint32_t downstream_count;
	uint32_t per_prefix_count; // of these, from one client's prefix (share.h)
	uint32_t upstream_count;
	uint32_t exchange_count;
	uint32_t waiting_count; // exchanges that wait for a lookup or an upstream connection
	uint32_t upstream_per_endpoint; // connections; HTTP/2 ones carry many exchanges
	uint32_t tries;                 // endpoints tried for one exchange
	uint32_t body_buffer_bytes;     // per direction of an exchange, before windows grow
	uint64_t window_memory_bytes;   // that HTTP/2 windows may grow by, all together
	uint64_t h2_memory_bytes;       // for HTTP/2's frames and streams, of all connections
	uint32_t head_timeout_ms;       // first byte to end of a request head; TLS handshake apart
	uint32_t keepalive_timeout_ms;  // downstream without exchange
	uint32_t upstream_idle_ms;      // upstream without exchange
	uint32_t lookup_timeout_ms;     // control's answer about a host
	uint32_t connect_timeout_ms;    // TCP and TLS to an endpoint
	uint32_t silence_timeout_ms;    // of a node that has a request of ours; 0: for ever
	uint32_t continue_timeout_ms;   // for the upstream's 100, then we say it; 0: at once
	uint32_t response_timeout_ms;   // request sent to response head
	uint32_t body_idle_timeout_ms;  // no byte of a body in either direction
	uint32_t min_rate;              // bytes/s of a body, from and to clients; 0 = no bound
	uint32_t min_rate_time_ms;      // over which it is measured
	uint32_t tunnel_idle_ms;        // no byte through a tunnel
	uint32_t linger_ms;             // after our FIN, for the peer's
	const struct prefix *trusted;   // proxies whose X-Forwarded-For is believed; borrowed
	uint32_t trusted_count;
	uint32_t policy_count;   // services with a policy (edge)
	uint32_t access_sample;  // one in so many good exchanges is logged
	bool access_query;       // the log keeps what follows '?'
	bool has_server_timing;  // responses tell how long this node took
	struct http_limits http; // downstream and upstream connections
	struct compress_limits compress;
	uint64_t slice_bytes;  // of large objects; 0: none are cut
	uint64_t object_bytes; // the largest that is kept whole
};

struct proxy_callbacks {
	// lookup asks control who serves host; records and proxy_route_changed follow. False:
	// cannot ask now (ring full, no control).
	bool (*lookup)(void *user, struct slice host);
	// endpoint_failed tells control: failure_count tries in a row failed.
	void (*endpoint_failed)(void *user, uint32_t endpoint_id, uint32_t failure_count);
	// access takes an entry of the access log with its texts, borrowed for the call; NULL:
	// nobody wants it.
	void (*access)(void *user, const struct access_entry *entry, const struct slice *texts);
	void *user;
};

struct proxy_config {
	enum proxy_role role;
	const char *node;                       // this node's id: Via, Cache-Status (borrowed)
	const char *location;                   // (borrowed)
	const char *mesh;                       // trust domain (borrowed)
	const struct proxy_listener *listeners; // copied
	uint32_t listener_count;
	struct proxy_limits limits;
	struct proxy_callbacks callbacks;
	struct tcp *tcp; // all borrowed for the proxy's life
	struct tls *tls;
	struct route_table *routes;
	struct rate_table *rates; // of all workers of the node (rate.h)
	struct buf_pool *bufs;
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
	struct journal *journal;
};

// proxy_new takes all memory for the limits and starts listening. Returns NULL and sets *why (a
// literal) when memory is short or a listener's port is taken.
struct proxy *proxy_new(const struct proxy_config *config, const char **why);

// proxy_set_cache lends the cache (edge); made with proxy_cache_answered and the proxy as owner.
void proxy_set_cache(struct proxy *proxy, struct cache *cache);

// proxy_cache_answered is the cache's way to answer: owner is the proxy.
void proxy_cache_answered(void *owner, struct pool_id asker, const struct cache_answer *answer);

// proxy_free drops every exchange and connection without a word to peers.
void proxy_free(struct proxy *proxy);

// proxy_spans adds the memory of its pools to spans.
void proxy_spans(const struct proxy *proxy, struct spans *spans);

// proxy_set_time tells the time; call at the start of each loop.
void proxy_set_time(struct proxy *proxy, uint64_t now_us, uint64_t wall_s);

// proxy_policy_apply takes a POLICY record that passed record_check, or its REMOVE;
// proxy_policy_mark and proxy_policy_sweep bracket a full set. Returns NULL, or why it was refused
// (a literal).
const char *proxy_policy_apply(struct proxy *proxy, const struct record *record);
void proxy_policy_mark(struct proxy *proxy);
void proxy_policy_sweep(struct proxy *proxy);

// proxy_route_changed: routes or certificates changed; exchanges that wait for a lookup look again.
void proxy_route_changed(struct proxy *proxy);

// proxy_run moves bytes of the connections that have something to do, at most budget of them. True
// when some are left: the worker must not sleep.
bool proxy_run(struct proxy *proxy, uint32_t budget);

// How a proxy ends politely, step by step.
enum proxy_drain {
	PROXY_DRAIN_NOTICE, // clients are told (http_drain); new connections are taken and told
	PROXY_DRAIN_FINISH, // no new connections; idle ones are closed, others after what they do
	PROXY_DRAIN_CUT,    // what clients still have is reset
	PROXY_DRAIN_LEAVE,  // connections to upstreams that serve nobody are closed
};

// proxy_drain takes a step; time between them, and what is left meanwhile, is the caller's matter.
void proxy_drain(struct proxy *proxy, enum proxy_drain step);

struct proxy_in_use {
	uint32_t downstream_count, upstream_count, exchange_count;
};

// proxy_in_use counts what lives; all zero after a clean end.
struct proxy_in_use proxy_in_use(const struct proxy *proxy);
