// SPDX-License-Identifier: Apache-2.0
// UDP packets of many clients into one link, and out of another: what whoever is between forwards.
// Clients are addresses behind this host, so their packets are written as frames (AF_PACKET) and
// the endpoint's answers to them end here unseen; the endpoint is a socket, which answers the
// first ANSWERS packets of each flow, as a burst of answers may overflow a ring, and reads all
// others. A closed loop: so many packets are on their way at most.
//
//   l4_load LINK MAC SERVICE ENDPOINT SECONDS    prints JSON
//
// LINK is where packets leave, to MAC and SERVICE (IPv4, port 53); ENDPOINT is ours, port 5353.
#include "big_endian.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLOWS         1000u
#define PORTS         4u // of each client
#define BURST         32u
#define ANSWERS       8u
#define WINDOW        256u // on their way
#define PAYLOAD_BYTES 64u
#define FRAME_BYTES   (14u + 20u + 8u + PAYLOAD_BYTES)
#define LOST_S        0.2 // nothing came for so long: what is on its way is lost
#define WARM_S        5.0

struct load {
	int out, in;
	uint8_t frames[FLOWS][FRAME_BYTES];
	struct mmsghdr sends[BURST], reads[BURST];
	struct iovec send_parts[BURST], read_parts[BURST];
	struct sockaddr_in from[BURST];
	uint8_t read_bytes[BURST][PAYLOAD_BYTES + 1]; // one more tells what is too long
	uint8_t answered[FLOWS];
	uint32_t next, seen, under_way;
	uint64_t sent, received, lost, bad;
	double heard_s;
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint32_t sum_of(const uint8_t *at, uint32_t bytes, uint32_t sum)
{
	for (uint32_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// write_frame makes flow's packet: from 198.18.9.x, its number in the payload.
static void write_frame(uint8_t *frame, const uint8_t mac[6], const uint8_t service[4],
			uint32_t flow)
{
	uint8_t *ip = frame + 14, *udp = ip + 20;
	memcpy(frame, mac, 6);
	memcpy(frame + 6, (const uint8_t[]){2, 0, 0, 0, 0, 9}, 6);
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, FRAME_BYTES - 14);
	put16(ip + 6, 0x4000); // DF
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, (const uint8_t[]){198, 18, 9, (uint8_t)(1 + flow / PORTS)}, 4);
	memcpy(ip + 16, service, 4);
	put16(ip + 10, fold(sum_of(ip, 20, 0)));
	put16(udp, 10000 + flow % PORTS);
	put16(udp + 2, 53);
	put16(udp + 4, 8 + PAYLOAD_BYTES);
	memset(udp + 8, 'm', PAYLOAD_BYTES);
	put16(udp + 8, flow);
	put16(udp + 6,
	      fold(sum_of(ip + 12, 8 + 8 + PAYLOAD_BYTES, IPPROTO_UDP + 8 + PAYLOAD_BYTES)));
}

static void open_link(struct load *load, const char *name)
{
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_ifindex = (int)if_nametoindex(name)};
	int one = 1;
	load->out = socket(AF_PACKET, SOCK_RAW, 0); // of no protocol: it receives nothing
	if (load->out < 0 || !link.sll_ifindex ||
	    bind(load->out, (struct sockaddr *)&link, sizeof(link)) != 0 ||
	    setsockopt(load->out, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0)
		err(1, "%s", name);
}

static void open_endpoint(struct load *load, const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5353)};
	int bytes = 4 << 20;
	load->in = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (load->in < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    setsockopt(load->in, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    bind(load->in, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "%s", address);
}

static void prepare(struct load *load)
{
	for (uint32_t i = 0; i < BURST; i++) {
		load->send_parts[i].iov_len = FRAME_BYTES;
		load->sends[i].msg_hdr =
			(struct msghdr){.msg_iov = &load->send_parts[i], .msg_iovlen = 1};
		load->read_parts[i] =
			(struct iovec){load->read_bytes[i], sizeof(load->read_bytes[i])};
		load->reads[i].msg_hdr = (struct msghdr){.msg_iov = &load->read_parts[i],
							 .msg_iovlen = 1,
							 .msg_name = &load->from[i],
							 .msg_namelen = sizeof(load->from[i])};
	}
}

static void send_burst(struct load *load)
{
	for (uint32_t i = 0; i < BURST; i++)
		load->send_parts[i].iov_base = load->frames[(load->next + i) % FLOWS];
	int sent = sendmmsg(load->out, load->sends, BURST, 0);
	if (sent < 0 && errno != ENOBUFS)
		err(1, "sendmmsg");
	if (sent < 0) { // the other side's core was away: its queue is full
		load->lost++;
		load->sent++;
		return;
	}
	load->next = (load->next + (uint32_t)sent) % FLOWS;
	load->sent += (uint32_t)sent;
	load->under_way += (uint32_t)sent;
}

// take judges what came, and answers a flow's first packets.
static void take(struct load *load, uint32_t i)
{
	const uint8_t *at = load->read_bytes[i];
	uint32_t flow = (uint32_t)(at[0] << 8 | at[1]);
	if (load->reads[i].msg_len != PAYLOAD_BYTES || flow >= FLOWS ||
	    at[PAYLOAD_BYTES - 1] != 'm') {
		load->bad++;
		return;
	}
	load->received++;
	load->under_way -= load->under_way > 0;
	if (load->answered[flow] == ANSWERS)
		return;
	load->seen += load->answered[flow]++ == 0;
	sendto(load->in, at, PAYLOAD_BYTES, 0, (struct sockaddr *)&load->from[i],
	       sizeof(load->from[i]));
}

static void read_burst(struct load *load)
{
	int count = recvmmsg(load->in, load->reads, BURST, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		take(load, (uint32_t)i);
	double now = now_s();
	if (count > 0)
		load->heard_s = now;
	if (now - load->heard_s > LOST_S) {
		load->lost += load->under_way;
		load->under_way = 0;
		load->heard_s = now;
	}
}

static void step(struct load *load)
{
	if (load->under_way + BURST <= WINDOW)
		send_burst(load);
	read_burst(load);
}

int main(int argc, char **argv)
{
	static struct load load;
	uint8_t mac[6], service[4];
	if (argc != 6 ||
	    sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6 ||
	    inet_pton(AF_INET, argv[3], service) != 1)
		errx(2, "l4_load LINK MAC SERVICE ENDPOINT SECONDS");
	open_link(&load, argv[1]);
	open_endpoint(&load, argv[4]);
	prepare(&load);
	for (uint32_t i = 0; i < FLOWS; i++)
		write_frame(load.frames[i], mac, service, i);
	double begin = load.heard_s = now_s();
	while (load.seen < FLOWS && now_s() - begin < WARM_S)
		step(&load);
	double start = now_s(), end = start + strtod(argv[5], NULL);
	uint64_t received = load.received;
	while (now_s() < end)
		step(&load);
	printf("{\"flows\": %u, \"seen\": %u, \"sent\": %lu, \"received\": %lu, \"lost\": %lu, "
	       "\"bad\": %lu, "
	       "\"per_s\": %.1f}\n",
	       FLOWS, load.seen, load.sent, load.received, load.lost, load.bad,
	       (double)(load.received - received) / (now_s() - start));
	return 0;
}
