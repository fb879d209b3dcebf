// SPDX-License-Identifier: Apache-2.0
// The sealed region and its handover between two processes.
#include "handover.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct region_shape shape = {2, RING_MIN_BYTES * 2, RING_MIN_BYTES};

static void both_sides_see_one_region_with_separate_rings(void)
{
	struct region ours, theirs;
	CU_ASSERT_EQUAL_FATAL(region_create(&ours, &shape, 77), 0);
	const char *why = region_attach(&theirs, dup(ours.fd), 2);
	CU_ASSERT_PTR_NULL_FATAL(why);
	CU_ASSERT_EQUAL(theirs.generation, 77);
	CU_ASSERT_EQUAL(theirs.bytes, ours.bytes);
	static uint8_t payload[RECORD_MAX_BYTES];
	struct record_header header;
	for (uint32_t worker = 0; worker < 2; worker++) {
		struct ring_writer down, up;
		struct ring_reader down_end, up_end;
		region_down_writer(&ours, worker, &down);
		region_down_reader(&theirs, worker, &down_end);
		region_up_writer(&theirs, worker, &up);
		region_up_reader(&ours, worker, &up_end);
		uint8_t text[] = {1, 2, (uint8_t)worker};
		struct iovec part = {text, sizeof(text)};
		CU_ASSERT_EQUAL(ring_write(&down, 3, &part, 1), 0);
		CU_ASSERT_EQUAL(ring_read(&up_end, &header, payload), EAGAIN);
		CU_ASSERT_EQUAL(ring_read(&down_end, &header, payload), 0);
		CU_ASSERT_EQUAL(payload[2], worker);
		CU_ASSERT_EQUAL(ring_write(&up, 4, &part, 1), 0);
		CU_ASSERT_EQUAL(ring_read(&up_end, &header, payload), 0);
		CU_ASSERT_EQUAL(header.type, 4);
	}
	region_beat_control(&ours);
	CU_ASSERT_EQUAL(region_control_beat(&theirs), 1);
	CU_ASSERT(region_is_intact(&theirs));
	region_detach(&ours);
	region_detach(&theirs);
	region_detach(&theirs);
}

static void a_region_cannot_be_resized(void)
{
	struct region region;
	CU_ASSERT_EQUAL_FATAL(region_create(&region, &shape, 1), 0);
	CU_ASSERT_EQUAL(ftruncate(region.fd, 4096), -1);
	CU_ASSERT_EQUAL(ftruncate(region.fd, 1 << 30), -1);
	CU_ASSERT_EQUAL(fcntl(region.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	region_detach(&region);
}

static void impossible_shapes_are_refused(void)
{
	struct region region;
	struct region_shape bad[] = {{0, RING_MIN_BYTES, RING_MIN_BYTES},
				     {65, RING_MIN_BYTES, RING_MIN_BYTES},
				     {1, RING_MIN_BYTES + 1, RING_MIN_BYTES},
				     {1, RING_MIN_BYTES, 64}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(region_create(&region, &bad[i], 1), EINVAL);
}

// refused attaches fd and returns why not ("" when it was attached).
static const char *refused(int fd, uint32_t worker_count)
{
	struct region region;
	const char *why = region_attach(&region, fd, worker_count);
	if (!why)
		region_detach(&region);
	return why ? why : "";
}

static void a_region_that_is_not_sealed_or_not_ours_is_refused(void)
{
	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT_EQUAL(ftruncate(plain, 1 << 20), 0);
	CU_ASSERT_STRING_EQUAL(refused(dup(plain), 1),
			       "region without the seals that fix its size");
	fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CU_ASSERT_STRING_EQUAL(refused(plain, 1), "no region: wrong magic");
	int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CU_ASSERT_STRING_EQUAL(refused(small, 1), "region of an impossible size");
	CU_ASSERT_STRING_EQUAL(refused(open("/dev/null", O_RDWR), 1),
			       "region without the seals that fix its size");
	CU_ASSERT_STRING_EQUAL(refused(-1, 1), "no file");
}

static void a_region_whose_header_lies_is_refused(void)
{
	static const struct {
		size_t offset;
		uint32_t value;
		const char *why;
	} lies[] = {
		{offsetof(struct region_header, abi), 99, "region of another version"},
		{offsetof(struct region_header, worker_count), 0,
		 "region with an impossible shape"},
		{offsetof(struct region_header, worker_count), 3,
		 "region for another number of workers"},
		{offsetof(struct region_header, down_bytes), 3, "region with an impossible shape"},
		{offsetof(struct region_header, down_bytes), RING_MAX_BYTES,
		 "region whose size does not fit its shape"},
		{offsetof(struct region_header, up_bytes), RING_MIN_BYTES * 4,
		 "region whose size does not fit its shape"},
		{offsetof(struct region_header, region_bytes), 1,
		 "region whose size does not fit its shape"},
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct region region;
		CU_ASSERT_EQUAL_FATAL(region_create(&region, &shape, 1), 0);
		memcpy(region.base + lies[i].offset, &lies[i].value, 4);
		CU_ASSERT(!region_is_intact(&region));
		CU_ASSERT_STRING_EQUAL(refused(dup(region.fd), 2), lies[i].why);
		region_detach(&region);
	}
}

// control_side offers a region over the socket at path; the exit status tells what went wrong.
static int control_side(const char *path)
{
	struct handover_welcome welcome;
	struct handover_answer answer;
	struct handover_fds fds;
	struct region region;
	int fd;
	if (handover_connect(path, &fd) != 0)
		return 1;
	fcntl(fd, F_SETFL, 0);
	if (handover_receive_welcome(fd, &welcome) != 0 || welcome.boot_id != 4242)
		return 2;
	struct region_shape wanted = {welcome.worker_count, RING_MIN_BYTES, RING_MIN_BYTES};
	if (region_create(&region, &wanted, 9) || handover_fds_make(&fds, welcome.worker_count))
		return 3;
	fds.region = dup(region.fd);
	if (handover_send_offer(fd, &fds) != 0)
		return 4;
	if (handover_receive_answer(fd, &answer) != 0 || answer.is_attached ||
	    strcmp(answer.why, "no") != 0)
		return 5;
	uint64_t count;
	fcntl(fds.control_wake, F_SETFL, 0);
	if (read(fds.control_wake, &count, sizeof(count)) != sizeof(count))
		return 6;
	handover_fds_close(&fds);
	region_detach(&region);
	close(fd);
	return 0;
}

static int wait_for(int (*call)(int, struct handover_fds *), int fd, struct handover_fds *fds)
{
	int error = EAGAIN;
	for (unsigned i = 0; i < 2000 && error == EAGAIN; i++) {
		error = call(fd, fds);
		usleep(error == EAGAIN ? 1000 : 0);
	}
	return error;
}

static void a_region_is_handed_over_between_processes(void)
{
	char path[] = "/tmp/millrace-handover-XXXXXX";
	int listener, status;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
	char name[64];
	snprintf(name, sizeof(name), "%s/sock", path);
	CU_ASSERT_EQUAL_FATAL(handover_listen(name, &listener), 0);
	fcntl(listener, F_SETFL, 0);
	pid_t child = fork();
	if (child == 0)
		_exit(control_side(name));
	int fd = accept(listener, NULL, NULL);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	CU_ASSERT(handover_peer_is_trusted(fd));
	struct handover_welcome welcome = {3, 4242};
	struct handover_answer answer = {false, "no"};
	struct handover_fds fds;
	CU_ASSERT_EQUAL(handover_send_welcome(fd, &welcome), 0);
	CU_ASSERT_EQUAL_FATAL(wait_for(handover_receive_offer, fd, &fds), 0);
	CU_ASSERT_EQUAL(fds.worker_count, 3);
	struct region region;
	CU_ASSERT_PTR_NULL(region_attach(&region, fds.region, 3));
	fds.region = -1;
	CU_ASSERT_EQUAL(region.generation, 9);
	CU_ASSERT_EQUAL(handover_send_answer(fd, &answer), 0);
	handover_wake(fds.control_wake);
	waitpid(child, &status, 0);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(handover_receive_offer(fd, &fds), EPIPE);
	region_detach(&region);
	handover_fds_close(&fds);
	close(fd);
	close(listener);
	unlink(name);
	rmdir(path);
}

static void messages_that_are_none_are_refused_and_leak_no_descriptor(void)
{
	int pair[2], before = dup(0);
	struct handover_fds fds;
	struct handover_welcome welcome = {1, 1};
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	CU_ASSERT_EQUAL(handover_receive_offer(pair[0], &fds), EAGAIN);
	CU_ASSERT_EQUAL(send(pair[1], "hello", 5, 0), 5);
	CU_ASSERT_EQUAL(handover_receive_offer(pair[0], &fds), EPROTO);
	CU_ASSERT_EQUAL(handover_send_welcome(pair[1], &welcome), 0);
	CU_ASSERT_EQUAL(handover_receive_offer(pair[0], &fds), EPROTO);
	// An offer where a welcome must come: its descriptors must be closed.
	CU_ASSERT_EQUAL(handover_fds_make(&fds, 4), 0);
	fds.region = dup(0);
	CU_ASSERT_EQUAL(handover_send_offer(pair[1], &fds), 0);
	handover_fds_close(&fds);
	CU_ASSERT_EQUAL(handover_receive_welcome(pair[0], &welcome), EPROTO);
	welcome.worker_count = 1000;
	CU_ASSERT_EQUAL(handover_send_welcome(pair[1], &welcome), 0);
	CU_ASSERT_EQUAL(handover_receive_welcome(pair[0], &welcome), EPROTO);
	close(pair[0]);
	CU_ASSERT_EQUAL(handover_send_welcome(pair[1], &welcome), EPIPE);
	close(pair[1]);
	int after = dup(0);
	CU_ASSERT_EQUAL(after, before + 1);
	close(before);
	close(after);
}

UNIT_MAIN("region",
	  {"both sides see one region with separate rings",
	   both_sides_see_one_region_with_separate_rings},
	  {"a region cannot be resized", a_region_cannot_be_resized},
	  {"impossible shapes are refused", impossible_shapes_are_refused},
	  {"a region that is not sealed or not ours is refused",
	   a_region_that_is_not_sealed_or_not_ours_is_refused},
	  {"a region whose header lies is refused", a_region_whose_header_lies_is_refused},
	  {"a region is handed over between processes", a_region_is_handed_over_between_processes},
	  {"messages that are none are refused and leak no descriptor",
	   messages_that_are_none_are_refused_and_leak_no_descriptor})
