// SPDX-License-Identifier: Apache-2.0
// Which frames a capture takes, and what a worker does with one under way.
#include "worker_capture.h"
#include "worker_rig.h"

#include "check.h"
#include "unit.h"

#include <stdlib.h>

// matches is true when the filter of request takes the frame.
static bool matches(const char *request, const uint8_t *frame, size_t bytes)
{
	struct capture_request parsed;
	CHECK(!capture_request_parse(request, &parsed));
	return capture_matches(&parsed.filter, frame, bytes);
}

// TCP from 192.0.2.1:1000 to 198.51.100.1:443.
static const uint8_t frame4[] = {2,   0,    0, 0, 0,   1,  2,   0, 0, 0,    0, 2,   8,
				 0,   0x45, 0, 0, 40,  0,  0,   0, 0, 64,   6, 0,   0,
				 192, 0,    2, 1, 198, 51, 100, 1, 3, 0xe8, 1, 0xbb};

// UDP from 2001:db8::1:1000 to 2001:db8::2:53, tagged.
static const uint8_t frame6[] = {
	2,    0, 0,   0,    0,  1,    2, 0,   0,    0, 0, 2, 0x81, 0, 0, 7, 0x86, 0xdd, 0x60, 0, 0,
	0,    0, 8,   17,   64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0,    0, 0, 0, 0,    0,    0,    0, 1,
	0x20, 1, 0xd, 0xb8, 0,  0,    0, 0,   0,    0, 0, 0, 0,    0, 0, 2, 3,    0xe8, 0,    53};

// ARP: 10.0.0.1 asks for 10.0.0.2.
static const uint8_t frame_arp[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  2, 8, 6,
				    0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,  0, 0, 2,
				    10,   0,    0,    1,    0,    0,    0, 0, 0, 0, 10, 0, 0, 2};

static void a_filter_takes_what_has_all_that_is_asked(void)
{
	CU_ASSERT(matches("", frame4, sizeof(frame4)));
	CU_ASSERT(matches("port=443", frame4, sizeof(frame4)));
	CU_ASSERT(matches("port=1000", frame4, sizeof(frame4)));
	CU_ASSERT(!matches("port=444", frame4, sizeof(frame4)));
	CU_ASSERT(matches("host=192.0.2.0/24", frame4, sizeof(frame4)));
	CU_ASSERT(matches("host=198.51.100.1 port=443", frame4, sizeof(frame4)));
	CU_ASSERT(!matches("host=198.51.100.2 port=443", frame4, sizeof(frame4)));
	CU_ASSERT(matches("flow=192.0.2.1:1000-198.51.100.1:443", frame4, sizeof(frame4)));
	CU_ASSERT(matches("flow=198.51.100.1:443-192.0.2.1:1000", frame4, sizeof(frame4)));
	CU_ASSERT(!matches("flow=198.51.100.1:443-192.0.2.1:1001", frame4, sizeof(frame4)));
	CU_ASSERT(matches("port=53 host=2001:db8::/64", frame6, sizeof(frame6)));
	CU_ASSERT(!matches("host=2001:db8:1::/64", frame6, sizeof(frame6)));
	CU_ASSERT(matches("host=10.0.0.2", frame_arp, sizeof(frame_arp)));
	CU_ASSERT(!matches("host=10.0.0.3", frame_arp, sizeof(frame_arp)));
	CU_ASSERT(!matches("port=1", frame_arp, sizeof(frame_arp)));
}

static void a_frame_cut_short_is_read_within_its_bytes(void)
{
	for (size_t bytes = 0; bytes < sizeof(frame4); bytes++) {
		uint8_t *exact = malloc(bytes + 1); // the sanitizer sees a byte too many
		memcpy(exact + 1, frame4, bytes);
		CU_ASSERT(!matches("port=443", exact + 1, bytes));
		free(exact);
	}
	uint8_t fragment[sizeof(frame4)];
	memcpy(fragment, frame4, sizeof(frame4));
	fragment[21] = 1; // not the first: where ports would be is payload
	CU_ASSERT(!matches("port=443", fragment, sizeof(fragment)));
	CU_ASSERT(matches("host=192.0.2.1", fragment, sizeof(fragment)));
}

static void a_bad_request_is_told_what_is_wrong(void)
{
	static const char *const bad[] = {
		"port=0", "port=65536",     "port=x",   "seconds=3601", "packets=-1", "snap=9217",
		"host=x", "flow=1.2.3.4:5", "flow=a-b", "nothing=here", "portandnone"};
	struct capture_request request;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT_PTR_NOT_NULL(capture_request_parse(bad[i], &request));
	CU_ASSERT_PTR_NULL(capture_request_parse("seconds=5 packets=7 bytes=9 snap=60", &request));
	CU_ASSERT_EQUAL(request.seconds, 5);
	CU_ASSERT_EQUAL(request.packets, 7);
	CU_ASSERT_EQUAL(request.bytes, 9);
	CU_ASSERT_EQUAL(request.snap, 60);
}

// receive has the rig's net receive frame4.
static void receive(struct worker_rig *rig)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->mbufs);
	CHECK(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, sizeof(frame4)), frame4, sizeof(frame4));
	net_input(rig->worker->net, 0, &mbuf, 1);
}

static void a_worker_copies_while_it_has_a_tap(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct capture_tap tap = {.filter = {.port = 443}};
	CHECK(capture_tap_open(&tap, 128));
	receive(rig);
	CU_ASSERT_EQUAL(rte_ring_count(tap.ring), 0);
	capture_set(rig->worker, &tap);
	receive(rig);
	receive(rig);
	CU_ASSERT_EQUAL(rte_ring_count(tap.ring), 2);
	tap.filter.port = 444;
	receive(rig);
	CU_ASSERT_EQUAL(tap.taken, 2);
	capture_set(rig->worker, NULL);
	receive(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_worker_captured), 2);
	capture_tap_close(&tap);
	worker_rig_free(rig);
}

static void a_full_ring_loses_frames_to_the_capture_alone(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct capture_tap tap = {0};
	CHECK(capture_tap_open(&tap, 128));
	uint64_t in = worker_rig_count(rig, COUNTER_net_packets_in);
	capture_set(rig->worker, &tap);
	for (uint32_t i = 0; i < 2 * CAPTURE_RING_FRAMES; i++)
		receive(rig);
	CU_ASSERT(tap.taken <= CAPTURE_RING_FRAMES);
	CU_ASSERT_EQUAL(tap.taken + tap.lost, 2 * CAPTURE_RING_FRAMES);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_worker_capture_full), tap.lost);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_net_packets_in) - in,
			2 * CAPTURE_RING_FRAMES);
	capture_set(rig->worker, NULL);
	capture_tap_close(&tap);
	worker_rig_free(rig);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"a filter takes what has all that is asked",
		 a_filter_takes_what_has_all_that_is_asked},
		{"a frame cut short is read within its bytes",
		 a_frame_cut_short_is_read_within_its_bytes},
		{"a bad request is told what is wrong", a_bad_request_is_told_what_is_wrong},
		{"a worker copies while it has a tap", a_worker_copies_while_it_has_a_tap},
		{"a full ring loses frames to the capture alone",
		 a_full_ring_loses_frames_to_the_capture_alone},
	};
	worker_rig_start();
	int code = unit_run("worker_capture", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
