// SPDX-License-Identifier: Apache-2.0
// Accept, welcome, offer, answer; see worker_attach.h and handover.h.
#include "worker_attach.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int attach_init(struct attach *attach, const char *path, struct channel *const *channels,
		uint32_t worker_count)
{
	attach->pending_fd = attach->control_fd = -1;
	attach->channels = channels;
	attach->worker_count = worker_count;
	return handover_listen(path, &attach->listen_fd);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

// hang_up ends the connection with control; the workers keep their state and, until they see a new
// one, their mapping of the region.
static void hang_up(struct attach *attach)
{
	if (attach->control_fd >= 0)
		attach->lost_count++;
	close_fd(&attach->control_fd);
	if (attach->region)
		channel_region_release(attach->region);
	attach->region = NULL;
}

void attach_fini(struct attach *attach, const char *path)
{
	hang_up(attach);
	close_fd(&attach->pending_fd);
	close_fd(&attach->listen_fd);
	unlink(path);
}

void attach_polls(const struct attach *attach, struct pollfd polls[ATTACH_POLLS])
{
	// One at a time: others wait in the listener's queue.
	polls[0] = (struct pollfd){attach->pending_fd < 0 ? attach->listen_fd : -1, POLLIN, 0};
	polls[1] = (struct pollfd){attach->pending_fd, POLLIN, 0};
	polls[2] = (struct pollfd){attach->control_fd, POLLIN, 0};
}

static void refuse(struct attach *attach, const char *why)
{
	attach->refused_count++;
	attach->last_refusal = why;
	close_fd(&attach->pending_fd);
}

static void welcome(struct attach *attach, uint64_t now_us)
{
	struct handover_welcome message = {attach->worker_count, attach->boot_id};
	attach->pending_fd = accept4(attach->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (attach->pending_fd < 0)
		return;
	attach->pending_until_us = now_us + ATTACH_PATIENCE_US;
	if (!handover_peer_is_trusted(attach->pending_fd))
		refuse(attach, "the peer runs as another user");
	else if (handover_send_welcome(attach->pending_fd, &message) != 0)
		refuse(attach, "the peer left before its welcome");
}

// adopt gives a good region to every worker; the pending connection becomes control's.
static void adopt(struct attach *attach, struct channel_region *region)
{
	struct handover_answer answer = {.is_attached = true};
	hang_up(attach);
	attach->control_fd = attach->pending_fd;
	attach->pending_fd = -1;
	attach->region = region;
	attach->accepted_count++;
	for (uint32_t i = 0; i < attach->worker_count; i++)
		channel_offer(attach->channels[i], region);
	if (attach->offered)
		attach->offered(attach->user);
	handover_send_answer(attach->control_fd, &answer);
}

static void take_offer(struct attach *attach)
{
	struct handover_fds fds;
	struct handover_answer answer = {.is_attached = false};
	const char *why;
	int error = handover_receive_offer(attach->pending_fd, &fds);
	if (error == EAGAIN)
		return;
	if (error) {
		refuse(attach,
		       error == EPIPE ? "the peer left before its offer" : "no offer of a region");
		return;
	}
	struct channel_region *region = channel_region_new(&fds, attach->worker_count, &why);
	if (region) {
		adopt(attach, region);
		return;
	}
	snprintf(answer.why, sizeof(answer.why), "%s", why);
	handover_send_answer(attach->pending_fd, &answer);
	refuse(attach, why);
}

// check_control: control says nothing after its offer, so anything readable is its end.
static void check_control(struct attach *attach)
{
	char byte;
	ssize_t count = recv(attach->control_fd, &byte, 1, MSG_DONTWAIT);
	if (count >= 0 || (errno != EAGAIN && errno != EINTR))
		hang_up(attach);
}

void attach_run(struct attach *attach, const struct pollfd polls[ATTACH_POLLS], uint64_t now_us)
{
	if (polls[2].revents && polls[2].fd == attach->control_fd)
		check_control(attach);
	if (polls[1].revents && polls[1].fd == attach->pending_fd)
		take_offer(attach);
	if (polls[0].revents && attach->pending_fd < 0)
		welcome(attach, now_us);
	if (attach->pending_fd >= 0 && now_us > attach->pending_until_us)
		refuse(attach, "the peer made no offer in time");
	// acquire: pairs with the release of the worker that found it broken.
	if (attach->region &&
	    atomic_load_explicit(&attach->region->is_broken, memory_order_acquire)) {
		attach->refused_count++;
		attach->last_refusal = "the region made no sense any more";
		hang_up(attach);
	}
}

bool attach_has_control(const struct attach *attach)
{
	return attach->control_fd >= 0;
}
