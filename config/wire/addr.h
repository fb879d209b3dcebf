// SPDX-License-Identifier: Apache-2.0
// Addresses: binary and text. IPv4 is kept in its IPv4-mapped form (RFC 4291 2.5.5.2), so one type
// and one comparison serve both families.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ADDR_TEXT_BYTES 64u // "[v6]:port" or "v4/len" with its NUL fits

struct addr {
	uint8_t bytes[16]; // network order
};

struct prefix {
	struct addr addr;
	uint8_t bits; // 0..128; an IPv4 /24 is kept as 96 + 24
	uint8_t reserved[3];
};

struct endpoint_addr {
	struct addr addr;
	uint16_t port; // host order
	uint16_t reserved;
};

// addr_v4 makes an address from four network-order bytes.
struct addr addr_v4(const uint8_t bytes[4]);

// addr_v6 makes an address from sixteen network-order bytes.
struct addr addr_v6(const uint8_t bytes[16]);

// addr_is_v4 is true for the IPv4-mapped form.
static inline bool addr_is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(a->bytes, mapped, 12) == 0;
}

// addr_v4_bytes borrows the four bytes of an IPv4 address.
static inline const uint8_t *addr_v4_bytes(const struct addr *a)
{
	return a->bytes + 12;
}

// addr_equal compares.
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->bytes, b->bytes, 16) == 0;
}

// addr_is_zero is true for :: and for 0.0.0.0.
bool addr_is_zero(const struct addr *a);

// addr_client_bytes returns how many of the first bytes of an address tell one client's network
// from another's: an IPv4 /24, an IPv6 /56.
static inline uint32_t addr_client_bytes(const struct addr *a)
{
	return addr_is_v4(a) ? 15 : 7;
}

// prefix_contains is true when the first prefix->bits bits of a are those of the prefix.
bool prefix_contains(const struct prefix *prefix, const struct addr *a);

// addr_parse reads "192.0.2.1" or "2001:db8::1". Returns 0 or EINVAL (out unchanged).
int addr_parse(const char *text, struct addr *out);

// prefix_parse reads "ADDR/LEN" (ADDR alone is a host prefix); the address keeps its host bits.
// Returns 0 or EINVAL.
int prefix_parse(const char *text, struct prefix *out);

// endpoint_addr_parse reads "192.0.2.1:80" or "[2001:db8::1]:80". Returns 0 or EINVAL.
int endpoint_addr_parse(const char *text, struct endpoint_addr *out);

// addr_text writes a as text into out (ADDR_TEXT_BYTES) and returns out.
char *addr_text(const struct addr *a, char out[ADDR_TEXT_BYTES]);

// endpoint_addr_text writes "addr:port" into out and returns out.
char *endpoint_addr_text(const struct endpoint_addr *a, char out[ADDR_TEXT_BYTES]);
