// SPDX-License-Identifier: Apache-2.0
// The scripts of a folder, and the table that tells which of them show which section of which RFC.
#pragma once

#include <stddef.h>
#include <stdio.h>

struct segment_list {
	char **path; // owned, sorted
	size_t count;
};

// segment_list_add adds path, or every NAME.seg below it when it is a folder. Returns 0 or errno.
int segment_list_add(struct segment_list *list, const char *path);

// segment_list_free frees the paths.
void segment_list_free(struct segment_list *list);

// segment_index_print writes the table, sorted by RFC and section; names are relative to the first
// folder named like one of the list's roots, i.e. the last two parts of a path. Returns how many
// scripts could not be read.
unsigned segment_index_print(const struct segment_list *list, FILE *out);
