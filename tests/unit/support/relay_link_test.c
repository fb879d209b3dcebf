// SPDX-License-Identifier: Apache-2.0
// The bad link's decisions: as often, as late and in the order that was asked for.
#include "relay_link.h"

#include "unit.h"

#include <string.h>

#define FRAMES      100000u
#define FRAME_BYTES 1500u

static struct relay_link link_of(const char *text)
{
	struct relay_link link = {.seed = 7};
	CU_ASSERT_TRUE_FATAL(relay_shape_parse(text, &link.shape));
	return link;
}

static void reads_shapes(void)
{
	struct relay_shape shape = {.delay_us = 1};
	CU_ASSERT_TRUE(relay_shape_parse("loss_ppm=1000,queue_bytes=250000", &shape));
	CU_ASSERT_EQUAL(shape.loss_ppm, 1000);
	CU_ASSERT_EQUAL(shape.queue_bytes, 250000);
	CU_ASSERT_EQUAL(shape.delay_us, 1);
	CU_ASSERT_FALSE(relay_shape_parse("loss=1", &shape));
	CU_ASSERT_FALSE(relay_shape_parse("loss_ppm=1%", &shape));
	CU_ASSERT_FALSE(relay_shape_parse("loss_ppm", &shape));
}

static void loses_as_asked(void)
{
	struct relay_link link = link_of("loss_ppm=10000,duplicate_ppm=5000,spared=50");
	struct relay_link again = link;
	unsigned differ = 0, early = 0;
	for (unsigned i = 0; i < FRAMES; i++) {
		unsigned copies = relay_link_take(&link, i, FRAME_BYTES).copies;
		// Another time, the same fate.
		differ += copies != relay_link_take(&again, 9 * i, FRAME_BYTES).copies;
		early += copies == 0 && i < 50;
	}
	CU_ASSERT_EQUAL(differ, 0);
	CU_ASSERT_EQUAL(early, 0);
	CU_ASSERT(link.count.lost > 900 && link.count.lost < 1100);
	CU_ASSERT(link.count.duplicated > 420 && link.count.duplicated < 580);
}

// 1500 bytes at 12 Mbit/s take a millisecond.
static void queues_and_drops(void)
{
	struct relay_link link =
		link_of("rate_kbit=12000,queue_bytes=4500,delay_us=10000,mark_bytes=2000");
	for (unsigned i = 0; i < 3; i++) {
		struct relay_fate fate = relay_link_take(&link, 0, FRAME_BYTES);
		CU_ASSERT_EQUAL(fate.copies, 1);
		CU_ASSERT_EQUAL(fate.is_marked, i == 2);
		CU_ASSERT_EQUAL(fate.due_ns[0], 10000000 + (i + 1) * 1000000);
	}
	CU_ASSERT_EQUAL(relay_link_take(&link, 0, FRAME_BYTES).copies, 0);
	CU_ASSERT_EQUAL(link.count.queue_full, 1);
	CU_ASSERT_EQUAL(relay_link_take(&link, 1000000, FRAME_BYTES).copies, 1);
	// Long empty: at once.
	CU_ASSERT_EQUAL(relay_link_take(&link, 50000000, FRAME_BYTES).due_ns[0], 61000000);
	CU_ASSERT_EQUAL(link.count.queue_max_bytes, 4500);
}

static void keeps_order_unless_asked(void)
{
	struct relay_link steady = link_of("delay_us=1000,jitter_us=5000");
	struct relay_link mixed = link_of("delay_us=1000,reorder_ppm=10000,reorder_us=3000");
	uint64_t last_ns = 0, latest_ns = 0;
	unsigned overtaken = 0, late = 0;
	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t now_ns = i * 100000ull;
		struct relay_fate fate = relay_link_take(&steady, now_ns, FRAME_BYTES);
		overtaken += fate.due_ns[0] < last_ns;
		late += fate.due_ns[0] > now_ns + 6000000;
		last_ns = fate.due_ns[0];
		fate = relay_link_take(&mixed, now_ns, FRAME_BYTES);
		latest_ns = fate.due_ns[0] > latest_ns ? fate.due_ns[0] : latest_ns;
	}
	CU_ASSERT_EQUAL(overtaken, 0);
	CU_ASSERT_EQUAL(late, 0);
	CU_ASSERT(mixed.count.reordered > 900 && mixed.count.reordered < 1100);
	CU_ASSERT(latest_ns > last_ns - 5000000);
}

static void polices_and_does_not_delay(void)
{
	// 12 Mbit/s: a frame of 1500 bytes a millisecond; three at once.
	struct relay_link link = link_of("police_kbit=12000,police_bytes=4500,delay_us=10000");
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(relay_link_take(&link, 0, FRAME_BYTES).due_ns[0], 10000000);
	CU_ASSERT_EQUAL(relay_link_take(&link, 0, FRAME_BYTES).copies, 0);
	CU_ASSERT_EQUAL(link.count.policed, 1);
	CU_ASSERT_EQUAL(relay_link_take(&link, 1000000, FRAME_BYTES).due_ns[0], 11000000);
	CU_ASSERT_EQUAL(relay_link_take(&link, 1000000, FRAME_BYTES).copies, 0);
}

UNIT_MAIN("relay_link", {"a shape is read, and what is none refused", reads_shapes},
	  {"loss and duplication are as frequent as asked, and the same again", loses_as_asked},
	  {"a bounded queue delays, marks and drops", queues_and_drops},
	  {"a policer drops what comes too fast and delays nothing", polices_and_does_not_delay},
	  {"jitter keeps the order, reordering does not", keeps_order_unless_asked})
