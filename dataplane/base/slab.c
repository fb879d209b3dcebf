// SPDX-License-Identifier: Apache-2.0
// Pieces of any size; see slab.h.
#include "slab.h"

#include "check.h"

#include <errno.h>
#include <sanitizer/asan_interface.h> // macros: nothing but in a build with ASan
#include <stdlib.h>
#include <string.h>

int slab_init(struct slab *slab, size_t bytes)
{
	size_t count = bytes / SLAB_PAGE_BYTES;
	if (count > UINT32_MAX)
		return ENOMEM;
	*slab = (struct slab){
		.memory = count ? aligned_alloc(SLAB_PAGE_BYTES, count * SLAB_PAGE_BYTES) : NULL,
		.pages = calloc(count, sizeof(struct slab_page)),
		.page_count = (uint32_t)count,
	};
	if (count && (!slab->memory || !slab->pages)) {
		slab_fini(slab);
		return ENOMEM;
	}
	ASAN_POISON_MEMORY_REGION(slab->memory, count * SLAB_PAGE_BYTES);
	list_init(&slab->empty);
	for (size_t i = 0; i < count; i++)
		list_append(&slab->empty, &slab->pages[i].link);
	for (size_t i = 0; i < SLAB_SIZE_COUNT; i++)
		list_init(&slab->open[i]);
	return 0;
}

void slab_fini(struct slab *slab)
{
	ASAN_UNPOISON_MEMORY_REGION(slab->memory, (size_t)slab->page_count * SLAB_PAGE_BYTES);
	free(slab->memory);
	free(slab->pages);
	*slab = (struct slab){0};
}

static uint32_t size_of(size_t bytes)
{
	if (bytes <= SLAB_SMALL_MAX)
		return bytes ? (uint32_t)(bytes - 1) / 32 : 0;
	return SLAB_SMALL_MAX / 32 + (uint32_t)(bytes - 1) / 1024 - 1;
}

static uint32_t bytes_of(uint32_t size)
{
	const uint32_t small_count = SLAB_SMALL_MAX / 32;
	return size < small_count ? (size + 1) * 32 : (size - small_count + 2) * 1024;
}

// begin_page makes an empty page one of size; NULL when there is none.
static struct slab_page *begin_page(struct slab *slab, uint32_t size)
{
	struct list *link = list_pop(&slab->empty);
	if (!link)
		return NULL;
	struct slab_page *page = container_of(link, struct slab_page, link);
	uint32_t bytes = bytes_of(size);
	page->given = NULL;
	page->fresh = slab->memory + (size_t)(page - slab->pages) * SLAB_PAGE_BYTES;
	page->room = SLAB_PAGE_BYTES / bytes;
	page->size = size;
	page->piece_bytes = bytes;
	list_append(&slab->open[size], &page->link);
	return page;
}

static uint8_t *pick(struct slab_page *page)
{
	uint8_t *piece = page->given ? page->given : page->fresh;
	ASAN_UNPOISON_MEMORY_REGION(piece, page->piece_bytes);
	if (page->given)
		memcpy(&page->given, piece, sizeof(page->given));
	else
		page->fresh += page->piece_bytes;
	return piece;
}

void *slab_take(struct slab *slab, size_t bytes)
{
	if (bytes > SLAB_PIECE_MAX)
		return NULL;
	uint32_t size = size_of(bytes);
	struct list *open = &slab->open[size];
	struct slab_page *page = list_is_empty(open)
					 ? begin_page(slab, size)
					 : container_of(open->next, struct slab_page, link);
	if (!page)
		return NULL;
	if (++page->used == page->room)
		list_remove(&page->link);
	return pick(page);
}

static struct slab_page *page_of(const struct slab *slab, const void *piece)
{
	size_t place = (size_t)((const uint8_t *)piece - slab->memory);
	return &slab->pages[place / SLAB_PAGE_BYTES];
}

void slab_give(struct slab *slab, void *piece)
{
	struct slab_page *page = page_of(slab, piece);
	struct list *open = &slab->open[page->size];
	CHECK(page->used > 0);
	memcpy(piece, &page->given, sizeof(page->given));
	page->given = piece;
	ASAN_POISON_MEMORY_REGION(piece, page->piece_bytes);
	if (page->used-- == page->room)
		list_prepend(open, &page->link);
	bool is_alone = open->next == open->previous;
	if (page->used > 0 || is_alone) // one stays: or the next piece would begin it again
		return;
	list_remove(&page->link);
	list_prepend(&slab->empty, &page->link);
}

size_t slab_piece_bytes(const struct slab *slab, const void *piece)
{
	return page_of(slab, piece)->piece_bytes;
}
