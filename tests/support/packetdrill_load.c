// SPDX-License-Identifier: Apache-2.0
// Loads packetdrill_shim.so as packetdrill does and plays short scripts through its table: a
// passive and an active open, data both ways, a retransmission at its time, blocking calls in a
// thread, and the end. What packetdrill itself would do; it is not in Debian.
#include "packetdrill_abi.h"
#include "tcp_segment.h"
#include "unit.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define IP_BYTES     20u
#define PACKET_BYTES 2048u
#define PORT         8080u
#define PEER_PORT    40000u
#define OPTION_INFO  11 // TCP_INFO

static struct packetdrill_interface stack;

static uint32_t sum_bytes(uint32_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

// inject sends segment with payload from 10.0.0.2 to 10.0.0.1.
static void inject(struct tcp_segment segment, const char *payload)
{
	uint8_t packet[PACKET_BYTES] = {
		0x45, [8] = 64, [9] = 6, [12] = 10, [15] = 2, [16] = 10, [19] = 1};
	uint8_t *tcp = packet + IP_BYTES;
	size_t payload_bytes = strlen(payload);
	size_t tcp_bytes = tcp_segment_write(&segment, tcp) + payload_bytes;
	memcpy(tcp + segment.header_bytes, payload, payload_bytes);
	packet[3] = (uint8_t)(IP_BYTES + tcp_bytes); // scripts here are short
	put_checksum(packet + 10, sum_bytes(0, packet, IP_BYTES));
	uint32_t pseudo = sum_bytes(6 + (uint32_t)tcp_bytes, packet + 12, 8);
	put_checksum(tcp + 16, sum_bytes(pseudo, tcp, tcp_bytes));
	CU_ASSERT_EQUAL(stack.netdev_send(stack.userdata, packet, IP_BYTES + tcp_bytes), 0);
}

// What left the stack.
struct heard {
	struct tcp_segment segment;
	char payload[PACKET_BYTES];
	long long time_us;
};

static struct heard hear(void)
{
	struct heard heard = {0};
	uint8_t packet[PACKET_BYTES];
	size_t bytes = sizeof(packet);
	CU_ASSERT_EQUAL(stack.netdev_receive(stack.userdata, packet, &bytes, &heard.time_us), 0);
	CU_ASSERT_FATAL(bytes > IP_BYTES && packet[0] == 0x45);
	CU_ASSERT_FATAL(tcp_segment_parse(packet + IP_BYTES, bytes - IP_BYTES, &heard.segment));
	heard.segment.payload_bytes = (uint32_t)bytes - IP_BYTES - heard.segment.header_bytes;
	memcpy(heard.payload, packet + IP_BYTES + heard.segment.header_bytes,
	       heard.segment.payload_bytes);
	return heard;
}

static struct sockaddr_in address(uint8_t host, uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(0x0a000000u + host)};
}

// peer is a segment of the script's side that acknowledges heard and carries seq.
static struct tcp_segment peer(const struct heard *heard, uint32_t seq, uint8_t flags)
{
	const struct tcp_segment *last = &heard->segment;
	uint32_t length = last->payload_bytes + (last->flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
	return (struct tcp_segment){.source_port = last->destination_port,
				    .destination_port = last->source_port,
				    .seq = seq_of(seq),
				    .ack = seq_plus(last->seq, length),
				    .window = 65535,
				    .flags = flags};
}

static int state_of(int fd)
{
	uint8_t info[256] = {0};
	socklen_t bytes = sizeof(info);
	CU_ASSERT_EQUAL(
		stack.getsockopt(stack.userdata, fd, IPPROTO_TCP, OPTION_INFO, info, &bytes), 0);
	return info[0];
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in local = address(1, port);
	int fd = stack.socket(stack.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(stack.bind(stack.userdata, fd, (void *)&local, sizeof(local)), 0);
	CU_ASSERT_EQUAL(stack.listen(stack.userdata, fd, 1), 0);
	return fd;
}

static struct heard shake(uint16_t port, uint32_t isn)
{
	struct tcp_segment syn = {.source_port = PEER_PORT,
				  .destination_port = port,
				  .seq = seq_of(isn),
				  .window = 65535,
				  .mss = 1000,
				  .flags = TCP_SYN};
	inject(syn, "");
	struct heard answer = hear();
	CU_ASSERT_EQUAL(answer.segment.flags, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(answer.segment.ack.value, isn + 1);
	inject(peer(&answer, isn + 1, TCP_ACK), "");
	return answer;
}

static void passive_open_and_data(void)
{
	int listener = listen_on(PORT);
	shake(PORT, 1000);
	struct sockaddr_in from = {0};
	socklen_t bytes = sizeof(from);
	int fd = stack.accept(stack.userdata, listener, (void *)&from, &bytes);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ntohs(from.sin_port), PEER_PORT);
	CU_ASSERT_EQUAL(state_of(fd), 1); // ESTABLISHED

	char data[64] = "";
	CU_ASSERT_EQUAL(stack.write(stack.userdata, fd, "hello", 5), 5);
	struct heard first = hear();
	CU_ASSERT_EQUAL(first.segment.payload_bytes, 5);
	CU_ASSERT_EQUAL(memcmp(first.payload, "hello", 5), 0);
	inject(peer(&first, 1001, TCP_ACK | TCP_PSH), "world!");
	CU_ASSERT_EQUAL(stack.read(stack.userdata, fd, data, sizeof(data)), 6);
	CU_ASSERT_STRING_EQUAL(data, "world!");
	struct heard delayed = hear();
	CU_ASSERT_EQUAL(delayed.segment.ack.value, 1007);
	CU_ASSERT_EQUAL(delayed.segment.payload_bytes, 0);

	CU_ASSERT_EQUAL(stack.close(stack.userdata, fd), 0);
	struct heard fin = hear();
	CU_ASSERT_EQUAL(fin.segment.flags, TCP_FIN | TCP_ACK);
	inject(peer(&fin, 1007, TCP_FIN | TCP_ACK), "");
	CU_ASSERT_EQUAL(hear().segment.ack.value, 1008);
	CU_ASSERT_EQUAL(stack.close(stack.userdata, listener), 0);
}

static void what_is_lost_is_sent_again(void)
{
	int listener = listen_on(PORT + 1);
	shake(PORT + 1, 5000);
	int fd = stack.accept(stack.userdata, listener, NULL, NULL);
	CU_ASSERT_EQUAL(stack.write(stack.userdata, fd, "again", 5), 5);
	struct heard first = hear();
	struct heard second = hear(); // nothing acknowledged it
	CU_ASSERT_EQUAL(second.segment.seq.value, first.segment.seq.value);
	CU_ASSERT_EQUAL(second.segment.payload_bytes, 5);
	long long waited_us = second.time_us - first.time_us;
	CU_ASSERT(waited_us >= 100000 && waited_us <= 1200000);
	inject(peer(&second, 5001, TCP_ACK), "");
	struct tcp_segment reset = peer(&second, 5001, TCP_RST | TCP_ACK);
	inject(reset, "");
	char data[8];
	errno = 0;
	CU_ASSERT_EQUAL(stack.read(stack.userdata, fd, data, sizeof(data)), -1);
	CU_ASSERT_EQUAL(errno, ECONNRESET);
	stack.close(stack.userdata, fd);
}

static void active_open(void)
{
	struct sockaddr_in remote = address(2, PEER_PORT);
	int fd = stack.socket(stack.userdata, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL(stack.connect(stack.userdata, fd, (void *)&remote, sizeof(remote)), -1);
	CU_ASSERT_EQUAL(errno, EINPROGRESS);
	struct pollfd wanted = {.fd = fd, .events = POLLIN | POLLOUT};
	CU_ASSERT_EQUAL(stack.poll(stack.userdata, &wanted, 1, 0), 0);
	struct heard syn = hear();
	CU_ASSERT_EQUAL(syn.segment.flags, TCP_SYN);
	inject(peer(&syn, 9000, TCP_SYN | TCP_ACK), "");
	CU_ASSERT_EQUAL(hear().segment.flags, TCP_ACK);
	CU_ASSERT_EQUAL(stack.poll(stack.userdata, &wanted, 1, 0), 1);
	CU_ASSERT_EQUAL(wanted.revents, POLLOUT);
	int error = -1;
	socklen_t bytes = sizeof(error);
	stack.getsockopt(stack.userdata, fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	CU_ASSERT_EQUAL(error, 0);
	struct linger linger = {.l_onoff = 1};
	stack.setsockopt(stack.userdata, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	stack.close(stack.userdata, fd);
	CU_ASSERT(hear().segment.flags & TCP_RST);
}

static void refused_open(void)
{
	struct sockaddr_in remote = address(2, PEER_PORT + 1);
	int fd = stack.socket(stack.userdata, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	stack.connect(stack.userdata, fd, (void *)&remote, sizeof(remote));
	struct heard syn = hear();
	inject(peer(&syn, 0, TCP_RST | TCP_ACK), "");
	int error = 0;
	socklen_t bytes = sizeof(error);
	stack.getsockopt(stack.userdata, fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	CU_ASSERT_EQUAL(error, ECONNREFUSED);
	stack.close(stack.userdata, fd);
}

static void *accept_one(void *listener)
{
	return (void *)(intptr_t)stack.accept(stack.userdata, *(int *)listener, NULL, NULL);
}

static void a_blocking_call_waits_for_its_packet(void)
{
	int listener = listen_on(PORT + 2);
	pthread_t thread;
	void *fd;
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, accept_one, &listener) == 0);
	stack.usleep(stack.userdata, 500000);
	shake(PORT + 2, 77);
	stack.usleep(stack.userdata, 10000);
	pthread_join(thread, &fd);
	CU_ASSERT((intptr_t)fd >= 0);
	stack.close(stack.userdata, (int)(intptr_t)fd);
}

static void the_clock_is_the_callers(void)
{
	struct timeval before, after;
	stack.gettimeofday(stack.userdata, &before, NULL);
	stack.usleep(stack.userdata, 1500000);
	stack.gettimeofday(stack.userdata, &after, NULL);
	long long passed_us =
		(after.tv_sec - before.tv_sec) * 1000000ll + after.tv_usec - before.tv_usec;
	CU_ASSERT_EQUAL(passed_us, 1500000);
	CU_ASSERT_EQUAL(stack.epoll_create(stack.userdata, 1), -1);
	CU_ASSERT_EQUAL(errno, ENOSYS);
	CU_ASSERT_EQUAL(stack.close(stack.userdata, 3), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
}

int main(int argc, char **argv)
{
	static const struct unit_case cases[] = {
		{"a passive open, data both ways, and the end", passive_open_and_data},
		{"what is lost is sent again, a reset is told", what_is_lost_is_sent_again},
		{"an active open, and a close that resets", active_open},
		{"a refused open is told", refused_open},
		{"a blocking call waits for its packet", a_blocking_call_waits_for_its_packet},
		{"the clock is the caller's", the_clock_is_the_callers},
	};
	void *shim = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	void (*init)(const char *, struct packetdrill_interface *) = NULL;
	if (shim)
		*(void **)&init = dlsym(shim, "packetdrill_interface_init");
	if (!init) {
		fprintf(stderr, "usage: packetdrill_load SHIM.so: %s\n", shim ? "" : dlerror());
		return 2;
	}
	init(NULL, &stack);
	int status = unit_run("packetdrill", cases, sizeof(cases) / sizeof(cases[0]));
	stack.free(stack.userdata);
	return status;
}
