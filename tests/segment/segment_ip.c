// SPDX-License-Identifier: Apache-2.0
// IP and address resolution of the scripts' peer; see segment_ip.h and segment_frame.h.
#include "segment_ip.h"

#include "check.h"

#include <string.h>

#define ETHERNET 14u

void segment_put(uint8_t *at, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

uint32_t segment_get(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

uint32_t segment_ip_add(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

uint16_t segment_ip_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

uint32_t segment_ip_offset(const struct segment_ends *ends)
{
	return ETHERNET + (ends->is_v6 ? 40 : 20);
}

uint32_t segment_ip_put(const struct segment_ends *ends, const struct segment_ip *ip, uint8_t *out)
{
	memcpy(out, ends->our_mac, 6);
	memcpy(out + 6, ends->peer_mac, 6);
	segment_put(out + 12, ends->is_v6 ? 0x86dd : 0x0800, 2);
	uint8_t *at = out + ETHERNET;
	uint8_t ttl = ip->ttl ? ip->ttl : 64;
	if (ends->is_v6) {
		segment_put(at, 6u << 28 | (uint32_t)ip->ecn << 20, 4);
		segment_put(at + 4, ip->bytes, 2);
		segment_put(at + 6, (uint32_t)ip->protocol << 8 | ttl, 2);
		memcpy(at + 8, ends->peer_v6, 16);
		memcpy(at + 24, ends->our_v6, 16);
		return ETHERNET + 40 + ip->bytes;
	}
	segment_put(at, 0x4500u << 16 | (uint32_t)ip->ecn << 16 | (20 + ip->bytes), 4);
	segment_put(at + 4, 0x4000, 4); // identification 0, DF
	segment_put(at + 8, (uint32_t)ttl << 24 | (uint32_t)ip->protocol << 16, 4);
	memcpy(at + 12, ends->peer_v4, 4);
	memcpy(at + 16, ends->our_v4, 4);
	segment_put(at + 10, segment_ip_fold(segment_ip_add(0, at, 20)), 2);
	return ETHERNET + 20 + ip->bytes;
}

bool segment_ip_get(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
		    struct segment_ip *ip)
{
	uint32_t type = ends->is_v6 ? 0x86dd : 0x0800;
	uint32_t offset = segment_ip_offset(ends);
	if (bytes < offset || segment_get(at + 12, 2) != type)
		return false;
	const uint8_t *header = at + ETHERNET;
	*ip = (struct segment_ip){.protocol = ends->is_v6 ? header[6] : header[9]};
	if (ends->is_v6) {
		ip->bytes = segment_get(header + 4, 2);
		ip->ttl = header[7];
		ip->ecn = (header[1] >> 4) & 3;
	} else {
		CHECK(header[0] == 0x45 && segment_ip_fold(segment_ip_add(0, header, 20)) == 0);
		ip->bytes = segment_get(header + 2, 2) - 20;
		ip->ttl = header[8];
		ip->ecn = header[1] & 3;
		ip->has_df = header[6] & 0x40;
	}
	return ip->bytes <= bytes - offset;
}

uint16_t segment_ip_checksum(const struct segment_ends *ends, const struct segment_ip *ip,
			     const uint8_t *at, bool is_from_peer)
{
	uint32_t sum = ip->protocol + ip->bytes;
	if (ends->is_v6) {
		sum = segment_ip_add(sum, is_from_peer ? ends->peer_v6 : ends->our_v6, 16);
		sum = segment_ip_add(sum, is_from_peer ? ends->our_v6 : ends->peer_v6, 16);
	} else {
		sum = segment_ip_add(sum, is_from_peer ? ends->peer_v4 : ends->our_v4, 4);
		sum = segment_ip_add(sum, is_from_peer ? ends->our_v4 : ends->peer_v4, 4);
	}
	for (uint32_t done = 0; done < ip->bytes; done += 1024)
		sum = segment_ip_add(sum, at + done, MIN(ip->bytes - done, 1024u));
	return segment_ip_fold(sum);
}

static uint32_t answer_arp(const struct segment_ends *ends, const uint8_t *at, uint8_t *out)
{
	if (segment_get(at + 20, 2) != 1 || memcmp(at + 38, ends->peer_v4, 4) != 0)
		return 0;
	memcpy(out, at, 42);
	memcpy(out, at + 6, 6);
	memcpy(out + 6, ends->peer_mac, 6);
	segment_put(out + 20, 2, 2);
	memcpy(out + 22, ends->peer_mac, 6);
	memcpy(out + 28, ends->peer_v4, 4);
	memcpy(out + 32, at + 22, 10);
	return 42;
}

static uint32_t answer_solicitation(const struct segment_ends *ends, uint8_t *out)
{
	uint8_t *at = out + ETHERNET + 40;
	memset(at, 0, 32);
	at[0] = 136;
	at[4] = 0x60; // solicited, override
	memcpy(at + 8, ends->peer_v6, 16);
	segment_put(at + 24, 2 << 8 | 1, 2);
	memcpy(at + 26, ends->peer_mac, 6);
	struct segment_ip ip = {.protocol = 58, .ttl = 255, .bytes = 32};
	segment_put(at + 2, segment_ip_checksum(ends, &ip, at, true), 2);
	return segment_ip_put(ends, &ip, out);
}

uint32_t segment_frame_resolve(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			       uint8_t *out)
{
	uint32_t type = segment_get(at + 12, 2);
	if (type == 0x0806 && bytes >= 42)
		return answer_arp(ends, at, out);
	bool is_solicitation = type == 0x86dd && bytes >= 78 && at[20] == 58 && at[54] == 135 &&
			       memcmp(at + 62, ends->peer_v6, 16) == 0;
	return is_solicitation && ends->is_v6 ? answer_solicitation(ends, out) : 0;
}
