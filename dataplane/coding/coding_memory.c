// SPDX-License-Identifier: Apache-2.0
// Memory for a compression library out of one fixed block: first fit over blocks in the order of
// their addresses, free neighbours become one when they are passed. A coder has some ten blocks at
// a time, so a walk is short.
#include "coding.h"

#include "check.h"

struct block {
	_Alignas(16) size_t bytes; // of the block with this head
	bool is_taken;
};

static struct block *next_of(const struct coding_memory *memory, struct block *block)
{
	uint8_t *at = (uint8_t *)block + block->bytes;
	return at < memory->base + memory->bytes ? (struct block *)(void *)at : NULL;
}

void coding_memory_init(struct coding_memory *memory, void *at, size_t bytes)
{
	*memory = (struct coding_memory){.base = at, .bytes = bytes & ~(size_t)15};
	struct block *all = at;
	CHECK((uintptr_t)at % 64 == 0 && memory->bytes > sizeof(*all));
	*all = (struct block){.bytes = memory->bytes};
}

// join makes block and the free ones behind it one.
static void join(const struct coding_memory *memory, struct block *block)
{
	struct block *next;
	while ((next = next_of(memory, block)) && !next->is_taken)
		block->bytes += next->bytes;
}

// split gives what bytes do not need back as a block of its own.
static void split(struct block *block, size_t bytes)
{
	if (block->bytes - bytes < 2 * sizeof(*block))
		return;
	struct block *rest = (void *)((uint8_t *)block + bytes);
	*rest = (struct block){.bytes = block->bytes - bytes};
	block->bytes = bytes;
}

void *coding_memory_take(struct coding_memory *memory, size_t bytes)
{
	struct block *block = (void *)memory->base;
	if (bytes > memory->bytes)
		return NULL;
	size_t wanted = sizeof(*block) + ((bytes + 15) & ~(size_t)15);
	for (; block; block = next_of(memory, block)) {
		if (block->is_taken)
			continue;
		join(memory, block);
		if (block->bytes < wanted)
			continue;
		split(block, wanted);
		block->is_taken = true;
		memory->used_bytes += block->bytes;
		if (memory->used_bytes > memory->peak_bytes)
			memory->peak_bytes = memory->used_bytes;
		return block + 1;
	}
	return NULL;
}

bool coding_memory_holds(const struct coding_memory *memory, const void *at)
{
	const uint8_t *byte = at;
	return !at || (byte >= memory->base && byte < memory->base + memory->bytes);
}

void coding_memory_give(struct coding_memory *memory, void *at)
{
	if (!at)
		return;
	struct block *block = (struct block *)at - 1;
	CHECK(block->is_taken);
	block->is_taken = false;
	memory->used_bytes -= block->bytes;
}
