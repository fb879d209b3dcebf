// SPDX-License-Identifier: Apache-2.0
// The operator's socket; see admin.h.
#include "admin.h"

#include "admin_command.h"
#include "handover.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct admin_client {
	uv_pipe_t pipe;
	struct admin *admin;
	struct admin_client *next;
	char line[ADMIN_LINE_BYTES];
	size_t line_bytes;
};

struct admin {
	struct admin_options options;
	char path[128];
	uv_pipe_t listener;
	struct admin_client *clients;
	unsigned client_count;
	bool is_listening;
};

struct answer {
	uv_write_t write;
	char *text;
};

static void on_client_closed(uv_handle_t *handle)
{
	struct admin_client *client = handle->data;
	struct admin_client **link = &client->admin->clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->admin->client_count--;
	free(client);
}

static void close_client(struct admin_client *client)
{
	if (!uv_is_closing((uv_handle_t *)&client->pipe))
		uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_written(uv_write_t *write, int)
{
	struct answer *answer = (struct answer *)write;
	free(answer->text);
	free(answer);
}

// reply takes an answer and writes it as one line.
static void reply(struct admin_client *client, json_t *object)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	size_t bytes = text ? strlen(text) : 0;
	json_decref(object);
	if (!answer || !text) {
		free(answer);
		free(text);
		close_client(client);
		return;
	}
	text[bytes] = '\n'; // in place of the NUL: the length is told
	answer->text = text;
	uv_buf_t buffer = uv_buf_init(text, (unsigned)bytes + 1);
	if (uv_write(&answer->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) != 0) {
		on_written(&answer->write, 0);
		close_client(client);
	}
}

// run_command does what is asked. What that writes goes out to workers at once, before the disk has
// it and before the answer tells so: both die with this machine, and the disk takes the longest.
static json_t *run_command(const struct admin_options *options, const json_t *request)
{
	store_defer(options->registry_store);
	json_t *answer = admin_command(options, request);
	options->follow(options->user);
	if (store_sync(options->registry_store) == STORE_OK)
		return answer;
	json_decref(answer);
	return admin_error("in use, but perhaps not kept: registry: %s: look at its disk, then "
			   "say it again",
			   store_error(options->registry_store));
}

static void run_line(struct admin_client *client, const char *line, size_t bytes)
{
	json_error_t error;
	json_t *request = json_loadb(line, bytes, 0, &error);
	if (json_is_object(request))
		reply(client, run_command(&client->admin->options, request));
	else
		reply(client, admin_error("not a JSON object on one line: %s", error.text));
	json_decref(request);
}

// run_lines runs every whole line and keeps the rest.
static void run_lines(struct admin_client *client)
{
	char *end;
	size_t used = 0;
	while ((end = memchr(client->line + used, '\n', client->line_bytes - used))) {
		size_t bytes = (size_t)(end - (client->line + used));
		run_line(client, client->line + used, bytes);
		used += bytes + 1;
	}
	client->line_bytes -= used;
	memmove(client->line, client->line + used, client->line_bytes);
	if (client->line_bytes == sizeof(client->line))
		close_client(client);
}

static void lend_buffer(uv_handle_t *handle, size_t, uv_buf_t *buffer)
{
	struct admin_client *client = handle->data;
	*buffer = uv_buf_init(client->line + client->line_bytes,
			      (unsigned)(sizeof(client->line) - client->line_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *)
{
	struct admin_client *client = stream->data;
	if (bytes < 0) {
		close_client(client);
		return;
	}
	client->line_bytes += (size_t)bytes;
	run_lines(client);
}

// is_welcome checks who calls: our user or root.
static bool is_welcome(struct admin_client *client)
{
	uv_os_fd_t fd;
	return uv_fileno((uv_handle_t *)&client->pipe, &fd) == 0 && handover_peer_is_trusted(fd);
}

static void on_connect(uv_stream_t *listener, int status)
{
	struct admin *admin = listener->data;
	struct admin_client *client = status == 0 ? calloc(1, sizeof(*client)) : NULL;
	if (!client)
		return;
	client->admin = admin;
	client->next = admin->clients;
	admin->clients = client;
	admin->client_count++;
	uv_pipe_init(admin->options.loop, &client->pipe, 0);
	client->pipe.data = client;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0 ||
	    admin->client_count > ADMIN_CLIENTS_MAX || !is_welcome(client))
		close_client(client);
	else
		uv_read_start((uv_stream_t *)&client->pipe, lend_buffer, on_read);
}

struct admin *admin_new(const struct admin_options *options)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (!admin)
		return NULL;
	admin->options = *options;
	snprintf(admin->path, sizeof(admin->path), "%s/%s", options->run_dir, ADMIN_SOCKET_NAME);
	uv_pipe_init(options->loop, &admin->listener, 0);
	admin->listener.data = admin;
	unlink(admin->path);
	int error = uv_pipe_bind(&admin->listener, admin->path);
	if (error == 0 && chmod(admin->path, 0600) != 0)
		error = uv_translate_sys_error(errno);
	if (error == 0)
		error = uv_listen((uv_stream_t *)&admin->listener, 8, on_connect);
	if (error) {
		log_error("%s: %s", admin->path, uv_strerror(error));
		uv_close((uv_handle_t *)&admin->listener, NULL);
		uv_run(options->loop, UV_RUN_NOWAIT);
		free(admin);
		return NULL;
	}
	return admin;
}

void admin_close(struct admin *admin)
{
	for (struct admin_client *client = admin->clients; client; client = client->next)
		close_client(client);
	uv_close((uv_handle_t *)&admin->listener, NULL); // removes the socket file, too
}

void admin_free(struct admin *admin)
{
	free(admin);
}
