// SPDX-License-Identifier: Apache-2.0
// The thread that writes the access log; see worker_access.h.
#include "worker_access.h"

#include "access_line.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES  (256u << 10)
#define NAP_LONG_MS  100u // between two looks at empty rings
#define NAP_SHORT_MS 2u   // the same, while entries come
#define LOOK_US      1000000u
#define SCOLD_US     60000000u

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int open_file(const struct conf *conf)
{
	return open(conf->access_log.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		    0640);
}

// scold tells of lines that were lost, at most once a minute.
static void scold(struct access_log *log, int error, uint64_t now_us)
{
	if (log->scolded_us && now_us - log->scolded_us < SCOLD_US)
		return;
	fprintf(stderr, "%s: access_log.file %s: %s; %" PRIu64 " lines are lost\n",
		log->conf->node.id, log->conf->access_log.file, strerror(error), log->lost_count);
	log->scolded_us = now_us;
	log->lost_count = 0;
}

static uint64_t count_lines(const char *at, size_t bytes)
{
	uint64_t count = 0;
	for (size_t i = 0; i < bytes; i++)
		count += at[i] == '\n';
	return count;
}

// write_block appends the block to the file. What cannot be written is lost: the next lines may
// have more luck.
static void write_block(struct access_log *log)
{
	size_t done = 0;
	int error = log->fd < 0 ? EBADF : 0;
	while (!error && done < log->block_bytes) {
		ssize_t bytes = write(log->fd, log->block + done, log->block_bytes - done);
		if (bytes < 0 && errno != EINTR)
			error = errno;
		done += bytes > 0 ? (size_t)bytes : 0;
	}
	log->line_count += count_lines(log->block, done);
	if (error) {
		log->lost_count += count_lines(log->block + done, log->block_bytes - done);
		scold(log, error, clock_us(CLOCK_MONOTONIC));
	}
	log->block_bytes = 0;
}

// look_at_file opens the file anew when its name means another one now, or none.
static void look_at_file(struct access_log *log, uint64_t now_us)
{
	struct stat named, ours;
	if (now_us - log->looked_us < LOOK_US)
		return;
	log->looked_us = now_us;
	bool is_same = log->fd >= 0 && stat(log->conf->access_log.file, &named) == 0 &&
		       fstat(log->fd, &ours) == 0 && named.st_ino == ours.st_ino &&
		       named.st_dev == ours.st_dev;
	if (is_same)
		return;
	int fd = open_file(log->conf);
	if (fd < 0 && log->fd >= 0)
		return; // better the old file than none
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
}

static void add_line(struct access_log *log, size_t bytes)
{
	const struct access_entry *entry = (const void *)log->record;
	if (bytes < sizeof(*entry) || !access_entry_is_good(entry, bytes))
		return;
	struct access_line line = {log->conf->node.id,
				   entry->started_us + (uint64_t)log->wall_ahead_us};
	if (BLOCK_BYTES - log->block_bytes < ACCESS_LINE_BYTES)
		write_block(log);
	log->block_bytes += access_line_format(&line, entry, (const char *)(entry + 1),
					       log->block + log->block_bytes);
}

// drain writes all that waits now; returns how many entries there were.
static uint32_t drain(struct access_log *log)
{
	uint32_t count = 0;
	uint64_t now_us = clock_us(CLOCK_MONOTONIC);
	log->wall_ahead_us = (int64_t)(clock_us(CLOCK_REALTIME) - now_us);
	look_at_file(log, now_us);
	for (uint32_t i = 0; i < log->worker_count; i++) {
		struct record_header header;
		// What comes meanwhile waits for the next round: the others have their turn.
		uint64_t left = ring_unread_bytes(&log->rings[i].reader);
		uint64_t end = log->rings[i].reader.head + left;
		while (log->rings[i].reader.head < end &&
		       ring_read(&log->rings[i].reader, &header, log->record) == 0) {
			add_line(log, header.bytes);
			count++;
		}
	}
	if (log->block_bytes)
		write_block(log);
	return count;
}

static void *run(void *user)
{
	struct access_log *log = user;
	pthread_setname_np(pthread_self(), "access-log");
	for (;;) {
		bool is_last = atomic_load(&log->is_stopping);
		uint32_t count = drain(log);
		if (is_last)
			return NULL;
		uint64_t nap_ms = count ? NAP_SHORT_MS : NAP_LONG_MS;
		nanosleep(&(struct timespec){.tv_nsec = (long)nap_ms * 1000000}, NULL);
	}
}

static bool take_memory(struct access_log *log)
{
	uint32_t ring_size = (uint32_t)log->conf->access_log.ring_bytes;
	log->block = malloc(BLOCK_BYTES);
	log->record = aligned_alloc(8, RECORD_MAX_BYTES);
	for (uint32_t i = 0; i < log->worker_count; i++) {
		size_t bytes = ring_bytes(ring_size);
		bytes += RING_LINE_BYTES - bytes % RING_LINE_BYTES;
		void *memory = aligned_alloc(RING_LINE_BYTES, bytes);
		log->rings[i].memory = memory;
		if (!memory)
			return false;
		memset(memory, 0, bytes);
		ring_writer_init(&log->rings[i].writer, memory, ring_size);
		ring_reader_init(&log->rings[i].reader, memory, ring_size, false);
	}
	return log->block && log->record;
}

bool access_log_start(struct access_log *log, const struct conf *conf, char *why, size_t why_bytes)
{
	*log = (struct access_log){.conf = conf, .fd = -1};
	if (!conf->access_log.file[0])
		return true;
	log->worker_count = conf->dataplane.cores.count;
	log->fd = open_file(conf);
	int error = log->fd < 0 ? errno : take_memory(log) ? 0 : ENOMEM;
	if (!error)
		error = pthread_create(&log->thread, NULL, run, log);
	log->is_running = error == 0;
	if (error)
		snprintf(why, why_bytes, "%s: %s; create its directory, writable by our user",
			 conf->access_log.file, strerror(error));
	return error == 0;
}

struct ring_writer *access_log_ring(struct access_log *log, uint32_t index)
{
	return index < log->worker_count ? &log->rings[index].writer : NULL;
}

void access_log_stop(struct access_log *log)
{
	if (log->is_running) {
		atomic_store(&log->is_stopping, true);
		pthread_join(log->thread, NULL);
	}
	if (log->fd >= 0)
		close(log->fd);
	for (uint32_t i = 0; i < log->worker_count; i++)
		free(log->rings[i].memory);
	free(log->block);
	free(log->record);
	*log = (struct access_log){.fd = -1};
}
