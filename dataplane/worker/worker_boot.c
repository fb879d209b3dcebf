// SPDX-License-Identifier: Apache-2.0
// The main thread of the data plane; see worker_boot.h. It does not touch packets: it starts, then
// waits for signals and for control.
#include "worker_boot.h"

#include "check.h"
#include "rate.h"
#include "worker_access.h"
#include "worker_attach.h"
#include "worker_capture.h"
#include "worker_disk.h"
#include "worker_eal.h"
#include "worker_moderation.h"
#include "worker_offload.h"
#include "worker_telemetry.h"
#include "worker_thread.h"
#include "worker_touch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#define WORKERS_MAX REGION_WORKERS_MAX
#define PORTS_MAX   ARRAY_LEN(((struct conf *)0)->dataplane.ports)
#define TICK_MS     250 // how late a broken region or an offer that does not come is noticed
#define WHY_BYTES   256u

#define DRAIN_TICK_MS 20
#define DRAIN_TOLD_US 5000000u // between lines about what is left
#define ASK_US        500000u  // how long a worker may take to answer

struct node {
	const struct conf *conf;
	uint32_t worker_count;
	uint32_t port_count;
	uint32_t launched_count;
	bool is_eal_up;
	int signal_fd;
	char socket_path[CONF_TEXT_BYTES + 32];
	char why[WHY_BYTES];
	struct siphash_key cache_secret;
	struct rte_mempool *mbufs[WORKERS_MAX];
	const struct rte_memzone *buffers[WORKERS_MAX];
	struct worker *workers[WORKERS_MAX];
	struct counters *counters[WORKERS_MAX]; // of the workers
	struct channel *channels[WORKERS_MAX];  // of the workers
	struct port *ports[WORKERS_MAX][PORTS_MAX];
	struct port_ethdev *devices[PORTS_MAX];
	struct port_exception *exceptions[PORTS_MAX];
	struct handoff *handoff;
	struct access_log access_log;
	struct worker_disk disk;
	struct worker_offload *offload; // NULL: no helper cores
	struct rate_table *rates;
	struct worker_thread threads[WORKERS_MAX];
	uint32_t thread_count; // prepared
	struct worker_touch touch;
	struct moderation moderation;
	struct attach attach;
	struct telemetry telemetry;
	struct capture capture;
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// fail notes why; returns false.
__attribute__((format(printf, 2, 3))) static bool fail(struct node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(node->why, sizeof(node->why), format, arguments);
	va_end(arguments);
	return false;
}

// take_signals blocks them in this thread and all that follow; they arrive on a descriptor.
static bool take_signals(struct node *node)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return fail(node, "signals: %s", strerror(errno));
	node->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return node->signal_fd >= 0 || fail(node, "signalfd: %s", strerror(errno));
}

static void drop_signals(struct node *node)
{
	close(node->signal_fd);
}

static bool start_eal(struct node *node)
{
	int error = worker_eal_init(node->conf);
	node->is_eal_up = error == 0;
	return node->is_eal_up || fail(node, "EAL: %s", strerror(error));
}

static void stop_eal(struct node *node)
{
	if (node->is_eal_up)
		worker_eal_fini();
}

static bool take_memory(struct node *node)
{
	const struct conf *conf = node->conf;
	uint16_t private_bytes = RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN);
	for (uint32_t i = 0; i < node->worker_count; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mbufs_%u", i);
		node->mbufs[i] = port_pool_new(name, conf->dataplane.mbufs, private_bytes,
					       worker_eal_has_af_xdp(conf));
		if (!node->mbufs[i])
			return fail(
				node,
				"memory is short for dataplane.mbufs: give dataplane.memory more");
		snprintf(name, sizeof(name), "buffers_%u", i);
		node->buffers[i] =
			rte_memzone_reserve_aligned(name, worker_buffer_bytes(conf), SOCKET_ID_ANY,
						    RTE_MEMZONE_IOVA_CONTIG, 64);
		if (!node->buffers[i])
			return fail(node, "memory is short for dataplane.record_buffers and "
					  "small_buffers: give dataplane.memory more");
	}
	return true;
}

static void give_memory(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++) {
		if (node->buffers[i])
			rte_memzone_free(node->buffers[i]);
		rte_mempool_free(node->mbufs[i]);
	}
}

// alloc_workers makes the workers' memory: ports count in it before the workers live.
static bool alloc_workers(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++) {
		node->workers[i] = worker_alloc();
		if (!node->workers[i])
			return fail(node, "memory is short");
		node->counters[i] = &node->workers[i]->counters;
		node->channels[i] = &node->workers[i]->channel;
	}
	return true;
}

static void free_workers(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++)
		free(node->workers[i]);
}

static bool open_port(struct node *node, uint32_t index)
{
	const struct conf_port *conf = &node->conf->dataplane.ports[index];
	struct port_ethdev_config config = {
		.device = conf->device,
		.worker_count = node->worker_count,
		.mtu = (uint16_t)conf->mtu,
		.mss_clamp = (uint16_t)conf->mss_clamp,
		.vlan = (uint16_t)conf->vlan,
		.mac = conf->mac.is_set ? conf->mac.bytes : NULL,
		.is_generic_xdp = conf->is_generic_xdp,
		.mbufs = node->mbufs,
		.counters = node->counters,
	};
	char why[WHY_BYTES / 2] = "memory is short";
	node->devices[index] = port_ethdev_open(&config, why, sizeof(why));
	if (!node->devices[index])
		return fail(node, "port %s: %s", conf->name, why);
	for (uint32_t i = 0; i < node->worker_count; i++)
		node->ports[i][index] = port_ethdev_port(node->devices[index], i);
	if (!conf->exception[0])
		return true;
	node->exceptions[index] = port_exception_open(node->devices[index], conf->exception,
						      node->mbufs[0], why, sizeof(why));
	return node->exceptions[index] || fail(node, "exception of port %s: %s", conf->name, why);
}

static bool open_ports(struct node *node)
{
	for (uint32_t i = 0; i < node->port_count; i++)
		if (!open_port(node, i))
			return false;
	return true;
}

static void close_ports(struct node *node)
{
	for (uint32_t i = 0; i < node->port_count; i++) {
		port_exception_close(node->exceptions[i]);
		port_ethdev_close(node->devices[i]);
		node->exceptions[i] = NULL;
		node->devices[i] = NULL;
	}
}

static bool make_handoff(struct node *node)
{
	if (node->worker_count == 1)
		return true;
	node->handoff = handoff_new(node->worker_count, node->conf->dataplane.handoff);
	return node->handoff || fail(node, "memory is short for dataplane.handoff");
}

static void free_handoff(struct node *node)
{
	handoff_free(node->handoff);
}

static bool start_access_log(struct node *node)
{
	char why[WHY_BYTES - 32];
	return access_log_start(&node->access_log, node->conf, why, sizeof(why)) ||
	       fail(node, "access_log.file %s", why);
}

static void stop_access_log(struct node *node)
{
	access_log_stop(&node->access_log);
}

// open_disk also decides the cache's secret: what it names on the disk must be found again.
static bool open_disk(struct node *node)
{
	if (getrandom(&node->cache_secret, sizeof(node->cache_secret), 0) !=
	    sizeof(node->cache_secret))
		return fail(node, "no random numbers");
	char why[WHY_BYTES - 32];
	if (!worker_disk_open(&node->disk, node->conf, node->cache_secret, why, sizeof(why)))
		return fail(node, "cache.disk_path %s", why);
	if (node->disk.log_count)
		node->cache_secret = node->disk.file.secret;
	return true;
}

static void close_disk(struct node *node)
{
	worker_disk_close(&node->disk);
}

static bool make_offload(struct node *node)
{
	if (node->conf->dataplane.handshake_cores.count == 0)
		return true;
	node->offload = worker_offload_new(node->conf);
	return node->offload || fail(node, "OpenSSL refuses, or memory is short for "
					   "dataplane.handshake_cores: name fewer cores");
}

static void free_offload(struct node *node)
{
	worker_offload_free(node->offload);
}

static bool init_worker(struct node *node, uint32_t index)
{
	struct worker_params params = {
		.conf = node->conf,
		.index = index,
		.count = node->worker_count,
		.ports = node->ports[index],
		.exceptions = index == 0 ? node->exceptions : NULL,
		.mbufs = node->mbufs[index],
		.buffer_memory = node->buffers[index]->addr,
		.buffer_iova = node->buffers[index]->iova,
		.cache_secret = node->cache_secret,
		.handoff = node->handoff,
		.disk = node->disk.log_count ? &node->disk : NULL,
		.offload = node->offload,
		.rates = node->rates,
		.access = access_log_ring(&node->access_log, index),
		.now_us = clock_us(CLOCK_MONOTONIC),
		.wall_s = clock_us(CLOCK_REALTIME) / 1000000,
		.clock_ns = clock_ns,
	};
	if (getrandom(&params.seed, sizeof(params.seed), 0) != sizeof(params.seed))
		return fail(node, "no random numbers");
	const char *why = worker_init(node->workers[index], &params);
	return !why || fail(node, "worker %u: %s", index, why);
}

static bool start_workers(struct node *node)
{
	node->rates = calloc(1, sizeof(*node->rates));
	if (!node->rates)
		return fail(node, "memory is short");
	if (getrandom(&node->rates->key, sizeof(node->rates->key), 0) != sizeof(node->rates->key))
		return fail(node, "no random numbers");
	for (uint32_t i = 0; i < node->worker_count; i++)
		if (!init_worker(node, i))
			return false;
	return true;
}

static void stop_workers(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++)
		worker_close(node->workers[i]);
	// A device may still hold frames whose bytes are in the workers' buffers.
	close_ports(node);
	for (uint32_t i = 0; i < node->worker_count; i++)
		worker_fini(node->workers[i]);
	free(node->rates);
}

static void wake_workers(void *user)
{
	struct node *node = user;
	for (uint32_t i = 0; i < node->thread_count; i++)
		worker_thread_wake(&node->threads[i]);
}

static bool listen_for_control(struct node *node)
{
	uint64_t boot_id;
	snprintf(node->socket_path, sizeof(node->socket_path), "%s/" HANDOVER_SOCKET_NAME,
		 node->conf->run_dir);
	if (getrandom(&boot_id, sizeof(boot_id), 0) != sizeof(boot_id))
		return fail(node, "no random numbers");
	int error =
		attach_init(&node->attach, node->socket_path, node->channels, node->worker_count);
	node->attach.boot_id = boot_id;
	node->attach.offered = wake_workers;
	node->attach.user = node;
	return error == 0 || fail(node, "%s: %s", node->socket_path, strerror(error));
}

static void stop_listening(struct node *node)
{
	attach_fini(&node->attach, node->socket_path);
}

static bool start_threads(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++) {
		int error = worker_thread_init(&node->threads[i], node->workers[i], node->devices);
		if (error)
			return fail(node, "worker %u: %s", i, strerror(error));
		node->thread_count++;
		worker_disk_set_wake(&node->disk, i, node->threads[i].idle.wake_fd);
		if (node->offload)
			worker_offload_set_wake(node->offload, i, node->threads[i].idle.wake_fd);
	}
	int error = worker_disk_start(&node->disk);
	if (error)
		return fail(node, "thread of cache.disk_path: %s", strerror(error));
	error = node->offload ? worker_offload_start(node->offload) : 0;
	if (error)
		return fail(node, "threads of dataplane.handshake_cores: %s", strerror(error));
	// Worker i runs on EAL's lcore i + 1, which is pinned to its core.
	for (uint32_t i = 0; i < node->worker_count; i++) {
		if (rte_eal_remote_launch(worker_thread_run, &node->threads[i], i + 1) != 0)
			return fail(node, "worker %u does not start", i);
		node->launched_count++;
	}
	moderation_start(&node->moderation, node->conf, node->devices, node->threads);
	return true;
}

// stop_disk ends its thread when all is said to it; the workers do not run, but can be woken yet.
static void stop_disk(struct node *node)
{
	for (uint32_t i = 0; i < node->launched_count; i++)
		while (node->workers[i]->cache && !cache_disk_flush(node->workers[i]->cache))
			usleep(1000);
	worker_disk_stop(&node->disk);
}

static void stop_threads(struct node *node)
{
	moderation_stop(&node->moderation);
	for (uint32_t i = 0; i < node->launched_count; i++)
		worker_thread_stop(&node->threads[i]);
	for (uint32_t i = 0; i < node->launched_count; i++)
		rte_eal_wait_lcore(i + 1);
	stop_disk(node);
	if (node->offload)
		worker_offload_stop(node->offload);
	for (uint32_t i = 0; i < node->thread_count; i++)
		worker_thread_fini(&node->threads[i]);
}

static bool start_touch(struct node *node)
{
	int error = worker_touch_start(&node->touch, node->conf, node->workers);
	return error == 0 || fail(node, "thread of dataplane.populate: %s", strerror(error));
}

static void stop_touch(struct node *node)
{
	worker_touch_stop(&node->touch);
}

static bool start_telemetry(struct node *node)
{
	node->telemetry = (struct telemetry){
		.conf = node->conf,
		.threads = node->threads,
		.worker_count = node->worker_count,
		.attach = &node->attach,
		.moderation = &node->moderation,
		.started_wall_s = (uint64_t)time(NULL),
	};
	int error = telemetry_start(&node->telemetry);
	return error == 0 || fail(node, "telemetry: %s", strerror(error));
}

static void stop_telemetry(struct node *)
{
	telemetry_stop();
}

static bool start_capture(struct node *node)
{
	struct capture_config config = {
		.conf = node->conf,
		.threads = node->threads,
		.worker_count = node->worker_count,
		.devices = node->devices,
	};
	int error = capture_start(&node->capture, &config);
	return error == 0 || fail(node, "capture: %s", strerror(error));
}

static void stop_capture(struct node *node)
{
	capture_stop(&node->capture);
}

// harden: nothing that this process starts later may gain privileges.
static bool harden(struct node *node)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ||
	       fail(node, "prctl: %s", strerror(errno));
}

static void keep(struct node *) {}

// What comes up, in this order, and goes down in the reverse.
static const struct {
	bool (*start)(struct node *node);
	void (*stop)(struct node *node); // also after start failed half way
} boot_steps[] = {
	{take_signals, drop_signals},
	{start_eal, stop_eal},
	{take_memory, give_memory},
	{alloc_workers, free_workers},
	{open_ports, close_ports},
	{make_handoff, free_handoff},
	{start_access_log, stop_access_log},
	{open_disk, close_disk},
	{make_offload, free_offload},
	{start_workers, stop_workers},
	{listen_for_control, stop_listening},
	{start_threads, stop_threads},
	{start_touch, stop_touch},
	{start_telemetry, stop_telemetry},
	{start_capture, stop_capture},
	{harden, keep},
};

// serve_a_tick waits for a signal and for control; true when a signal came.
static bool serve_a_tick(struct node *node, int tick_ms)
{
	struct signalfd_siginfo signal;
	struct pollfd polls[1 + ATTACH_POLLS];
	polls[0] = (struct pollfd){node->signal_fd, POLLIN, 0};
	attach_polls(&node->attach, polls + 1);
	if (poll(polls, ARRAY_LEN(polls), tick_ms) < 0)
		return errno != EINTR;
	moderation_run(&node->moderation, clock_us(CLOCK_MONOTONIC));
	if (polls[0].revents)
		return read(node->signal_fd, &signal, sizeof(signal)) == sizeof(signal);
	attach_run(&node->attach, polls + 1, clock_us(CLOCK_MONOTONIC));
	return false;
}

// What is left of a node that ends.
struct remains {
	bool is_drained;
	struct proxy_in_use in_use;
	uint64_t cut_count;
};

// drain_worker begins a worker's polite end, and adds what is left of it.
static bool drain_worker(struct worker *worker, void *user)
{
	struct remains *remains = user;
	struct proxy_in_use in_use = proxy_in_use(worker->proxy);
	if (worker->drain.life == WORKER_RUNNING)
		worker_drain(worker);
	remains->is_drained &= worker->drain.life == WORKER_DRAINED;
	remains->in_use.downstream_count += in_use.downstream_count;
	remains->in_use.exchange_count += in_use.exchange_count;
	remains->cut_count += worker->counters.value[COUNTER_exchange_downstream_cut];
	return true;
}

static struct remains drain_workers(struct node *node)
{
	struct remains remains = {.is_drained = true};
	for (uint32_t i = 0; i < node->worker_count; i++) {
		struct worker_query query = {.run = drain_worker, .user = &remains};
		if (!worker_thread_ask(&node->threads[i], &query, ASK_US))
			remains.is_drained = false; // busy: at the next tick
	}
	return remains;
}

// drain ends politely (worker_drain.h), and tells about it; a second signal ends at once.
static void drain(struct node *node)
{
	const struct conf *conf = node->conf;
	uint64_t began_us = clock_us(CLOCK_MONOTONIC), told_us = began_us;
	struct remains remains = drain_workers(node);
	fprintf(stderr, "%s: ends in %" PRIu64 " ms at most: %u connections, %u requests\n",
		conf->node.id, conf->dataplane.drain_time_ms, remains.in_use.downstream_count,
		remains.in_use.exchange_count);
	while (!remains.is_drained) {
		if (serve_a_tick(node, DRAIN_TICK_MS)) {
			fprintf(stderr, "%s: a second signal: ends at once\n", conf->node.id);
			return;
		}
		remains = drain_workers(node);
		if (clock_us(CLOCK_MONOTONIC) - told_us < DRAIN_TOLD_US)
			continue;
		told_us += DRAIN_TOLD_US;
		fprintf(stderr, "%s: %u connections, %u requests are left\n", conf->node.id,
			remains.in_use.downstream_count, remains.in_use.exchange_count);
	}
	fprintf(stderr, "%s: drained in %" PRIu64 " ms, %" PRIu64 " connections were reset\n",
		conf->node.id, (clock_us(CLOCK_MONOTONIC) - began_us) / 1000, remains.cut_count);
}

// serve goes on until a signal ends it.
static void serve(struct node *node)
{
	while (!serve_a_tick(node, moderation_tick_ms(&node->moderation, TICK_MS))) {
	}
	if (node->conf->dataplane.drain_time_ms > 0)
		drain(node);
}

int worker_boot_run(const struct conf *conf)
{
	struct node *node = calloc(1, sizeof(*node));
	size_t started = 0;
	bool is_good = node != NULL;
	if (!node)
		return 1;
	node->conf = conf;
	node->signal_fd = -1;
	node->worker_count = conf->dataplane.cores.count;
	node->port_count = conf->dataplane.ports_count;
	while (is_good && started < ARRAY_LEN(boot_steps))
		is_good = boot_steps[started++].start(node);
	if (is_good) {
		fprintf(stderr, "%s: %s with %u workers is up\n", conf->node.id,
			conf_role_name(conf->node.role), node->worker_count);
		serve(node);
	} else {
		fprintf(stderr, "%s: %s\n", conf->node.id, node->why);
	}
	while (started > 0)
		boot_steps[--started].stop(node);
	free(node);
	return is_good ? 0 : 1;
}
