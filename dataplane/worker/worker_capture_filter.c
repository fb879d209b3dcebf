// SPDX-License-Identifier: Apache-2.0
// What a capture asks for, and which frames have it; see worker_capture.h. Pure: strangers' frames
// are read within their bytes.
#include "worker_capture.h"

#include "bytes.h"
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_ether.h>

// read_number reads a decimal number from 1 to most.
static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && !*end && text[0] != '-' && *out > 0 && *out <= most;
}

// read_flow reads "A:P-B:P".
static bool read_flow(char *text, struct capture_filter *filter)
{
	char *second = strchr(text, '-');
	if (!second)
		return false;
	*second++ = 0;
	filter->has_flow = true;
	return endpoint_addr_parse(text, &filter->ends[0]) == 0 &&
	       endpoint_addr_parse(second, &filter->ends[1]) == 0;
}

// read_bound reads one of the numbers. NULL, or what is wrong.
static const char *read_bound(struct capture_request *request, const char *key, const char *value)
{
	uint64_t number;
	if (strcmp(key, "port") == 0 && read_number(value, UINT16_MAX, &number)) {
		request->filter.port = (uint16_t)number;
		return NULL;
	}
	if (strcmp(key, "snap") == 0 && read_number(value, CAPTURE_SNAP_MAX, &number)) {
		request->snap = (uint32_t)number;
		return NULL;
	}
	if (strcmp(key, "seconds") == 0 &&
	    read_number(value, CAPTURE_SECONDS_MAX, &request->seconds))
		return NULL;
	if (strcmp(key, "packets") == 0 && read_number(value, UINT64_MAX, &request->packets))
		return NULL;
	if (strcmp(key, "bytes") == 0 && read_number(value, UINT64_MAX, &request->bytes))
		return NULL;
	return "a number is wanted: port up to 65535, seconds to 3600, snap to 9216, packets, "
	       "bytes";
}

static const char *read_pair(struct capture_request *request, const char *key, char *value)
{
	if (strcmp(key, "flow") == 0)
		return read_flow(value, &request->filter) ? NULL : "a flow is ADDR:PORT-ADDR:PORT";
	if (strcmp(key, "host") != 0)
		return read_bound(request, key, value);
	return prefix_parse(value, &request->filter.host) == 0 ? NULL : "a host is ADDR[/BITS]";
}

const char *capture_request_parse(const char *text, struct capture_request *request)
{
	char words[CAPTURE_REQUEST_MAX];
	char *rest = NULL;
	*request = (struct capture_request){
		.seconds = CAPTURE_SECONDS,
		.packets = CAPTURE_PACKETS,
		.bytes = CAPTURE_BYTES,
		.snap = CAPTURE_SNAP,
	};
	if (snprintf(words, sizeof(words), "%s", text) >= (int)sizeof(words))
		return "the request is too long";
	for (char *key = strtok_r(words, " ", &rest); key; key = strtok_r(NULL, " ", &rest)) {
		char *value = strchr(key, '=');
		if (!value)
			return "key=value is wanted";
		*value++ = 0;
		const char *why = read_pair(request, key, value);
		if (why)
			return why;
	}
	return NULL;
}

// Who talks to whom in a frame.
struct talk {
	struct addr from, to;
	uint16_t from_port, to_port; // 0 = none
};

// read_ports reads the ports of TCP or UDP, where they are there.
static void read_ports(struct talk *talk, uint8_t protocol, struct bytes_reader *in)
{
	if (protocol != NET_PROTOCOL_TCP && protocol != NET_PROTOCOL_UDP)
		return;
	talk->from_port = bytes_u16(in);
	talk->to_port = bytes_u16(in);
}

static struct addr read_v4(struct bytes_reader *in)
{
	const uint8_t *bytes = bytes_take(in, 4);
	return bytes ? addr_v4(bytes) : (struct addr){0};
}

static struct addr read_v6(struct bytes_reader *in)
{
	const uint8_t *bytes = bytes_take(in, 16);
	return bytes ? addr_v6(bytes) : (struct addr){0};
}

static void read_ip4(struct talk *talk, struct bytes_reader *in)
{
	unsigned header_bytes = (bytes_u8(in) & 0xfu) * 4u;
	bytes_take(in, 5);
	unsigned fragment = bytes_u16(in) & 0x1fffu;
	bytes_take(in, 1);
	uint8_t protocol = bytes_u8(in);
	bytes_take(in, 2);
	talk->from = read_v4(in);
	talk->to = read_v4(in);
	bytes_take(in, header_bytes > 20 ? header_bytes - 20 : 0);
	if (fragment == 0)
		read_ports(talk, protocol, in);
}

// read_ip6 looks at no extension headers: ports behind them are not seen.
static void read_ip6(struct talk *talk, struct bytes_reader *in)
{
	bytes_take(in, 6);
	uint8_t protocol = bytes_u8(in);
	bytes_take(in, 1);
	talk->from = read_v6(in);
	talk->to = read_v6(in);
	read_ports(talk, protocol, in);
}

static void read_arp(struct talk *talk, struct bytes_reader *in)
{
	bytes_take(in, 14);
	talk->from = read_v4(in);
	bytes_take(in, 6);
	talk->to = read_v4(in);
}

// read_talk reads what it can; what is missing or cut short stays zero.
static struct talk read_talk(const uint8_t *frame, size_t bytes)
{
	struct talk talk = {0};
	struct bytes_reader in = bytes_read_from(frame, bytes);
	bytes_take(&in, 12);
	uint16_t type = bytes_u16(&in);
	if (type == RTE_ETHER_TYPE_VLAN) {
		bytes_take(&in, 2);
		type = bytes_u16(&in);
	}
	if (type == RTE_ETHER_TYPE_IPV4)
		read_ip4(&talk, &in);
	else if (type == RTE_ETHER_TYPE_IPV6)
		read_ip6(&talk, &in);
	else if (type == RTE_ETHER_TYPE_ARP)
		read_arp(&talk, &in);
	return talk;
}

// is_between is true when talk goes from a to b.
static bool is_between(const struct talk *talk, const struct endpoint_addr *a,
		       const struct endpoint_addr *b)
{
	return addr_equal(&talk->from, &a->addr) && talk->from_port == a->port &&
	       addr_equal(&talk->to, &b->addr) && talk->to_port == b->port;
}

bool capture_matches(const struct capture_filter *filter, const uint8_t *frame, size_t bytes)
{
	if (filter->host.bits == 0 && filter->port == 0 && !filter->has_flow)
		return true;
	struct talk talk = read_talk(frame, bytes);
	const struct endpoint_addr *ends = filter->ends;
	if (filter->port && talk.from_port != filter->port && talk.to_port != filter->port)
		return false;
	if (filter->host.bits && !prefix_contains(&filter->host, &talk.from) &&
	    !prefix_contains(&filter->host, &talk.to))
		return false;
	return !filter->has_flow || is_between(&talk, &ends[0], &ends[1]) ||
	       is_between(&talk, &ends[1], &ends[0]);
}
