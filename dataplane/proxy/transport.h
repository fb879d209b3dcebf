// SPDX-License-Identifier: Apache-2.0
// A transport carries one HTTP connection over TCP, with or without TLS: it pumps bytes both ways
// and ends politely. Nothing is torn down inside an event: a transport is doomed, put on the
// proxy's busy list, and destroyed from proxy_run.
//
//   tcp -> [tls_receive] -> http_receive        http_produce -> [tls_seal] -> tcp_send
#pragma once

#include "http.h"
#include "list.h"
#include "pool.h"
#include "tcp.h"
#include "tls.h"

struct proxy;
struct transport;

// What the owner (downstream, upstream) is told. No member may be NULL.
struct transport_events {
	// ready: TCP and TLS are done; the owner makes transport->http now, or calls
	// transport_doom. info is NULL on a plain transport.
	void (*ready)(struct transport *transport, const struct tls_info *info);
	// received: bytes arrived from the peer, and HTTP has had them (for idle timers).
	void (*received)(struct transport *transport);
	// serviced: what could be moved both ways was moved.
	void (*serviced)(struct transport *transport);
	// shut: our FIN is queued; the owner dooms the transport when the peer takes too long.
	void (*shut)(struct transport *transport);
	// gone: the connection is over for this reason; the owner frees what it has. The last
	// event.
	void (*gone)(struct transport *transport, enum counter reason);
};

struct transport {
	struct proxy *proxy;
	const struct transport_events *events;
	struct pool_id tcp;     // null once the connection is gone
	struct tls_conn *tls;   // owned; NULL on a plain transport
	struct http_conn *http; // owned; NULL until ready
	struct list busy;       // on proxy->busy when it has something to do, or on ->starved
	uint16_t reason;        // enum counter: why it is doomed
	uint16_t text_max;      // of one record
	bool is_doomed;         // to be destroyed by the next service
	bool is_ready;
	bool is_end_told;    // http knows that the peer sends no more
	bool is_discarding;  // after a fault or our FIN: read and forget
	bool is_shut;        // our FIN is queued
	bool is_half_closed; // so is it, but we read on
	bool is_starved;     // on proxy->starved: waits for a buffer to send from
	bool is_faulty : 1;  // the peer broke HTTP's rules
	bool is_held : 1;    // http did not take all that it was given
	uint32_t discarded_bytes;
};

// tcp events whose user is a struct transport.
extern const struct tcp_events transport_tcp_events;

// transport_init prepares a transport of an existing TCP connection (or a null one, while
// connecting).
void transport_init(struct transport *transport, struct proxy *proxy,
		    const struct transport_events *events, struct pool_id tcp);

// transport_accept starts the server side: TLS as accept says (its events and user are set here),
// or plain when accept is NULL. Returns 0, or ENOBUFS when TLS is at a bound.
int transport_accept(struct transport *transport, struct tls_accept *accept);

// transport_connect starts the client side of an opened TCP connection, as transport_accept does.
int transport_connect(struct transport *transport, struct tls_connect *connect);

// transport_touch puts the transport on the busy list: proxy_run will service it. Whoever gives a
// connection something to say, or takes what it has received, must touch it: nobody else looks.
void transport_touch(struct transport *transport);

// transport_doom ends the connection at the next service: a reset, or after transport_shut what is
// queued and FIN.
void transport_doom(struct transport *transport, enum counter reason);

// transport_shut sends close_notify and FIN after what is queued, and discards what still arrives;
// the owner dooms it when the peer takes too long to close.
void transport_shut(struct transport *transport);

// transport_service moves what can be moved now; called by proxy_run only. May end with `gone`.
void transport_service(struct transport *transport);
