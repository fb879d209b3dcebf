// SPDX-License-Identifier: Apache-2.0
// Small files with secrets: written beside and renamed, read whole, wiped from memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define KEYFILE_MAX_BYTES 65536u

// keyfile_read returns the text of dir/name (name alone when dir is NULL) without trailing white
// space; the caller gives it to keyfile_free. NULL: errno tells.
char *keyfile_read(const char *dir, const char *name);

// keyfile_write replaces dir/name by text. False: errno tells.
bool keyfile_write(const char *dir, const char *name, const char *text, mode_t mode);

// keyfile_free wipes and frees; NULL is fine.
void keyfile_free(char *text);

// keyfile_is_private is true when nobody but its owner may read path.
bool keyfile_is_private(const char *path);
