// SPDX-License-Identifier: Apache-2.0
// One control process a node: locks (flock(2)) on the directories that are ours alone. They end
// with the process, however it ends.
#include "control.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WAIT_MS 1000u // a predecessor that is ending is gone by then
#define STEP_MS 20u

// read_owner reads who holds the lock; 0: unknown.
static long read_owner(int fd)
{
	char text[32] = {0};
	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

// take waits for the lock. False: somebody else keeps it, or errno of another kind.
static bool take(int fd)
{
	for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += STEP_MS) {
		if (errno != EWOULDBLOCK || waited_ms >= WAIT_MS)
			return false;
		usleep(STEP_MS * 1000);
	}
	return true;
}

// lock_file returns the descriptor that holds the lock, or -1: told.
static int lock_file(const char *dir, const char *name, const char *key)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return -1;
	}
	if (take(fd)) {
		if (ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
			log_error("%s: %s", path, strerror(errno)); // it is locked all the same
		return fd;
	}
	if (errno == EWOULDBLOCK)
		log_error("%s: process %ld is this node's control already: end it, or give this "
			  "node a %s of its own",
			  path, read_owner(fd), key);
	else
		log_error("%s: %s", path, strerror(errno));
	close(fd);
	return -1;
}

bool control_lock(struct control *control)
{
	const struct conf *conf = &control->conf;
	control->locks[0] = lock_file(conf->run_dir, "control.run-lock", "run_dir");
	if (control->locks[0] >= 0)
		control->locks[1] = lock_file(conf->identity.state_dir, "control.state-lock",
					      "identity.state_dir");
	return control->locks[1] >= 0;
}

void control_unlock(struct control *control)
{
	for (unsigned i = 0; i < 2; i++)
		if (control->locks[i] >= 0)
			close(control->locks[i]);
}
