// SPDX-License-Identifier: Apache-2.0
// Heads of objects written ahead, as connections send them: what a hit would do anew each time is
// done by the first. The text lies in what an object's last chunk has left, so it takes no memory
// from bodies; where there is too little left, hits write their heads themselves.
#include "cache_priv.h"

// is_for_cache tells of fields that no client gets.
static bool is_for_cache(struct slice name)
{
	return slice_equal(name, SLICE("cache-tag")) || slice_equal(name, SLICE("surrogate-key")) ||
	       slice_equal(name, SLICE("surrogate-control"));
}

// is_plain: a client gets the fields of this head as they are, with Age and Cache-Status behind
// them, which are never stored.
static bool is_plain(const struct http_message *head)
{
	for (uint32_t i = 0; i < head->field_count; i++)
		if (is_for_cache(head->fields[i].name))
			return false;
	return http_field_find(head, SLICE("date")).at != NULL;
}

void cache_written_make(struct cache_object *object)
{
	size_t room;
	if (object->has_tried_writing)
		return;
	object->has_tried_writing = true;
	void *spare = cache_store_spare(object, &room);
	if (!spare || !is_plain(&object->head))
		return;
	size_t bytes = http_write_ahead(&object->head, spare, room);
	if (bytes == 0)
		return;
	cache_store_use(object, spare, bytes);
	// Other workers may have the object already.
	__atomic_store_n(&object->written, spare, __ATOMIC_RELEASE);
}

const struct http_written *cache_object_written(const struct cache_object *object)
{
	return __atomic_load_n(&object->written, __ATOMIC_ACQUIRE);
}
