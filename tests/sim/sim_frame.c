// SPDX-License-Identifier: Apache-2.0
// Frames seen from between two ends; see sim_frame.h.
#include "sim_frame.h"

#include "big_endian.h"
#include "check.h"

#include <string.h>

#define ETHERNET_BYTES 14u
#define IP4_BYTES      20u
#define IP6_BYTES      40u
#define ICMP_BYTES     8u
#define QUOTED_BYTES   28u // of the transport: ports, sequence numbers and more

// sum_of adds the 16-bit words of an even number of bytes.
static uint32_t sum_of(const uint8_t *at, uint32_t bytes)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < bytes; i += 2)
		sum += get16(at + i);
	return sum;
}

// checksum_of folds and inverts a sum.
static uint32_t checksum_of(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
}

static bool is_ip4(const uint8_t *frame, uint32_t bytes)
{
	return bytes >= ETHERNET_BYTES + IP4_BYTES && get16(frame + 12) == 0x0800 &&
	       frame[14] == 0x45;
}

static bool is_ip6(const uint8_t *frame, uint32_t bytes)
{
	return bytes >= ETHERNET_BYTES + IP6_BYTES && get16(frame + 12) == 0x86dd;
}

uint8_t *sim_frame_tcp(uint8_t *frame, uint32_t bytes, uint32_t *segment_bytes)
{
	uint32_t at = 0, length = 0;
	if (is_ip4(frame, bytes) && frame[23] == 6 && (get16(frame + 20) & 0x3fff) == 0) {
		at = ETHERNET_BYTES + IP4_BYTES;
		length = get16(frame + 16) - IP4_BYTES;
	} else if (is_ip6(frame, bytes) && frame[20] == 6) {
		at = ETHERNET_BYTES + IP6_BYTES;
		length = get16(frame + 18);
	}
	if (at == 0 || length < TCP_HEADER_BYTES || length > bytes - at ||
	    (frame[at + 12] >> 4) * 4u < TCP_HEADER_BYTES || (frame[at + 12] >> 4) * 4u > length)
		return NULL;
	if (segment_bytes)
		*segment_bytes = length;
	return frame + at;
}

// blank overwrites options of the unwanted kinds with padding.
static void blank(uint8_t *tcp, uint32_t header_bytes, const bool is_unwanted[256])
{
	for (uint32_t at = TCP_HEADER_BYTES; at < header_bytes && tcp[at] != 0;) {
		uint32_t bytes = tcp[at] == 1 ? 1 : tcp[at + 1];
		if (bytes == 0 || at + bytes > header_bytes)
			return;
		if (is_unwanted[tcp[at]])
			memset(tcp + at, 1, bytes);
		at += bytes;
	}
}

void sim_frame_strip(uint8_t *frame, uint32_t bytes, const bool is_unwanted[256])
{
	uint8_t *tcp = sim_frame_tcp(frame, bytes, NULL);
	if (!tcp || !(tcp[13] & TCP_SYN))
		return;
	uint32_t header_bytes = (tcp[12] >> 4) * 4u;
	uint32_t before = sum_of(tcp, header_bytes) - get16(tcp + 16);
	blank(tcp, header_bytes, is_unwanted);
	uint32_t after = sum_of(tcp, header_bytes) - get16(tcp + 16);
	// RFC 1624: what the sum was, without the old words and with the new ones
	uint32_t sum = (~get16(tcp + 16) & 0xffff) + after;
	sum += 0xffffu * ((before >> 16) + 2) - before;
	put16(tcp + 16, checksum_of((sum & 0xffff) + (sum >> 16)));
}

static uint32_t too_big4(const uint8_t *frame, uint32_t mtu, uint8_t *ip)
{
	uint32_t icmp_bytes = ICMP_BYTES + IP4_BYTES + QUOTED_BYTES;
	uint8_t *icmp = ip + IP4_BYTES;
	static const uint8_t router[4] = {10, 0, 0, 254};
	memcpy(ip, (uint8_t[]){0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1}, 10);
	put16(ip + 2, IP4_BYTES + icmp_bytes);
	memcpy(ip + 12, router, 4);
	memcpy(ip + 16, frame + ETHERNET_BYTES + 12, 4);
	put16(ip + 10, checksum_of(sum_of(ip, IP4_BYTES)));
	icmp[0] = 3; // unreachable: fragmentation needed
	icmp[1] = 4;
	put16(icmp + 6, mtu);
	memcpy(icmp + ICMP_BYTES, frame + ETHERNET_BYTES, IP4_BYTES + QUOTED_BYTES);
	put16(icmp + 2, checksum_of(sum_of(icmp, icmp_bytes)));
	return IP4_BYTES + icmp_bytes;
}

static uint32_t too_big6(const uint8_t *frame, uint32_t mtu, uint8_t *ip)
{
	uint32_t icmp_bytes = ICMP_BYTES + IP6_BYTES + QUOTED_BYTES;
	uint8_t *icmp = ip + IP6_BYTES;
	static const uint8_t router[16] = {0xfd, [15] = 0xfe};
	ip[0] = 0x60;
	put16(ip + 4, icmp_bytes);
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, router, 16);
	memcpy(ip + 24, frame + ETHERNET_BYTES + 8, 16);
	icmp[0] = 2;
	put16(icmp + 6, mtu);
	memcpy(icmp + ICMP_BYTES, frame + ETHERNET_BYTES, IP6_BYTES + QUOTED_BYTES);
	uint32_t pseudo = sum_of(ip + 8, 32) + icmp_bytes + 58;
	put16(icmp + 2, checksum_of(pseudo + sum_of(icmp, icmp_bytes)));
	return IP6_BYTES + icmp_bytes;
}

uint32_t sim_frame_too_big(const uint8_t *frame, uint32_t bytes, uint32_t mtu, uint8_t *answer)
{
	bool is_v4 = is_ip4(frame, bytes);
	if ((!is_v4 && !is_ip6(frame, bytes)) || bytes < ETHERNET_BYTES + IP6_BYTES + QUOTED_BYTES)
		return 0;
	memset(answer, 0, SIM_FRAME_TOO_BIG_BYTES);
	memcpy(answer, frame + 6, 6);
	memcpy(answer + 6, (uint8_t[]){2, 0, 0, 0, 0, 0xfe}, 6);
	memcpy(answer + 12, frame + 12, 2);
	uint8_t *ip = answer + ETHERNET_BYTES;
	return ETHERNET_BYTES + (is_v4 ? too_big4(frame, mtu, ip) : too_big6(frame, mtu, ip));
}

uint32_t sim_frame_cut(const uint8_t *frame, uint32_t bytes, const struct sim_fragment *fragment)
{
	if (!is_ip4(frame, bytes))
		return 0;
	const uint8_t *whole = frame + ETHERNET_BYTES;
	uint32_t header_bytes = (whole[0] & 15u) * 4;
	uint32_t payload_bytes = (uint32_t)(whole[2] << 8 | whole[3]) - header_bytes;
	uint32_t part_bytes = (fragment->mtu - header_bytes) & ~7u;
	uint32_t first = fragment->index * part_bytes;
	if (first >= payload_bytes)
		return 0;
	part_bytes = MIN(part_bytes, payload_bytes - first);
	bool has_more = first + part_bytes < payload_bytes;
	uint8_t *ip = fragment->frame + ETHERNET_BYTES;
	memcpy(fragment->frame, frame, ETHERNET_BYTES + header_bytes);
	memcpy(ip + header_bytes, whole + header_bytes + first, part_bytes);
	put16(ip + 2, header_bytes + part_bytes);
	put16(ip + 4, fragment->id);
	put16(ip + 6, first / 8 | (has_more ? 0x2000u : 0));
	put16(ip + 10, 0);
	put16(ip + 10, checksum_of(sum_of(ip, header_bytes)));
	return ETHERNET_BYTES + header_bytes + part_bytes;
}

void sim_frame_print(FILE *out, uint8_t *frame, uint32_t bytes)
{
	struct tcp_segment segment;
	uint32_t segment_bytes;
	const uint8_t *tcp = sim_frame_tcp(frame, bytes, &segment_bytes);
	if (!tcp || !tcp_segment_parse(tcp, segment_bytes, &segment))
		return;
	static const char letters[] = "FSRP.U";
	char flags[sizeof(letters)] = {0};
	for (unsigned bit = 0, at = 0; bit < sizeof(letters) - 1; bit++)
		if (segment.flags & 1u << bit)
			flags[at++] = letters[bit];
	fprintf(out, "%u>%u v%c %u-%u [%s] seq %u +%u ack %u win %u", frame[11], frame[5],
		frame[12] == 0x08 ? '4' : '6', segment.source_port, segment.destination_port, flags,
		segment.seq.value, segment_bytes - segment.header_bytes, segment.ack.value,
		segment.window);
	for (unsigned i = 0; i < segment.sack_count; i++)
		fprintf(out, " sack %u-%u", segment.sack[i].start.value, segment.sack[i].end.value);
	fprintf(out, "\n");
}

// mark_v4 sets CE and mends the header's checksum (RFC 1624).
static void mark_v4(uint8_t *header)
{
	uint32_t sum = (uint16_t) ~(header[10] << 8 | header[11]);
	sum += 3u - (header[1] & 3u);
	sum = (sum & 0xffff) + (sum >> 16);
	header[1] |= 3;
	header[10] = (uint8_t)(~sum >> 8);
	header[11] = (uint8_t)~sum;
}

bool sim_frame_mark(uint8_t *frame)
{
	uint8_t *header = frame + 14;
	bool is_v4 = frame[12] == 0x08 && frame[13] == 0x00;
	bool is_v6 = frame[12] == 0x86 && frame[13] == 0xdd;
	unsigned ecn = is_v4 ? header[1] & 3u : header[1] >> 4 & 3u;
	if (!(is_v4 || is_v6) || ecn == 0)
		return false;
	if (is_v4)
		mark_v4(header);
	else
		header[1] |= 0x30;
	return true;
}
