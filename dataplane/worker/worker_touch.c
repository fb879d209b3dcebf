// SPDX-License-Identifier: Apache-2.0
// The thread that touches the workers' memory ahead of its use; see worker_touch.h.
#include "worker_touch.h"

#include "check.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define NICE     10 // behind others, but where every core is busy it still gets on
#define MEBIBYTE 1048576u

// touch_piece is up to the next border of WORKER_TOUCH_BYTES, where a huge page ends.
static size_t touch_piece(const struct span *span, size_t done)
{
	uintptr_t at = (uintptr_t)span->at + done;
	size_t to_border = WORKER_TOUCH_BYTES - at % WORKER_TOUCH_BYTES;
	return MIN(to_border, span->bytes - done);
}

static int touch_span(const struct span *span, const atomic_bool *is_stopping,
		      _Atomic(size_t) *touched)
{
	for (size_t done = 0; done < span->bytes && !atomic_load(is_stopping);) {
		size_t piece = touch_piece(span, done);
		if (madvise(span->at + done, piece, MADV_POPULATE_WRITE) == 0) {
			done += piece;
			atomic_fetch_add(touched, piece);
		} else if (errno != EINTR && errno != EAGAIN) {
			return errno;
		}
	}
	return 0;
}

int worker_touch_spans(const struct spans *spans, const atomic_bool *is_stopping,
		       _Atomic(size_t) *touched)
{
	int error = 0;
	for (uint32_t i = 0; i < spans->count && !error; i++)
		error = touch_span(&spans->at[i], is_stopping, touched);
	return error;
}

// leave_workers moves the thread off the workers' cores, if there are others for it.
static void leave_workers(const struct conf *conf)
{
	cpu_set_t cores;
	if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
		return;
	for (uint32_t i = 0; i < conf->dataplane.cores.count; i++)
		CPU_CLR(conf->dataplane.cores.at[i], &cores);
	if (CPU_COUNT(&cores) > 0)
		sched_setaffinity(0, sizeof(cores), &cores);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *run(void *user)
{
	struct worker_touch *touch = user;
	const char *node = touch->conf->node.id;
	double began_s = seconds();
	int error = 0;
	pthread_setname_np(pthread_self(), "touch");
	setpriority(PRIO_PROCESS, 0, NICE); // on Linux: of this thread
	leave_workers(touch->conf);
	for (uint32_t i = 0; i < touch->conf->dataplane.cores.count && !error; i++) {
		struct spans spans = {0};
		worker_spans(touch->workers[i], &spans);
		error = worker_touch_spans(&spans, &touch->is_stopping, &touch->touched);
	}
	size_t mebibytes = atomic_load(&touch->touched) / MEBIBYTE;
	if (error)
		fprintf(stderr, "%s: memory is touched when it is used, but for %zu MiB: %s\n",
			node, mebibytes, strerror(error));
	else if (!atomic_load(&touch->is_stopping))
		fprintf(stderr, "%s: %zu MiB of tables touched ahead, %.1f s after the start\n",
			node, mebibytes, seconds() - began_s);
	return NULL;
}

int worker_touch_start(struct worker_touch *touch, const struct conf *conf,
		       struct worker *const *workers)
{
	*touch = (struct worker_touch){.conf = conf, .workers = workers};
	if (!conf->dataplane.is_populate)
		return 0;
	int error = pthread_create(&touch->thread, NULL, run, touch);
	touch->is_running = error == 0;
	return error;
}

void worker_touch_stop(struct worker_touch *touch)
{
	if (!touch->is_running)
		return;
	atomic_store(&touch->is_stopping, true);
	pthread_join(touch->thread, NULL);
	touch->is_running = false;
}
