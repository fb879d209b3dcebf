// SPDX-License-Identifier: Apache-2.0
// The file as a whole: whether it is ours and of use, its secret, its life; see disk.h.
#include "disk_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAGIC 0x6d696c6c64736b31ull // "milldsk1"

// What is in it is somebody's: it is not overwritten.
static const char not_ours[] = "it is another kind of file: delete it, or name another one";

struct header {
	uint64_t magic;
	uint32_t version;
	uint32_t log_count;
	uint64_t segment_bytes;
	uint32_t segment_count;
	uint32_t is_closed;
	uint64_t life;
	char boot[40];
	struct siphash_key secret;
	uint64_t mac;
};

int disk_pread(int fd, void *at, size_t bytes, uint64_t offset)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t now = pread(fd, (char *)at + done, bytes - done, (off_t)(offset + done));
		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return now < 0 ? errno : ENODATA;
		done += (size_t)now;
	}
	return 0;
}

int disk_pwrite(int fd, const void *at, size_t bytes, uint64_t offset)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t now =
			pwrite(fd, (const char *)at + done, bytes - done, (off_t)(offset + done));
		if (now < 0 && errno != EINTR)
			return errno;
		done += now > 0 ? (size_t)now : 0;
	}
	return 0;
}

uint64_t disk_mac(const struct disk_file *file, enum disk_mac_of what, const void *at, size_t bytes)
{
	struct siphash_key key = file->secret;
	key.half[0] ^= (uint64_t)what << 56;
	return siphash(&key, at, bytes);
}

// geometry_of divides a file: few enough segments to look at all of them at start.
static struct disk_geometry geometry_of(uint64_t bytes, uint32_t log_count)
{
	uint64_t log_bytes = (bytes - DISK_LOGS_AT) / log_count;
	struct disk_geometry geometry = {.segment_bytes = DISK_SEGMENT_BYTES};
	while (log_bytes / geometry.segment_bytes > DISK_SEGMENTS_MAX)
		geometry.segment_bytes *= 2;
	geometry.segment_count = (uint32_t)(log_bytes / geometry.segment_bytes);
	return geometry;
}

static int write_header(struct disk_file *file, bool is_closed)
{
	_Alignas(8) uint8_t block[DISK_BLOCK_BYTES] = {0};
	struct header *header = (void *)block;
	*header = (struct header){
		.magic = HEADER_MAGIC,
		.version = DISK_VERSION,
		.log_count = file->log_count,
		.segment_bytes = file->geometry.segment_bytes,
		.segment_count = file->geometry.segment_count,
		.is_closed = is_closed,
		.life = file->life,
		.secret = file->secret,
	};
	memcpy(header->boot, file->boot, sizeof(header->boot));
	header->mac = disk_mac(file, DISK_MAC_FILE, header, offsetof(struct header, mac));
	int error = disk_pwrite(file->fd, block, sizeof(block), 0);
	return error ? error : fdatasync(file->fd) == 0 ? 0 : errno;
}

// judge returns NULL, or why what is in the file is of no use; its secret and life are taken over.
static const char *judge(struct disk_file *file, uint64_t bytes)
{
	struct header header;
	struct stat stat;
	if (fstat(file->fd, &stat) != 0 || stat.st_size == 0)
		return "";
	if (disk_pread(file->fd, &header, sizeof(header), 0) != 0 || header.magic != HEADER_MAGIC)
		return not_ours;
	if (header.version != DISK_VERSION)
		return "it is of another version";
	struct siphash_key fresh = file->secret;
	file->secret = header.secret;
	const char *why = NULL;
	if (header.mac != disk_mac(file, DISK_MAC_FILE, &header, offsetof(struct header, mac)))
		why = "it is damaged";
	else if (header.log_count != file->log_count ||
		 header.segment_bytes != file->geometry.segment_bytes ||
		 header.segment_count != file->geometry.segment_count ||
		 (uint64_t)stat.st_size < bytes)
		why = "its size or the number of workers has changed";
	else if (!header.is_closed && memcmp(header.boot, file->boot, sizeof(header.boot)) != 0)
		why = "the machine went down while it was in use";
	file->life = header.life;
	file->was_closed = header.is_closed;
	if (why)
		file->secret = fresh;
	return why;
}

// make_anew gives the file its size, with nothing in it; what was there is gone first.
static int make_anew(struct disk_file *file, uint64_t bytes)
{
	file->life = 0;
	if (ftruncate(file->fd, 0) != 0)
		return errno;
	return posix_fallocate(file->fd, 0, (off_t)bytes);
}

// intents_id names the intents of the file's life.
static uint64_t intents_id(const struct disk_file *file)
{
	return disk_mac(file, DISK_MAC_INTENTS, &file->life, sizeof(file->life));
}

// judge_intents opens them; *fault is set when those of a life that was killed are missing.
static int judge_intents(struct disk_file *file, const char *path, const char **fault)
{
	if (!path)
		return 0;
	int error = disk_intents_open(&file->intents, path, file->log_count, intents_id(file));
	if (!error && !*fault && !file->was_closed && !file->intents.is_kept)
		*fault = "it was not closed, and what was to be written last is not known";
	return error;
}

// take makes the open file ours for as long as it is open.
static int take(struct disk_file *file, const struct disk_options *options, const char **why)
{
	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? EBUSY : errno;
	const char *fault = judge(file, options->bytes);
	*why = fault ? fault : "";
	if (fault == not_ours)
		return EEXIST;
	if (fchmod(file->fd, 0600) != 0)
		return errno;
	int error = judge_intents(file, options->intents_path, &fault);
	*why = fault ? fault : "";
	if (!error && fault)
		error = make_anew(file, options->bytes);
	file->is_kept = fault == NULL;
	file->life++;
	if (!error)
		error = write_header(file, false);
	if (!error)
		disk_intents_begin(&file->intents, (uint32_t)file->life, intents_id(file),
				   file->is_kept && !file->was_closed);
	return error;
}

int disk_file_open(struct disk_file *file, const struct disk_options *options, const char **why)
{
	*why = "";
	*file = (struct disk_file){.fd = -1,
				   .log_count = options->log_count,
				   .secret = options->fresh,
				   .geometry = geometry_of(options->bytes, options->log_count)};
	strncpy(file->boot, options->boot, sizeof(file->boot) - 1);
	file->fd = open(options->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (file->fd < 0)
		return errno;
	int error = take(file, options, why);
	if (error) {
		disk_intents_close(&file->intents);
		close(file->fd);
		file->fd = -1;
	}
	return error;
}

void disk_file_close(struct disk_file *file, bool is_good)
{
	if (file->fd < 0)
		return;
	// All else is on the disk before the header says so.
	bool is_lasting = is_good && fdatasync(file->fd) == 0 && write_header(file, true) == 0;
	if (!is_lasting && ftruncate(file->fd, 0) != 0)
		memset(&file->secret, 0, sizeof(file->secret)); // nothing more can be done
	disk_intents_close(&file->intents);
	close(file->fd);
	file->fd = -1;
}
