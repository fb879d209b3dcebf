// SPDX-License-Identifier: Apache-2.0
// The data plane's socket: a control attaches, lies, leaves, is replaced; the workers keep their
// state.
#include "unit.h"
#include "worker_attach.h"
#include "worker_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// The data plane's side of one worker, and a directory for its socket.
struct scene {
	struct worker_rig *rig;
	struct channel *channels[1];
	struct attach attach;
	char directory[32];
	char path[64];
	uint64_t now_us;
	unsigned offered_count;
};

// Control's side.
struct control {
	int fd;
	struct region region;
	struct handover_fds fds;
};

static void count_offer(void *user)
{
	((struct scene *)user)->offered_count++;
}

static struct scene *scene_new(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	snprintf(scene->directory, sizeof(scene->directory), "/tmp/millrace-attach-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(scene->directory));
	snprintf(scene->path, sizeof(scene->path), "%s/s", scene->directory);
	scene->rig = worker_rig_new("edge");
	scene->channels[0] = &scene->rig->worker->channel;
	CU_ASSERT_EQUAL_FATAL(attach_init(&scene->attach, scene->path, scene->channels, 1), 0);
	scene->attach.boot_id = 42;
	scene->attach.offered = count_offer;
	scene->attach.user = scene;
	return scene;
}

static void scene_free(struct scene *scene)
{
	attach_fini(&scene->attach, scene->path);
	CU_ASSERT_EQUAL(rmdir(scene->directory), 0); // the socket is gone
	worker_rig_free(scene->rig);
	free(scene);
}

// run lets the data plane take what came, then its worker.
static void run(struct scene *scene)
{
	for (unsigned i = 0; i < 6; i++) {
		struct pollfd polls[ATTACH_POLLS];
		attach_polls(&scene->attach, polls);
		poll(polls, ATTACH_POLLS, 0);
		attach_run(&scene->attach, polls, scene->now_us);
		worker_rig_step(scene->rig, 10);
	}
}

static struct control connect_to(struct scene *scene)
{
	struct control control = {.fd = -1, .region.fd = -1};
	struct handover_welcome welcome;
	handover_fds_init(&control.fds);
	CU_ASSERT_EQUAL_FATAL(handover_connect(scene->path, &control.fd), 0);
	run(scene);
	CU_ASSERT_EQUAL_FATAL(handover_receive_welcome(control.fd, &welcome), 0);
	CU_ASSERT_EQUAL(welcome.worker_count, 1);
	CU_ASSERT_EQUAL(welcome.boot_id, 42);
	return control;
}

static struct handover_answer offer(struct scene *scene, struct control *control,
				    uint32_t worker_count)
{
	struct region_shape shape = {worker_count, RING_MIN_BYTES, RING_MIN_BYTES};
	struct handover_answer answer = {0};
	CU_ASSERT_EQUAL(region_create(&control->region, &shape, 1), 0);
	CU_ASSERT_EQUAL(handover_fds_make(&control->fds, worker_count), 0);
	control->fds.region = dup(control->region.fd);
	CU_ASSERT_EQUAL(handover_send_offer(control->fd, &control->fds), 0);
	run(scene);
	CU_ASSERT_EQUAL(handover_receive_answer(control->fd, &answer), 0);
	return answer;
}

static void leave(struct control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	region_detach(&control->region);
	handover_fds_close(&control->fds);
}

static uint64_t attaches(const struct scene *scene)
{
	return worker_rig_count(scene->rig, COUNTER_channel_attaches);
}

static void a_control_with_a_good_region_is_attached(void)
{
	struct scene *scene = scene_new();
	struct control control = connect_to(scene);
	struct handover_answer answer = offer(scene, &control, 1);
	CU_ASSERT(answer.is_attached);
	CU_ASSERT_STRING_EQUAL(answer.why, "");
	CU_ASSERT(attach_has_control(&scene->attach));
	CU_ASSERT_EQUAL(scene->offered_count, 1);
	CU_ASSERT_EQUAL(attaches(scene), 1);
	leave(&control);
	scene_free(scene);
}

static void a_region_for_other_workers_is_refused_with_the_reason(void)
{
	struct scene *scene = scene_new();
	struct control control = connect_to(scene);
	struct handover_answer answer = offer(scene, &control, 2);
	CU_ASSERT(!answer.is_attached);
	CU_ASSERT_STRING_EQUAL(answer.why, "descriptors for another number of workers");
	CU_ASSERT(!attach_has_control(&scene->attach));
	CU_ASSERT_EQUAL(scene->attach.refused_count, 1);
	leave(&control);
	control = connect_to(scene);
	CU_ASSERT_EQUAL(send(control.fd, "rubbish", 7, 0), 7);
	run(scene);
	CU_ASSERT_EQUAL(scene->attach.refused_count, 2);
	CU_ASSERT_STRING_EQUAL(scene->attach.last_refusal, "no offer of a region");
	leave(&control);
	control = connect_to(scene);
	CU_ASSERT(offer(scene, &control, 1).is_attached);
	leave(&control);
	scene_free(scene);
}

static void a_control_that_dies_is_noticed_and_its_region_kept(void)
{
	struct scene *scene = scene_new();
	struct control control = connect_to(scene);
	offer(scene, &control, 1);
	leave(&control);
	run(scene);
	CU_ASSERT(!attach_has_control(&scene->attach));
	CU_ASSERT_EQUAL(scene->attach.lost_count, 1);
	CU_ASSERT_PTR_NOT_NULL(scene->channels[0]->attached);
	control = connect_to(scene);
	CU_ASSERT(offer(scene, &control, 1).is_attached);
	CU_ASSERT_EQUAL(attaches(scene), 2);
	leave(&control);
	scene_free(scene);
}

static void a_second_control_replaces_the_first_only_with_a_good_region(void)
{
	struct scene *scene = scene_new();
	struct control first = connect_to(scene);
	struct handover_answer answer;
	offer(scene, &first, 1);
	struct control second = connect_to(scene);
	CU_ASSERT(!offer(scene, &second, 3).is_attached);
	leave(&second);
	run(scene);
	CU_ASSERT_EQUAL(handover_receive_answer(first.fd, &answer), EAGAIN);
	CU_ASSERT(attach_has_control(&scene->attach));
	struct control third = connect_to(scene);
	CU_ASSERT(offer(scene, &third, 1).is_attached);
	CU_ASSERT_EQUAL(handover_receive_answer(first.fd, &answer), EPIPE);
	CU_ASSERT_EQUAL(attaches(scene), 2);
	leave(&first);
	leave(&third);
	scene_free(scene);
}

static void a_control_that_offers_nothing_is_hung_up_on(void)
{
	struct scene *scene = scene_new();
	struct control control = connect_to(scene);
	struct handover_answer answer;
	scene->now_us += ATTACH_PATIENCE_US + 1;
	run(scene);
	CU_ASSERT_EQUAL(handover_receive_answer(control.fd, &answer), EPIPE);
	CU_ASSERT_STRING_EQUAL(scene->attach.last_refusal, "the peer made no offer in time");
	leave(&control);
	scene_free(scene);
}

static void a_control_whose_ring_breaks_is_hung_up_on(void)
{
	struct scene *scene = scene_new();
	struct control control = connect_to(scene);
	struct ring_writer down;
	struct handover_answer answer;
	offer(scene, &control, 1);
	region_down_writer(&control.region, 0, &down);
	atomic_store(&down.shared->tail, 5);
	run(scene);
	CU_ASSERT_EQUAL(worker_rig_count(scene->rig, COUNTER_channel_poisoned), 1);
	CU_ASSERT(!attach_has_control(&scene->attach));
	CU_ASSERT_EQUAL(handover_receive_answer(control.fd, &answer), EPIPE);
	leave(&control);
	scene_free(scene);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"a control with a good region is attached",
		 a_control_with_a_good_region_is_attached},
		{"a region for other workers is refused with the reason",
		 a_region_for_other_workers_is_refused_with_the_reason},
		{"a control that dies is noticed and its region kept",
		 a_control_that_dies_is_noticed_and_its_region_kept},
		{"a second control replaces the first only with a good region",
		 a_second_control_replaces_the_first_only_with_a_good_region},
		{"a control that offers nothing is hung up on",
		 a_control_that_offers_nothing_is_hung_up_on},
		{"a control whose ring breaks is hung up on",
		 a_control_whose_ring_breaks_is_hung_up_on},
	};
	worker_rig_start();
	int code = unit_run("worker_attach", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
