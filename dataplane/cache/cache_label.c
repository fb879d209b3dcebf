// SPDX-License-Identifier: Apache-2.0
// Labels: what a stored response can be purged by. Each has a few: its URL, its service, each
// directory of its URL, its tags. A purge is a number for one label; a response is purged when one
// of its labels has a number above the one that stood when its fetch began. So a purge costs the
// same whatever is stored, holds for fetches that run, and a lookup compares only after a purge.
//
// The numbers lie in sets of a few labels. A set that is full forgets its oldest label and from
// then on counts every label of the set as purged then: too much, never too little.
#include "cache_disk_priv.h"

#include "check.h"
#include "http_field.h"

#include <errno.h>
#include <stdlib.h>

int cache_label_init(struct cache *cache)
{
	cache->purge_sets = calloc(CACHE_PURGE_SETS, sizeof(struct cache_purge_set));
	return cache->purge_sets ? 0 : ENOMEM;
}

void cache_label_fini(struct cache *cache)
{
	free(cache->purge_sets);
}

uint64_t cache_label(const struct cache *cache, enum cache_purge_kind kind, struct slice text)
{
	struct siphash_key key = cache->limits.key_secret;
	key.half[1] ^= kind;
	return siphash13(&key, text.at, text.bytes);
}

// next_tag takes a tag off a list whose members end at blanks, or at commas.
static bool next_tag(struct slice *list, bool has_commas, struct slice *tag)
{
	size_t end = 0;
	while (end < list->bytes &&
	       (has_commas || (list->at[end] != ' ' && list->at[end] != '\t')) &&
	       !(has_commas && list->at[end] == ','))
		end++;
	if (list->bytes == 0)
		return false;
	*tag = slice_trim(slice_head(*list, end));
	*list = slice_skip(*list, MIN(end + 1, list->bytes));
	return true;
}

static void add(struct cache_labels *labels, uint64_t label)
{
	labels->at[labels->count++] = label;
}

static bool add_tags(const struct cache *cache, struct slice list, bool has_commas,
		     struct cache_labels *labels)
{
	struct slice tag;
	while (next_tag(&list, has_commas, &tag)) {
		if (tag.bytes == 0)
			continue;
		if (tag.bytes > CACHE_TAG_BYTES || labels->tag_count++ == CACHE_TAGS_MAX)
			return false;
		add(labels, cache_label(cache, CACHE_PURGE_TAG, tag));
	}
	return true;
}

// add_prefixes adds each directory of a URL: what stands before and including a '/' of its path.
static void add_prefixes(const struct cache *cache, struct slice url, struct cache_labels *labels)
{
	uint32_t count = 0;
	size_t end = slice_find(url, '?');
	size_t at = slice_find(url, ':') + 3; // behind "://"
	for (; at < end && count < CACHE_PREFIXES_MAX; at++) {
		if (url.at[at] != '/')
			continue;
		add(labels, cache_label(cache, CACHE_PURGE_PREFIX, slice_head(url, at + 1)));
		count++;
	}
}

void cache_label_key(const struct cache *cache, const struct cache_key *key, uint64_t service,
		     struct cache_labels *labels)
{
	labels->count = labels->tag_count = 0;
	add(labels, key->hash);
	add(labels, service);
	add_prefixes(cache, key->text, labels);
}

bool cache_label_tags(const struct cache *cache, const struct http_message *head,
		      struct cache_labels *labels)
{
	for (uint32_t i = 0; i < head->field_count; i++) {
		const struct http_field *field = &head->fields[i];
		bool has_commas = slice_equal(field->name, SLICE("cache-tag"));
		if (!has_commas && !slice_equal(field->name, SLICE("surrogate-key")))
			continue;
		if (!add_tags(cache, field->value, has_commas, labels))
			return false;
	}
	return true;
}

static struct cache_purge_set *set_of(const struct cache *cache, uint64_t label)
{
	return &cache->purge_sets[label & (CACHE_PURGE_SETS - 1)];
}

static uint64_t newest(const struct cache_purged *purged)
{
	return MAX(purged->hard, purged->soft);
}

// way_for returns the label's place in its set, if need be that of the label purged longest ago,
// which the rest of the set then stands in for.
static struct cache_purged *way_for(struct cache_purge_set *set, uint64_t label)
{
	struct cache_purged *oldest = &set->ways[0];
	for (uint32_t i = 0; i < CACHE_PURGE_WAYS; i++) {
		struct cache_purged *way = &set->ways[i];
		if (way->label == label)
			return way;
		if (newest(way) < newest(oldest))
			oldest = way;
	}
	set->others.hard = MAX(set->others.hard, oldest->hard);
	set->others.soft = MAX(set->others.soft, oldest->soft);
	set->others.soft_s = MAX(set->others.soft_s, oldest->soft_s);
	*oldest = (struct cache_purged){.label = label};
	return oldest;
}

// note writes the next number.
static void note(struct cache *cache, struct cache_purged *purged, bool is_soft, uint32_t intent)
{
	cache->purge_number++;
	if (is_soft) {
		purged->soft = cache->purge_number;
		purged->soft_s = cache->wall_s;
	} else {
		purged->hard = cache->purge_number;
		cache->sweep_left = cache->objects.capacity;
	}
	struct cache_disk_note note = {.label = purged->label,
				       .number = cache->purge_number,
				       .soft_s = purged->soft_s,
				       .is_soft = is_soft,
				       .is_all = purged == &cache->purged_all};
	cache_disk_note_purge(cache, &note, intent);
}

void cache_label_purge(struct cache *cache, uint64_t label, bool is_soft)
{
	note(cache, way_for(set_of(cache, label), label), is_soft, 0);
}

void cache_label_purge_hash(struct cache *cache, uint64_t key_hash, uint32_t intent)
{
	note(cache, way_for(set_of(cache, key_hash), key_hash), false, intent);
}

void cache_label_purge_all(struct cache *cache, bool is_soft)
{
	note(cache, &cache->purged_all, is_soft, 0);
}

void cache_label_recall(struct cache *cache, const struct cache_disk_note *note)
{
	struct cache_purged *purged = &cache->purged_all;
	if (!note->is_all)
		purged = way_for(set_of(cache, note->label), note->label);
	if (note->is_soft) {
		purged->soft = MAX(purged->soft, note->number);
		purged->soft_s = MAX(purged->soft_s, note->soft_s);
	} else {
		purged->hard = MAX(purged->hard, note->number);
	}
}

// Judged is what purges since a fetch began mean for its response.
struct judged {
	bool is_hard, is_soft;
	uint64_t soft_s;
};

static void judge(const struct cache_purged *purged, uint64_t born, struct judged *judged)
{
	judged->is_hard |= purged->hard > born;
	if (purged->soft <= born)
		return;
	// The earliest of several counts: stale since then.
	judged->soft_s = judged->is_soft ? MIN(judged->soft_s, purged->soft_s) : purged->soft_s;
	judged->is_soft = true;
}

static struct judged judge_all(const struct cache *cache, uint64_t born, const uint64_t *labels,
			       uint32_t count)
{
	struct judged judged = {0};
	judge(&cache->purged_all, born, &judged);
	for (uint32_t i = 0; i < count && !judged.is_hard; i++) {
		const struct cache_purge_set *set = set_of(cache, labels[i]);
		judge(&set->others, born, &judged);
		for (uint32_t j = 0; j < CACHE_PURGE_WAYS; j++)
			if (set->ways[j].label == labels[i])
				judge(&set->ways[j], born, &judged);
	}
	return judged;
}

bool cache_label_settle(const struct cache *cache, struct cache_object *object)
{
	if (object->seen == cache->purge_number)
		return !object->is_purged;
	struct judged judged = judge_all(cache, object->born, object->labels, object->label_count);
	object->seen = cache->purge_number;
	object->is_purged |= judged.is_hard;
	if (judged.is_soft) {
		uint64_t then_s = cache_age_s(&object->freshness, judged.soft_s);
		object->freshness.lifetime_s = MIN(object->freshness.lifetime_s, then_s);
		object->is_softened = true;
	}
	return !object->is_purged;
}

bool cache_label_key_is_purged(const struct cache *cache, const struct cache_key *key,
			       uint64_t service, uint64_t born)
{
	struct cache_labels labels;
	cache_label_key(cache, key, service, &labels);
	return judge_all(cache, born, labels.at, labels.count).is_hard;
}

bool cache_label_is_purged(const struct cache *cache, const struct cache_fill *fill)
{
	if (fill->object->seen == cache->purge_number)
		return fill->object->is_purged;
	if (fill->is_begun)
		return !cache_label_settle(cache, fill->object);
	return cache_label_key_is_purged(cache, &fill->object->key, fill->service,
					 fill->object->born);
}
