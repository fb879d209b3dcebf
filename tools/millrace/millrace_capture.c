// SPDX-License-Identifier: Apache-2.0
// The asker's side of <run_dir>/capture.sock; see millrace_capture.h and worker_capture.h of the
// data plane. The file is made here, with the rights of who runs this: mode 0600, never through a
// symbolic link. "-" is standard output: millrace capture -w - | tcpdump -nr -
#include "millrace_capture.h"

#include "handover.h"
#include "millrace_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES (1u << 20)
#define REQUEST_BYTES 512u

static const char *option(const struct millrace_args *args, const char *name)
{
	return json_string_value(json_object_get(args->request, name));
}

static void write_request(const struct millrace_args *args, char out[REQUEST_BYTES])
{
	static const char *const names[] = {"flow",    "host",  "port", "seconds",
					    "packets", "bytes", "snap"};
	size_t used = 0;
	out[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && used < REQUEST_BYTES; i++)
		if (option(args, names[i]))
			used += (size_t)snprintf(out + used, REQUEST_BYTES - used, "%s=%s ",
						 names[i], option(args, names[i]));
	if (used == 0)
		snprintf(out, REQUEST_BYTES, " "); // all: an empty message would be an end
}

// ask sends the request and waits for "ok". False: told.
static bool ask(int fd, const struct millrace_args *args)
{
	char text[REQUEST_BYTES];
	write_request(args, text);
	ssize_t bytes = -1;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		bytes = recv(fd, text, sizeof(text) - 1, 0);
	text[bytes > 0 ? bytes : 0] = 0;
	if (strcmp(text, "ok") != 0)
		fprintf(stderr, "millrace: %s\n", bytes > 0 ? text : "the data plane hung up");
	return strcmp(text, "ok") == 0;
}

static int open_file(const char *path)
{
	if (strcmp(path, "-") == 0)
		return STDOUT_FILENO;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fprintf(stderr, "millrace: %s: %s\n", path, strerror(errno));
	return fd;
}

static bool write_all(int fd, const char *at, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = write(fd, at, bytes);
		if (written < 0 && errno != EINTR) {
			fprintf(stderr, "millrace: writing: %s\n", strerror(errno));
			return false;
		}
		at += written > 0 ? written : 0;
		bytes -= written > 0 ? (size_t)written : 0;
	}
	return true;
}

// copy moves messages to the file until the last one, which is the account.
static int copy(int fd, int file, int signals, char *message)
{
	struct pollfd polls[] = {{fd, POLLIN, 0}, {signals, POLLIN, 0}};
	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (polls[1].revents) { // no more, please; what is on its way still comes
			shutdown(fd, SHUT_WR);
			polls[1].fd = -1;
		}
		if (!polls[0].revents)
			continue;
		ssize_t bytes = recv(fd, message, MESSAGE_BYTES, 0);
		if (bytes <= 0) {
			fprintf(stderr, "millrace: the data plane hung up\n");
			return 1;
		}
		if (bytes > 4 && memcmp(message, "end ", 4) == 0) {
			fprintf(stderr, "%.*s\n", (int)bytes - 4, message + 4);
			return 0;
		}
		if (!write_all(file, message, (size_t)bytes))
			return 1;
	}
}

static int run(const struct millrace_args *args, int fd)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_CLOEXEC);
	int file = ask(fd, args) ? open_file(option(args, "file")) : -1;
	char *message = malloc(MESSAGE_BYTES);
	int status = file >= 0 && message && signals >= 0 ? copy(fd, file, signals, message) : 1;
	free(message);
	if (file >= 0 && close(file) != 0)
		status = 1;
	if (signals >= 0)
		close(signals);
	return status;
}

int millrace_capture(const struct millrace_args *args, const char *run_dir)
{
	char path[MILLRACE_PATH_BYTES + 32];
	int fd;
	snprintf(path, sizeof(path), "%s/" CAPTURE_SOCKET_NAME, run_dir);
	int error = handover_connect(path, &fd);
	if (error) {
		fprintf(stderr, "millrace: %s: %s; does millrace-dataplane run?\n", path,
			strerror(error));
		return 1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	int status = run(args, fd);
	close(fd);
	return status;
}
