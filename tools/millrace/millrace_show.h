// SPDX-License-Identifier: Apache-2.0
// Replies for people.
#pragma once

#include <jansson.h>

// millrace_show_json prints data as JSON.
void millrace_show_json(const json_t *data);

// millrace_show prints a reply's data: lists of objects as tables, the rest as "name  value".
void millrace_show(const char *command, const json_t *data);

// millrace_show_changes prints every number of now that differs from then (either a tree of
// numbers), with its rate over seconds. then may be NULL.
void millrace_show_changes(const json_t *now, const json_t *then, double seconds);
