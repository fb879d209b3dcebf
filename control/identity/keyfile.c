// SPDX-License-Identifier: Apache-2.0
// Small files with secrets; see keyfile.h.
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_of(char out[512], const char *dir, const char *name, const char *suffix)
{
	int length = snprintf(out, 512, "%s%s%s%s", dir ? dir : "", dir ? "/" : "", name, suffix);
	if (length >= 512)
		errno = ENAMETOOLONG;
	return length < 512;
}

char *keyfile_read(const char *dir, const char *name)
{
	char path[512];
	if (!path_of(path, dir, name, ""))
		return NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *text = malloc(KEYFILE_MAX_BYTES);
	ssize_t bytes = text ? read(fd, text, KEYFILE_MAX_BYTES - 1) : -1;
	close(fd);
	if (bytes < 0) {
		free(text);
		return NULL;
	}
	while (bytes > 0 && strchr(" \t\r\n", text[bytes - 1]))
		bytes--;
	text[bytes] = 0;
	return text;
}

static bool write_all(int fd, const char *text)
{
	size_t length = strlen(text);
	return write(fd, text, length) == (ssize_t)length && write(fd, "\n", 1) == 1 &&
	       fsync(fd) == 0;
}

bool keyfile_write(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[512];
	char fresh[512];
	if (!path_of(path, dir, name, "") || !path_of(fresh, dir, name, ".new"))
		return false;
	unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return false;
	// Whatever the umask says: what is for everybody must be readable.
	bool is_done = fchmod(fd, mode) == 0 && write_all(fd, text);
	close(fd);
	if (is_done && rename(fresh, path) == 0)
		return true;
	unlink(fresh);
	return false;
}

void keyfile_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

bool keyfile_is_private(const char *path)
{
	struct stat stat_of;
	return stat(path, &stat_of) == 0 && (stat_of.st_mode & 077) == 0;
}
