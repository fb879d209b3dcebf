// SPDX-License-Identifier: Apache-2.0
// The command line of `millrace`, as a request to control's socket.
#pragma once

#include <jansson.h>

#include <stdbool.h>

struct millrace_args {
	const char *socket;   // --socket, or NULL
	const char *conf;     // --conf, or NULL
	bool is_json;         // --json
	const char *name;     // of the command: "service-set", "top" ...
	json_t *request;      // owned
	const char *argument; // of counters and top, or NULL
};

// millrace_args_parse reads the command line. Returns true, or false after telling what is wrong on
// standard error, or after printing help (*status is the exit code then).
bool millrace_args_parse(int argc, char **argv, struct millrace_args *args, int *status);
