// SPDX-License-Identifier: Apache-2.0
// Lines for the operator; see log.h. Debug lines need MILLRACE_DEBUG in the environment.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[LOG_LEVEL_COUNT] = {"debug", "info", "warning", "error"};
	if (level == LOG_LEVEL_DEBUG && !getenv("MILLRACE_DEBUG"))
		return;
	char text[2048];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	char stamp[32];
	time_t now = time(NULL);
	struct tm parts;
	gmtime_r(&now, &parts);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &parts);
	fprintf(stderr, "%s %s: %s\n", stamp, names[level], text);
}
