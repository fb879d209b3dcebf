// SPDX-License-Identifier: Apache-2.0
// millrace: the operator's tool. Commands go to control; counters and top read the data plane
// itself.
#include "millrace_show.h"
#include "millrace_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int print_json(const json_t *data)
{
	json_dumpf(data, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	return putchar('\n') < 0;
}

static int run_control(const struct millrace_args *args, const char *run_dir)
{
	json_t *reply = millrace_ask(run_dir, args->request);
	int status = 1;
	if (!reply)
		return 1;
	if (args->is_json)
		print_json(reply);
	if (json_is_true(json_object_get(reply, "ok"))) {
		if (!args->is_json)
			millrace_show(args->name, json_object_get(reply, "data"));
		status = 0;
	} else if (!args->is_json) {
		const char *error = json_string_value(json_object_get(reply, "error"));
		fprintf(stderr, "millrace: %s\n", error ? error : "control refused");
	}
	json_decref(reply);
	return status;
}

static int run_counters(const struct millrace_args *args, const char *run_dir)
{
	int fd = millrace_telemetry_open(run_dir);
	json_t *now = fd < 0 ? NULL : millrace_telemetry_ask(fd, args->argument);
	if (now && args->is_json)
		print_json(now);
	else if (now)
		millrace_show_changes(now, NULL, 1);
	bool is_done = now != NULL;
	json_decref(now);
	if (fd >= 0)
		close(fd);
	return is_done ? 0 : 1;
}

static int run_top(const struct millrace_args *args, const char *run_dir)
{
	long left = args->argument ? strtol(args->argument, NULL, 10) : -1;
	int fd = millrace_telemetry_open(run_dir);
	json_t *then = fd < 0 ? NULL : millrace_telemetry_ask(fd, NULL);
	int status = then ? 0 : 1;
	while (then && left-- != 0) {
		sleep(1);
		json_t *now = millrace_telemetry_ask(fd, NULL);
		if (args->is_json && now) {
			print_json(now);
		} else if (now) {
			printf("%s-- per second\n", isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "");
			millrace_show_changes(now, then, 1);
		}
		fflush(stdout);
		json_decref(then);
		then = now;
		status = now ? 0 : 1;
	}
	json_decref(then);
	if (fd >= 0)
		close(fd);
	return status;
}

int main(int argc, char **argv)
{
	struct millrace_args args;
	char run_dir[MILLRACE_PATH_BYTES];
	int status;
	if (!millrace_args_parse(argc, argv, &args, &status)) {
		json_decref(args.request);
		return status;
	}
	if (!millrace_find_run_dir(&args, run_dir))
		status = 1;
	else if (strcmp(args.name, "counters") == 0)
		status = run_counters(&args, run_dir);
	else if (strcmp(args.name, "top") == 0)
		status = run_top(&args, run_dir);
	else
		status = run_control(&args, run_dir);
	json_decref(args.request);
	return status;
}
