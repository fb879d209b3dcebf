// SPDX-License-Identifier: Apache-2.0
// millrace-control: the slow process of a node. --conf FILE runs it; --check, --print-defaults and
// --version tell and exit.
#include "control.h"
#include "log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION "0.1.0"

static const char usage[] =
	"millrace-control - registry, routes, identities and certificates of a millrace node\n"
	"\n"
	"  millrace-control --conf FILE            run in the foreground until SIGTERM\n"
	"  millrace-control --conf FILE --check    read the file, tell every error, exit\n"
	"  millrace-control --print-defaults       every key of the file with its default\n"
	"  millrace-control --print-reference      every key with its type, range and meaning\n"
	"  millrace-control --version\n"
	"\n"
	"The registry file is shared by the nodes of one machine; give each its own state_dir and "
	"run_dir.\n";

enum { OPTION_CONF = 'c', OPTION_CHECK = 256, OPTION_DEFAULTS, OPTION_REFERENCE, OPTION_VERSION };

static const struct option options[] = {
	{"conf", required_argument, NULL, OPTION_CONF},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"print-defaults", no_argument, NULL, OPTION_DEFAULTS},
	{"print-reference", no_argument, NULL, OPTION_REFERENCE},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int run(const struct conf *conf)
{
	struct control *control = control_start(conf);
	if (!control)
		return 1;
	control_run(control);
	control_end(control);
	return 0;
}

static int with_conf(const char *path, bool is_check)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	if (!conf)
		return 1;
	unsigned errors = conf_load(path, conf, stderr);
	int result = 1;
	if (errors)
		fprintf(stderr, "%s: %u error%s\n", path, errors, errors == 1 ? "" : "s");
	else if (is_check)
		result = printf("%s: fine\n", path) < 0;
	else
		result = run(conf);
	free(conf);
	return result;
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	bool is_check = false;
	int option;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case OPTION_CONF: path = optarg; break;
		case OPTION_CHECK: is_check = true; break;
		case OPTION_DEFAULTS: conf_print_defaults(stdout); return 0;
		case OPTION_REFERENCE: conf_print_reference(stdout); return 0;
		case OPTION_VERSION: return printf("millrace-control %s\n", VERSION) < 0;
		case 'h': return fputs(usage, stdout) < 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (!path || optind != argc) {
		fprintf(stderr, "%s: --conf FILE is needed\n\n%s", argv[0], usage);
		return 2;
	}
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	return with_conf(path, is_check);
}
