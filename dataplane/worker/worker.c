// SPDX-License-Identifier: Apache-2.0
// The loop, and the life of what it drives; see worker.h. What comes in is taken first and what is
// due is done next, so that all of it leaves in the same turn.
#include "worker.h"

#include "access.h"
#include "check.h"
#include "ring.h"
#include "worker_exception.h"
#include "worker_limits.h"

#include <stdlib.h>

#define PORTS_MAX        (sizeof(((struct conf *)0)->dataplane.ports) / sizeof(struct conf_port))
#define ADDRESSES_MAX    (PORTS_MAX * CONF_PREFIXES_MAX)
#define ROUTES_MAX       (sizeof(((struct conf *)0)->dataplane.routes) / sizeof(struct conf_ip_route))
#define LISTENERS_MAX    (sizeof(((struct conf *)0)->listen) / sizeof(struct conf_listener))
#define SLEEP_MAX_US     250000u // limits without a timer of their own are looked at this often
#define SLEEP_WAITING_US 10000u  // the same, while something waits in the cache or at a helper core

size_t worker_buffer_bytes(const struct conf *conf)
{
	return buf_pool_bytes(conf->dataplane.record_buffers, conf->dataplane.small_buffers);
}

static void give_to_owner(void *user, uint32_t owner, struct rte_mbuf *mbuf)
{
	struct worker *worker = user;
	handoff_send(worker->handoff, worker->index, owner, mbuf, &worker->counters);
}

static void give_to_kernel(void *user, uint32_t port_index, struct rte_mbuf *mbuf)
{
	worker_exception_out(user, port_index, mbuf);
}

static bool send_to_cache(void *user, uint32_t to_worker, const struct cache_message *message)
{
	struct worker *worker = user;
	return handoff_send_message(worker->handoff, worker->index, to_worker, message);
}

static bool send_to_disk(void *user, const struct cache_disk_job *job)
{
	struct worker *worker = user;
	return worker_disk_send(worker->disk, worker->index, job);
}

static bool send_to_helper(void *user, struct tls_job *job)
{
	struct worker *worker = user;
	return worker_offload_send(worker->offload, worker->index, job, &worker->counters);
}

static void give_answer(void *user, struct pool_id asker, const struct cache_answer *answer)
{
	struct worker *worker = user;
	proxy_cache_answered(worker->proxy, asker, answer);
}

static bool ask_certificate(void *user, const char *server_name)
{
	struct worker *worker = user;
	return channel_want_cert(&worker->channel, slice_str(server_name), worker->now_us);
}

static bool ask_route(void *user, struct slice host)
{
	struct worker *worker = user;
	return channel_lookup(&worker->channel, host, worker->now_us);
}

static void tell_endpoint_failed(void *user, uint32_t endpoint_id, uint32_t failure_count)
{
	struct worker *worker = user;
	channel_endpoint_failed(&worker->channel, endpoint_id, failure_count);
}

static void write_access(void *user, const struct access_entry *entry, const struct slice *texts)
{
	struct worker *worker = user;
	struct access_entry own = *entry;
	struct iovec parts[1 + ACCESS_TEXT_COUNT] = {{&own, sizeof(own)}};
	own.worker = (uint8_t)worker->index;
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++)
		parts[1 + i] = (struct iovec){(void *)texts[i].at, texts[i].bytes};
	bool is_written = ring_write(worker->access, 1, parts, ARRAY_LEN(parts)) == 0;
	counter_inc(&worker->counters,
		    is_written ? COUNTER_worker_access_lines : COUNTER_worker_access_dropped);
}

static const char *make_base(struct worker *worker, const struct worker_params *params)
{
	const struct conf *conf = params->conf;
	random_init(&worker->random, params->seed);
	wheel_init(&worker->wheel, params->now_us);
	channel_init(&worker->channel, worker, params->index);
	if (buf_pool_init(&worker->bufs, params->buffer_memory, params->buffer_iova,
			  conf->dataplane.record_buffers, conf->dataplane.small_buffers) != 0)
		return "memory is short for buffers: lower dataplane.record_buffers";
	return NULL;
}

static bool has_exceptions(const struct conf *conf)
{
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++)
		if (conf->dataplane.ports[i].exception[0])
			return true;
	return false;
}

static const char *make_net(struct worker *worker)
{
	const struct conf *conf = worker->conf;
	struct net_address addresses[ADDRESSES_MAX];
	struct net_route routes[ROUTES_MAX];
	struct net_config config = {
		.limits = worker_limits_net(conf),
		.ports = worker->ports,
		.port_count = worker->port_count,
		.addresses = addresses,
		.address_count = worker_addresses(conf, addresses),
		.routes = routes,
		.route_count = worker_routes(conf, routes),
		.detects_duplicates = conf->dataplane.is_detect_duplicates,
		.worker_index = worker->index,
		.worker_count = worker->count,
		.mbufs = worker->mbufs,
		.wheel = &worker->wheel,
		.random = &worker->random,
		.counters = &worker->counters,
		.handoff = worker->count > 1 ? give_to_owner : NULL,
		.exception = has_exceptions(conf) ? give_to_kernel : NULL,
		.user = worker,
	};
	worker->net = net_new(&config);
	if (!worker->net)
		return "memory is short for the network: lower dataplane.neighbours";
	net_set_time(worker->net, worker->now_us);
	return NULL;
}

// take_transit is l4_input, timed.
static uint32_t take_transit(void *user, uint32_t port_index, struct rte_mbuf **mbufs,
			     uint32_t count, bool is_handed)
{
	struct worker *worker = user;
	uint32_t left = l4_input(worker->l4, port_index, mbufs, count, is_handed);
	worker_stages_end(&worker->stages, COUNTER_stages_l4);
	return left;
}

static bool take_odd(void *user, struct rte_mbuf *mbuf, uint8_t protocol)
{
	return l4_odd(((struct worker *)user)->l4, mbuf, protocol);
}

static bool take_icmp_error(void *user, struct rte_mbuf *mbuf, const struct net_quote *quote)
{
	return l4_icmp_error(((struct worker *)user)->l4, mbuf, quote);
}

static const char *make_l4(struct worker *worker)
{
	struct l4_service services[L4_SERVICES_MAX];
	struct l4_endpoint endpoints[L4_SERVICES_MAX * L4_ENDPOINTS_MAX];
	struct net_transit transit = {take_transit, take_odd, take_icmp_error, worker};
	struct l4_config config = {
		.limits = worker_limits_l4(worker->conf),
		.services = services,
		.service_count = worker_l4_services(worker->conf, services, endpoints),
		.net = worker->net,
		.ports = worker->ports,
		.worker_index = worker->index,
		.worker_count = worker->count,
		.wheel = &worker->wheel,
		.random = &worker->random,
		.counters = &worker->counters,
	};
	if (config.service_count == 0)
		return NULL;
	worker->l4 = l4_new(&config);
	if (!worker->l4)
		return "memory is short for L4 flows: lower l4.flows, or raise dataplane.memory";
	l4_set_time(worker->l4, worker->now_us);
	net_set_transit(worker->net, &transit);
	return NULL;
}

static const char *make_tcp(struct worker *worker)
{
	struct tcp_config tcp_config = {
		.limits = worker_limits_tcp(worker->conf),
		.net = worker->net,
		.mbufs = worker->mbufs,
		.wheel = &worker->wheel,
		.random = &worker->random,
		.counters = &worker->counters,
		.worker_index = worker->index,
	};
	worker->tcp = tcp_new(&tcp_config);
	return worker->tcp ? NULL : "memory is short for TCP: lower tcp.connections";
}

static const char *make_tables(struct worker *worker)
{
	struct tls_limits tls_limits = worker_limits_tls(worker->conf);
	struct route_limits route_limits = worker_limits_route(worker->conf);
	struct tls_callbacks callbacks = {.cert_wanted = ask_certificate,
					  .user = worker,
					  .job = worker->offload ? send_to_helper : NULL};
	worker->tls = tls_new(&tls_limits, &callbacks, &worker->bufs, &worker->counters);
	if (!worker->tls)
		return "OpenSSL refuses, or memory is short for TLS: lower http.connections";
	tls_set_time(worker->tls, worker->now_us, worker->wall_s);
	worker->routes = route_new(&route_limits, &worker->random, &worker->counters);
	return worker->routes ? NULL : "memory is short for routes: lower route.routes";
}

static const char *make_proxy(struct worker *worker)
{
	static const enum proxy_role roles[] = {
		[CONF_ROLE_EDGE] = PROXY_EDGE,
		[CONF_ROLE_GATEWAY] = PROXY_GATEWAY,
		[CONF_ROLE_SIDECAR] = PROXY_SIDECAR,
	};
	const struct conf *conf = worker->conf;
	struct proxy_listener listeners[LISTENERS_MAX];
	struct proxy_config config = {
		.role = roles[conf->node.role],
		.node = conf->node.id,
		.location = conf->node.location,
		.mesh = conf->node.mesh,
		.listeners = listeners,
		.listener_count = worker_listeners(conf, listeners),
		.limits = worker_limits_proxy(conf),
		.callbacks = {ask_route, tell_endpoint_failed, worker->access ? write_access : NULL,
			      worker},
		.tcp = worker->tcp,
		.tls = worker->tls,
		.routes = worker->routes,
		.rates = worker->rates,
		.bufs = &worker->bufs,
		.wheel = &worker->wheel,
		.random = &worker->random,
		.counters = &worker->counters,
		.journal = &worker->journal,
	};
	const char *why;
	config.limits.compress.clock_ns = worker->clock_ns;
	worker->proxy = proxy_new(&config, &why);
	return worker->proxy ? NULL : why;
}

static const char *make_cache(struct worker *worker, struct siphash_key secret)
{
	struct cache_limits limits = worker_limits_cache(worker->conf, worker->count);
	if (limits.memory_bytes == 0 || worker->conf->node.role != CONF_ROLE_EDGE)
		return NULL;
	limits.worker_index = worker->index;
	limits.worker_count = worker->count;
	limits.key_secret = secret;
	limits.send = worker->count > 1 ? send_to_cache : NULL;
	if (worker->disk) {
		limits.disk = worker_disk_limits(worker->disk, worker->index);
		limits.disk.send = send_to_disk;
	}
	worker->cache = cache_new(&limits, give_answer, worker, &worker->counters);
	if (!worker->cache)
		return "memory is short for the cache: lower cache.memory";
	proxy_set_cache(worker->proxy, worker->cache);
	return NULL;
}

struct worker *worker_alloc(void)
{
	return calloc(1, sizeof(struct worker));
}

const char *worker_init(struct worker *worker, const struct worker_params *params)
{
	worker->conf = params->conf;
	worker->index = params->index;
	worker->count = params->count;
	worker->now_us = params->now_us;
	worker->wall_s = params->wall_s;
	worker->mbufs = params->mbufs;
	worker->ports = params->ports;
	worker->exceptions = params->exceptions;
	worker->port_count = params->conf->dataplane.ports_count;
	worker->handoff = params->handoff;
	worker->disk = params->disk;
	worker->offload = params->offload;
	worker->access = params->access;
	worker->rates = params->rates;
	worker->clock_ns = params->clock_ns;
	const char *why = make_base(worker, params);
	if (!why)
		why = make_net(worker);
	if (!why)
		why = make_l4(worker);
	if (!why)
		why = make_tcp(worker);
	if (!why)
		why = make_tables(worker);
	if (!why)
		why = make_proxy(worker);
	if (!why)
		why = make_cache(worker, params->cache_secret);
	return why;
}

void worker_close(struct worker *worker)
{
	if (worker->proxy)
		proxy_free(worker->proxy);
	worker->proxy = NULL;
}

void worker_fini(struct worker *worker)
{
	worker_close(worker);
	if (worker->channel.worker)
		channel_fini(&worker->channel);
	if (worker->cache)
		cache_free(worker->cache);
	if (worker->routes)
		route_free(worker->routes);
	if (worker->tls)
		tls_free_all(worker->tls);
	if (worker->tcp)
		tcp_free(worker->tcp);
	if (worker->net)
		net_free(worker->net);
	l4_free(worker->l4);
	buf_pool_fini(&worker->bufs);
}

void worker_free(struct worker *worker)
{
	worker_fini(worker);
	free(worker);
}

void worker_spans(const struct worker *worker, struct spans *spans)
{
	tcp_spans(worker->tcp, spans);
	tls_spans(worker->tls, spans);
	proxy_spans(worker->proxy, spans);
	route_spans(worker->routes, spans);
	if (worker->cache)
		cache_spans(worker->cache, spans);
}

static void set_time(struct worker *worker, uint64_t now_us, uint64_t wall_s)
{
	worker->now_us = now_us;
	worker->wall_s = wall_s;
	net_set_time(worker->net, now_us);
	if (worker->l4)
		l4_set_time(worker->l4, now_us);
	tcp_set_time(worker->tcp, now_us);
	tls_set_time(worker->tls, now_us, wall_s);
	proxy_set_time(worker->proxy, now_us, wall_s);
	if (worker->cache)
		cache_set_time(worker->cache, now_us, wall_s);
}

// receive takes one burst from each port; returns how many frames came.
static uint32_t receive(struct worker *worker)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < worker->port_count; i++) {
		struct rte_mbuf *burst[PORT_BURST];
		struct port *port = worker->ports[i];
		uint16_t count = port->ops->rx(port, burst, PORT_BURST);
		worker_stages_end(&worker->stages, COUNTER_stages_receive);
		if (count == 0)
			continue;
		net_input(worker->net, i, burst, count);
		worker_stages_end(&worker->stages, COUNTER_stages_input);
		counter_inc(&worker->counters, COUNTER_worker_rx_bursts);
		counter_add(&worker->counters, COUNTER_worker_rx_bursts_full, count == PORT_BURST);
		total += count;
	}
	return total;
}

// receive_handed takes what other workers gave us; returns how many packets.
static uint32_t receive_handed(struct worker *worker)
{
	uint32_t total = 0;
	for (uint32_t from = 0; worker->handoff && from < worker->count; from++) {
		struct rte_mbuf *burst[HANDOFF_BUDGET];
		if (from == worker->index)
			continue;
		uint32_t count = handoff_receive(worker->handoff, from, worker->index, burst);
		uint32_t ours = 0;
		for (uint32_t i = 0; i < count; i++)
			if (!worker_exception_handed(worker, burst[i]))
				burst[ours++] = burst[i];
		net_input_handed(worker->net, burst, ours);
		total += count;
	}
	counter_add(&worker->counters, COUNTER_worker_handed_in, total);
	return total;
}

// receive_messages takes what the caches of other workers sent to ours; returns how many.
static uint32_t receive_messages(struct worker *worker)
{
	uint32_t total = 0;
	struct cache_message message;
	for (uint32_t from = 0; worker->cache && worker->handoff && from < worker->count; from++) {
		if (from == worker->index)
			continue;
		for (uint32_t i = 0; i < HANDOFF_BUDGET; i++) {
			if (!handoff_receive_message(worker->handoff, from, worker->index,
						     &message))
				break;
			cache_message_received(worker->cache, from, &message);
			total++;
		}
	}
	counter_add(&worker->counters, COUNTER_worker_messages_in, total);
	return total;
}

// receive_from_disk takes what the disk's thread has done; returns how many results.
static uint32_t receive_from_disk(struct worker *worker)
{
	struct cache_disk_result result;
	uint32_t count = 0;
	if (!worker->disk || !worker->cache)
		return 0;
	while (count < WORKER_DISK_BUDGET &&
	       worker_disk_receive(worker->disk, worker->index, &result)) {
		cache_disk_received(worker->cache, &result);
		count++;
	}
	return count;
}

// receive_jobs takes what helpers have done; returns how many jobs.
static uint32_t receive_jobs(struct worker *worker)
{
	struct tls_job *job;
	uint32_t count = 0;
	while (worker->offload && count < WORKER_OFFLOAD_BUDGET &&
	       (job = worker_offload_receive(worker->offload, worker->index))) {
		tls_job_done(worker->tls, job);
		count++;
	}
	return count;
}

static uint32_t fire_timers(struct worker *worker)
{
	uint32_t count = wheel_advance(&worker->wheel, worker->now_us, WORKER_TIMER_BUDGET);
	counter_add(&worker->counters, COUNTER_worker_timers, count);
	return count;
}

// serve moves bytes between the layers until nothing is left or the budgets are used up; true when
// something is left.
static bool serve(struct worker *worker)
{
	struct worker_stages *stages = &worker->stages;
	tls_run(worker->tls, WORKER_HANDSHAKE_BUDGET);
	worker_stages_end(stages, COUNTER_stages_handshakes);
	if (worker->cache)
		cache_run(worker->cache);
	worker_stages_end(stages, COUNTER_stages_cache);
	tcp_run_events(worker->tcp, WORKER_READY_BUDGET);
	worker_stages_end(stages, COUNTER_stages_tcp);
	bool is_left = proxy_run(worker->proxy, WORKER_PROXY_BUDGET);
	worker_stages_end(stages, COUNTER_stages_proxy);
	is_left |= tcp_run_ready(worker->tcp, WORKER_READY_BUDGET) > 0;
	worker_stages_end(stages, COUNTER_stages_tcp);
	return is_left || tls_has_waiting(worker->tls);
}

bool worker_step(struct worker *worker, uint64_t now_us, uint64_t wall_s)
{
	struct worker_stages *stages = &worker->stages;
	worker_stages_begin(stages, worker->counters.value[COUNTER_worker_loops],
			    worker->clock_ns != NULL);
	set_time(worker, now_us, wall_s);
	uint32_t packets = receive(worker);
	packets += receive_handed(worker);
	bool is_busy = packets > 0;
	is_busy |= receive_messages(worker) > 0;
	is_busy |= receive_from_disk(worker) > 0;
	is_busy |= receive_jobs(worker) > 0;
	is_busy |= worker_exception_in(worker) > 0;
	worker_stages_end(stages, COUNTER_stages_handed);
	is_busy |= channel_run(&worker->channel, now_us);
	is_busy |= fire_timers(worker) > 0;
	worker_stages_end(stages, COUNTER_stages_control);
	is_busy |= serve(worker);
	if (!is_busy) { // and then nothing else waits for it
		is_busy = tls_prepare(worker->tls);
		worker_stages_end(stages, COUNTER_stages_handshakes);
	}
	worker_drain_run(worker);
	net_flush(worker->net);
	worker_stages_end(stages, COUNTER_stages_transmit);
	worker_stages_finish(stages, &worker->counters, is_busy, packets);
	counter_inc(&worker->counters, COUNTER_worker_loops);
	counter_add(&worker->counters, COUNTER_worker_loops_busy, is_busy);
	counter_set(&worker->counters, COUNTER_worker_bufs_in_use, buf_pool_in_use(&worker->bufs));
	return is_busy;
}

uint64_t worker_next_us(const struct worker *worker)
{
	bool is_waiting = (worker->cache && cache_in_flight(worker->cache) > 0) ||
			  tls_jobs_count(worker->tls) > 0;
	uint64_t latest = worker->now_us + (is_waiting ? SLEEP_WAITING_US : SLEEP_MAX_US);
	return MIN(latest, wheel_next_us(&worker->wheel));
}

bool worker_has_input(const struct worker *worker)
{
	return channel_has_work(&worker->channel) ||
	       (worker->offload && worker_offload_has_input(worker->offload, worker->index)) ||
	       (worker->disk && worker_disk_has_input(worker->disk, worker->index)) ||
	       (worker->handoff && handoff_has_input(worker->handoff, worker->index));
}
