// SPDX-License-Identifier: Apache-2.0
// The worker's budgets for received and for queued bytes; part of tcp_priv.h.
#pragma once

#include "tcp_seq.h"

#include <stdbool.h>

struct tcp;
struct tcp_conn;

// tcp_memory_may_hold is true while conn may pin one more packet of received bytes, which fill a
// gap or come next (is_next), or too early.
bool tcp_memory_may_hold(struct tcp_conn *conn, bool is_next);

// tcp_memory_edge is where conn's window may end: buffer_bytes behind what waits, or less.
struct tcp_seq tcp_memory_edge(const struct tcp_conn *conn);

// tcp_memory_is_low is true when nobody's window grows; tcp_memory_is_send_low when queues get
// least.
bool tcp_memory_is_low(const struct tcp *tcp);
bool tcp_memory_is_send_low(const struct tcp *tcp);

// tcp_memory_relieve looks, a little at each call, for the connection that pins most and whose
// owner has read nothing for seconds, and ends it.
void tcp_memory_relieve(struct tcp *tcp);
