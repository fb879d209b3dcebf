// SPDX-License-Identifier: Apache-2.0
// From counts to switches; see worker_moderation.h.
#include "worker_moderation.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

// What a DPDK guide to AF_XDP and this project's measurements take for many packets.
static const struct port_napi waiting = {.defer_count = 2, .flush_ns = 200000};
static const struct port_napi at_once = {0};

// rest gives up; it is said once, as nothing is tried again.
static void rest(struct moderation_port *port, int error)
{
	fprintf(stderr,
		"port %s: adaptive_rx rests, napi_defer_hard_irqs and gro_flush_timeout of %s "
		"cannot be set: %s; give the process CAP_NET_ADMIN and a writable /sys of its "
		"network namespace\n",
		port->name, port->iface, strerror(error));
	atomic_store(&port->is_on, false);
	atomic_store(&port->is_waiting, false);
}

static int set(struct moderation_port *port, const struct port_napi *napi)
{
	int error = port_napi_write(port->iface, napi);
	if (!error)
		return 0;
	port_napi_write(port->iface, &port->found); // one of the two may have been set
	rest(port, error);
	return error;
}

void moderation_port_start(struct moderation_port *port, const struct conf_port *conf)
{
	port->name = conf->name;
	if (!conf->is_adaptive_rx || !conf_port_iface(conf, port->iface))
		return;
	port_moderation_init(&port->decision, conf->adaptive_rx_rate);
	int error = port_napi_read(port->iface, &port->found);
	if (error)
		rest(port, error);
	else if (set(port, &at_once) == 0)
		atomic_store(&port->is_on, true);
}

void moderation_port_look(struct moderation_port *port, uint64_t packets, uint64_t now_us)
{
	if (!atomic_load(&port->is_on) || !port_moderation_look(&port->decision, packets, now_us))
		return;
	bool is_waiting = port->decision.is_waiting;
	if (set(port, is_waiting ? &waiting : &at_once) != 0)
		return;
	atomic_store(&port->is_waiting, is_waiting);
	atomic_fetch_add(is_waiting ? &port->begun_count : &port->ended_count, 1);
}

void moderation_port_stop(struct moderation_port *port)
{
	if (atomic_exchange(&port->is_on, false))
		set(port, &port->found);
}

void moderation_start(struct moderation *moderation, const struct conf *conf,
		      struct port_ethdev *const *devices, struct worker_thread *threads)
{
	moderation->devices = devices;
	moderation->threads = threads;
	moderation->thread_count = conf->dataplane.cores.count;
	moderation->port_count = conf->dataplane.ports_count;
	for (uint32_t i = 0; i < moderation->port_count; i++) {
		moderation_port_start(&moderation->ports[i], &conf->dataplane.ports[i]);
		napi_port_start(&moderation->napis[i], &conf->dataplane.ports[i],
				&conf->dataplane.cores);
	}
}

// tell_threads: where NAPI threads do not interrupt workers, these give way.
static void tell_threads(struct moderation *moderation)
{
	uint32_t batched = 0;
	for (uint32_t i = 0; i < moderation->port_count; i++)
		batched += atomic_load(&moderation->napis[i].batched);
	for (uint32_t i = 0; i < moderation->thread_count; i++)
		atomic_store_explicit(&moderation->threads[i].gives_way, batched > 0,
				      memory_order_relaxed);
}

void moderation_run(struct moderation *moderation, uint64_t now_us)
{
	for (uint32_t i = 0; i < moderation->port_count; i++) {
		napi_port_look(&moderation->napis[i], now_us);
		if (atomic_load(&moderation->ports[i].is_on))
			moderation_port_look(&moderation->ports[i],
					     port_ethdev_received(moderation->devices[i]), now_us);
	}
	tell_threads(moderation);
}

int moderation_tick_ms(const struct moderation *moderation, int tick_ms)
{
	for (uint32_t i = 0; i < moderation->port_count; i++)
		if (atomic_load(&moderation->ports[i].is_on))
			return MIN(tick_ms, (int)(PORT_MODERATION_LOOK_US / 1000));
	return tick_ms;
}

void moderation_stop(struct moderation *moderation)
{
	for (uint32_t i = 0; i < moderation->port_count; i++) {
		moderation_port_stop(&moderation->ports[i]);
		napi_port_stop(&moderation->napis[i]);
	}
}
