// SPDX-License-Identifier: Apache-2.0
// Hierarchical timer wheel; see wheel.h. A timer lives on the lowest level that reaches its tick,
// counted in that level's slots from now: so timers of one delay are spread over many slots,
// however they lie to a level's turn. When a lower level has turned once, the next slot of the
// level above is spread over it. A timer that is put off stays where it is, and moves when its
// slot's time comes: most are put off again before that.
#include "wheel.h"

#include "check.h"

static unsigned level_shift(unsigned level)
{
	return level * 8;
}

static void mark(struct wheel *wheel, unsigned level, unsigned slot)
{
	wheel->bitmap[level][slot / 64] |= 1ull << (slot % 64);
}

static void place(struct wheel *wheel, struct wheel_timer *timer)
{
	uint64_t due = MAX(timer->due_tick, wheel->now_tick);
	unsigned level = 0;
	while (level < WHEEL_LEVELS - 1 &&
	       (due >> level_shift(level)) - (wheel->now_tick >> level_shift(level)) >= WHEEL_SLOTS)
		level++;
	unsigned slot = (unsigned)(due >> level_shift(level)) % WHEEL_SLOTS;
	list_append(&wheel->slots[level][slot], &timer->link);
	mark(wheel, level, slot);
}

void wheel_init(struct wheel *wheel, uint64_t now_us)
{
	*wheel = (struct wheel){.now_tick = now_us / WHEEL_TICK_US};
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

void wheel_timer_init(struct wheel_timer *timer,
		      void (*fire)(struct wheel_timer *timer, uint64_t now_us))
{
	list_init(&timer->link);
	timer->due_tick = 0;
	timer->fire = fire;
}

void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_us)
{
	CHECK(timer->fire);
	// Round up: never early. The current tick's slot is served by the next advance.
	uint64_t due_tick =
		MIN((due_us + WHEEL_TICK_US - 1) / WHEEL_TICK_US, wheel->now_tick + UINT32_MAX / 2);
	due_tick = MAX(due_tick, wheel->now_tick + 1);
	bool is_put_off = wheel_is_armed(timer) && due_tick >= timer->due_tick;
	if (!is_put_off)
		wheel_disarm(wheel, timer);
	timer->due_tick = due_tick;
	if (is_put_off)
		return;
	place(wheel, timer);
	wheel->armed_count++;
}

void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer)
{
	if (!wheel_is_armed(timer))
		return;
	list_remove(&timer->link);
	wheel->armed_count--;
}

// spread moves the timers of one slot of a higher level to where they belong now.
static void spread(struct wheel *wheel, unsigned level)
{
	unsigned slot = (unsigned)(wheel->now_tick >> level_shift(level)) % WHEEL_SLOTS;
	struct list moved;
	list_init(&moved);
	wheel->bitmap[level][slot / 64] &= ~(1ull << (slot % 64));
	for (struct list *node; (node = list_pop(&wheel->slots[level][slot]));)
		list_append(&moved, node);
	for (struct list *node; (node = list_pop(&moved));)
		place(wheel, container_of(node, struct wheel_timer, link));
}

static uint32_t fire_slot(struct wheel *wheel, uint64_t now_us, uint32_t budget)
{
	unsigned slot = (unsigned)wheel->now_tick % WHEEL_SLOTS;
	uint32_t fired = 0;
	while (fired < budget) {
		struct list *node = list_pop(&wheel->slots[0][slot]);
		if (!node)
			break;
		struct wheel_timer *timer = container_of(node, struct wheel_timer, link);
		if (timer->due_tick > wheel->now_tick) { // it was put off
			place(wheel, timer);
			continue;
		}
		wheel->armed_count--;
		fired++;
		timer->fire(timer, now_us);
	}
	if (list_is_empty(&wheel->slots[0][slot]))
		wheel->bitmap[0][slot / 64] &= ~(1ull << (slot % 64));
	return fired;
}

// next_tick returns the next tick that has work: a marked slot of level 0 before it turns, or the
// turn itself. Never beyond limit.
static uint64_t next_tick(const struct wheel *wheel, uint64_t limit)
{
	uint64_t turn = (wheel->now_tick | (WHEEL_SLOTS - 1)) + 1;
	for (uint64_t tick = wheel->now_tick + 1; tick < turn && tick < limit; tick++) {
		unsigned slot = (unsigned)tick % WHEEL_SLOTS;
		uint64_t word = wheel->bitmap[0][slot / 64] >> (slot % 64);
		if (word)
			return MIN(tick + (unsigned)__builtin_ctzll(word), limit);
		tick += 63 - slot % 64;
	}
	return MIN(turn, limit);
}

uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t budget)
{
	uint64_t target = now_us / WHEEL_TICK_US;
	uint32_t fired = fire_slot(wheel, now_us, budget);
	while (wheel->now_tick < target && fired < budget) {
		wheel->now_tick = wheel->armed_count ? next_tick(wheel, target) : target;
		for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--)
			if (wheel->now_tick % (1ull << level_shift(level)) == 0)
				spread(wheel, level);
		fired += fire_slot(wheel, now_us, budget - fired);
	}
	return fired;
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
	if (wheel->armed_count == 0)
		return WHEEL_NEVER;
	unsigned slot = (unsigned)wheel->now_tick % WHEEL_SLOTS;
	if (!list_is_empty(&wheel->slots[0][slot]))
		return wheel->now_tick * WHEEL_TICK_US;
	return next_tick(wheel, UINT64_MAX) * WHEEL_TICK_US;
}
