// SPDX-License-Identifier: Apache-2.0
// Scheduling policies of kernel threads; see worker_napi.h.
#include "worker_napi.h"

#include "check.h"
#include "port_napi_threads.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static bool is_ours(const struct napi_port *port, pid_t tid)
{
	for (uint32_t i = 0; i < port->count; i++)
		if (port->tids[i] == tid)
			return true;
	return false;
}

// serves_a_worker tells whether a thread may run on one core only, and that is a worker's.
static bool serves_a_worker(const struct napi_port *port, pid_t tid)
{
	cpu_set_t cores;
	if (sched_getaffinity(tid, sizeof(cores), &cores) != 0 || CPU_COUNT(&cores) != 1)
		return false;
	for (uint32_t i = 0; i < port->cores->count; i++)
		if (CPU_ISSET(port->cores->at[i], &cores))
			return true;
	return false;
}

static int set_policy(pid_t tid, int policy)
{
	return sched_setscheduler(tid, policy, &(struct sched_param){0}) == 0 ? 0 : errno;
}

// rest gives up; it is said once, as nothing is tried again.
static void rest(struct napi_port *port, int error)
{
	fprintf(stderr,
		"port %s: napi_batch rests, the NAPI threads of %s cannot be given SCHED_BATCH: "
		"%s; "
		"give the process CAP_SYS_NICE, or leave napi_batch out\n",
		port->name, port->iface, strerror(error));
	port->is_on = false;
}

// forget drops what we changed and has ended: its number may be another's one day.
static void forget(struct napi_port *port, const pid_t *tids, uint32_t found)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < port->count; i++)
		for (uint32_t j = 0; j < found; j++)
			if (tids[j] == port->tids[i])
				port->tids[kept++] = port->tids[i];
	port->count = kept;
}

static void batch(struct napi_port *port, pid_t tid)
{
	if (is_ours(port, tid) || sched_getscheduler(tid) != SCHED_OTHER ||
	    !serves_a_worker(port, tid))
		return;
	int error = set_policy(tid, SCHED_BATCH);
	if (error && error != ESRCH)
		rest(port, error);
	if (error)
		return;
	CHECK(port->count < NAPI_THREADS_MAX);
	port->tids[port->count++] = tid;
}

static void look(struct napi_port *port)
{
	pid_t tids[NAPI_THREADS_MAX];
	uint32_t found;
	// An older kernel does not tell, and an interface may go and come: no news, no change.
	if (port_napi_threads(port->iface, tids, NAPI_THREADS_MAX, &found) != 0)
		return;
	forget(port, tids, found);
	for (uint32_t i = 0; i < found && port->is_on; i++)
		batch(port, tids[i]);
	atomic_store(&port->batched, port->count);
}

void napi_port_start(struct napi_port *port, const struct conf_port *conf,
		     const struct conf_cores *cores)
{
	port->name = conf->name;
	port->cores = cores;
	port->is_on = conf->is_napi_batch && conf_port_iface(conf, port->iface);
	if (port->is_on)
		look(port);
}

void napi_port_look(struct napi_port *port, uint64_t now_us)
{
	if (!port->is_on || now_us - port->looked_us < NAPI_LOOK_US)
		return;
	port->looked_us = now_us;
	look(port);
}

void napi_port_stop(struct napi_port *port)
{
	pid_t tids[NAPI_THREADS_MAX];
	uint32_t found;
	if (port->count > 0 && port_napi_threads(port->iface, tids, NAPI_THREADS_MAX, &found) == 0)
		forget(port, tids, found);
	for (uint32_t i = 0; i < port->count; i++)
		if (sched_getscheduler(port->tids[i]) == SCHED_BATCH)
			set_policy(port->tids[i], SCHED_OTHER);
	port->count = 0;
	port->is_on = false;
	atomic_store(&port->batched, 0);
}
