// SPDX-License-Identifier: Apache-2.0
// A net under test: fake ports whose frames the test writes and reads, an upper protocol that keeps
// what it is given, a virtual clock. EAL runs without hugepages, devices or files.
#pragma once

#include "net.h"
#include "slice.h"
#include "unit.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_KEPT    128u
#define FAKE_WORKERS 4u

// A port that keeps what it sends.
struct fake_port {
	struct port port;
	struct rte_mbuf *sent[FAKE_KEPT];
	uint32_t sent_count;
	uint32_t room; // frames that tx takes before it is full
};

// An ICMP error that reached the upper protocol.
struct fake_error {
	struct addr local, remote;
	uint8_t quoted[8];
	bool is_hard;
	uint32_t mtu;
	uint32_t count;
};

struct fake {
	struct net *net;
	struct fake_port ports[2];
	struct port *port_list[2];
	struct wheel wheel;
	struct random_source random;
	struct counters counters;
	struct net_config config;
	uint64_t now_us;
	struct rte_mbuf *received[FAKE_KEPT]; // by the upper protocol
	uint32_t received_count, received_bursts;
	struct rte_mbuf *handed[FAKE_KEPT];
	uint32_t handed_to[FAKE_KEPT];
	uint32_t handed_count;
	struct rte_mbuf *excepted[FAKE_KEPT];
	uint32_t excepted_count;
	struct fake_error error;
};

// fake_eal starts EAL once a program.
void fake_eal(void);

// fake_start prepares a fake: port 0 is 192.0.2.1/24, 2001:db8::1/64, MAC 02:00:00:00:00:01; port 1
// is 198.51.100.1/25. Default routes go over 192.0.2.254 and 2001:db8::fe. Change fake->config or
// fake->ports, then call fake_open.
void fake_start(struct fake *fake);

// fake_open makes the net, with upper protocols for TCP and UDP, and forgets its announcements.
void fake_open(struct fake *fake);

// fake_register sets the upper protocol for one protocol number.
void fake_register(struct fake *fake, uint8_t protocol);

// fake_stop frees everything and asserts that no mbuf is missing.
void fake_stop(struct fake *fake);

// fake_clear frees what was sent, received, handed and excepted.
void fake_clear(struct fake *fake);

// fake_run moves the clock forward by us, in steps of the wheel, and flushes.
void fake_run(struct fake *fake, uint64_t us);

// fake_mbuf returns an mbuf with a copy of bytes; fake_input gives such a frame to port 0.
struct rte_mbuf *fake_mbuf(const void *at, size_t bytes);
void fake_input(struct fake *fake, const void *at, size_t bytes);

// fake_addr parses an address.
struct addr fake_addr(const char *text);

// fake_sum is an independent Internet checksum over bytes bytes, started with sum, not inverted.
uint32_t fake_sum(uint32_t sum, const uint8_t *at, size_t bytes);

// fake_l4_sum is the folded sum of a transport with its pseudo header: 0xffff when right.
uint16_t fake_l4_sum(const struct addr *source, const struct addr *destination, uint8_t protocol,
		     const uint8_t *at, size_t bytes);

// fake_ip builds an Ethernet frame to port 0 around l4 and returns its size; room is 2000 bytes. It
// fills in IPv4's checksum and, for TCP, UDP and ICMP, the transport checksum.
size_t fake_ip(uint8_t *frame, const struct addr *source, const struct addr *destination,
	       uint8_t protocol, struct slice l4);

// fake_tcp fills a 20-byte TCP header.
void fake_tcp(uint8_t header[20], uint16_t source_port, uint16_t destination_port);

// fake_learn makes net know addr's MAC (02:00:00:00:00:99) by asking and answering.
void fake_learn(struct fake *fake, const char *addr);

// fake_answer_arp and fake_answer_nd answer a question about addr with mac.
void fake_answer_arp(struct fake *fake, const char *addr, const uint8_t mac[6]);
void fake_answer_nd(struct fake *fake, const char *addr, const uint8_t mac[6]);

// fake_send sends a TCP packet of bytes payload bytes to remote; returns net_output's result.
int fake_send(struct fake *fake, const char *local, const char *remote, uint16_t bytes,
	      uint16_t segment_bytes);

// fake_count is the value of a counter.
uint64_t fake_count(const struct fake *fake, enum counter counter);
