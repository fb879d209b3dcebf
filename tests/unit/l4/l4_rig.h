// SPDX-License-Identifier: Apache-2.0
// An l4 under test on a fake net: services at 192.0.2.1 and 2001:db8::1 (UDP 53, TCP 80), endpoints
// behind the same port, clients anywhere behind the gateway. A packet is fed as its facts and what
// leaves is read back as such.
#pragma once

#include "l4.h"
#include "net_fake.h"

#define RIG_SYN 2u
#define RIG_ACK 16u
#define RIG_RST 4u
#define RIG_FIN 1u

// What a packet says; texts are addresses.
struct rig_packet {
	const char *from, *to;
	uint16_t from_port, to_port;
	uint8_t protocol; // NET_PROTOCOL_TCP or _UDP
	uint8_t flags;    // of TCP
	uint32_t seq, ack;
	uint16_t payload_bytes;
	uint8_t ttl;          // 0: 64
	bool has_no_checksum; // UDP
};

// What was sent, read back and found to have right checksums.
struct rig_sent {
	struct endpoint_addr source, destination;
	uint8_t protocol, ttl;
	const uint8_t *ip, *l4;
	uint32_t ip_bytes;
};

struct rig {
	struct fake fake;
	struct l4 *l4;
	struct l4_config config;
	struct l4_service services[4];
	struct l4_endpoint endpoints[2][3]; // IPv4: 192.0.2.50 to .52; IPv6: 2001:db8::50 to ::52
};

// rig_start prepares a rig; change rig->config, then rig_open it. The neighbours are known then.
void rig_start(struct rig *rig);
void rig_open(struct rig *rig);

// rig_stop frees all and asserts that no mbuf, timer or flow is missing.
void rig_stop(struct rig *rig);

// rig_frame builds packet's frame (2000 bytes of room) and returns its size; rig_feed gives it to
// net as received; rig_clear forgets what was sent.
size_t rig_frame(const struct rig_packet *packet, uint8_t *frame);
void rig_feed(struct rig *rig, const struct rig_packet *packet);
void rig_clear(struct rig *rig);

// rig_sent_at reads what was sent as the index-th frame, fatal when there is none.
struct rig_sent rig_sent_at(struct rig *rig, uint32_t index);

// rig_run lets time pass, with timers and neighbours that answer, and forgets what was sent.
void rig_run(struct rig *rig, uint64_t us);

// rig_open_tcp makes a connection of a client (its address and port) to the TCP service of its
// family, up to established; returns how the endpoint sees it.
struct rig_sent rig_open_tcp(struct rig *rig, const char *client, uint16_t port);

// rig_answer feeds a packet from the endpoint of sent back to its source.
void rig_answer(struct rig *rig, const struct rig_sent *sent, const struct rig_packet *like);

// rig_texts writes an address and compares it.
bool rig_is(const struct endpoint_addr *is, const char *text, uint16_t port);
