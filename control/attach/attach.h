// SPDX-License-Identifier: Apache-2.0
// Control's end of the channel: finds the data plane's socket, hands it a fresh region
// (handover.h), then reads events and writes records until either side goes. Tries again every 100
// ms.
#pragma once

#include "event.h"
#include "publish.h"

#include <uv.h>

#define ATTACH_RETRY_MS 100u

struct attach;

struct attach_events {
	// event lends one checked event of a worker; APPLIED and RESYNC were already taken.
	void (*event)(void *user, uint32_t worker, enum event_type type, const void *payload);
	// changed: the data plane came (is_attached) or went.
	void (*changed)(void *user, bool is_attached);
	void *user;
};

struct attach_options {
	uv_loop_t *loop;
	const char *run_dir;
	uint32_t down_bytes; // size of each ring
	uint32_t up_bytes;
	struct publish *publish; // borrowed
	struct attach_events events;
};

// attach_new begins to look for the data plane; events come from the loop. NULL: memory is short.
struct attach *attach_new(const struct attach_options *options);

// attach_close lets go of the data plane; run the loop until it ends, then attach_free.
void attach_close(struct attach *attach);
void attach_free(struct attach *attach);

// attach_flush writes what the publisher has; call after publish_set and publish_once.
void attach_flush(struct attach *attach);

// attach_is_attached is true while a data plane holds our region.
bool attach_is_attached(const struct attach *attach);

// attach_refused_count counts events that were not what their type demands.
uint64_t attach_refused_count(const struct attach *attach);
