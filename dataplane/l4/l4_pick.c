// SPDX-License-Identifier: Apache-2.0
// Maglev's table; see l4_pick.h.
#include "l4_pick.h"

#include "check.h"
#include "siphash.h"

#include <string.h>

// Known to all: an endpoint's slots and a client's slot must be the same on every node.
static const struct siphash_key offset_key = {{0x6d61676c65760000, 1}};
static const struct siphash_key skip_key = {{0x6d61676c65760000, 2}};
static const struct siphash_key client_key = {{0x6d61676c65760000, 3}};

// How an endpoint goes through the slots: its preference list of section 3.4.
struct walk {
	uint32_t at, skip;
	uint32_t credit; // a turn costs the largest weight
};

static uint64_t hash_of(const struct siphash_key *key, const struct addr *addr, uint16_t port)
{
	uint8_t name[18];
	memcpy(name, addr->bytes, 16);
	memcpy(name + 16, &port, 2);
	return siphash13(key, name, sizeof(name));
}

static struct walk walk_of(const struct l4_endpoint *endpoint)
{
	uint64_t offset = hash_of(&offset_key, &endpoint->addr, endpoint->port);
	uint64_t skip = hash_of(&skip_key, &endpoint->addr, endpoint->port);
	return (struct walk){.at = (uint32_t)(offset % L4_PICK_SLOTS),
			     .skip = (uint32_t)(skip % (L4_PICK_SLOTS - 1)) + 1};
}

// take gives the walk's first free slot to endpoint.
static void take(struct l4_pick *pick, struct walk *walk, uint32_t endpoint)
{
	while (pick->slots[walk->at] != L4_PICK_NONE)
		walk->at = (walk->at + walk->skip) % L4_PICK_SLOTS;
	pick->slots[walk->at] = (uint8_t)endpoint;
}

// sort_of orders endpoints by name, so that turns do not depend on the configuration's order.
static void sort_of(const struct l4_endpoint *endpoints, uint32_t count, uint32_t *order)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;
		for (; at > 0; at--) {
			const struct l4_endpoint *before = &endpoints[order[at - 1]];
			int sign = memcmp(&before->addr, &endpoints[i].addr, sizeof(before->addr));
			if (sign < 0 || (sign == 0 && before->port <= endpoints[i].port))
				break;
			order[at] = order[at - 1];
		}
		order[at] = i;
	}
}

void l4_pick_build(struct l4_pick *pick, const struct l4_endpoint *endpoints, uint32_t count)
{
	struct walk walks[L4_ENDPOINTS_MAX];
	uint32_t order[L4_ENDPOINTS_MAX];
	uint32_t weight_max = 0;
	memset(pick->slots, L4_PICK_NONE, sizeof(pick->slots));
	CHECK(count <= L4_ENDPOINTS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		walks[i] = walk_of(&endpoints[i]);
		weight_max = MAX(weight_max, (uint32_t)endpoints[i].weight);
	}
	if (weight_max == 0)
		return;
	sort_of(endpoints, count, order);
	for (uint32_t taken = 0; taken < L4_PICK_SLOTS;) {
		for (uint32_t i = 0; i < count && taken < L4_PICK_SLOTS; i++) {
			struct walk *walk = &walks[order[i]];
			walk->credit += endpoints[order[i]].weight;
			if (walk->credit < weight_max)
				continue;
			walk->credit -= weight_max;
			take(pick, walk, order[i]);
			taken++;
		}
	}
}

uint32_t l4_pick_of(const struct l4_pick *pick, const struct addr *client, uint16_t client_port)
{
	return pick->slots[hash_of(&client_key, client, client_port) % L4_PICK_SLOTS];
}
