// SPDX-License-Identifier: Apache-2.0
// A data plane made of config/wire alone; see fake_plane.h.
#include "fake_plane.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint64_t plane_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool plane_open(struct plane *plane, const char *run_dir)
{
	char path[128];
	memset(plane, 0, sizeof(*plane));
	snprintf(plane->run_dir, sizeof(plane->run_dir), "%s", run_dir);
	plane->socket = -1;
	plane->region.fd = -1;
	handover_fds_init(&plane->fds);
	mkdir(run_dir, 0700);
	snprintf(path, sizeof(path), "%s/%s", run_dir, HANDOVER_SOCKET_NAME);
	return handover_listen(path, &plane->listener) == 0;
}

static void let_go(struct plane *plane)
{
	handover_fds_close(&plane->fds);
	region_detach(&plane->region);
	if (plane->socket >= 0)
		close(plane->socket);
	plane->socket = -1;
}

void plane_hang_up(struct plane *plane)
{
	let_go(plane);
}

void plane_close(struct plane *plane)
{
	let_go(plane);
	close(plane->listener);
}

static bool wait_for(int fd, unsigned timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	return poll(&poll_fd, 1, (int)timeout_ms) == 1;
}

// greet speaks the handover's part of the data plane.
static bool greet(struct plane *plane, unsigned timeout_ms)
{
	struct handover_welcome welcome = {.worker_count = 1, .boot_id = 7};
	struct handover_answer answer = {.is_attached = true};
	if (handover_send_welcome(plane->socket, &welcome) != 0 ||
	    !wait_for(plane->socket, timeout_ms) ||
	    handover_receive_offer(plane->socket, &plane->fds) != 0)
		return false;
	const char *wrong = region_attach(&plane->region, plane->fds.region, 1);
	plane->fds.region = -1;
	if (wrong)
		printf("# %s\n", wrong);
	return !wrong && handover_send_answer(plane->socket, &answer) == 0;
}

bool plane_accept(struct plane *plane, unsigned timeout_ms)
{
	if (!wait_for(plane->listener, timeout_ms))
		return false;
	let_go(plane);
	plane->socket = accept(plane->listener, NULL, NULL);
	if (plane->socket < 0 || !greet(plane, timeout_ms))
		return false;
	region_down_reader(&plane->region, 0, &plane->down);
	region_up_writer(&plane->region, 0, &plane->up);
	plane->sequence = 0;
	if (plane->region.generation <= plane->region_generation)
		plane->wrong_count++;
	plane->region_generation = plane->region.generation;
	return true;
}

static struct plane_row *find(struct plane *plane, enum record_type type, uint64_t id)
{
	for (unsigned i = 0; i < plane->row_count; i++)
		if (plane->rows[i].type == type && plane->rows[i].id == id)
			return &plane->rows[i];
	return NULL;
}

static void drop(struct plane *plane, struct plane_row *row)
{
	*row = plane->rows[--plane->row_count];
}

// take_row keeps one row under its id, the first number of most payloads.
static void take_row(struct plane *plane, enum record_type type, uint32_t bytes)
{
	uint32_t pair[2];
	memcpy(pair, plane->payload, sizeof(pair));
	uint64_t id = pair[0];
	if (type == RECORD_PRESENCE)
		id = (uint64_t)pair[0] << 32 | pair[1];
	if (type == RECORD_TICKET_KEY)
		memcpy(&id, plane->payload, sizeof(id));
	if (type == RECORD_TRUST)
		id = 0;
	struct plane_row *row = find(plane, type, id);
	if (!row) {
		if (plane->row_count == PLANE_ROWS_MAX) {
			plane->wrong_count++;
			return;
		}
		row = &plane->rows[plane->row_count++];
	}
	row->type = type;
	row->id = id;
	row->is_marked = true;
	row->bytes = bytes;
	memcpy(row->payload, plane->payload,
	       bytes < sizeof(row->payload) ? bytes : sizeof(row->payload));
}

static void sweep(struct plane *plane)
{
	for (unsigned i = plane->row_count; i-- > 0;)
		if (!plane->rows[i].is_marked) {
			plane->swept_routes += plane->rows[i].type == RECORD_ROUTE;
			drop(plane, &plane->rows[i]);
		}
}

static void take_begin(struct plane *plane)
{
	const struct record_begin *begin = (const void *)plane->payload;
	plane->set = begin->set;
	if (begin->generation <= plane->generation)
		plane->wrong_count++;
	plane->generation = begin->generation;
	for (unsigned i = 0; begin->set == RECORD_SET_FULL && i < plane->row_count; i++)
		plane->rows[i].is_marked = false;
}

static void take_commit(struct plane *plane)
{
	struct event_applied applied = {.generation = plane->generation};
	if (plane->set == RECORD_SET_FULL)
		sweep(plane);
	plane->full_count += plane->set == RECORD_SET_FULL;
	plane->delta_count += plane->set == RECORD_SET_DELTA;
	plane_tell(plane, EVENT_APPLIED, &applied, sizeof(applied));
}

static void take_record(struct plane *plane, enum record_type type, uint32_t bytes)
{
	const struct record_remove *remove = (const void *)plane->payload;
	const struct record_route_absent *absent = (const void *)plane->payload;
	const struct record_cert_absent *cert_absent = (const void *)plane->payload;
	const struct record_purge_row *purge = (const void *)plane->payload;
	struct plane_row *row;
	switch (type) {
	case RECORD_BEGIN: take_begin(plane); break;
	case RECORD_COMMIT: take_commit(plane); break;
	case RECORD_REMOVE:
		row = find(plane, remove->type, remove->id);
		if (row)
			drop(plane, row);
		else
			plane->wrong_count++;
		break;
	case RECORD_ROUTE_ABSENT: strcpy(plane->last_absent, absent->host); break;
	case RECORD_CERT_ABSENT: strcpy(plane->last_cert_absent, cert_absent->host); break;
	case RECORD_PURGE:
		if (purge->kind == RECORD_PURGE_KNOWN) {
			plane->known_purge = purge->sequence;
			plane->unsure_purges = purge->unsure;
			break;
		}
		snprintf(plane->last_purge, sizeof(plane->last_purge), "%.*s",
			 (int)purge->text_bytes, (const char *)(purge + 1));
		break;
	default: take_row(plane, type, bytes);
	}
}

void plane_turn(struct plane *plane, unsigned timeout_ms)
{
	struct record_header header;
	if (!wait_for(plane->fds.worker_wake[0], timeout_ms))
		return;
	handover_wake_clear(plane->fds.worker_wake[0]);
	while (ring_read(&plane->down, &header, plane->payload) == 0) {
		const char *wrong = record_check(&header, plane->payload);
		if (wrong)
			printf("# %s\n", wrong);
		if (wrong || header.sequence != ++plane->sequence)
			plane->wrong_count++;
		else
			take_record(plane, (enum record_type)header.type, header.bytes);
	}
}

int plane_until(struct plane *plane, bool (*is_so)(struct plane *plane), unsigned timeout_ms)
{
	uint64_t start_ms = plane_now_ms();
	while (!is_so(plane)) {
		uint64_t spent_ms = plane_now_ms() - start_ms;
		if (spent_ms >= timeout_ms)
			return -1;
		plane_turn(plane, 10);
	}
	return (int)(plane_now_ms() - start_ms);
}

void plane_tell(struct plane *plane, enum event_type type, const void *event, size_t bytes)
{
	struct iovec part = {(void *)(uintptr_t)event, bytes};
	if (ring_write(&plane->up, (uint8_t)type, &part, 1) != 0)
		plane->wrong_count++;
	handover_wake(plane->fds.control_wake);
}

void plane_ask(struct plane *plane, enum event_type type, const char *host)
{
	struct event_lookup event = {0};
	snprintf(event.host, sizeof(event.host), "%s", host);
	plane_tell(plane, type, &event, sizeof(event));
}

unsigned plane_count(const struct plane *plane, enum record_type type)
{
	unsigned count = 0;
	for (unsigned i = 0; i < plane->row_count; i++)
		count += plane->rows[i].type == type;
	return count;
}

const struct record_route *plane_route(const struct plane *plane, const char *host)
{
	for (unsigned i = 0; i < plane->row_count; i++) {
		const struct record_route *route = (const void *)plane->rows[i].payload;
		if (plane->rows[i].type == RECORD_ROUTE && strcmp(route->host, host) == 0)
			return route;
	}
	return NULL;
}

pid_t plane_control(const char *program, const char *conf_path)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (!getenv("MILLRACE_TEST_LOG"))
			(void)!freopen("/dev/null", "w", stderr);
		execl(program, program, "--conf", conf_path, NULL);
		_exit(127);
	}
	return pid;
}

bool plane_command(const char *run_dir, const char *line, char *reply, size_t bytes)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = 5};
	size_t used = 0;
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/control.sock", run_dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	for (unsigned i = 0; connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0; i++) {
		if (i == 300) {
			close(fd);
			return false;
		}
		usleep(10000);
	}
	bool is_done =
		write(fd, line, strlen(line)) == (ssize_t)strlen(line) && write(fd, "\n", 1) == 1;
	while (is_done && used + 1 < bytes && !memchr(reply, '\n', used)) {
		ssize_t got = read(fd, reply + used, bytes - used - 1);
		is_done = got > 0;
		used += got > 0 ? (size_t)got : 0;
	}
	reply[used] = 0;
	close(fd);
	return is_done;
}
