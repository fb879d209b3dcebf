// SPDX-License-Identifier: Apache-2.0
// Live capture of frames as pcapng, both directions, without stopping traffic.
//
//   worker: net sees a frame ─ match ─ rte_pcapng_copy ─▶ ring, one a worker (full: counted, lost)
//   capture thread: rings ─▶ messages on the socket of who asked ─▶ millrace capture ─▶ FILE
//
// The asker writes the file with its own rights; the data plane opens no path. The socket is
// <run_dir>/capture.sock, mode 0600, unix SOCK_SEQPACKET, for root and our own user:
//
//   asker                                  data plane
//     | ── "host=… port=… seconds=…" ───────▶ |  see capture_request_parse
//     | ◀── "ok", or why not ──────────────── |
//     | ◀── pcapng, whole blocks a message ── |
//     | ◀── "end reason=… packets=… …" ────── |
//
// A capture ends by its bounds, or when the asker closes. One at a time. Off, it costs a worker one
// branch a burst received and one a frame sent.
#pragma once

#include "check.h"
#include "worker_thread.h"

#include <pthread.h>
#include <rte_ring.h>

#define CAPTURE_RING_FRAMES 1024u      // copies of one worker on their way
#define CAPTURE_POOL_BYTES  (8u << 20) // of one worker's copies; fewer of them where snap is large
#define CAPTURE_SNAP_MAX    9216u      // bytes of a frame
#define CAPTURE_SNAP        2048u      // unless asked
#define CAPTURE_SECONDS     60u        // unless asked
#define CAPTURE_SECONDS_MAX 3600u
#define CAPTURE_PACKETS     1000000u     // unless asked
#define CAPTURE_BYTES       (256u << 20) // unless asked
#define CAPTURE_PATIENCE_S  5u           // for an asker that does not read
#define CAPTURE_REQUEST_MAX 512u

// What a frame must have; what is zero is not asked. Fragments but the first have no ports.
struct capture_filter {
	struct prefix host; // source or destination; of ARP, sender or target
	uint16_t port;      // source or destination of TCP or UDP
	bool has_flow;      // between these two, either way
	struct endpoint_addr ends[2];
};

struct capture_request {
	struct capture_filter filter;
	uint64_t seconds, packets,
		bytes; // it ends at the first of them; bytes are those of the file
	uint32_t snap; // bytes of a frame that are kept
};

// capture_request_parse reads "key=value key=value": flow=A:P-B:P, host=ADDR[/BITS], port, seconds,
// packets, bytes, snap. NULL, or what is wrong (a literal).
const char *capture_request_parse(const char *text, struct capture_request *request);

// capture_matches is true when the frame (Ethernet, at most one 802.1Q tag) is what filter asks
// for. frame holds the first bytes of it.
bool capture_matches(const struct capture_filter *filter, const uint8_t *frame, size_t bytes);

// One worker's part of a capture. The worker writes while it has it, then the capture thread reads.
struct capture_tap {
	struct capture_filter filter;
	uint32_t snap;
	uint16_t queue;                                                  // of the worker
	uint16_t device[ARRAY_LEN(((struct conf *)0)->dataplane.ports)]; // DPDK's number of port i
	struct rte_mempool *pool; // owned by the capture: copies
	struct rte_ring *ring;    // owned by the capture: copies on their way
	uint64_t taken, lost;
};

// capture_tap_open makes pool and ring. False when memory is short. capture_tap_close frees what
// waits and both; no worker may have the tap.
bool capture_tap_open(struct capture_tap *tap, uint32_t snap);
void capture_tap_close(struct capture_tap *tap);

// capture_set gives worker its tap, NULL: none. On the worker's thread.
void capture_set(struct worker *worker, struct capture_tap *tap);

struct capture_config {
	const struct conf *conf; // borrowed, as all below
	struct worker_thread *threads;
	uint32_t worker_count;
	struct port_ethdev *const *devices; // of conf's ports
};

// The capture thread.
struct capture {
	struct capture_config config;
	struct capture_tap *taps; // owned, one a worker
	int listen_fd;
	int stop_fd; // eventfd: readable when the thread must end
	bool is_running;
	pthread_t thread;
	char path[CONF_TEXT_BYTES + 32];
};

// capture_start listens and starts the thread, which sleeps until it is asked. Returns 0 or an
// errno; capture_stop in both cases. capture_stop ends a capture under way; workers must still run.
int capture_start(struct capture *capture, const struct capture_config *config);
void capture_stop(struct capture *capture);
