// SPDX-License-Identifier: Apache-2.0
// loadgen: HTTP load by millrace's own stack as a client, over any port of DPDK: what no kernel's
// client can reach (net_memif) or keep up with. README.md says what it measures and how.
#include "load_report.h"

#include "check.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
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

int main(int argc, char **argv)
{
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
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	struct load *load = load_new(&options);
	load_run(load, &is_stopped);
	load_report_print(load, stdout);
	load_free(load);
	load_mix_free(&options.mix);
	if (is_own)
		nftw(own_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
