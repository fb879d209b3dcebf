// SPDX-License-Identifier: Apache-2.0
// Frames that attack; see attack_frame.h.
#include "attack_frame.h"

#include "big_endian.h"

#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static uint32_t draw(struct attack *attack)
{
	uint64_t x = attack->random += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(x >> 32);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t sum(const uint8_t *at, size_t bytes, uint32_t total)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		total += (uint32_t)(at[i] << 8 | at[i + 1]);
	return bytes % 2 ? total + (uint32_t)(at[bytes - 1] << 8) : total;
}

static uint32_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

// mac makes a station's address from a number; never a group.
static void mac(uint8_t *at, uint32_t number)
{
	at[0] = 0x02;
	at[1] = 0xa7;
	put32(at + 2, number);
}

static uint8_t *ether(struct attack *attack, uint8_t *frame, uint16_t type)
{
	memcpy(frame, attack->to_mac, 6);
	mac(frame + 6, draw(attack) % 64);
	put16(frame + 12, type);
	return frame + 14;
}

static size_t addr_bytes(const struct attack_end *end)
{
	return end->is_v6 ? 16 : 4;
}

// spoof makes an address that may be anybody's: 198.18.0.0/15, or below 2001:db8:bad::/48.
static struct attack_end spoof(struct attack *attack)
{
	struct attack_end end = {.is_v6 = attack->target.is_v6};
	static const uint8_t prefix[8] = {0x20, 0x01, 0x0d, 0xb8, 0x0b, 0xad};
	put32(end.addr, 0xc6120000 | draw(attack) % (1 << 17));
	if (end.is_v6) {
		memcpy(end.addr, prefix, 8);
		put32(end.addr + 6, draw(attack));
		put32(end.addr + 12, draw(attack));
	}
	end.port = (uint16_t)(1024 + draw(attack) % 60000);
	return end;
}

// ip writes an IP header for bytes bytes behind it; returns where they begin.
static uint8_t *ip(struct attack *attack, uint8_t *at, const struct attack_end *from,
		   uint32_t protocol_and_bytes)
{
	const struct attack_end *to = &attack->target;
	uint32_t bytes = protocol_and_bytes & 0xffff, protocol = protocol_and_bytes >> 16;
	if (to->is_v6) {
		memset(at, 0, 40);
		at[0] = 0x60;
		put16(at + 4, bytes);
		at[6] = (uint8_t)protocol;
		at[7] = 255;
		memcpy(at + 8, from->addr, 16);
		memcpy(at + 24, to->addr, 16);
		return at + 40;
	}
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, bytes + 20);
	put16(at + 4, draw(attack));
	at[8] = 64;
	at[9] = (uint8_t)protocol;
	memcpy(at + 12, from->addr, 4);
	memcpy(at + 16, to->addr, 4);
	put16(at + 10, fold(sum(at, 20, 0)));
	return at + 20;
}

#define IP(protocol, bytes) ((uint32_t)(protocol) << 16 | (uint32_t)(bytes))

static void checksum(struct attack *attack, const struct attack_end *from, uint8_t *at,
		     uint32_t protocol_and_bytes)
{
	uint32_t bytes = protocol_and_bytes & 0xffff, protocol = protocol_and_bytes >> 16;
	size_t field = protocol == 6 ? 16 : 2;
	uint32_t total = 0;
	put16(at + field, 0);
	if (protocol != 1) {
		total = sum(from->addr, addr_bytes(from), protocol + bytes);
		total = sum(attack->target.addr, addr_bytes(&attack->target), total);
	}
	put16(at + field, fold(sum(at, bytes, total)));
}

struct segment {
	uint32_t seq, ack;
	uint8_t flags;
	uint8_t options[40];
	uint8_t option_bytes; // a multiple of 4
	uint8_t data_bytes;
};

static size_t tcp(struct attack *attack, uint8_t *frame, const struct attack_end *from,
		  const struct segment *segment)
{
	uint32_t header = 20u + segment->option_bytes;
	uint32_t bytes = header + segment->data_bytes;
	uint8_t *at = ether(attack, frame, attack->target.is_v6 ? 0x86dd : 0x0800);
	at = ip(attack, at, from, IP(6, bytes));
	put16(at, from->port);
	put16(at + 2, attack->target.port);
	put32(at + 4, segment->seq);
	put32(at + 8, segment->ack);
	at[12] = (uint8_t)(header << 2);
	at[13] = segment->flags;
	put16(at + 14, 0xffff);
	put32(at + 16, 0);
	memcpy(at + 20, segment->options, segment->option_bytes);
	memset(at + header, 'A', segment->data_bytes);
	checksum(attack, from, at, IP(6, bytes));
	return (size_t)(at + bytes - frame);
}

static size_t build_syn(struct attack *attack, uint8_t *frame)
{
	static const uint8_t options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1,
					    2, 3, 0, 0,    0, 0, 1, 3,  3, 7};
	struct attack_end from = spoof(attack);
	struct segment segment = {.seq = draw(attack), .flags = TCP_SYN, .option_bytes = 20};
	memcpy(segment.options, options, 20);
	return tcp(attack, frame, &from, &segment);
}

// add_timestamp makes a segment one that a connection with timestamps looks at (RFC 7323 3.2).
static void add_timestamp(struct segment *segment, uint32_t value)
{
	uint8_t *at = segment->options + segment->option_bytes;
	memcpy(at, (const uint8_t[]){1, 1, 8, 10}, 4);
	put32(at + 4, value);
	put32(at + 8, 0);
	segment->option_bytes += 12;
}

// Blind guesses: the addresses and ports are right, the numbers are not known.
static size_t blind(struct attack *attack, uint8_t *frame, uint8_t flags, uint8_t data_bytes)
{
	struct segment segment = {
		.seq = draw(attack), .ack = draw(attack), .flags = flags, .data_bytes = data_bytes};
	if (draw(attack) % 4)
		add_timestamp(&segment, draw(attack));
	return tcp(attack, frame, &attack->source, &segment);
}

static size_t build_rst(struct attack *attack, uint8_t *frame)
{
	return blind(attack, frame, draw(attack) % 2 ? TCP_RST : TCP_RST | TCP_ACK, 0);
}

static size_t build_blind_syn(struct attack *attack, uint8_t *frame)
{
	return blind(attack, frame, TCP_SYN, 0);
}

static size_t build_blind_ack(struct attack *attack, uint8_t *frame)
{
	return blind(attack, frame, TCP_ACK, 0);
}

static size_t build_data(struct attack *attack, uint8_t *frame)
{
	return blind(attack, frame, draw(attack) % 8 ? TCP_ACK : TCP_ACK | TCP_FIN, 100);
}

// Guesses of somebody who sees the connection, and misses on purpose.
static size_t build_near_rst(struct attack *attack, uint8_t *frame)
{
	uint32_t off = 1 + draw(attack) % 4000; // within any window
	struct segment segment = {.seq = attack->expected + off, .flags = TCP_RST};
	return tcp(attack, frame, &attack->source, &segment);
}

static size_t build_near_syn(struct attack *attack, uint8_t *frame)
{
	struct segment segment = {.seq = attack->expected + draw(attack) % 10000, .flags = TCP_SYN};
	if (attack->has_timestamp)
		add_timestamp(&segment, attack->timestamp);
	return tcp(attack, frame, &attack->source, &segment);
}

// build_sack acknowledges nothing new, with blocks all over the place and a timestamp that fits.
static size_t build_sack(struct attack *attack, uint8_t *frame)
{
	struct segment segment = {.seq = attack->expected, .flags = TCP_ACK};
	unsigned blocks = attack->has_timestamp ? 3 : 4;
	// Old enough that it acknowledges nothing the real receiver has not.
	segment.ack = attack->sent - 10000 - draw(attack) % 40000;
	if (attack->has_timestamp)
		add_timestamp(&segment, attack->timestamp);
	uint8_t *at = segment.options + segment.option_bytes;
	memcpy(at, (const uint8_t[]){1, 1, 5, (uint8_t)(2 + 8 * blocks)}, 4);
	at += 4;
	for (unsigned i = 0; i < blocks; i++, at += 8) {
		uint32_t begin = attack->sent - draw(attack) % 200000;
		put32(at, begin);
		put32(at + 4, begin + 1 + draw(attack) % 3000);
	}
	segment.option_bytes = (uint8_t)(at - segment.options);
	return tcp(attack, frame, &attack->source, &segment);
}

// build_fragment: first ones without a rest, rests without a first, tiny and overlapping ones.
static size_t build_fragment(struct attack *attack, uint8_t *frame)
{
	struct attack_end from = spoof(attack);
	uint32_t bytes = 8 * (1 + draw(attack) % 16), offset = draw(attack) % 4 * 2;
	uint8_t *at = ether(attack, frame, attack->target.is_v6 ? 0x86dd : 0x0800);
	if (attack->target.is_v6) {
		at = ip(attack, at, &from, IP(44, bytes + 8));
		put16(at, 6 << 8);
		put16(at + 2, offset << 3 | 1);
		put32(at + 4, draw(attack));
		at += 8;
	} else {
		uint8_t *header = at;
		at = ip(attack, at, &from, IP(6, bytes));
		put16(header + 6, 0x2000 | offset);
		put16(header + 10, 0);
		put16(header + 10, fold(sum(header, 20, 0)));
	}
	memset(at, 'F', bytes);
	return (size_t)(at + bytes - frame);
}

// build_arp asks as a station that is not, or claims source's address.
static size_t build_arp(struct attack *attack, uint8_t *frame)
{
	bool is_claim = draw(attack) % 2;
	uint8_t *at = ether(attack, frame, 0x0806);
	memcpy(at, (const uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	at[7] = is_claim ? 2 : 1;
	mac(at + 8, draw(attack));
	memcpy(at + 14, attack->target.addr, 4);
	put16(at + 16, draw(attack));
	if (is_claim)
		memcpy(at + 14, attack->source.addr, 4);
	memcpy(at + 18, attack->to_mac, 6);
	memcpy(at + 24, attack->target.addr, 4);
	return (size_t)(at + 28 - frame);
}

// build_nd does the same with neighbour solicitations and advertisements (RFC 4861).
static size_t build_nd(struct attack *attack, uint8_t *frame)
{
	bool is_claim = draw(attack) % 2;
	struct attack_end from = is_claim ? attack->source : attack->target;
	if (!is_claim)
		put32(from.addr + 12, draw(attack));
	uint8_t *at = ether(attack, frame, 0x86dd);
	at = ip(attack, at, &from, IP(58, 32));
	memset(at, 0, 32);
	at[0] = is_claim ? 136 : 135;
	at[4] = is_claim ? 0x60 : 0; // solicited, override
	memcpy(at + 8, is_claim ? from.addr : attack->target.addr, 16);
	at[24] = is_claim ? 2 : 1;
	at[25] = 1;
	mac(at + 26, draw(attack));
	checksum(attack, &from, at, IP(58, 32));
	return (size_t)(at + 32 - frame);
}

// build_too_big forges "packet too big" about a packet of the connection that never was.
static size_t build_too_big(struct attack *attack, uint8_t *frame)
{
	struct attack_end from = spoof(attack);
	bool is_v6 = attack->target.is_v6;
	struct attack quoted = *attack;
	uint32_t head = is_v6 ? 40 : 20, bytes = 8 + head + 20;
	uint8_t *at = ether(attack, frame, is_v6 ? 0x86dd : 0x0800);
	at = ip(attack, at, &from, IP(is_v6 ? 58 : 1, bytes));
	memset(at, 0, bytes);
	at[0] = is_v6 ? 2 : 3;
	at[1] = is_v6 ? 0 : 4;
	put32(at + 4, (is_v6 ? 1280 : 68) + draw(attack) % 100);
	quoted.target = attack->source;
	uint8_t *in = ip(&quoted, at + 8, &attack->target, IP(6, 1400));
	put16(in, attack->target.port);
	put16(in + 2, attack->source.port);
	put32(in + 4, draw(attack));
	checksum(attack, &from, at, IP(is_v6 ? 58 : 1, bytes));
	return (size_t)(at + bytes - frame);
}

static const struct {
	const char *name;
	attack_build *build;
	bool is_on_path;
} kinds[] = {
	{"syn", build_syn, false},
	{"rst", build_rst, false},
	{"blind-syn", build_blind_syn, false},
	{"blind-ack", build_blind_ack, false},
	{"data", build_data, false},
	{"near-rst", build_near_rst, true},
	{"near-syn", build_near_syn, true},
	{"sack", build_sack, true},
	{"fragment", build_fragment, false},
	{"arp", build_arp, false},
	{"nd", build_nd, false},
	{"too-big", build_too_big, false},
};

attack_build *attack_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].build;
	return NULL;
}

const char *attack_names(void)
{
	return "syn rst blind-syn blind-ack data near-rst near-syn sack fragment arp nd too-big";
}

bool attack_is_on_path(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].is_on_path;
	return false;
}

void attack_look(struct attack *attack, const uint8_t *frame, size_t bytes)
{
	size_t head = attack->target.is_v6 ? 40 : 20, length = addr_bytes(&attack->target);
	const uint8_t *packet = frame + 14, *segment = packet + head;
	const uint8_t *from = packet + (attack->target.is_v6 ? 8 : 12);
	if (bytes < 14 + head + 20 || packet[attack->target.is_v6 ? 6 : 9] != 6)
		return;
	if (memcmp(from, attack->target.addr, length) != 0 ||
	    memcmp(from + length, attack->source.addr, length) != 0 ||
	    (segment[0] << 8 | segment[1]) != attack->target.port ||
	    (segment[2] << 8 | segment[3]) != attack->source.port)
		return;
	attack->is_seen = true;
	attack->sent = get32(segment + 4);
	attack->expected = get32(segment + 8);
	// Both stacks write NOP NOP timestamp first.
	attack->has_timestamp = segment[12] >> 4 >= 8 && bytes >= 14 + head + 32 &&
				segment[20] == 1 && segment[22] == 8;
	if (attack->has_timestamp)
		attack->timestamp = get32(segment + 28);
}
