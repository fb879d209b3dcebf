// SPDX-License-Identifier: Apache-2.0
// Threads of a veth's NAPI in a network namespace of this process's own, as the kernel schedules
// them: which of them are given SCHED_BATCH, and that they have their own policy back.
#include "worker_napi.h"

#include "own_net.h"
#include "port_napi_threads.h"
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct conf_port conf = {
	.name = "wan0", .device = "net_af_xdp0,iface=mra,start_queue=0", .is_napi_batch = true};
static const struct conf_cores first_core = {.count = 1, .at = {0}};
static struct napi_port port;

static void run(const char *command)
{
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

// make_link makes a veth whose NAPI is a thread; returns that thread.
static pid_t make_link(void)
{
	pid_t tids[4];
	uint32_t found = 0;
	run("ip link add mra type veth peer name mrb && ethtool -K mra gro on && ip link set mra "
	    "up "
	    "&& ip link set mrb up && echo 1 >/sys/class/net/mra/threaded");
	CU_ASSERT_EQUAL(port_napi_threads("mra", tids, 4, &found), 0);
	CU_ASSERT_TRUE_FATAL(found >= 1);
	return tids[0];
}

static void drop_link(void)
{
	run("ip link del mra");
}

static void pin(pid_t tid, size_t first, size_t last)
{
	cpu_set_t cores;
	CPU_ZERO(&cores);
	for (size_t core = first; core <= last; core++)
		CPU_SET(core, &cores);
	CU_ASSERT_EQUAL(sched_setaffinity(tid, sizeof(cores), &cores), 0);
}

static void start(const struct conf_port *with)
{
	port = (struct napi_port){0};
	napi_port_start(&port, with, &first_core);
}

// says tells whether text is in what napi_port_look says on stderr at now_us.
static bool says(uint64_t now_us, const char *text)
{
	char words[1024] = "";
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	dup2(fileno(file), STDERR_FILENO);
	napi_port_look(&port, now_us);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	words[fread(words, 1, sizeof(words) - 1, file)] = 0;
	fclose(file);
	return strstr(words, text) != NULL;
}

static void a_workers_thread_does_not_interrupt_it_until_the_end(void)
{
	pid_t tid = make_link();
	pin(tid, 0, 0);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	start(&conf);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_BATCH);
	CU_ASSERT_EQUAL(port.batched, 1);
	napi_port_look(&port, NAPI_LOOK_US);
	CU_ASSERT_EQUAL(port.batched, 1);
	napi_port_stop(&port);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	CU_ASSERT_EQUAL(port.batched, 0);
	drop_link();
}

static void one_that_may_run_elsewhere_is_left_alone_until_it_is_pinned(void)
{
	pid_t tid = make_link();
	pin(tid, 0, 1);
	start(&conf);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	pin(tid, 1, 1); // no worker's core
	napi_port_look(&port, NAPI_LOOK_US);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	pin(tid, 0, 0);
	napi_port_look(&port, 2 * NAPI_LOOK_US - 1);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	napi_port_look(&port, 2 * NAPI_LOOK_US);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_BATCH);
	napi_port_stop(&port);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	drop_link();
}

static void a_policy_that_somebody_chose_stays(void)
{
	pid_t tid = make_link();
	pin(tid, 0, 0);
	CU_ASSERT_EQUAL_FATAL(
		sched_setscheduler(tid, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}), 0);
	start(&conf);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_FIFO);
	CU_ASSERT_EQUAL(sched_setscheduler(tid, SCHED_OTHER, &(struct sched_param){0}), 0);
	napi_port_look(&port, NAPI_LOOK_US);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_BATCH);
	CU_ASSERT_EQUAL_FATAL(
		sched_setscheduler(tid, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}), 0);
	napi_port_stop(&port);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_FIFO);
	drop_link();
}

static void a_port_that_does_not_ask_is_left_alone(void)
{
	struct conf_port off = conf;
	pid_t tid = make_link();
	off.is_napi_batch = false;
	pin(tid, 0, 0);
	start(&off);
	napi_port_look(&port, NAPI_LOOK_US);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	napi_port_stop(&port);
	drop_link();
}

static void threads_that_go_are_forgotten(void)
{
	pid_t tid = make_link();
	pin(tid, 0, 0);
	start(&conf);
	CU_ASSERT_EQUAL(port.batched, 1);
	drop_link();
	tid = make_link();
	napi_port_look(&port, NAPI_LOOK_US);
	CU_ASSERT_EQUAL(port.batched, 0);
	pin(tid, 0, 0);
	napi_port_look(&port, 2 * NAPI_LOOK_US);
	CU_ASSERT_EQUAL(port.batched, 1);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_BATCH);
	drop_link();
	napi_port_look(&port, 3 * NAPI_LOOK_US);
	napi_port_stop(&port);
}

static void an_interface_that_is_not_there_is_an_error(void)
{
	pid_t tid;
	uint32_t found = 1;
	CU_ASSERT_EQUAL(port_napi_threads("mra", &tid, 1, &found), ENODEV);
	CU_ASSERT_EQUAL(found, 0);
	start(&conf);
	CU_ASSERT_EQUAL(port.batched, 0);
	napi_port_stop(&port);
}

static void no_right_to_is_told_once(void)
{
	pid_t tid = make_link();
	start(&conf);
	pin(tid, 0, 0);
	CU_ASSERT_EQUAL_FATAL(seteuid(65534), 0);
	CU_ASSERT_TRUE(says(NAPI_LOOK_US,
			    "port wan0: napi_batch rests, the NAPI threads of mra cannot "
			    "be given SCHED_BATCH: Operation not permitted; give"));
	CU_ASSERT_FALSE(says(2 * NAPI_LOOK_US, "napi_batch"));
	CU_ASSERT_EQUAL_FATAL(seteuid(0), 0);
	CU_ASSERT_EQUAL(sched_getscheduler(tid), SCHED_OTHER);
	napi_port_stop(&port);
	drop_link();
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"a worker's thread does not interrupt it, until the end",
		 a_workers_thread_does_not_interrupt_it_until_the_end},
		{"one that may run elsewhere is left alone until it is pinned",
		 one_that_may_run_elsewhere_is_left_alone_until_it_is_pinned},
		{"a policy that somebody chose stays", a_policy_that_somebody_chose_stays},
		{"a port that does not ask is left alone", a_port_that_does_not_ask_is_left_alone},
		{"threads that go are forgotten", threads_that_go_are_forgotten},
		{"an interface that is not there is an error",
		 an_interface_that_is_not_there_is_an_error},
		{"no right to is told once", no_right_to_is_told_once},
	};
	pid_t tid;
	uint32_t found;
	if (!own_net_enter()) {
		printf("TAP version 13\n1..0 # SKIP needs root and network namespaces\n");
		return 0;
	}
	if (port_napi_threads("lo", &tid, 1, &found) != 0) {
		printf("TAP version 13\n1..0 # SKIP this kernel does not tell NAPIs' threads "
		       "(6.7)\n");
		return 0;
	}
	return unit_run("worker_napi", cases, sizeof(cases) / sizeof(cases[0]));
}
