// SPDX-License-Identifier: Apache-2.0
// How a region reaches the data plane: messages on <run_dir>/dataplane.sock (unix, SOCK_SEQPACKET).
// The data plane listens; control connects. The socket then stays open: its end is the other's end.
//
//   control                                 data plane
//     | ------------ connect ---------------> |  handover_peer_is_trusted on both sides
//     | <---------- welcome ----------------- |  how many workers
//     | -- offer + region + eventfds -------> |  region_attach
//     | <---------- answer ------------------ |  attached, or why not
//
// All functions work on blocking and non-blocking sockets and return EAGAIN on the latter.
#pragma once

#include "region.h"

#define HANDOVER_VERSION     1u
#define HANDOVER_SOCKET_NAME "dataplane.sock"
#define HANDOVER_WHY_BYTES   96u

#define CAPTURE_SOCKET_NAME "capture.sock" // beside it, for operators: see worker_capture.h

struct handover_welcome {
	uint32_t worker_count;
	uint64_t boot_id; // of the data plane process: another one after a restart
};

// File descriptors that go with an offer.
struct handover_fds {
	uint32_t worker_count;
	int region;                          // the sealed memfd
	int control_wake;                    // eventfd: the data plane wakes control
	int worker_wake[REGION_WORKERS_MAX]; // eventfd a worker: control wakes the worker
};

struct handover_answer {
	bool is_attached;
	char why[HANDOVER_WHY_BYTES]; // "" when attached
};

// handover_listen makes the listening socket at path (an old socket file there is removed), mode
// 0600, non-blocking. Returns 0 and *fd, or an errno.
int handover_listen(const char *path, int *fd);

// handover_connect connects to the data plane at path; non-blocking afterwards. Returns 0 and *fd,
// or an errno (ENOENT, ECONNREFUSED: it does not run; EACCES: the peer is not trusted).
int handover_connect(const char *path, int *fd);

// handover_peer_is_trusted is true when the process at the other end runs as our user or as root
// (SO_PEERCRED).
bool handover_peer_is_trusted(int fd);

// handover_send_welcome and handover_receive_welcome move the data plane's first message. All sends
// and receives return 0, EAGAIN, EPIPE (the other side is gone), EPROTO (not the message that must
// come now, another version) or an errno.
int handover_send_welcome(int fd, const struct handover_welcome *welcome);
int handover_receive_welcome(int fd, struct handover_welcome *welcome);

// handover_send_offer borrows fds. handover_receive_offer returns owned descriptors, to be given to
// handover_fds_close or taken one by one.
int handover_send_offer(int fd, const struct handover_fds *fds);
int handover_receive_offer(int fd, struct handover_fds *fds);

// handover_send_answer and handover_receive_answer move the data plane's last message.
int handover_send_answer(int fd, const struct handover_answer *answer);
int handover_receive_answer(int fd, struct handover_answer *answer);

// handover_fds_init sets every descriptor to -1; handover_fds_make makes the eventfds for
// worker_count workers (region stays -1), returns 0 or an errno; handover_fds_close closes what is
// not -1.
void handover_fds_init(struct handover_fds *fds);
int handover_fds_make(struct handover_fds *fds, uint32_t worker_count);
void handover_fds_close(struct handover_fds *fds);

// handover_wake writes to an eventfd; handover_wake_clear reads it empty. Neither blocks or fails.
void handover_wake(int eventfd);
void handover_wake_clear(int eventfd);
