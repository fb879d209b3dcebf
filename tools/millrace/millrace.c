// SPDX-License-Identifier: Apache-2.0
// millrace: the operator's tool. Commands go to control; counters and top read the data plane
// itself.
#include "millrace_capture.h"
#include "millrace_flows.h"
#include "millrace_plane.h"
#include "millrace_purge.h"
#include "millrace_show.h"
#include "millrace_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// read_plane asks the data plane about itself; NULL: told.
static json_t *read_plane(const char *run_dir)
{
	int fd = millrace_telemetry_open(run_dir);
	json_t *plane = fd < 0 ? NULL : millrace_plane_read(fd);
	if (fd >= 0)
		close(fd);
	return plane;
}

static int show_reply(const struct millrace_args *args, const json_t *reply)
{
	bool is_done = json_is_true(json_object_get(reply, "ok"));
	if (args->is_json) {
		millrace_show_json(reply);
	} else if (is_done) {
		millrace_show(args->name, json_object_get(reply, "data"));
	} else {
		const char *error = json_string_value(json_object_get(reply, "error"));
		fprintf(stderr, "millrace: %s\n", error ? error : "control refused");
	}
	return is_done ? 0 : 1;
}

static int run_control(const struct millrace_args *args, const char *run_dir)
{
	json_t *reply = millrace_ask(run_dir, args->request);
	int status = reply ? show_reply(args, reply) : 1;
	json_decref(reply);
	return status;
}

// run_status tells of both processes; one that is not there does not hide the other.
static int run_status(const struct millrace_args *args, const char *run_dir)
{
	json_t *reply = millrace_ask(run_dir, args->request);
	json_t *plane = read_plane(run_dir);
	int status = reply && plane ? 0 : 1;
	if (args->is_json) {
		json_t *both = json_pack("{s:b, s:O?, s:O?}", "ok", status == 0, "data",
					 json_object_get(reply, "data"), "dataplane", plane);
		millrace_show_json(both);
		json_decref(both);
	} else {
		if (reply && show_reply(args, reply) != 0)
			status = 1;
		if (plane)
			millrace_plane_show(plane);
	}
	json_decref(plane);
	json_decref(reply);
	return status;
}

static int run_counters(const struct millrace_args *args, const char *run_dir)
{
	int fd = millrace_telemetry_open(run_dir);
	json_t *now = fd < 0 ? NULL : millrace_telemetry_ask(fd, args->argument);
	if (now && args->is_json)
		millrace_show_json(now);
	else if (now)
		millrace_show_changes(now, NULL, 1);
	bool is_done = now != NULL;
	json_decref(now);
	if (fd >= 0)
		close(fd);
	return is_done ? 0 : 1;
}

// run_announce has the data plane send gratuitous ARP and unsolicited advertisements.
static int run_announce(const struct millrace_args *args, const char *run_dir)
{
	char ask[128];
	const char *address = json_string_value(json_object_get(args->request, "address"));
	int fd = millrace_telemetry_open(run_dir);
	snprintf(ask, sizeof(ask), "/millrace/announce,%.64s", address ? address : "all");
	json_t *answer = fd < 0 ? NULL : millrace_telemetry_ask(fd, ask);
	bool is_done = json_integer_value(json_object_get(answer, "announced")) > 0;
	if (answer && !is_done)
		fprintf(stderr, "millrace: %s is no address of this node\n", address);
	json_decref(answer);
	if (fd >= 0)
		close(fd);
	return is_done ? 0 : 1;
}

// One look at the data plane.
struct look {
	json_t *plane;
	json_t *counters;
	double at_s;
};

static bool take_look(int fd, struct look *look)
{
	struct timespec now;
	look->plane = millrace_plane_read(fd);
	look->counters = look->plane ? millrace_telemetry_ask(fd, NULL) : NULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	look->at_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	return look->counters != NULL;
}

static void drop_look(struct look *look)
{
	json_decref(look->plane);
	json_decref(look->counters);
}

static void show_look(const struct millrace_args *args, const struct look *now,
		      const struct look *then)
{
	double seconds = now->at_s - then->at_s;
	json_t *rates = json_pack("{s:o}", "workers",
				  millrace_plane_rates(now->plane, then->plane, seconds));
	if (args->is_json) {
		json_object_set_new(rates, "seconds", json_real(seconds));
		json_object_set(rates, "traffic", json_object_get(now->plane, "traffic"));
		json_object_set(rates, "reasons", json_object_get(now->plane, "reasons"));
		json_object_set(rates, "counters", now->counters);
		millrace_show_json(rates);
	} else {
		printf("%s", isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "");
		millrace_show("top", rates);
		millrace_show_changes(now->counters, then->counters, seconds);
	}
	json_decref(rates);
	fflush(stdout);
}

static int run_top(const struct millrace_args *args, const char *run_dir)
{
	long left = args->argument ? strtol(args->argument, NULL, 10) : -1;
	int fd = millrace_telemetry_open(run_dir);
	struct look then = {0};
	bool is_fine = fd >= 0 && take_look(fd, &then);
	while (is_fine && left-- != 0) {
		struct look now = {0};
		sleep(1);
		is_fine = take_look(fd, &now);
		if (is_fine)
			show_look(args, &now, &then);
		drop_look(&then);
		then = now;
	}
	drop_look(&then);
	if (fd >= 0)
		close(fd);
	return is_fine ? 0 : 1;
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
	else if (strcmp(args.name, "announce") == 0)
		status = run_announce(&args, run_dir);
	else if (strcmp(args.name, "capture") == 0)
		status = millrace_capture(&args, run_dir);
	else if (strcmp(args.name, "flows") == 0)
		status = millrace_flows(&args, run_dir);
	else if (strcmp(args.name, "status") == 0)
		status = run_status(&args, run_dir);
	else if (strcmp(args.name, "top") == 0)
		status = run_top(&args, run_dir);
	else if (strcmp(args.name, "purge") == 0)
		status = millrace_purge(&args, run_dir);
	else
		status = run_control(&args, run_dir);
	json_decref(args.request);
	return status;
}
