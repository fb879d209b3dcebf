// SPDX-License-Identifier: Apache-2.0
// The messages of the handover; see handover.h. unix(7): SCM_RIGHTS, SO_PEERCRED.
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX (REGION_WORKERS_MAX + 2u)

enum kind { KIND_WELCOME = 1, KIND_OFFER, KIND_ANSWER };

struct message {
	uint64_t magic; // REGION_MAGIC
	uint32_t version;
	uint32_t kind;
	uint32_t worker_count;
	uint32_t is_attached;
	uint64_t boot_id;
	char why[HANDOVER_WHY_BYTES];
};

static int set_path(struct sockaddr_un *name, const char *path)
{
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(name->sun_path))
		return ENAMETOOLONG;
	memcpy(name->sun_path, path, strlen(path));
	return 0;
}

// open_at makes a socket and the name of path, for bind or connect; 0 or the error, then no socket.
static int open_at(const char *path, struct sockaddr_un *name, int *fd)
{
	int error = set_path(name, path);
	if (error)
		return error;
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return *fd < 0 ? errno : 0;
}

int handover_listen(const char *path, int *fd)
{
	struct sockaddr_un name;
	int error = open_at(path, &name, fd);
	if (error)
		return error;
	unlink(path);
	mode_t mask = umask(0177);
	error = bind(*fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? 0 : errno;
	umask(mask);
	if (!error && listen(*fd, 4) != 0)
		error = errno;
	if (error) {
		close(*fd);
		*fd = -1;
	}
	return error;
}

int handover_connect(const char *path, int *fd)
{
	struct sockaddr_un name;
	int error = open_at(path, &name, fd);
	if (error)
		return error;
	if (connect(*fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		error = errno;
	else if (!handover_peer_is_trusted(*fd))
		error = EACCES;
	if (error) {
		close(*fd);
		*fd = -1;
	}
	return error;
}

bool handover_peer_is_trusted(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || bytes != sizeof(peer))
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

// send_message sends one message with fd_count descriptors.
static int send_message(int fd, struct message *message, const int *fds, size_t fd_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_MAX)] = {0};
	struct iovec part = {message, sizeof(*message)};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
	message->magic = REGION_MAGIC;
	message->version = HANDOVER_VERSION;
	if (fd_count) {
		head.msg_control = control;
		head.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&head);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	ssize_t sent;
	do
		sent = sendmsg(fd, &head, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno;
	return sent == (ssize_t)sizeof(*message) ? 0 : EPROTO;
}

// take_fds copies the descriptors of a received message out; returns how many came.
static size_t take_fds(struct msghdr *head, int fds[FDS_MAX])
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (here > FDS_MAX - count) // cannot be: control was no larger
			here = FDS_MAX - count;
		memcpy(fds + count, CMSG_DATA(c), here * sizeof(int));
		count += here;
	}
	return count;
}

// receive_message receives one message of this kind and its descriptors, which are the caller's.
static int receive_message(int fd, enum kind kind, struct message *message, int fds[FDS_MAX],
			   size_t *fd_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	struct iovec part = {message, sizeof(*message)};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
	head.msg_control = control;
	head.msg_controllen = sizeof(control);
	*fd_count = 0;
	ssize_t received;
	do
		received = recvmsg(fd, &head, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return errno;
	*fd_count = take_fds(&head, fds);
	if (received == 0)
		return EPIPE;
	if (received != (ssize_t)sizeof(*message) || (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return EPROTO;
	if (message->magic != REGION_MAGIC || message->version != HANDOVER_VERSION ||
	    message->kind != kind)
		return EPROTO;
	return 0;
}

// set_nonblocking keeps a descriptor from another process from stopping us.
static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

// receive_plain receives a message that carries no descriptors.
static int receive_plain(int fd, enum kind kind, struct message *message)
{
	int fds[FDS_MAX];
	size_t count;
	int error = receive_message(fd, kind, message, fds, &count);
	close_all(fds, count);
	return error || count == 0 ? error : EPROTO;
}

int handover_send_welcome(int fd, const struct handover_welcome *welcome)
{
	struct message message = {
		.kind = KIND_WELCOME,
		.worker_count = welcome->worker_count,
		.boot_id = welcome->boot_id,
	};
	return send_message(fd, &message, NULL, 0);
}

int handover_receive_welcome(int fd, struct handover_welcome *welcome)
{
	struct message message;
	int error = receive_plain(fd, KIND_WELCOME, &message);
	if (error)
		return error;
	if (message.worker_count == 0 || message.worker_count > REGION_WORKERS_MAX)
		return EPROTO;
	*welcome = (struct handover_welcome){message.worker_count, message.boot_id};
	return 0;
}

int handover_send_offer(int fd, const struct handover_fds *fds)
{
	int list[FDS_MAX] = {fds->region, fds->control_wake};
	struct message message = {.kind = KIND_OFFER, .worker_count = fds->worker_count};
	if (fds->worker_count == 0 || fds->worker_count > REGION_WORKERS_MAX)
		return EINVAL;
	memcpy(list + 2, fds->worker_wake, fds->worker_count * sizeof(int));
	return send_message(fd, &message, list, fds->worker_count + 2u);
}

int handover_receive_offer(int fd, struct handover_fds *fds)
{
	struct message message;
	int list[FDS_MAX];
	size_t count;
	handover_fds_init(fds);
	int error = receive_message(fd, KIND_OFFER, &message, list, &count);
	if (!error && (message.worker_count == 0 || message.worker_count > REGION_WORKERS_MAX ||
		       count != message.worker_count + 2u))
		error = EPROTO;
	if (error) {
		close_all(list, count);
		return error;
	}
	fds->worker_count = message.worker_count;
	fds->region = list[0];
	fds->control_wake = list[1];
	memcpy(fds->worker_wake, list + 2, fds->worker_count * sizeof(int));
	for (size_t i = 1; i < count; i++)
		set_nonblocking(list[i]);
	return 0;
}

int handover_send_answer(int fd, const struct handover_answer *answer)
{
	struct message message = {.kind = KIND_ANSWER, .is_attached = answer->is_attached};
	snprintf(message.why, sizeof(message.why), "%s", answer->why);
	return send_message(fd, &message, NULL, 0);
}

int handover_receive_answer(int fd, struct handover_answer *answer)
{
	struct message message;
	int error = receive_plain(fd, KIND_ANSWER, &message);
	if (error)
		return error;
	answer->is_attached = message.is_attached == 1;
	message.why[sizeof(message.why) - 1] = 0;
	memcpy(answer->why, message.why, sizeof(answer->why));
	return 0;
}

void handover_fds_init(struct handover_fds *fds)
{
	fds->worker_count = 0;
	fds->region = -1;
	fds->control_wake = -1;
	for (uint32_t i = 0; i < REGION_WORKERS_MAX; i++)
		fds->worker_wake[i] = -1;
}

int handover_fds_make(struct handover_fds *fds, uint32_t worker_count)
{
	handover_fds_init(fds);
	if (worker_count == 0 || worker_count > REGION_WORKERS_MAX)
		return EINVAL;
	fds->worker_count = worker_count;
	fds->control_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = fds->control_wake < 0 ? errno : 0;
	for (uint32_t i = 0; i < worker_count && !error; i++) {
		fds->worker_wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		error = fds->worker_wake[i] < 0 ? errno : 0;
	}
	if (error)
		handover_fds_close(fds);
	return error;
}

void handover_fds_close(struct handover_fds *fds)
{
	if (fds->region >= 0)
		close(fds->region);
	if (fds->control_wake >= 0)
		close(fds->control_wake);
	for (uint32_t i = 0; i < REGION_WORKERS_MAX; i++)
		if (fds->worker_wake[i] >= 0)
			close(fds->worker_wake[i]);
	handover_fds_init(fds);
}

void handover_wake(int eventfd)
{
	// A full counter means the other side is awake already.
	uint64_t one = 1;
	ssize_t ignored = write(eventfd, &one, sizeof(one));
	(void)ignored;
}

void handover_wake_clear(int eventfd)
{
	uint64_t count;
	ssize_t ignored = read(eventfd, &count, sizeof(count));
	(void)ignored;
}
