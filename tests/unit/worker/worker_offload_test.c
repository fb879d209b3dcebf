// SPDX-License-Identifier: Apache-2.0
// Helper cores: rings of jobs, who is woken, and handshakes by real threads.
#include "tls_rig.h"
#include "unit.h"
#include "worker_offload.h"

#include "check.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

// core is one that this process may use.
static uint16_t core(void)
{
	cpu_set_t cores;
	uint16_t last = 0;
	sched_getaffinity(0, sizeof(cores), &cores);
	for (uint16_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cores))
			last = i;
	return last;
}

static struct conf conf_of(uint32_t workers, uint32_t helpers, uint32_t jobs)
{
	struct conf conf = {.dataplane.cores.count = workers,
			    .dataplane.handshake_cores.count = helpers,
			    .tls.handshake_jobs = jobs};
	for (uint32_t i = 0; i < helpers; i++)
		conf.dataplane.handshake_cores.at[i] = core();
	return conf;
}

struct scene {
	struct rig rig;
	struct rig_pair pair;
	struct conf conf;
	struct worker_offload *offload;
	struct rig_peer peers[8];
	struct rig_end ends[8];
	uint64_t now_us;
};

static void scene_init(struct scene *scene, uint32_t helpers)
{
	*scene = (struct scene){.conf = conf_of(1, helpers, 4), .now_us = 1000000};
	rig_init_jobs(&scene->rig);
	scene->pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	CU_ASSERT_PTR_NULL(rig_apply_cert(&scene->rig, 1, true, &scene->pair));
	scene->offload = worker_offload_new(&scene->conf);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene->offload);
}

static void scene_fini(struct scene *scene)
{
	rig_fini(&scene->rig);
	rig_pair_free(&scene->pair);
	worker_offload_free(scene->offload);
}

// send gives the rig's jobs to helpers; returns how many had room.
static uint32_t send(struct scene *scene)
{
	struct rig *rig = &scene->rig;
	uint32_t count = 0;
	while (count < rig->job_count &&
	       worker_offload_send(scene->offload, 0, rig->jobs[count], &rig->counters))
		count++;
	rig->job_count -= count;
	memmove(rig->jobs, rig->jobs + count, rig->job_count * sizeof(rig->jobs[0]));
	return count;
}

// receive takes what is done, for a turn; returns how many.
static uint32_t receive(struct scene *scene)
{
	struct tls_job *job;
	uint32_t count = 0;
	scene->now_us += 10;
	tls_set_time(scene->rig.tls, scene->now_us, RIG_WALL_S);
	for (; (job = worker_offload_receive(scene->offload, 0)); count++)
		tls_job_done(scene->rig.tls, job);
	tls_run(scene->rig.tls, UINT32_MAX);
	return count;
}

static void call(struct scene *scene, unsigned i)
{
	struct rig_peer *peer = &scene->peers[i];
	rig_peer_init(peer, false, TLS1_3_VERSION);
	rig_peer_start(peer, "a.test");
	rig_accept(&scene->ends[i], &scene->rig, web);
	char *wire = NULL;
	size_t bytes = (size_t)BIO_get_mem_data(peer->out, &wire);
	CU_ASSERT_EQUAL(rig_receive(&scene->ends[i], wire, bytes, SIZE_MAX), bytes);
	BIO_reset(peer->out);
}

static void hang_up(struct scene *scene, unsigned i)
{
	rig_end_free(&scene->ends[i]);
	rig_peer_free(&scene->peers[i]);
}

static void jobs_come_back_done(void)
{
	struct scene scene;
	scene_init(&scene, 2);
	for (unsigned i = 0; i < 3; i++)
		call(&scene, i);
	CU_ASSERT_EQUAL(send(&scene), 3);
	CU_ASSERT(!worker_offload_has_input(scene.offload, 0));
	// The one with fewer gets the next: two and one.
	CU_ASSERT_EQUAL(worker_offload_turn(scene.offload, 0), 1);
	CU_ASSERT_EQUAL(worker_offload_turn(scene.offload, 0), 1);
	CU_ASSERT_EQUAL(worker_offload_turn(scene.offload, 0), 0);
	CU_ASSERT(worker_offload_has_input(scene.offload, 0));
	CU_ASSERT_EQUAL(receive(&scene), 2);
	CU_ASSERT(!worker_offload_has_input(scene.offload, 0));
	CU_ASSERT_EQUAL(worker_offload_turn(scene.offload, 1), 1);
	CU_ASSERT_EQUAL(receive(&scene), 1);
	for (unsigned i = 0; i < 3; i++) {
		rig_pump(&scene.ends[i], &scene.peers[i], SIZE_MAX);
		CU_ASSERT_EQUAL(scene.ends[i].ready_count, 1);
		hang_up(&scene, i);
	}
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_worker_offload_wakes), 0);
	scene_fini(&scene);
}

static void a_helper_has_no_more_than_its_share(void)
{
	struct scene scene;
	scene_init(&scene, 2); // 4 jobs and 4 shares: 4 for each helper
	for (unsigned i = 0; i < 4; i++)
		call(&scene, i);
	receive(&scene); // asks for shares
	CU_ASSERT_EQUAL(scene.rig.job_count, 8);
	scene.rig.job_count--;
	CU_ASSERT_EQUAL(send(&scene), 7);
	scene.rig.job_count++;
	scene.rig.jobs[0] = scene.rig.jobs[7];
	CU_ASSERT_EQUAL(send(&scene), 1);
	scene.rig.jobs[0] = NULL; // not looked at
	scene.rig.job_count = 1;
	CU_ASSERT_EQUAL(send(&scene), 0);
	scene.rig.job_count = 0;
	for (unsigned i = 0; i < 4; i++)
		worker_offload_turn(scene.offload, 1); // the other one stalls
	CU_ASSERT_EQUAL(receive(&scene), 4);
	for (unsigned i = 0; i < 4; i++)
		hang_up(&scene, i);
	scene_fini(&scene); // with four out
}

static bool is_woken(int fd)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	return poll(&poll_fd, 1, 0) == 1;
}

static void who_sleeps_is_woken_who_does_not_is_not(void)
{
	struct scene scene;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	scene_init(&scene, 1);
	worker_offload_set_wake(scene.offload, 0, fd);
	call(&scene, 0);
	send(&scene);
	CU_ASSERT(!is_woken(scene.offload->cores[0].wake_fd));
	worker_offload_turn(scene.offload, 0);
	CU_ASSERT(!is_woken(fd));
	receive(&scene);
	atomic_store(&scene.offload->cores[0].is_asleep, true);
	worker_offload_set_asleep(scene.offload, 0, true);
	CU_ASSERT(send(&scene) > 0); // for shares
	CU_ASSERT(is_woken(scene.offload->cores[0].wake_fd));
	CU_ASSERT(rig_count(&scene.rig, COUNTER_worker_offload_wakes) > 0);
	worker_offload_turn(scene.offload, 0);
	CU_ASSERT(is_woken(fd));
	hang_up(&scene, 0);
	scene_fini(&scene);
	close(fd);
}

static void workers_take_turns_at_a_helper(void)
{
	struct conf conf = conf_of(3, 1, 8);
	struct scene scene;
	scene_init(&scene, 1);
	struct worker_offload *offload = worker_offload_new(&conf);
	for (unsigned i = 0; i < 4; i++)
		call(&scene, i);
	struct counters *counters = &scene.rig.counters;
	CU_ASSERT(worker_offload_send(offload, 0, scene.rig.jobs[0], counters));
	CU_ASSERT(worker_offload_send(offload, 0, scene.rig.jobs[1], counters));
	CU_ASSERT(worker_offload_send(offload, 2, scene.rig.jobs[2], counters));
	CU_ASSERT_EQUAL(worker_offload_turn(offload, 0), 2);
	CU_ASSERT_PTR_EQUAL(worker_offload_receive(offload, 0), scene.rig.jobs[0]);
	CU_ASSERT_PTR_NULL(worker_offload_receive(offload, 0));
	CU_ASSERT_PTR_NULL(worker_offload_receive(offload, 1));
	CU_ASSERT_PTR_EQUAL(worker_offload_receive(offload, 2), scene.rig.jobs[2]);
	for (unsigned i = 0; i < 4; i++)
		hang_up(&scene, i);
	scene_fini(&scene);
	worker_offload_free(offload);
}

// sleep_for_answers does what a worker does with nothing to do.
static void sleep_for_answers(struct scene *scene, int fd)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	uint64_t count;
	worker_offload_set_asleep(scene->offload, 0, true);
	if (!worker_offload_has_input(scene->offload, 0))
		CU_ASSERT_EQUAL(poll(&poll_fd, 1, 20000), 1); // no wake-up is lost
	worker_offload_set_asleep(scene->offload, 0, false);
	CU_ASSERT(read(fd, &count, sizeof(count)) >= -1);
}

static void threads_do_handshakes_while_others_are_reset(void)
{
	struct scene scene;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	scene_init(&scene, 2);
	worker_offload_set_wake(scene.offload, 0, fd);
	CU_ASSERT_EQUAL_FATAL(worker_offload_start(scene.offload), 0);
	unsigned done = 0;
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < 4; i++)
			call(&scene, i);
		receive(&scene);
		send(&scene);
		hang_up(&scene, round % 4);
		if (round % 8 == 7)
			rig_apply_cert(&scene.rig, 1, true, &scene.pair);
		while (tls_jobs_count(scene.rig.tls) > 0) {
			if (receive(&scene) == 0 && scene.rig.job_count == 0 &&
			    tls_jobs_count(scene.rig.tls) > 0)
				sleep_for_answers(&scene, fd);
			send(&scene);
		}
		if (round % 16 == 15)
			usleep(2000); // both sleep
		for (unsigned i = 0; i < 4; i++) {
			if (i == round % 4)
				continue;
			rig_pump(&scene.ends[i], &scene.peers[i], SIZE_MAX);
			done += scene.ends[i].ready_count;
			hang_up(&scene, i);
		}
	}
	CU_ASSERT_EQUAL(done, 180);
	CU_ASSERT(rig_count(&scene.rig, COUNTER_tls_jobs_sent) > 0);
	CU_ASSERT_EQUAL(rig_count(&scene.rig, COUNTER_tls_jobs_sent),
			rig_count(&scene.rig, COUNTER_tls_jobs_done) +
				rig_count(&scene.rig, COUNTER_tls_jobs_stale));
	CU_ASSERT(rig_count(&scene.rig, COUNTER_worker_offload_wakes) > 0);
	worker_offload_stop(scene.offload);
	scene_fini(&scene);
	close(fd);
}

static uint64_t cpu_us(struct scene *scene)
{
	clockid_t clock;
	struct timespec used;
	CU_ASSERT_EQUAL_FATAL(pthread_getcpuclockid(scene->offload->cores[0].thread, &clock), 0);
	clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static void an_idle_helper_sleeps_and_ends_when_it_is_told(void)
{
	struct scene scene;
	scene_init(&scene, 1);
	CU_ASSERT_EQUAL_FATAL(worker_offload_start(scene.offload), 0);
	usleep(20000);
	uint64_t before_us = cpu_us(&scene);
	usleep(100000);
	CU_ASSERT(cpu_us(&scene) - before_us < 500);
	worker_offload_stop(scene.offload);
	scene_fini(&scene);
}

static void a_core_that_is_not_there_is_an_error(void)
{
	struct scene scene;
	scene_init(&scene, 1);
	scene.conf.dataplane.handshake_cores.at[0] = CPU_SETSIZE - 1;
	CU_ASSERT_EQUAL(worker_offload_start(scene.offload), EINVAL);
	worker_offload_stop(scene.offload);
	scene_fini(&scene);
}

UNIT_MAIN("worker_offload", {"jobs come back done", jobs_come_back_done},
	  {"a helper has no more than its share", a_helper_has_no_more_than_its_share},
	  {"who sleeps is woken, who does not is not", who_sleeps_is_woken_who_does_not_is_not},
	  {"workers take turns at a helper", workers_take_turns_at_a_helper},
	  {"threads do handshakes while others are reset",
	   threads_do_handshakes_while_others_are_reset},
	  {"an idle helper sleeps and ends when it is told",
	   an_idle_helper_sleeps_and_ends_when_it_is_told},
	  {"a core that is not there is an error", a_core_that_is_not_there_is_an_error})
