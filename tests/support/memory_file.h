// SPDX-License-Identifier: Apache-2.0
// A file of a unit test's own, in memory: nothing waits for fdatasync. A path is
// MEMORY_FILE("name"), an array that the test owns.
#pragma once

#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#define MEMORY_FILE(name) "/dev/shm/" name "_XXXXXX"

// memory_file_make makes the file, empty, and writes its name into path.
static inline void memory_file_make(char *path)
{
	int fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
}

// memory_file_remove removes it.
static inline void memory_file_remove(const char *path)
{
	CU_ASSERT_EQUAL(unlink(path), 0);
}
