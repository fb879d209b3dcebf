// SPDX-License-Identifier: Apache-2.0
// A record's head on the disk: whatever stands there, what is read of it lies inside, and written
// again it is the same.
#include "cache_disk_priv.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_inside(struct slice part, const char *all, size_t bytes)
{
	CHECK(part.bytes == 0 || (part.at >= all && part.at + part.bytes <= all + bytes));
}

// check_again packs what was unpacked and unpacks that.
static void check_again(const struct cache_disk_content *content)
{
	static uint8_t out[DISK_HEAD_BYTES];
	static struct cache_disk_content other;
	uint64_t labels[2] = {0, content->service};
	struct cache_object object = {.key.text = content->key,
				      .labels = labels,
				      .is_softened = content->is_softened,
				      .head = content->head.message,
				      .vary = content->head.vary,
				      .freshness = content->head.freshness,
				      .terms = content->head.terms};
	char names[CACHE_DISK_VARY_BYTES] = "";
	uint32_t bytes = cache_disk_pack(&object, 0, names, out);
	if (!bytes)
		return;
	CHECK(cache_disk_unpack(slice_of(out, bytes), &other));
	CHECK(slice_equal(other.key, content->key) && other.service == content->service);
	CHECK(other.head.message.field_count == content->head.message.field_count);
	for (uint32_t i = 0; i < other.head.message.field_count; i++)
		CHECK(slice_equal(other.fields[i].name, content->fields[i].name) &&
		      slice_equal(other.fields[i].value, content->fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct cache_disk_content content;
	struct cache_disk_found found;
	// A copy of its own, so that one byte too far is seen.
	char *copy = malloc(bytes ? bytes : 1);
	if (bytes)
		memcpy(copy, data, bytes);
	struct slice head = slice_of(copy, bytes);
	for (uint32_t kind = 0; kind <= CACHE_DISK_KIND_COUNT; kind++)
		if (cache_disk_found_of(&(struct disk_record){.kind = kind, .head = head}, &found))
			CHECK(memchr(found.vary, 0, sizeof(found.vary)));
	if (cache_disk_unpack(head, &content)) {
		check_inside(content.key, copy, bytes);
		for (uint32_t i = 0; i < content.head.message.field_count; i++) {
			check_inside(content.fields[i].name, copy, bytes);
			check_inside(content.fields[i].value, copy, bytes);
		}
		check_again(&content);
	}
	free(copy);
	return 0;
}
