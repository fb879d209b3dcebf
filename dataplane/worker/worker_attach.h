// SPDX-License-Identifier: Apache-2.0
// The data plane's end of the handover, on the main thread: accepts control on a unix socket, takes
// its region, gives it to the workers, and notices when control goes. A second control process
// replaces the first once its region is good.
#pragma once

#include "worker_channel.h"

#include <poll.h>

#define ATTACH_POLLS       3u
#define ATTACH_PATIENCE_US 5000000u // between a connection and its offer

struct attach {
	int listen_fd;
	int pending_fd; // connected, no offer yet; -1
	int control_fd; // whose region is in use; -1
	uint64_t pending_until_us;
	uint64_t boot_id;
	struct channel_region *region;   // one reference, or NULL
	struct channel *const *channels; // borrowed: one a worker
	uint32_t worker_count;
	void (*offered)(void *user); // a region was offered: wake the workers
	void *user;
	const char *last_refusal; // a literal, or NULL
	uint64_t accepted_count;
	uint64_t refused_count;
	uint64_t lost_count; // control went away
};

// attach_init listens at path. channels are borrowed. Returns 0 or an errno.
int attach_init(struct attach *attach, const char *path, struct channel *const *channels,
		uint32_t worker_count);

// attach_fini closes everything and removes the socket at path. The workers keep what they have.
void attach_fini(struct attach *attach, const char *path);

// attach_polls fills in what to poll for.
void attach_polls(const struct attach *attach, struct pollfd polls[ATTACH_POLLS]);

// attach_run takes what poll found, and hangs up on a control whose region broke.
void attach_run(struct attach *attach, const struct pollfd polls[ATTACH_POLLS], uint64_t now_us);

// attach_has_control is true while a control process with a good region is connected.
bool attach_has_control(const struct attach *attach);
