// SPDX-License-Identifier: Apache-2.0
// Control's end of the channel; see attach.h.
#include "attach.h"

#include "handover.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTACH_FLUSH_MS      2u
#define ATTACH_EVENTS_A_TURN 256u // of one worker, before the loop sees others

enum attach_state { ATTACH_AWAY, ATTACH_WELCOME, ATTACH_ANSWER, ATTACH_ATTACHED };

struct attach_worker {
	struct ring_reader up;
};

struct attach {
	struct attach_options options;
	char path[128];
	enum attach_state state;
	int socket;
	uv_poll_t *socket_poll; // freed when closed
	uv_poll_t *wake_poll;
	uv_timer_t retry;
	uv_timer_t flush;
	struct region region;
	struct handover_fds fds;
	struct attach_worker workers[REGION_WORKERS_MAX];
	_Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
	uint64_t refused_count;
	int last_error; // of a connect that failed, so that each reason is told once
};

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

// watch polls a descriptor for reading. NULL: memory is short.
static uv_poll_t *watch(struct attach *attach, int fd, uv_poll_cb callback)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	if (!poll)
		return NULL;
	if (uv_poll_init(attach->options.loop, poll, fd) != 0) {
		free(poll);
		return NULL;
	}
	poll->data = attach;
	uv_poll_start(poll, UV_READABLE | UV_DISCONNECT, callback);
	return poll;
}

static void unwatch(uv_poll_t **poll)
{
	if (*poll)
		uv_close((uv_handle_t *)*poll, free_handle);
	*poll = NULL;
}

// leave lets go of the data plane.
static void leave(struct attach *attach, const char *why)
{
	bool was_attached = attach->state == ATTACH_ATTACHED;
	unwatch(&attach->socket_poll);
	unwatch(&attach->wake_poll);
	publish_detach(attach->options.publish);
	handover_fds_close(&attach->fds);
	region_detach(&attach->region);
	if (attach->socket >= 0)
		close(attach->socket);
	attach->socket = -1;
	attach->state = ATTACH_AWAY;
	if (why)
		log_warning("data plane: %s", why);
	if (was_attached)
		attach->options.events.changed(attach->options.events.user, false);
}

// take_event handles what belongs to the channel and lends the rest.
static void take_event(struct attach *attach, uint32_t worker, enum event_type type)
{
	struct publish *publish = attach->options.publish;
	const struct event_applied *applied = (const void *)attach->payload;
	switch (type) {
	case EVENT_APPLIED:
		publish_applied(publish, worker, applied->generation, applied->refused_count,
				uv_now(attach->options.loop) * 1000);
		if (applied->refused_count)
			log_warning("worker %u refused %u rows", worker, applied->refused_count);
		break;
	case EVENT_RESYNC:
		log_info("worker %u asks for a full set", worker);
		publish_resync(publish, worker);
		break;
	default:
		attach->options.events.event(attach->options.events.user, worker, type,
					     attach->payload);
	}
}

// read_worker reads a worker's events. False: its ring is broken.
static bool read_worker(struct attach *attach, uint32_t worker)
{
	struct record_header header;
	for (unsigned i = 0; i < ATTACH_EVENTS_A_TURN; i++) {
		int error = ring_read(&attach->workers[worker].up, &header, attach->payload);
		if (error == EPIPE)
			return false;
		if (error)
			return true;
		const char *wrong = event_check(&header, attach->payload);
		if (!wrong)
			take_event(attach, worker, (enum event_type)header.type);
		else if (attach->refused_count++ == 0)
			log_warning("worker %u: %s", worker, wrong);
	}
	handover_wake(attach->fds.control_wake); // there is more
	return true;
}

static void on_wake(uv_poll_t *poll, int, int)
{
	struct attach *attach = poll->data;
	handover_wake_clear(attach->fds.control_wake);
	for (uint32_t i = 0; i < attach->region.shape.worker_count; i++)
		if (!read_worker(attach, i)) {
			leave(attach, "a ring of events makes no sense");
			return;
		}
	attach_flush(attach);
}

// offer makes a region for the workers the data plane has and hands it over.
static const char *offer(struct attach *attach, const struct handover_welcome *welcome)
{
	struct region_shape shape = {
		.worker_count = welcome->worker_count,
		.down_bytes = attach->options.down_bytes,
		.up_bytes = attach->options.up_bytes,
	};
	if (region_create(&attach->region, &shape, publish_generation(attach->options.publish)) !=
	    0)
		return "no region can be made";
	if (handover_fds_make(&attach->fds, welcome->worker_count) != 0)
		return "no eventfds can be made";
	attach->fds.region = dup(attach->region.fd);
	for (uint32_t i = 0; i < welcome->worker_count; i++)
		region_up_reader(&attach->region, i, &attach->workers[i].up);
	if (attach->fds.region < 0 || handover_send_offer(attach->socket, &attach->fds) != 0)
		return "the region cannot be handed over";
	attach->state = ATTACH_ANSWER;
	return NULL;
}

// begin starts talking through the region that the data plane took.
static const char *begin(struct attach *attach)
{
	attach->wake_poll = watch(attach, attach->fds.control_wake, on_wake);
	if (!attach->wake_poll)
		return "out of memory";
	publish_attach(attach->options.publish, &attach->region, attach->fds.worker_wake);
	attach->state = ATTACH_ATTACHED;
	log_info("data plane: attached, %u workers", attach->region.shape.worker_count);
	attach->options.events.changed(attach->options.events.user, true);
	attach_flush(attach);
	return NULL;
}

// on_message takes the next message of the handover. Returns NULL, or why to leave.
static const char *on_message(struct attach *attach)
{
	struct handover_welcome welcome;
	struct handover_answer answer;
	char byte;
	int error;
	switch (attach->state) {
	case ATTACH_WELCOME:
		error = handover_receive_welcome(attach->socket, &welcome);
		if (error == EAGAIN)
			return NULL;
		return error ? "no welcome; is it of another version?" : offer(attach, &welcome);
	case ATTACH_ANSWER:
		error = handover_receive_answer(attach->socket, &answer);
		if (error == EAGAIN)
			return NULL;
		if (!error && !answer.is_attached)
			log_warning("data plane refuses the region: %s", answer.why);
		return error || !answer.is_attached ? "it did not attach" : begin(attach);
	default:
		// Nothing more is said on the socket: readable means that it ended.
		if (read(attach->socket, &byte, 1) < 0 && errno == EAGAIN)
			return NULL;
		return "gone; it keeps its last state if it lives";
	}
}

static void on_socket(uv_poll_t *poll, int, int)
{
	struct attach *attach = poll->data;
	const char *why = on_message(attach);
	if (why)
		leave(attach, why);
}

static void try_connect(struct attach *attach)
{
	int error = handover_connect(attach->path, &attach->socket);
	if (error) {
		attach->socket = -1;
		if (error != attach->last_error)
			log_info("data plane: %s: %s; waiting", attach->path, strerror(error));
		attach->last_error = error;
		return;
	}
	attach->last_error = 0;
	attach->state = ATTACH_WELCOME;
	attach->socket_poll = watch(attach, attach->socket, on_socket);
	if (!attach->socket_poll)
		leave(attach, "out of memory");
}

static void on_retry(uv_timer_t *timer)
{
	struct attach *attach = timer->data;
	if (attach->state == ATTACH_ATTACHED)
		region_beat_control(&attach->region);
	if (attach->state == ATTACH_AWAY)
		try_connect(attach);
}

static void on_flush(uv_timer_t *timer)
{
	attach_flush(timer->data);
}

struct attach *attach_new(const struct attach_options *options)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	if (!attach)
		return NULL;
	attach->options = *options;
	attach->socket = -1;
	attach->region.fd = -1;
	handover_fds_init(&attach->fds);
	snprintf(attach->path, sizeof(attach->path), "%s/%s", options->run_dir,
		 HANDOVER_SOCKET_NAME);
	uv_timer_init(options->loop, &attach->retry);
	uv_timer_init(options->loop, &attach->flush);
	attach->retry.data = attach;
	attach->flush.data = attach;
	uv_timer_start(&attach->retry, on_retry, 0, ATTACH_RETRY_MS);
	return attach;
}

void attach_close(struct attach *attach)
{
	leave(attach, NULL);
	uv_close((uv_handle_t *)&attach->retry, NULL);
	uv_close((uv_handle_t *)&attach->flush, NULL);
}

void attach_free(struct attach *attach)
{
	free(attach);
}

void attach_flush(struct attach *attach)
{
	struct publish *publish = attach->options.publish;
	if (attach->state != ATTACH_ATTACHED)
		return;
	bool is_waiting = publish_run(publish, uv_now(attach->options.loop) * 1000);
	for (uint32_t i = 0; i < publish_worker_count(publish); i++) {
		struct publish_status status;
		publish_read_status(publish, i, 0, &status);
		if (status.is_broken) {
			leave(attach, "a ring of records makes no sense");
			return;
		}
	}
	if (is_waiting)
		uv_timer_start(&attach->flush, on_flush, ATTACH_FLUSH_MS, 0);
}

bool attach_is_attached(const struct attach *attach)
{
	return attach->state == ATTACH_ATTACHED;
}

uint64_t attach_refused_count(const struct attach *attach)
{
	return attach->refused_count;
}
