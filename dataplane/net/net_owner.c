// SPDX-License-Identifier: Apache-2.0
// Which worker owns a flow: the Toeplitz hash that NICs spread by (RSS), with the key 6d5a
// repeated, which makes both directions hash alike. With a key of period 16 the hash is a function
// of the exclusive or of the tuple's 16-bit words, and its two halves are equal: two table reads
// suffice.
#include "net_priv.h"

#define TOEPLITZ_WORD 0x6d5au

static uint16_t rotate(uint32_t word, unsigned bits)
{
	return (uint16_t)(word << bits | word >> (16 - bits));
}

static uint16_t hash_word(uint32_t word)
{
	uint16_t hash = 0;
	for (unsigned bit = 0; bit < 16; bit++)
		if (word & (0x8000u >> bit))
			hash ^= rotate(TOEPLITZ_WORD, bit);
	return hash;
}

void net_owner_init(struct net *net)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		net->toeplitz[0][byte] = hash_word(byte << 8);
		net->toeplitz[1][byte] = hash_word(byte);
	}
}

// fold is the exclusive or of an address's 16-bit words, as they are hashed (four or sixteen
// bytes).
static uint32_t fold(const struct addr *addr)
{
	uint32_t word = 0;
	for (unsigned i = addr_is_v4(addr) ? 12 : 0; i < 16; i += 2)
		word ^= net_get16(addr->bytes + i);
	return word;
}

uint32_t net_flow_hash(const struct net *net, const struct addr *local, uint16_t local_port,
		       const struct addr *remote, uint16_t remote_port)
{
	uint32_t word = fold(local) ^ fold(remote) ^ local_port ^ remote_port;
	uint32_t half = (uint32_t)(net->toeplitz[0][word >> 8] ^ net->toeplitz[1][word & 0xff]);
	return half << 16 | half;
}

uint32_t net_owner(const struct net *net, const struct addr *local, uint16_t local_port,
		   const struct addr *remote, uint16_t remote_port)
{
	if (net->config.worker_count <= 1)
		return 0;
	uint32_t hash = net_flow_hash(net, local, local_port, remote, remote_port);
	return hash % NET_RETA_SLOTS % net->config.worker_count;
}
