// SPDX-License-Identifier: Apache-2.0
// Replies for people; see millrace_show.h.
#include "millrace_show.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_BYTES 512u
#define COLUMN_MAX 16u

void millrace_show_json(const json_t *data)
{
	json_dumpf(data, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
	putchar('\n');
}

// cell writes a value as one cell of a table.
static void cell(char out[CELL_BYTES], const char *name, const json_t *value)
{
	size_t length = strlen(name);
	out[0] = 0;
	if (json_is_string(value)) {
		snprintf(out, CELL_BYTES, "%s",
			 json_string_value(value)[0] ? json_string_value(value) : "-");
	} else if (json_is_boolean(value)) {
		snprintf(out, CELL_BYTES, "%s", json_is_true(value) ? "yes" : "no");
	} else if (length > 6 && strcmp(name + length - 6, "_end_s") == 0 &&
		   json_integer_value(value)) {
		time_t at = (time_t)json_integer_value(value);
		struct tm parts;
		strftime(out, CELL_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &parts));
	} else {
		char *text =
			json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		snprintf(out, CELL_BYTES, "%s", text ? text : "?");
		free(text);
	}
}

static size_t width_of(const json_t *rows, const char *name)
{
	size_t width = strlen(name);
	size_t index;
	const json_t *row;
	char text[CELL_BYTES];
	json_array_foreach(rows, index, row)
	{
		cell(text, name, json_object_get(row, name));
		width = strlen(text) > width ? strlen(text) : width;
	}
	return width;
}

static void show_table(const json_t *rows)
{
	const char *names[COLUMN_MAX];
	size_t widths[COLUMN_MAX];
	size_t count = 0;
	const char *name;
	json_t *value;
	size_t index;
	const json_t *row;
	char text[CELL_BYTES];
	json_object_foreach(json_array_get(rows, 0), name, value)
	{
		if (count == COLUMN_MAX || json_is_array(value))
			continue;
		names[count] = name;
		widths[count++] = width_of(rows, name);
	}
	for (size_t i = 0; i < count; i++)
		printf("%-*s%s", (int)widths[i], names[i], i + 1 < count ? "  " : "\n");
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; i < count; i++) {
			cell(text, names[i], json_object_get(row, names[i]));
			printf("%-*s%s", (int)widths[i], text, i + 1 < count ? "  " : "\n");
		}
	}
}

static void show_services(const json_t *services)
{
	size_t index;
	size_t inner;
	const json_t *service;
	const json_t *row;
	json_array_foreach(services, index, service)
	{
		printf("%s (%s)\n", json_string_value(json_object_get(service, "name")),
		       json_string_value(json_object_get(service, "protocol")));
		json_array_foreach(json_object_get(service, "routes"), inner, row)
			printf("  %s%s\n", json_string_value(json_object_get(row, "host")),
			       json_string_value(json_object_get(row, "path")));
		json_array_foreach(json_object_get(service, "instances"), inner, row)
		{
			const char *node = json_string_value(json_object_get(row, "node"));
			printf("  -> %s in %s%s%s%s%s\n",
			       json_string_value(json_object_get(row, "address")),
			       json_string_value(json_object_get(row, "location")),
			       node && node[0] ? " behind " : "", node ? node : "",
			       json_is_true(json_object_get(row, "healthy")) ? "" : " (unhealthy)",
			       json_is_true(json_object_get(row, "draining")) ? " (draining)" : "");
		}
	}
}

static void show_value(const char *name, json_t *value)
{
	char text[CELL_BYTES];
	const json_t *first = json_array_get(value, 0);
	size_t index;
	json_t *line;
	if (strcmp(name, "services") == 0 && json_is_array(value)) {
		show_services(value);
	} else if (json_is_object(first)) {
		printf("%s:\n", name);
		show_table(value);
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, line) printf("%s\n", json_string_value(line));
	} else if (json_is_object(value)) {
		const char *inner;
		json_object_foreach(value, inner, line)
		{
			cell(text, inner, line);
			printf("%s.%-*s  %s\n", name, (int)(24 - strlen(name)), inner, text);
		}
	} else {
		cell(text, name, value);
		printf("%-25s  %s\n", name, text);
	}
}

void millrace_show(const char *command, const json_t *data)
{
	const char *name;
	json_t *value;
	if (strcmp(command, "node-token") == 0) {
		// Alone, so that it can be sent into a file.
		printf("%s\n", json_string_value(json_object_get(data, "token")));
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)data, name, value) show_value(name, value);
}

static void show_number(const char *name, const json_t *now, const json_t *then, double seconds)
{
	json_int_t value = json_integer_value(now);
	json_int_t before = json_integer_value(then);
	if (!then && value)
		printf("%-40s %20" JSON_INTEGER_FORMAT "\n", name, value);
	else if (value != before)
		printf("%-40s %20" JSON_INTEGER_FORMAT " %15.0f/s\n", name, value,
		       (double)(value - before) / seconds);
}

static void show_tree(const char *prefix, const json_t *now, const json_t *then, double seconds)
{
	char name[256];
	const char *key;
	json_t *value;
	size_t index;
	if (json_is_integer(now))
		show_number(prefix, now, then, seconds);
	else if (json_is_string(now))
		printf("%s\n", json_string_value(now));
	json_object_foreach((json_t *)(uintptr_t)now, key, value)
	{
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "", key);
		show_tree(name, value, json_object_get(then, key), seconds);
	}
	json_array_foreach(now, index, value)
	{
		snprintf(name, sizeof(name), "%s[%zu]", prefix, index);
		show_tree(name, value, json_array_get(then, index), seconds);
	}
}

void millrace_show_changes(const json_t *now, const json_t *then, double seconds)
{
	show_tree("", now, then, seconds);
}
