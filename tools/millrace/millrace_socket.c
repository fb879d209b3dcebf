// SPDX-License-Identifier: Apache-2.0
// The sockets of a node; see millrace_socket.h.
#include "millrace_socket.h"

#include "conf.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX_BYTES (64u << 20)
#define TIMEOUT_S       10

// cut_file drops the last part of a path.
static bool cut_file(char *path)
{
	char *slash = strrchr(path, '/');
	if (!slash)
		return snprintf(path, MILLRACE_PATH_BYTES, ".") > 0;
	*slash = 0;
	return true;
}

static bool find_only(char out[MILLRACE_PATH_BYTES])
{
	glob_t found;
	bool is_one =
		glob("/run/millrace/*/control.sock", 0, NULL, &found) == 0 && found.gl_pathc == 1;
	if (is_one)
		snprintf(out, MILLRACE_PATH_BYTES, "%s", found.gl_pathv[0]);
	else
		fprintf(stderr, "millrace: %s; say --socket PATH or --conf FILE\n",
			found.gl_pathc > 1 ? "several nodes run here"
					   : "no node's socket in /run/millrace");
	globfree(&found);
	return is_one && cut_file(out);
}

bool millrace_find_run_dir(const struct millrace_args *args, char out[MILLRACE_PATH_BYTES])
{
	const char *socket = args->socket ? args->socket : getenv("MILLRACE_SOCKET");
	if (args->conf) {
		struct conf *conf = calloc(1, sizeof(*conf));
		bool is_good = conf && conf_load(args->conf, conf, stderr) == 0;
		if (is_good)
			snprintf(out, MILLRACE_PATH_BYTES, "%s", conf->run_dir);
		free(conf);
		return is_good;
	}
	if (!socket)
		return find_only(out);
	snprintf(out, MILLRACE_PATH_BYTES, "%s", socket);
	return cut_file(out);
}

// connect_to connects; -1 with errno.
static int connect_to(const char *path, int type)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	if (strlen(path) >= sizeof(name.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

// read_line reads up to the newline; the text is owned. NULL: errno tells.
static char *read_line(int fd)
{
	size_t room = 65536;
	size_t used = 0;
	char *text = malloc(room);
	while (text) {
		ssize_t bytes = read(fd, text + used, room - used - 1);
		if (bytes <= 0)
			break;
		used += (size_t)bytes;
		text[used] = 0;
		if (text[used - 1] == '\n')
			return text;
		if (used + 1 < room)
			continue;
		char *larger = room < REPLY_MAX_BYTES ? realloc(text, room * 2) : NULL;
		if (!larger)
			break;
		room *= 2;
		text = larger;
	}
	free(text);
	return NULL;
}

json_t *millrace_ask(const char *run_dir, const json_t *request)
{
	char path[MILLRACE_PATH_BYTES + 32];
	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	int fd = connect_to(path, SOCK_STREAM);
	if (fd < 0) {
		fprintf(stderr, "millrace: %s: %s; does millrace-control run?\n", path,
			strerror(errno));
		return NULL;
	}
	char *text = json_dumps(request, JSON_COMPACT);
	size_t bytes = text ? strlen(text) : 0;
	bool is_sent = text && write(fd, text, bytes) == (ssize_t)bytes && write(fd, "\n", 1) == 1;
	free(text);
	text = is_sent ? read_line(fd) : NULL;
	json_t *reply = text ? json_loads(text, 0, NULL) : NULL;
	if (!reply)
		fprintf(stderr, "millrace: %s: no answer\n", path);
	free(text);
	close(fd);
	return reply;
}

int millrace_telemetry_open(const char *run_dir)
{
	char pattern[MILLRACE_PATH_BYTES + 64];
	glob_t found;
	int fd = -1;
	snprintf(pattern, sizeof(pattern), "%s/dpdk/*/dpdk_telemetry.v2", run_dir);
	errno = ENOENT;
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && fd < 0; i++)
			fd = connect_to(found.gl_pathv[i], SOCK_SEQPACKET);
	if (fd < 0)
		fprintf(stderr, "millrace: %s: %s; does millrace-dataplane run?\n", pattern,
			strerror(errno));
	globfree(&found);
	char hello[1024];
	if (fd >= 0 && read(fd, hello, sizeof(hello)) <= 0) {
		fprintf(stderr, "millrace: the data plane's telemetry does not answer\n");
		close(fd);
		return -1;
	}
	return fd;
}

// ask_one asks one thing; NULL: it is unknown.
static json_t *ask_one(int fd, const char *what)
{
	size_t room = 1u << 20;
	char *text = malloc(room);
	ssize_t bytes = -1;
	if (text && write(fd, what, strlen(what)) == (ssize_t)strlen(what))
		bytes = read(fd, text, room);
	json_t *reply = bytes > 0 ? json_loadb(text, (size_t)bytes, 0, NULL) : NULL;
	free(text);
	// The answer stands under the command's name, without its parameters.
	json_t *data = json_incref(json_object_getn(reply, what, strcspn(what, ",")));
	json_decref(reply);
	if (!json_is_null(data))
		return data;
	json_decref(data);
	return NULL;
}

// ask_all asks everything under /millrace/ that needs no argument.
static json_t *ask_all(int fd)
{
	json_t *list = ask_one(fd, "/");
	json_t *all = json_object();
	size_t index;
	json_t *name;
	json_array_foreach(list, index, name)
	{
		const char *what = json_string_value(name);
		if (!what || strncmp(what, "/millrace/", 10) != 0)
			continue;
		json_t *data = ask_one(fd, what);
		if (data)
			json_object_set_new(all, what + 10, data);
	}
	json_decref(list);
	return all;
}

json_t *millrace_telemetry_ask(int fd, const char *what)
{
	// All counters in one answer where the data plane gives it, else each command's own.
	json_t *data = ask_one(fd, what ? what : "/millrace/counters");
	if (!data && !what)
		data = ask_all(fd);
	if (!data)
		fprintf(stderr,
			"millrace: the data plane does not answer %s; millrace counters / "
			"tells what it does\n",
			what ? what : "telemetry");
	return data;
}
