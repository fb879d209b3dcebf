// SPDX-License-Identifier: Apache-2.0
// The thread of the cache's second tier; see worker_disk.h.
#include "worker_disk.h"

#include "check.h"
#include "handover.h"
#include "worker_ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define JOB_BUDGET   16u // of one log in one round
#define WALK_BUDGET  16u // records of earlier lives, while no jobs come
#define NAP_FIRST_US 20u // between two looks at empty rings; doubled up to
#define NAP_LAST_US  1000u

static_assert(sizeof(struct cache_disk_job) % 4 == 0, "what rte_ring demands of its elements");
static_assert(sizeof(struct cache_disk_result) % 4 == 0, "what rte_ring demands of its elements");

// read_boot reads the id of this run of the kernel; where there is none each run of ours counts as
// one.
static void read_boot(char boot[40], uint64_t fresh)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd >= 0 ? read(fd, boot, 36) : 0;
	if (bytes > 0)
		boot[bytes] = 0;
	else
		snprintf(boot, 40, "%" PRIx64, ~fresh);
	if (fd >= 0)
		close(fd);
}

static int open_log(struct worker_disk *disk, uint32_t index)
{
	struct worker_disk_log *log = &disk->logs[index];
	log->jobs = worker_ring_new("disk", sizeof(struct cache_disk_job), WORKER_DISK_JOBS);
	log->results =
		worker_ring_new("disk", sizeof(struct cache_disk_result), WORKER_DISK_RESULTS);
	log->is_walking = true;
	atomic_init(&log->wake_fd, -1);
	int error = disk_log_open(&log->log, &disk->file, index);
	disk_scan_begin(&log->log, &log->scan);
	return log->jobs && log->results ? error : ENOMEM;
}

bool worker_disk_open(struct worker_disk *disk, const struct conf *conf, struct siphash_key fresh,
		      char *why, size_t why_bytes)
{
	struct disk_options options = {.path = conf->cache.disk_path,
				       .bytes = conf->cache.disk_size_bytes,
				       .log_count = conf->dataplane.cores.count,
				       .fresh = fresh};
	char boot[40], intents_path[sizeof(conf->run_dir) + 32];
	const char *fault;
	*disk = (struct worker_disk){.conf = conf, .file.fd = -1};
	if (!options.path[0] || conf->cache.memory_bytes == 0 || conf->node.role != CONF_ROLE_EDGE)
		return true;
	read_boot(boot, fresh.half[1]);
	options.boot = boot;
	snprintf(intents_path, sizeof(intents_path), "%s/cache-intents", conf->run_dir);
	options.intents_path = intents_path;
	int error = disk_file_open(&disk->file, &options, &fault);
	for (uint32_t i = 0; i < options.log_count && !error; i++) {
		error = open_log(disk, i);
		disk->log_count++;
	}
	if (error == EEXIST || error == EBUSY)
		snprintf(why, why_bytes, "%s: %s", options.path,
			 error == EBUSY ? "another process uses it; name another file" : fault);
	else if (error)
		snprintf(why, why_bytes, "%s: %s; %" PRIu64 " MiB, writable by our user",
			 options.path, strerror(error), options.bytes >> 20);
	else if (fault[0])
		fprintf(stderr, "%s: cache.disk_path %s is made anew: %s\n", conf->node.id,
			options.path, fault);
	return error == 0;
}

struct cache_disk_limits worker_disk_limits(struct worker_disk *disk, uint32_t index)
{
	const struct disk_log *log = &disk->logs[index].log;
	return (struct cache_disk_limits){
		.geometry = disk->file.geometry,
		.head = log->head,
		.life = disk->file.life,
		.intents = &disk->file.intents,
		.entries = MAX(disk->conf->cache.disk_objects / disk->log_count, 16u),
		.rate_bytes = disk->conf->cache.disk_rate_bytes / disk->log_count,
	};
}

void worker_disk_set_wake(struct worker_disk *disk, uint32_t index, int wake_fd)
{
	if (index < disk->log_count)
		atomic_store(&disk->logs[index].wake_fd, wake_fd);
}

bool worker_disk_send(struct worker_disk *disk, uint32_t index, const struct cache_disk_job *job)
{
	struct cache_disk_job copy = *job; // rte_ring takes no const
	return rte_ring_sp_enqueue_elem(disk->logs[index].jobs, &copy, sizeof(copy)) == 0;
}

bool worker_disk_receive(struct worker_disk *disk, uint32_t index, struct cache_disk_result *result)
{
	return rte_ring_sc_dequeue_elem(disk->logs[index].results, result, sizeof(*result)) == 0;
}

bool worker_disk_has_input(const struct worker_disk *disk, uint32_t index)
{
	return !rte_ring_empty(disk->logs[index].results);
}

// The thread.

static void tell(struct worker_disk_log *log, struct cache_disk_result *result)
{
	int error = rte_ring_sp_enqueue_elem(log->results, result, sizeof(*result));
	CHECK(error == 0); // there is room for all that may be under way
}

static void wake(struct worker_disk_log *log)
{
	int fd = atomic_load(&log->wake_fd);
	if (fd >= 0)
		handover_wake(fd);
}

// give_up ends the use of a log whose writing failed: what it says is not the whole truth any more.
static void give_up(struct worker_disk *disk, struct worker_disk_log *log, int error)
{
	struct cache_disk_result broken = {.done = CACHE_DISK_BROKEN};
	fprintf(stderr, "%s: cache.disk_path %s: %s; not used until the next start\n",
		disk->conf->node.id, disk->conf->cache.disk_path, strerror(error));
	log->is_broken = true;
	disk_intents_doubt(&disk->file.intents, log->log.index);
	tell(log, &broken);
}

// hear tells a worker that more of what it reads is there, as long as there is room for what must
// be told.
static void hear(void *user, const struct cache_disk_result *result)
{
	struct worker_disk_log *log = user;
	struct cache_disk_result copy = *result;
	if (rte_ring_free_count(log->results) <= WORKER_DISK_JOBS)
		return;
	tell(log, &copy);
	wake(log);
}

// do_jobs does some of what a worker wants; returns how many.
static uint32_t do_jobs(struct worker_disk *disk, struct worker_disk_log *log)
{
	struct cache_disk_job job;
	uint32_t count = 0;
	while (count < JOB_BUDGET && rte_ring_sc_dequeue_elem(log->jobs, &job, sizeof(job)) == 0) {
		struct cache_disk_result result = {0};
		struct cache_disk_listener listener = {hear, log};
		int error = cache_disk_serve(&log->log, &job, log->is_broken, &listener, &result);
		if (cache_disk_job_has_slot(&job))
			tell(log, &result);
		if (error)
			give_up(disk, log, error);
		if (job.kind == CACHE_DISK_READ)
			wake(log);
		count++;
	}
	return count;
}

// walk looks for what earlier lives left, as long as there is room to tell of it.
static uint32_t walk(struct worker_disk_log *log)
{
	struct cache_disk_result result = {0};
	uint32_t count = 0;
	while (log->is_walking && count < WALK_BUDGET &&
	       rte_ring_free_count(log->results) > WORKER_DISK_JOBS) {
		log->is_walking = cache_disk_walk(&log->log, &log->scan, &result);
		tell(log, &result);
		count++;
	}
	if (count && !log->is_walking)
		wake(log);
	return count;
}

static void *run(void *user)
{
	struct worker_disk *disk = user;
	uint64_t nap_us = NAP_FIRST_US;
	pthread_setname_np(pthread_self(), "cache-disk");
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		bool is_last = atomic_load(&disk->is_stopping);
		uint32_t jobs = 0, found = 0;
		for (uint32_t i = 0; i < disk->log_count; i++) {
			uint32_t count = do_jobs(disk, &disk->logs[i]);
			jobs += count;
			if (count == 0 && !is_last)
				found += walk(&disk->logs[i]);
		}
		if (jobs)
			nap_us = NAP_FIRST_US;
		else if (is_last)
			return NULL;
		else
			nanosleep(&(struct timespec){.tv_nsec = (long)nap_us * 1000}, NULL);
		if (!jobs && !found)
			nap_us = MIN(nap_us * 2, (uint64_t)NAP_LAST_US);
	}
}

int worker_disk_start(struct worker_disk *disk)
{
	if (disk->log_count == 0)
		return 0;
	int error = pthread_create(&disk->thread, NULL, run, disk);
	disk->is_running = error == 0;
	return error;
}

void worker_disk_stop(struct worker_disk *disk)
{
	if (!disk->is_running)
		return;
	atomic_store(&disk->is_stopping, true);
	pthread_join(disk->thread, NULL);
	disk->is_running = false;
}

void worker_disk_close(struct worker_disk *disk)
{
	bool is_good = true;
	for (uint32_t i = 0; i < disk->log_count; i++) {
		struct worker_disk_log *log = &disk->logs[i];
		is_good &= !log->is_broken && disk_keep_state(&log->log) == 0;
		disk_log_close(&log->log);
		free(log->jobs);
		free(log->results);
	}
	disk_file_close(&disk->file, is_good);
	disk->log_count = 0;
}
