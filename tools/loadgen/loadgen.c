// SPDX-License-Identifier: Apache-2.0
// loadgen: HTTP load by millrace's own stack as a client, over any port of DPDK: what no kernel's
// client can reach (net_memif) or keep up with. README.md says what it measures and how.
#include "load_report.h"

#include "check.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile bool is_stopped; // by a signal

static void stop(int)
{
	is_stopped = true;
}

static int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
	return remove(path);
}

#define WORDS_MAX 128 // of the command line and of a run's line

static void run(struct load_options *options, struct host_stack *stack)
{
	struct load *load = load_new(options, stack);
	load_run(load, &is_stopped);
	load_report_print(load, stdout);
	fflush(stdout);
	load_free(load);
	load_mix_free(&options->mix);
}

// words_of makes one run's command line of ours and the words of line, tabs between, which it cuts.
// Returns their count.
static int words_of(int argc, char **argv, char *line, char **words)
{
	int count = 0;
	for (int i = 0; i < argc && count < WORDS_MAX; i++)
		if (strcmp(argv[i], "--serve") != 0)
			words[count++] = argv[i];
	for (char *word; count < WORDS_MAX && (word = strsep(&line, "\t\n"));)
		if (*word)
			words[count++] = word;
	words[count] = NULL;
	return count;
}

// serve does the runs that standard input asks for, one after the other.
static void serve(int argc, char **argv, struct load_options *options, struct host_stack *stack)
{
	const char *run_dir = options->run_dir;
	char *line = NULL, *words[WORDS_MAX + 1];
	size_t room = 0;
	while (!is_stopped && getline(&line, &room, stdin) > 0) {
		load_options_read(words_of(argc, argv, line, words), words, options);
		options->run_dir = run_dir;
		run(options, stack);
	}
	free(line);
}

int main(int argc, char **argv)
{
	static struct host_stack stack;
	static char own_dir[] = "/tmp/loadgen-XXXXXX";
	static struct load_options options;
	load_options_read(argc, argv, &options);
	bool is_own = !options.run_dir;
	if (is_own)
		options.run_dir = mkdtemp(own_dir);
	if (!options.run_dir) {
		perror("loadgen: /tmp");
		return 1;
	}
	const struct sigaction action = {.sa_handler = stop}; // a read of standard input ends
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	host_stack_open(&stack, load_options_conf(&options));
	if (options.is_serving)
		serve(argc, argv, &options, &stack);
	else
		run(&options, &stack);
	host_stack_close(&stack);
	if (is_own)
		nftw(own_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
