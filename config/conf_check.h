// SPDX-License-Identifier: Apache-2.0
// Errors of a configuration, all of them, and the checks that need more than one key.
#pragma once

#include "conf.h"

#include <libconfig.h>

struct conf_errors {
	FILE *out;        // borrowed
	const char *name; // of the file; borrowed
	unsigned count;
};

// conf_errors_add writes "name:line: key: " and the formatted "reason; cure" as one line.
__attribute__((format(printf, 4, 5))) void conf_errors_add(struct conf_errors *errors,
							   unsigned line, const char *key,
							   const char *format, ...);

// conf_check compares keys with each other, once each of them is good by itself. config tells
// lines.
void conf_check(const struct conf *conf, const config_t *config, struct conf_errors *errors);
