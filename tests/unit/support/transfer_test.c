// SPDX-License-Identifier: Apache-2.0
// Transfers find out: a byte that is wrong, missing or too many, and an end that never came.
#include "transfer.h"

#include "unit.h"

#include <string.h>

// What goes wrong with the bytes from server to client.
struct damage {
	size_t at;
	bool is_flipped, is_lost, is_doubled, is_endless;
};

static size_t carry(struct transfer *from, struct transfer *to, const struct damage *damage)
{
	static uint8_t room[7000];
	uint64_t offset = from->out;
	size_t bytes = transfer_give(from, room, 1 + offset % sizeof(room));
	bool is_hit = damage && damage->at >= offset && damage->at < offset + bytes;
	size_t hit = is_hit ? damage->at - offset : 0;
	if (is_hit && damage->is_flipped)
		room[hit] ^= 1;
	if (is_hit && damage->is_doubled)
		transfer_take(to, room, bytes);
	if (is_hit && damage->is_lost)
		memmove(room + hit, room + hit + 1, bytes - hit - 1);
	transfer_take(to, room, bytes - (is_hit && damage->is_lost));
	return bytes;
}

static bool run(uint64_t order, const struct damage *damage)
{
	struct transfer client, server;
	struct transfer_request request = {.up = 150000, .down = 200000, .order = order};
	transfer_ask(&client, &request);
	transfer_serve(&server);
	for (unsigned i = 0; i < 10000; i++) {
		size_t moved = carry(&client, &server, NULL) + carry(&server, &client, damage);
		if (moved > 0)
			continue;
		if (transfer_has_given(&client) && !server.is_at_end)
			transfer_take_end(&server);
		else if (transfer_has_given(&server) && !(damage && damage->is_endless))
			transfer_take_end(&client);
	}
	if (!damage)
		CU_ASSERT_TRUE(transfer_is_good(&server));
	return transfer_is_good(&client);
}

static void carries_every_order(void)
{
	CU_ASSERT_TRUE(run(TRANSFER_BOTH, NULL));
	CU_ASSERT_TRUE(run(TRANSFER_UP_FIRST, NULL));
	CU_ASSERT_TRUE(run(TRANSFER_DOWN_FIRST, NULL));
}

static void finds_damage(void)
{
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.at = 70000, .is_flipped = true}));
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.at = 0, .is_flipped = true}));
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.at = 199999, .is_lost = true}));
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.at = 100000, .is_doubled = true}));
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.at = 200003, .is_flipped = true}));
	CU_ASSERT_FALSE(run(TRANSFER_BOTH, &(struct damage){.is_endless = true}));
}

UNIT_MAIN("transfer", {"all orders arrive whole", carries_every_order},
	  {"a byte flipped, lost or doubled is found, and a missing end", finds_damage})
