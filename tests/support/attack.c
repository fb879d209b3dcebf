// SPDX-License-Identifier: Apache-2.0
// Sends frames that attack a stack, through an interface of a namespace that a test made:
//
//   attack KIND --interface NAME --mac MAC --target ADDR,PORT [--source ADDR,PORT] [--count N]
//          [--seconds N] [--rate PACKETS_A_SECOND] [--seed N]
//
// KIND as in attack_frame.c. Without a rate as fast as it can. Bounded in count and time. Prints
// one line of JSON.
#include "attack_frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64u

struct sender {
	struct attack attack;
	attack_build *build;
	bool is_on_path;
	int out, in;
	uint64_t count, seconds, rate; // rate 0 = as fast as it goes
	uint64_t sent, refused;
};

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_socket(const char *interface)
{
	int one = 1, bytes = 8 << 20;
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		fail(interface);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	return fd;
}

static struct attack_end read_end(const char *text)
{
	struct attack_end end = {0};
	char host[64];
	const char *comma = strchr(text, ',');
	size_t bytes = comma ? (size_t)(comma - text) : strlen(text);
	snprintf(host, sizeof(host), "%.*s", (int)bytes, text);
	end.is_v6 = strchr(host, ':') != NULL;
	end.port = comma ? (uint16_t)atoi(comma + 1) : 0;
	errno = EINVAL;
	if (inet_pton(end.is_v6 ? AF_INET6 : AF_INET, host, end.addr) != 1)
		fail(text);
	return end;
}

static void read_mac(const char *text, uint8_t *mac)
{
	errno = EINVAL;
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6)
		fail(text);
}

static void read_arguments(struct sender *sender, int argc, char **argv)
{
	static const struct option options[] = {{"interface", required_argument, NULL, 'i'},
						{"mac", required_argument, NULL, 'm'},
						{"target", required_argument, NULL, 't'},
						{"source", required_argument, NULL, 's'},
						{"count", required_argument, NULL, 'n'},
						{"seconds", required_argument, NULL, 'd'},
						{"rate", required_argument, NULL, 'r'},
						{"seed", required_argument, NULL, 'S'},
						{NULL, 0, NULL, 0}};
	const char *interface = "eth0";
	*sender = (struct sender){.count = UINT64_MAX, .seconds = 5};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'i': interface = optarg; break;
		case 'm': read_mac(optarg, sender->attack.to_mac); break;
		case 't': sender->attack.target = read_end(optarg); break;
		case 's': sender->attack.source = read_end(optarg); break;
		case 'n': sender->count = strtoull(optarg, NULL, 10); break;
		case 'd': sender->seconds = strtoull(optarg, NULL, 10); break;
		case 'r': sender->rate = strtoull(optarg, NULL, 10); break;
		case 'S': sender->attack.random = strtoull(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	sender->build = optind + 1 == argc ? attack_find(argv[optind]) : NULL;
	if (!sender->build) {
		fprintf(stderr, "attack: one of: %s\n", attack_names());
		exit(2);
	}
	sender->is_on_path = attack_is_on_path(argv[optind]);
	sender->out = open_socket(interface);
	sender->in = open_socket(interface);
}

// look_around learns what the target sent on the connection; true once it has been seen.
static bool look_around(struct sender *sender)
{
	uint8_t frame[2048];
	ssize_t bytes;
	while ((bytes = recv(sender->in, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		attack_look(&sender->attack, frame, (size_t)bytes);
	return sender->attack.is_seen;
}

static void send_batch(struct sender *sender, uint32_t count)
{
	static uint8_t frames[BATCH][ATTACK_FRAME_BYTES];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){frames[i], sender->build(&sender->attack, frames[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint32_t done = 0; done < count;) {
		int some = sendmmsg(sender->out, messages + done, count - done, 0);
		sender->sent += some > 0 ? (uint64_t)some : 0;
		sender->refused += some <= 0;
		done += some > 0 ? (uint32_t)some : 1;
	}
}

// due is how many frames to send now.
static uint32_t due(const struct sender *sender, uint64_t since_us)
{
	uint64_t done = sender->sent + sender->refused;
	uint64_t wanted = sender->rate ? sender->rate * since_us / 1000000 : done + BATCH;
	wanted = wanted < sender->count ? wanted : sender->count;
	uint64_t more = wanted > done ? wanted - done : 0;
	return (uint32_t)(more < BATCH ? more : BATCH);
}

static void run(struct sender *sender, uint64_t begin_us)
{
	uint64_t end_us = begin_us + sender->seconds * 1000000;
	for (uint64_t now_us; (now_us = clock_us()) < end_us;) {
		bool is_ready = !sender->is_on_path || look_around(sender);
		uint32_t count = is_ready ? due(sender, now_us - begin_us) : 0;
		if (count > 0)
			send_batch(sender, count);
		else if (sender->sent + sender->refused >= sender->count)
			return;
		else
			usleep(200);
	}
}

int main(int argc, char **argv)
{
	struct sender sender;
	read_arguments(&sender, argc, argv);
	puts("ready");
	fflush(stdout);
	uint64_t begin_us = clock_us();
	run(&sender, begin_us);
	uint64_t took_us = clock_us() - begin_us;
	printf("{\"sent\": %lu, \"refused\": %lu, \"took_us\": %lu, \"per_second\": %lu}\n",
	       sender.sent, sender.refused, took_us, sender.sent * 1000000 / (took_us + 1));
	return 0;
}
