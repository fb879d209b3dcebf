// SPDX-License-Identifier: Apache-2.0
// A purge is done when every worker of every edge has applied it: until then control is asked how
// far they are.
#include "millrace_purge.h"

#include "millrace_show.h"
#include "millrace_socket.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_MS  5000u
#define PAUSE_MS 20u

// wait_for_all asks until none is missing or time is up; the last answer is the caller's. NULL:
// told.
static json_t *wait_for_all(const char *run_dir, json_int_t sequence)
{
	json_t *reply = NULL;
	json_t *request = json_pack("{s:s, s:I}", "command", "purge-status", "sequence", sequence);
	for (unsigned waited_ms = 0; waited_ms <= WAIT_MS; waited_ms += PAUSE_MS) {
		struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
		json_decref(reply);
		reply = millrace_ask(run_dir, request);
		const json_t *waiting = json_object_get(json_object_get(reply, "data"), "waiting");
		if (!reply || json_array_size(waiting) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	json_decref(request);
	return reply;
}

// tell says who has not answered; false when there is one.
static bool tell(const json_t *data)
{
	size_t index;
	const json_t *edge;
	const json_t *waiting = json_object_get(data, "waiting");
	json_int_t edges = json_integer_value(json_object_get(data, "edges"));
	json_int_t applied = json_integer_value(json_object_get(data, "applied"));
	json_array_foreach(waiting, index, edge)
	{
		const char *why = json_string_value(json_object_get(edge, "why"));
		fprintf(stderr,
			"millrace: %d of %d edges; %s did not answer in %u s%s%s: it purges when "
			"it is back\n",
			(int)applied, (int)edges, json_string_value(json_object_get(edge, "node")),
			WAIT_MS / 1000, why && why[0] ? ", " : "", why ? why : "");
	}
	return json_array_size(waiting) == 0;
}

int millrace_purge(const struct millrace_args *args, const char *run_dir)
{
	json_t *reply = millrace_ask(run_dir, args->request);
	if (json_is_true(json_object_get(reply, "ok"))) {
		json_int_t sequence = json_integer_value(
			json_object_get(json_object_get(reply, "data"), "sequence"));
		json_decref(reply);
		reply = wait_for_all(run_dir, sequence);
	}
	const char *error = json_string_value(json_object_get(reply, "error"));
	bool is_done = reply && !error && tell(json_object_get(reply, "data"));
	if (error && !args->is_json)
		fprintf(stderr, "millrace: %s\n", error);
	else if (reply && args->is_json)
		millrace_show_json(reply);
	else if (is_done)
		millrace_show(args->name, json_object_get(reply, "data"));
	json_decref(reply);
	return is_done ? 0 : 1;
}
