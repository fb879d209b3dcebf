// SPDX-License-Identifier: Apache-2.0
// Flows come in pages of a few, worker by worker; see millrace_flows.h. A page is a moment of its
// own: what opens or closes between two pages may be missing, but none is told twice.
#include "millrace_flows.h"

#include "millrace_show.h"
#include "millrace_socket.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_DEFAULT 100u
#define COMMAND_BYTES 512u

static const char *option(const struct millrace_args *args, const char *name)
{
	return json_string_value(json_object_get(args->request, name));
}

// add_filter appends ",name=value" of an option that was given, in capitals where is_upper.
static void add_filter(const struct millrace_args *args, const char *name, bool is_upper,
		       char command[COMMAND_BYTES])
{
	size_t used = strlen(command);
	const char *value = option(args, name);
	if (!value)
		return;
	snprintf(command + used, COMMAND_BYTES - used, ",%s=%s", name, value);
	for (char *at = command + used + strlen(name) + 2; is_upper && *at; at++)
		*at = (char)toupper((unsigned char)*at);
}

// take_page moves a page's flows into flows; returns where to go on, 0 at the end.
static json_int_t take_page(json_t *page, unsigned worker, json_t *flows)
{
	const char *slot;
	json_t *row;
	json_int_t next = json_integer_value(json_object_get(page, "next"));
	json_object_foreach(page, slot, row)
	{
		if (!json_is_object(row))
			continue;
		json_object_set_new(row, "worker", json_integer(worker));
		json_array_append(flows, row);
	}
	json_decref(page);
	return next;
}

// read_worker appends a worker's flows until there are enough. False: told.
static bool read_worker(int fd, const struct millrace_args *args, unsigned worker, size_t enough,
			json_t *flows)
{
	json_int_t next = 0;
	do {
		char command[COMMAND_BYTES];
		snprintf(command, sizeof(command),
			 "/millrace/tcp/flows,worker=%u,from=%" JSON_INTEGER_FORMAT, worker, next);
		add_filter(args, "host", false, command);
		add_filter(args, "port", false, command);
		add_filter(args, "state", true, command);
		json_t *page = millrace_telemetry_ask(fd, command);
		if (!page)
			return false;
		next = take_page(page, worker, flows);
	} while (next && json_array_size(flows) < enough);
	return true;
}

// workers_of reads which workers are meant: [*first, *end). False: told.
static bool workers_of(int fd, const struct millrace_args *args, unsigned *first, unsigned *end)
{
	const char *only = option(args, "worker");
	json_t *node = millrace_telemetry_ask(fd, "/millrace/node");
	*first = only ? (unsigned)strtoul(only, NULL, 10) : 0;
	*end = only ? *first + 1 : (unsigned)json_integer_value(json_object_get(node, "workers"));
	bool is_there = node != NULL;
	json_decref(node);
	return is_there;
}

// A flow and what it is sorted by.
struct sorted {
	json_t *row;
	const json_t *key;
};

static int compare(const void *left, const void *right)
{
	const struct sorted *a = left;
	const struct sorted *b = right;
	if (json_is_string(a->key) && json_is_string(b->key))
		return strcmp(json_string_value(a->key), json_string_value(b->key));
	json_int_t x = json_integer_value(a->key);
	json_int_t y = json_integer_value(b->key);
	return (x < y) - (x > y);
}

// sort orders flows by a field: numbers from the largest, texts by alphabet.
static void sort(json_t *flows, const char *field)
{
	size_t count = json_array_size(flows);
	struct sorted *all = calloc(count + 1, sizeof(*all));
	if (!all)
		return;
	for (size_t i = 0; i < count; i++) {
		all[i].row = json_incref(json_array_get(flows, i));
		all[i].key = json_object_get(all[i].row, field);
	}
	qsort(all, count, sizeof(*all), compare);
	json_array_clear(flows);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(flows, all[i].row);
	free(all);
}

static void show_flow(json_t *flow)
{
	static const char *const shown[] = {"state",  "role", "local",   "remote",
					    "worker", "cc",   "cc_state"};
	const char *name;
	json_t *value;
	printf("%-12s %-10s %s -> %s worker:%" JSON_INTEGER_FORMAT "\n    ",
	       json_string_value(json_object_get(flow, "state")),
	       json_string_value(json_object_get(flow, "role")),
	       json_string_value(json_object_get(flow, "local")),
	       json_string_value(json_object_get(flow, "remote")),
	       json_integer_value(json_object_get(flow, "worker")));
	printf(" %s %s", json_string_value(json_object_get(flow, "cc")),
	       json_string_value(json_object_get(flow, "cc_state")));
	json_object_foreach(flow, name, value)
	{
		bool is_shown = !json_is_integer(value) || json_integer_value(value) == 0;
		for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
			is_shown |= strcmp(name, shown[i]) == 0;
		if (!is_shown)
			printf(" %s:%" JSON_INTEGER_FORMAT, name, json_integer_value(value));
	}
	putchar('\n');
}

static void show(const struct millrace_args *args, json_t *flows, size_t limit)
{
	size_t count = json_array_size(flows);
	while (json_array_size(flows) > limit)
		json_array_remove(flows, json_array_size(flows) - 1);
	if (args->is_json) {
		millrace_show_json(flows);
		return;
	}
	size_t index;
	json_t *flow;
	json_array_foreach(flows, index, flow) show_flow(flow);
	if (count > limit)
		printf("... and more: --limit 0 shows all\n");
}

// read_all reads flows of the workers that are meant; NULL: told.
static json_t *read_all(int fd, const struct millrace_args *args, size_t limit)
{
	unsigned worker, end;
	if (!workers_of(fd, args, &worker, &end))
		return NULL;
	json_t *flows = json_array();
	// To sort, all must be known; else one more than is shown.
	size_t enough = option(args, "sort") ? SIZE_MAX : limit + (limit < SIZE_MAX);
	for (; worker < end && json_array_size(flows) < enough; worker++) {
		if (read_worker(fd, args, worker, enough, flows))
			continue;
		json_decref(flows);
		return NULL;
	}
	return flows;
}

int millrace_flows(const struct millrace_args *args, const char *run_dir)
{
	const char *text = option(args, "limit");
	size_t limit = text ? strtoul(text, NULL, 10) : LIMIT_DEFAULT;
	limit = limit ? limit : SIZE_MAX;
	int fd = millrace_telemetry_open(run_dir);
	json_t *flows = fd < 0 ? NULL : read_all(fd, args, limit);
	if (flows && option(args, "sort"))
		sort(flows, option(args, "sort"));
	if (flows)
		show(args, flows, limit);
	if (fd >= 0)
		close(fd);
	bool is_done = flows != NULL;
	json_decref(flows);
	return is_done ? 0 : 1;
}
