// SPDX-License-Identifier: Apache-2.0
// ICMP errors of the scripts' peer and of ours (RFC 792, RFC 4443); see segment_frame.h.
#include "segment_ip.h"

#include "check.h"

#include <string.h>

struct error {
	const char *name;
	uint8_t type4, code4, type6, code6; // type 0: the family has none
};

static const struct error errors[] = {
	{"net", 3, 0, 1, 0},          {"host", 3, 1, 1, 3},        {"protocol", 3, 2, 4, 1},
	{"port", 3, 3, 1, 4},         {"too-big", 3, 4, 2, 0},     {"admin", 3, 13, 1, 1},
	{"time", 11, 0, 3, 0},        {"parameter", 12, 0, 4, 0},  {"quench", 4, 0, 0, 0},
	{"route-failed", 3, 5, 0, 0}, {"reassembly", 11, 1, 3, 1}, {"option", 0, 0, 4, 2},
	{"chain", 0, 0, 4, 3},
};

// put_quoted writes our packet's IP header and the first 8 bytes of TCP, as a router quotes it;
// returns its length.
static uint32_t put_quoted(const struct segment_ends *ends, const struct segment_icmp *icmp,
			   uint8_t *at)
{
	uint8_t frame[14 + 40];
	struct segment_ends turned = *ends;
	memcpy(turned.peer_v4, ends->our_v4, 4);
	memcpy(turned.our_v4, ends->peer_v4, 4);
	memcpy(turned.peer_v6, ends->our_v6, 16);
	memcpy(turned.our_v6, ends->peer_v6, 16);
	struct segment_ip ip = {.protocol = 6, .bytes = 1000};
	segment_ip_put(&turned, &ip, frame);
	uint32_t bytes = segment_ip_offset(ends) - 14;
	memcpy(at, frame + 14, bytes);
	segment_put(at + bytes, icmp->our_port, 2);
	segment_put(at + bytes + 2, icmp->peer_port, 2);
	segment_put(at + bytes + 4, icmp->seq, 4);
	return bytes + 8;
}

uint32_t segment_frame_icmp(const struct segment_ends *ends, const struct segment_icmp *icmp,
			    uint8_t *out)
{
	const struct error *error = NULL;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (strcmp(errors[i].name, icmp->error) == 0)
			error = &errors[i];
	if (!error || (ends->is_v6 ? error->type6 : error->type4) == 0)
		return 0;
	uint8_t *at = out + segment_ip_offset(ends);
	memset(at, 0, 8);
	at[0] = ends->is_v6 ? error->type6 : error->type4;
	at[1] = ends->is_v6 ? error->code6 : error->code4;
	if (ends->is_v6)
		segment_put(at + 4, icmp->mtu, 4);
	else
		segment_put(at + 6, icmp->mtu, 2);
	struct segment_ip ip = {.protocol = ends->is_v6 ? 58 : 1};
	ip.bytes = 8 + put_quoted(ends, icmp, at + 8);
	uint16_t sum = ends->is_v6 ? segment_ip_checksum(ends, &ip, at, true)
				   : segment_ip_fold(segment_ip_add(0, at, ip.bytes));
	segment_put(at + 2, sum, 2);
	return segment_ip_put(ends, &ip, out);
}

static const char *name_of(bool is_v6, uint8_t type, uint8_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		const struct error *error = &errors[i];
		if (is_v6 ? error->type6 == type && error->code6 == code
			  : error->type4 == type && error->code4 == code)
			return error->name;
	}
	return "unknown";
}

// is_quoting tells whether an error's quotation is of a packet from the peer to us.
static bool is_quoting(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes)
{
	if (ends->is_v6)
		return bytes >= 40 && memcmp(at + 8, ends->peer_v6, 16) == 0 &&
		       memcmp(at + 24, ends->our_v6, 16) == 0;
	return bytes >= 28 && memcmp(at + 12, ends->peer_v4, 4) == 0 &&
	       memcmp(at + 16, ends->our_v4, 4) == 0;
}

bool segment_frame_icmp_read(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			     struct segment_frame *frame)
{
	struct segment_ip ip;
	*frame = (struct segment_frame){0};
	if (!segment_ip_get(ends, at, bytes, &ip) || ip.protocol != (ends->is_v6 ? 58 : 1) ||
	    ip.bytes < 8)
		return false;
	const uint8_t *icmp = at + segment_ip_offset(ends);
	bool is_error =
		ends->is_v6 ? icmp[0] < 128 : icmp[0] == 3 || icmp[0] == 11 || icmp[0] == 12;
	if (!is_error)
		return false;
	uint32_t sum = ends->is_v6 ? segment_ip_checksum(ends, &ip, icmp, false)
				   : segment_ip_fold(segment_ip_add(0, icmp, ip.bytes));
	frame->is_checksum_good = sum == 0 && is_quoting(ends, icmp + 8, ip.bytes - 8);
	frame->icmp = name_of(ends->is_v6, icmp[0], icmp[1]);
	return true;
}
