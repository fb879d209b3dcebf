// SPDX-License-Identifier: Apache-2.0
// Kinds of request and their weights; see load_mix.h.
#include "load_mix.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 2048u
#define WEIGHT_MAX 1000000u
#define BODY_MAX   (1l << 30)
#define BLANKS     " \t\r\n"

// read_number takes all of text. False when it is none, or more than max.
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == 0 && *out <= max;
}

static bool read_body(const char *path, struct slice *out)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	char *bytes = NULL;
	long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
	if (size >= 0 && size <= BODY_MAX && fseek(file, 0, SEEK_SET) == 0)
		bytes = malloc((size_t)size + 1);
	bool ok = bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size;
	fclose(file);
	if (ok)
		*out = slice_of(bytes, (size_t)size);
	else
		free(bytes);
	return ok;
}

static const char *read_expectation(struct load_item *item, const char *word)
{
	uint64_t status = item->status;
	if (strncmp(word, "status=", 7) == 0) {
		if (!read_number(word + 7, 599, &status) || status < 200)
			return "status= wants 200 to 599";
		item->status = (uint16_t)status;
	} else if (strncmp(word, "bytes=", 6) == 0) {
		if (!read_number(word + 6, INT64_MAX, &item->bytes))
			return "bytes= wants a number";
	} else if (strncmp(word, "upload=", 7) == 0) {
		if (!read_number(word + 7, INT64_MAX, &item->upload_bytes))
			return "upload= wants a number";
	} else if (strncmp(word, "body=", 5) == 0) {
		if (item->body.at || !read_body(word + 5, &item->body))
			return "body= wants one file that can be read";
		item->bytes = item->body.bytes;
	} else {
		return "a word that is none of status=, bytes=, body=, upload=";
	}
	return NULL;
}

static const char *read_item(struct load_item *item, char *line)
{
	char *rest;
	uint64_t weight = 1;
	const char *word = strtok_r(line, BLANKS, &rest);
	if (word && read_number(word, UINT64_MAX, &weight))
		word = strtok_r(NULL, BLANKS, &rest);
	const char *target = strtok_r(NULL, BLANKS, &rest);
	if (weight == 0 || weight > WEIGHT_MAX)
		return "a weight is 1 to 1000000";
	if (!word || !target || target[0] != '/')
		return "a method and a target that begins with '/' are wanted";
	if (strlen(word) >= sizeof(item->method) || strlen(target) >= sizeof(item->target))
		return "the method or the target is too long";
	item->weight = (uint32_t)weight;
	strcpy(item->method, word);
	strcpy(item->target, target);
	const char *wrong = NULL;
	while (!wrong && (word = strtok_r(NULL, BLANKS, &rest)))
		wrong = read_expectation(item, word);
	return wrong;
}

const char *load_mix_add(struct load_mix *mix, const char *line)
{
	char copy[LINE_BYTES];
	struct load_item item = {.status = 200, .bytes = LOAD_LENGTH_ANY};
	size_t blanks = strspn(line, BLANKS);
	if (line[blanks] == 0 || line[blanks] == '#')
		return NULL;
	if (strlen(line) >= sizeof(copy))
		return "the line is too long";
	if (mix->count == LOAD_MIX_ITEMS)
		return "a mix has at most 64 kinds of request";
	strcpy(copy, line);
	const char *wrong = read_item(&item, copy);
	if (wrong) {
		free((char *)(uintptr_t)item.body.at);
		return wrong;
	}
	mix->items[mix->count++] = item;
	mix->weight_sum += item.weight;
	return NULL;
}

const char *load_mix_add_file(struct load_mix *mix, const char *path, uint32_t *line)
{
	char text[LINE_BYTES];
	FILE *file = fopen(path, "re");
	*line = 0;
	if (!file)
		return "it cannot be read";
	const char *wrong = NULL;
	while (!wrong && fgets(text, sizeof(text), file)) {
		(*line)++;
		wrong = load_mix_add(mix, text);
	}
	fclose(file);
	return wrong;
}

const struct load_item *load_mix_pick(const struct load_mix *mix, struct random_source *random)
{
	CHECK(mix->count > 0);
	if (mix->count == 1)
		return &mix->items[0];
	uint32_t at = random_below(random, mix->weight_sum);
	uint32_t i = 0;
	while (at >= mix->items[i].weight)
		at -= mix->items[i++].weight;
	return &mix->items[i];
}

void load_mix_free(struct load_mix *mix)
{
	for (uint32_t i = 0; i < mix->count; i++)
		free((char *)(uintptr_t)mix->items[i].body.at);
	*mix = (struct load_mix){0};
}
