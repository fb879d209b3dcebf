// SPDX-License-Identifier: Apache-2.0
// What must hold of a tcp between any two events, whatever peers and links did: sequence order
// (RFC 9293 3.3.1), queues and their counts, timers (nothing waits without one), pools and tables.
// Simulated hosts look after each event; the fuzz target after each step.
//
//   struct tcp_invariants *invariants = tcp_invariants_new(tcp);
//   loop: ...; const char *broken = tcp_invariants_broken(invariants);
#pragma once

#include <stdint.h>

struct tcp;
struct tcp_invariants; // remembers what may never move back

// tcp_invariants_new begins to watch tcp (borrowed). Aborts without memory.
struct tcp_invariants *tcp_invariants_new(const struct tcp *tcp);

// tcp_invariants_free ends it.
void tcp_invariants_free(struct tcp_invariants *invariants);

// tcp_invariants_broken looks at every connection and pool. Returns NULL when all is well, else a
// sentence that says which connection (by index) broke which rule, borrowed until the next call.
const char *tcp_invariants_broken(struct tcp_invariants *invariants);
