// SPDX-License-Identifier: Apache-2.0
// The scripts of a folder and their table; see segment_index.h.
#include "segment_index.h"

#include "check.h"
#include "segment_run.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

static void append(struct segment_list *list, const char *path)
{
	list->path = realloc(list->path, (list->count + 1) * sizeof(*list->path));
	CHECK(list->path);
	list->path[list->count] = strdup(path);
	CHECK(list->path[list->count]);
	list->count++;
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int segment_list_add(struct segment_list *list, const char *path)
{
	char *copy = strdup(path);
	CHECK(copy);
	char *roots[] = {copy, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_entries);
	CHECK(walk);
	int failed = 0;
	for (FTSENT *entry; (entry = fts_read(walk));) {
		size_t bytes = strlen(entry->fts_path);
		bool is_script = bytes > 4 && strcmp(entry->fts_path + bytes - 4, ".seg") == 0;
		if (entry->fts_info == FTS_NS)
			failed = entry->fts_errno;
		else if (entry->fts_info == FTS_F && (is_script || entry->fts_level == 0))
			append(list, entry->fts_path);
	}
	fts_close(walk);
	free(copy);
	return failed;
}

void segment_list_free(struct segment_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->path[i]);
	free(list->path);
}

struct entry {
	char rfc[64];
	char name[SEGMENT_TEXT_BYTES];
};

// compare_rfcs sorts number by number, so that 3.10 comes after 3.9.
static int compare_rfcs(const char *a, const char *b)
{
	return strverscmp(a, b);
}

static int compare(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	unsigned long left_number = strtoul(left->rfc, NULL, 10);
	unsigned long right_number = strtoul(right->rfc, NULL, 10);
	if (left_number != right_number)
		return left_number < right_number ? -1 : 1;
	int order = compare_rfcs(left->rfc, right->rfc);
	return order ? order : strcmp(left->name, right->name);
}

// name_of is folder/file of a path, without .seg.
static void name_of(const char *path, char name[SEGMENT_TEXT_BYTES])
{
	const char *at = strrchr(path, '/');
	while (at && at > path && at[-1] != '/')
		at--;
	snprintf(name, SEGMENT_TEXT_BYTES, "%s", at ? at : path);
	name[strlen(name) - 4] = '\0';
}

static void print(const struct entry *entries, size_t count, FILE *out)
{
	fprintf(out, "| RFC | section | scripts |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < count; i++) {
		bool is_same = i > 0 && strcmp(entries[i].rfc, entries[i - 1].rfc) == 0;
		size_t digits = strcspn(entries[i].rfc, " ");
		if (is_same)
			fprintf(out, ", `%s`", entries[i].name);
		else
			fprintf(out, "%s| %.*s | %s | `%s`", i ? " |\n" : "", (int)digits,
				entries[i].rfc, entries[i].rfc + digits + 1, entries[i].name);
	}
	fprintf(out, count ? " |\n" : "");
}

unsigned segment_index_print(const struct segment_list *list, FILE *out)
{
	struct entry *entries = calloc(list->count * SEGMENT_RFCS + 1, sizeof(*entries));
	CHECK(entries);
	size_t count = 0;
	unsigned failed = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct segment_script script;
		char error[SEGMENT_TEXT_BYTES];
		free(segment_script_load(list->path[i], &script, error));
		failed += error[0] != '\0';
		for (unsigned r = 0; r < script.rfc_count; r++) {
			strcpy(entries[count].rfc, script.rfc[r]);
			name_of(list->path[i], entries[count++].name);
		}
	}
	qsort(entries, count, sizeof(*entries), compare);
	print(entries, count, out);
	free(entries);
	return failed;
}
