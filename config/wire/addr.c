// SPDX-License-Identifier: Apache-2.0
// Addresses: binary and text; see addr.h. IPv6 text is canonical (RFC 5952) by inet_ntop.
#include "addr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct addr addr_v4(const uint8_t bytes[4])
{
	struct addr a = {.bytes = {[10] = 0xff, [11] = 0xff}};
	memcpy(a.bytes + 12, bytes, 4);
	return a;
}

struct addr addr_v6(const uint8_t bytes[16])
{
	struct addr a;
	memcpy(a.bytes, bytes, 16);
	return a;
}

bool addr_is_zero(const struct addr *a)
{
	static const uint8_t zero[16];
	if (addr_is_v4(a))
		return memcmp(a->bytes + 12, zero, 4) == 0;
	return memcmp(a->bytes, zero, 16) == 0;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *a)
{
	uint64_t of_prefix[2], of_a[2];
	memcpy(of_prefix, prefix->addr.bytes, sizeof(of_prefix));
	memcpy(of_a, a->bytes, sizeof(of_a));
	uint64_t high = be64toh(of_prefix[0] ^ of_a[0]), low = be64toh(of_prefix[1] ^ of_a[1]);
	if (prefix->bits <= 64)
		return prefix->bits == 0 || high >> (64 - prefix->bits) == 0;
	return high == 0 && low >> (128 - prefix->bits) == 0;
}

int addr_parse(const char *text, struct addr *out)
{
	uint8_t bytes[16];
	if (inet_pton(AF_INET, text, bytes) == 1)
		*out = addr_v4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*out = addr_v6(bytes);
	else
		return EINVAL;
	return 0;
}

// parse_number reads a decimal number of at most max, the whole of text.
static int parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;
	if (!*text)
		return EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return EINVAL;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return EINVAL;
	}
	*out = value;
	return 0;
}

// copy_text makes a copy that a parser may cut; false when no address is that long.
static bool copy_text(const char *text, char copy[ADDR_TEXT_BYTES])
{
	size_t bytes = strlen(text) + 1;
	if (bytes > ADDR_TEXT_BYTES)
		return false;
	memcpy(copy, text, bytes);
	return true;
}

int prefix_parse(const char *text, struct prefix *out)
{
	char copy[ADDR_TEXT_BYTES];
	if (!copy_text(text, copy))
		return EINVAL;
	char *slash = strchr(copy, '/');
	if (slash)
		*slash = 0;
	struct addr addr;
	if (addr_parse(copy, &addr) != 0)
		return EINVAL;
	unsigned max = addr_is_v4(&addr) ? 32 : 128;
	unsigned bits = max;
	if (slash && parse_number(slash + 1, max, &bits) != 0)
		return EINVAL;
	*out = (struct prefix){.addr = addr, .bits = (uint8_t)(128 - max + bits)};
	return 0;
}

int endpoint_addr_parse(const char *text, struct endpoint_addr *out)
{
	char copy[ADDR_TEXT_BYTES];
	if (!copy_text(text, copy))
		return EINVAL;
	char *colon = strrchr(copy, ':');
	if (!colon)
		return EINVAL;
	*colon = 0;
	char *host = copy;
	if (host[0] == '[') {
		if (colon == copy || colon[-1] != ']')
			return EINVAL;
		colon[-1] = 0;
		host++;
	} else if (strchr(host, ':')) {
		return EINVAL;
	}
	unsigned port;
	struct addr addr;
	if (addr_parse(host, &addr) != 0 || parse_number(colon + 1, 65535, &port) != 0 || port == 0)
		return EINVAL;
	*out = (struct endpoint_addr){.addr = addr, .port = (uint16_t)port};
	return 0;
}

// v4_text writes the four numbers with a NUL: each request says its client's address, and
// inet_ntop prints by format.
static void v4_text(const uint8_t *bytes, char *out)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned number = bytes[i];
		if (number >= 100)
			*out++ = (char)('0' + number / 100);
		if (number >= 10)
			*out++ = (char)('0' + number / 10 % 10);
		*out++ = (char)('0' + number % 10);
		*out++ = i < 3 ? '.' : 0;
	}
}

char *addr_text(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
	if (addr_is_v4(a))
		v4_text(a->bytes + 12, out);
	else
		inet_ntop(AF_INET6, a->bytes, out, ADDR_TEXT_BYTES);
	return out;
}

char *endpoint_addr_text(const struct endpoint_addr *a, char out[ADDR_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN + 1];
	if (addr_is_v4(&a->addr)) {
		inet_ntop(AF_INET, a->addr.bytes + 12, host, sizeof(host));
		snprintf(out, ADDR_TEXT_BYTES, "%s:%u", host, a->port);
	} else {
		inet_ntop(AF_INET6, a->addr.bytes, host, sizeof(host));
		snprintf(out, ADDR_TEXT_BYTES, "[%s]:%u", host, a->port);
	}
	return out;
}
