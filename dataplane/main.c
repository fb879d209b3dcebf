// SPDX-License-Identifier: Apache-2.0
// millrace-dataplane: one binary, three roles by configuration.
#include "conf.h"
#include "worker_boot.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MILLRACE_VERSION
#define MILLRACE_VERSION "unknown"
#endif

static void print_help(FILE *out)
{
	fputs("usage: millrace-dataplane --conf FILE [--check]\n"
	      "       millrace-dataplane --print-defaults | --reference | --version | --help\n"
	      "\n"
	      "  --conf FILE       run the node that FILE describes, until SIGTERM or SIGINT\n"
	      "  --check           only tell whether FILE is good: exit code 0, or 2 with every "
	      "error\n"
	      "  --print-defaults  a configuration with every key at its default\n"
	      "  --reference       what every key is\n",
	      out);
}

// run_conf runs the node of path, or only checks path. conf is memory for it. Returns the exit
// code.
static int run_conf(const char *path, bool is_check, struct conf *conf)
{
	unsigned errors = conf_load(path, conf, stderr);
	if (errors) {
		fprintf(stderr, "%u error%s\n", errors, errors == 1 ? "" : "s");
		return 2;
	}
	if (is_check) {
		printf("%s is good\n", path);
		return 0;
	}
	return worker_boot_run(conf);
}

static int run(const char *path, bool is_check)
{
	struct conf *conf = malloc(sizeof(*conf)); // too large for a stack
	if (!conf) {
		fputs("memory is short\n", stderr);
		return 1;
	}
	int code = run_conf(path, is_check, conf);
	free(conf);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
						{"check", no_argument, NULL, 'k'},
						{"print-defaults", no_argument, NULL, 'd'},
						{"reference", no_argument, NULL, 'r'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *path = NULL;
	bool is_check = false;
	for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (option) {
		case 'c': path = optarg; break;
		case 'k': is_check = true; break;
		case 'd': conf_print_defaults(stdout); return 0;
		case 'r': conf_print_reference(stdout); return 0;
		case 'v': puts("millrace-dataplane " MILLRACE_VERSION); return 0;
		case 'h': print_help(stdout); return 0;
		default: print_help(stderr); return 2;
		}
	}
	if (!path || optind != argc) {
		print_help(stderr);
		return 2;
	}
	return run(path, is_check);
}
