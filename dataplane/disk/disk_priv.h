// SPDX-License-Identifier: Apache-2.0
// What the files of this room offer each other.
#pragma once

#include "disk.h"

#define DISK_VERSION 2u

// What a code is about: none can stand in for another.
enum disk_mac_of {
	DISK_MAC_FILE = 1,
	DISK_MAC_STATE,
	DISK_MAC_SEGMENT,
	DISK_MAC_HEAD,
	DISK_MAC_BODY,
	DISK_MAC_INTENTS,
};

// disk_mac authenticates bytes under the file's secret.
uint64_t disk_mac(const struct disk_file *file, enum disk_mac_of what, const void *at,
		  size_t bytes);

// disk_pread and disk_pwrite do all of it; 0 or an errno (ENODATA: beyond the end).
int disk_pread(int fd, void *at, size_t bytes, uint64_t offset);
int disk_pwrite(int fd, const void *at, size_t bytes, uint64_t offset);
