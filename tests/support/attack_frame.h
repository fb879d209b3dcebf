// SPDX-License-Identifier: Apache-2.0
// Frames that attack a TCP/IP stack, made from random numbers of a seed: spoofed SYNs, blind
// guesses at a connection, fragments that never become whole, forged neighbours and forged ICMP
// errors. Tests only, against stacks in namespaces that the test made.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTACK_FRAME_BYTES 256u

struct attack_end {
	uint8_t addr[16]; // network order; IPv4 in the first four
	uint16_t port;
	bool is_v6;
};

struct attack {
	struct attack_end target; // who is attacked
	struct attack_end source; // whom the attacker claims to be: the connection's other end
	uint8_t to_mac[6];
	uint64_t random; // state
	// What is known of the connection, by those who see it: what the target expects next from
	// source, what it sent last, and its last timestamp.
	bool is_seen;
	uint32_t expected, sent, timestamp;
	bool has_timestamp;
};

// attack_build writes one frame of a kind into frame (ATTACK_FRAME_BYTES) and returns its length.
typedef size_t attack_build(struct attack *attack, uint8_t *frame);

// attack_find returns what builds the named kind, or NULL. attack_names is all of them, for a usage
// text. attack_is_on_path is true for kinds that must have seen the connection.
attack_build *attack_find(const char *name);
const char *attack_names(void);
bool attack_is_on_path(const char *name);

// attack_look learns from a frame that the target sent on the connection.
void attack_look(struct attack *attack, const uint8_t *frame, size_t bytes);
