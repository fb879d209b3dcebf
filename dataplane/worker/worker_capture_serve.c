// SPDX-License-Identifier: Apache-2.0
// The capture thread: takes one request at a time, puts taps into the workers, sends what they
// copy, takes the taps back; see worker_capture.h. It may block; no worker ever waits for it.
#define ALLOW_EXPERIMENTAL_API 1 // rte_pcapng, as of DPDK 22.11
#include "worker_capture.h"

#include "check.h"

#include <errno.h>
#include <poll.h>
#include <rte_pcapng.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST       16u      // copies in one message
#define PAUSE_MS    2        // between two looks at empty rings
#define ASK_US      1000000u // for a worker to take or give back its tap
#define SEND_BYTES  (1 << 20)
#define ADDED_BYTES 96u // pcapng's, around a frame: at most

// A capture under way.
struct run {
	struct capture *capture;
	struct capture_request request;
	int fd;
	rte_pcapng_t *file;
	uint64_t end_us;
	uint64_t packets, bytes; // sent
	const char *reason;      // why it ended, NULL: it has not
};

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void say(int fd, const char *text)
{
	// The asker may be gone: nobody to tell then.
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

// Which tap a worker is to have.
struct tap_change {
	struct capture_tap *tap;
};

static bool change_tap(struct worker *worker, void *user)
{
	const struct tap_change *change = user;
	capture_set(worker, change->tap);
	return true;
}

// tell_worker has a worker change its tap, however long other questions take: workers run as long
// as this thread does.
static void tell_worker(const struct capture *capture, uint32_t index, struct capture_tap *tap)
{
	struct tap_change change = {tap};
	struct worker_query query = {.run = change_tap, .user = &change};
	while (!worker_thread_ask(&capture->config.threads[index], &query, ASK_US))
		;
}

static bool open_taps(struct capture *capture, const struct capture_request *request)
{
	for (uint32_t i = 0; i < capture->config.worker_count; i++) {
		struct capture_tap *tap = &capture->taps[i];
		*tap = (struct capture_tap){.filter = request->filter, .queue = (uint16_t)i};
		for (uint32_t j = 0; j < capture->config.conf->dataplane.ports_count; j++)
			tap->device[j] = port_ethdev_number(capture->config.devices[j]);
		if (!capture_tap_open(tap, request->snap))
			return false;
	}
	return true;
}

static void close_taps(struct capture *capture)
{
	for (uint32_t i = 0; i < capture->config.worker_count; i++)
		capture_tap_close(&capture->taps[i]);
}

// is_over looks at everything that ends a capture but a failing send.
static bool is_over(struct run *run)
{
	struct pollfd polls[] = {{run->fd, POLLRDHUP, 0}, {run->capture->stop_fd, POLLIN, 0}};
	if (run->reason)
		return true;
	if (poll(polls, ARRAY_LEN(polls), 0) > 0)
		run->reason = polls[0].revents ? "asked" : "stopping";
	else if (clock_us() >= run->end_us)
		run->reason = "seconds";
	return run->reason != NULL;
}

// fit counts how many of copies are within the bounds, and notes which one is reached.
static uint32_t fit(struct run *run, struct rte_mbuf *const *copies, uint32_t count)
{
	uint32_t i = 0;
	for (; i < count && !run->reason; i++) {
		uint64_t bytes = run->bytes + rte_pktmbuf_pkt_len(copies[i]);
		if (bytes > run->request.bytes) {
			run->reason = "bytes";
			return i;
		}
		run->bytes = bytes;
		if (++run->packets == run->request.packets)
			run->reason = "packets";
	}
	return i;
}

// send_copies sends a burst as one message. Takes the copies.
static void send_copies(struct run *run, struct rte_mbuf **copies, uint32_t count)
{
	uint32_t fitting = fit(run, copies, count);
	rte_pktmbuf_free_bulk(copies + fitting, count - fitting);
	if (fitting > 0 && rte_pcapng_write_packets(run->file, copies, (uint16_t)fitting) < 0)
		run->reason = errno == EAGAIN ? "slow" : "closed";
}

// drain sends what waits in the rings; false when nothing did.
static bool drain(struct run *run)
{
	bool is_any = false;
	for (uint32_t i = 0; i < run->capture->config.worker_count && !run->reason; i++) {
		struct rte_mbuf *copies[BURST];
		uint32_t count = rte_ring_sc_dequeue_burst(run->capture->taps[i].ring,
							   (void **)copies, BURST, NULL);
		if (count > 0)
			send_copies(run, copies, count);
		is_any |= count > 0;
	}
	return is_any;
}

static void account(struct run *run)
{
	char text[256];
	uint64_t taken = 0, lost = 0;
	for (uint32_t i = 0; i < run->capture->config.worker_count; i++) {
		taken += run->capture->taps[i].taken;
		lost += run->capture->taps[i].lost;
	}
	rte_pcapng_write_stats(run->file, run->capture->taps[0].device[0], NULL, 0, 0, taken + lost,
			       lost);
	snprintf(text, sizeof(text), "end reason=%s packets=%llu bytes=%llu lost=%llu", run->reason,
		 (unsigned long long)run->packets, (unsigned long long)run->bytes,
		 (unsigned long long)lost);
	say(run->fd, text);
}

// run_taps is the capture itself: taps in, until it ends, taps out, what still waits.
static void run_taps(struct run *run)
{
	struct capture *capture = run->capture;
	run->end_us = clock_us() + run->request.seconds * 1000000;
	for (uint32_t i = 0; i < capture->config.worker_count; i++)
		tell_worker(capture, i, &capture->taps[i]);
	while (!is_over(run))
		if (!drain(run))
			usleep(PAUSE_MS * 1000);
	const char *reason = run->reason;
	for (uint32_t i = 0; i < capture->config.worker_count; i++)
		tell_worker(capture, i, NULL);
	if (strcmp(reason, "seconds") == 0) { // what was copied before belongs to it
		run->reason = NULL;
		while (drain(run))
			;
		run->reason = reason;
	}
	account(run);
}

// file_on starts a pcapng stream on fd; rte_pcapng_close closes its descriptor, which is a copy.
static rte_pcapng_t *file_on(int fd)
{
	int copy = dup(fd);
	rte_pcapng_t *file =
		copy < 0 ? NULL : rte_pcapng_fdopen(copy, NULL, NULL, "millrace capture", NULL);
	if (copy >= 0 && !file)
		close(copy);
	return file;
}

static void capture_for(struct capture *capture, int fd)
{
	char text[CAPTURE_REQUEST_MAX] = "";
	struct run run = {.capture = capture, .fd = fd};
	if (recv(fd, text, sizeof(text) - 1, 0) <= 0)
		return;
	const char *why = capture_request_parse(text, &run.request);
	if (!why && !open_taps(capture, &run.request))
		why = "memory is short: lower snap, or give dataplane.memory more";
	say(fd, why ? why : "ok");
	run.file = why ? NULL : file_on(fd);
	if (run.file)
		run_taps(&run);
	if (run.file)
		rte_pcapng_close(run.file);
	close_taps(capture);
}

// serve_one accepts who waits. Sends and the request have a time limit, so nobody holds the thread.
static void serve_one(struct capture *capture)
{
	struct timeval patience = {.tv_sec = CAPTURE_PATIENCE_S};
	int bytes = SEND_BYTES;
	int fd = accept4(capture->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (handover_peer_is_trusted(fd))
		capture_for(capture, fd);
	close(fd);
}

static void *serve(void *user)
{
	struct capture *capture = user;
	for (;;) {
		struct pollfd polls[] = {{capture->listen_fd, POLLIN, 0},
					 {capture->stop_fd, POLLIN, 0}};
		if (poll(polls, ARRAY_LEN(polls), -1) < 0 && errno != EINTR)
			return NULL;
		if (polls[1].revents)
			return NULL;
		if (polls[0].revents)
			serve_one(capture);
	}
}

int capture_start(struct capture *capture, const struct capture_config *config)
{
	*capture = (struct capture){.config = *config, .listen_fd = -1};
	capture->taps = calloc(config->worker_count, sizeof(*capture->taps));
	capture->stop_fd = eventfd(0, EFD_CLOEXEC);
	snprintf(capture->path, sizeof(capture->path), "%s/" CAPTURE_SOCKET_NAME,
		 config->conf->run_dir);
	if (!capture->taps || capture->stop_fd < 0)
		return ENOMEM;
	int error = handover_listen(capture->path, &capture->listen_fd);
	if (!error)
		error = pthread_create(&capture->thread, NULL, serve, capture);
	capture->is_running = error == 0;
	return error;
}

void capture_stop(struct capture *capture)
{
	if (capture->is_running) {
		handover_wake(capture->stop_fd);
		pthread_join(capture->thread, NULL);
	}
	if (capture->listen_fd >= 0)
		close(capture->listen_fd);
	if (capture->path[0])
		unlink(capture->path);
	if (capture->stop_fd >= 0)
		close(capture->stop_fd);
	free(capture->taps);
	*capture = (struct capture){.listen_fd = -1, .stop_fd = -1};
}
