// SPDX-License-Identifier: Apache-2.0
// The control side of a simulated node's workers; see sim_control.h.
#include "sim_control.h"

#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RING_BYTES = 1 << 18 };

void sim_control_init(struct sim_control *control, struct worker *const *workers,
		      uint32_t worker_count)
{
	CHECK(worker_count <= SIM_CONTROL_WORKERS);
	*control = (struct sim_control){.worker_count = worker_count};
	memcpy(control->workers, workers, worker_count * sizeof(*workers));
	handover_fds_init(&control->fds);
}

static struct sim_row new_row(const struct sim_row_parts *parts)
{
	struct sim_row row = {.type = parts->type, .bytes = parts->fixed_bytes};
	for (unsigned i = 0; i < 2; i++)
		row.bytes += parts->tail[i] ? strlen(parts->tail[i]) : 0;
	row.payload = malloc(row.bytes);
	CHECK(row.payload);
	uint8_t *end = memcpy(row.payload, parts->fixed, parts->fixed_bytes);
	end += parts->fixed_bytes;
	for (unsigned i = 0; i < 2 && parts->tail[i]; i++) {
		memcpy(end, parts->tail[i], strlen(parts->tail[i]));
		end += strlen(parts->tail[i]);
	}
	return row;
}

void sim_control_row(struct sim_control *control, const struct sim_row_parts *parts)
{
	CHECK(control->row_count < SIM_CONTROL_ROWS);
	control->rows[control->row_count++] = new_row(parts);
}

void sim_control_route(struct sim_control *control, const char *host, uint32_t service_id,
		       bool is_on_demand)
{
	struct record_route route;
	memset(&route, 0, sizeof(route));
	route.id = 1 + control->row_count + 100 * control->on_demand_count;
	route.service_id = service_id;
	snprintf(route.host, sizeof(route.host), "%s", host);
	snprintf(route.path, sizeof(route.path), "/");
	if (!is_on_demand) {
		SIM_ROW(control, RECORD_ROUTE, route);
		return;
	}
	CHECK(control->on_demand_count < SIM_CONTROL_ROWS);
	control->on_demand[control->on_demand_count++] =
		new_row(&(struct sim_row_parts){RECORD_ROUTE, &route, sizeof(route), {0}});
}

static void send(struct sim_control *control, enum record_type type, const void *payload,
		 size_t bytes)
{
	struct iovec part = {(void *)(uintptr_t)payload, bytes};
	for (uint32_t i = 0; i < control->worker_count; i++)
		CHECK(ring_write(&control->down[i], (uint8_t)type, &part, 1) == 0);
}

static void begin(struct sim_control *control, enum record_set set)
{
	struct record_begin record = {.generation = ++control->generation, .set = set};
	send(control, RECORD_BEGIN, &record, sizeof(record));
}

static void commit(struct sim_control *control, uint32_t row_count)
{
	struct record_commit record = {.generation = control->generation, .row_count = row_count};
	send(control, RECORD_COMMIT, &record, sizeof(record));
}

static void send_full_set(struct sim_control *control)
{
	begin(control, RECORD_SET_FULL);
	for (uint32_t i = 0; i < control->row_count; i++)
		send(control, control->rows[i].type, control->rows[i].payload,
		     control->rows[i].bytes);
	commit(control, control->row_count);
}

void sim_control_start(struct sim_control *control)
{
	struct region_shape shape = {.worker_count = control->worker_count,
				     .down_bytes = RING_BYTES,
				     .up_bytes = RING_BYTES};
	struct handover_fds offered;
	const char *why;
	CHECK(!control->is_alive);
	CHECK(region_create(&control->region, &shape, ++control->generation) == 0);
	CHECK(handover_fds_make(&offered, control->worker_count) == 0);
	offered.region = dup(control->region.fd);
	struct channel_region *region = channel_region_new(&offered, control->worker_count, &why);
	CHECK(region);
	for (uint32_t i = 0; i < control->worker_count; i++) {
		channel_offer(&control->workers[i]->channel, region);
		region_down_writer(&control->region, i, &control->down[i]);
		region_up_reader(&control->region, i, &control->up[i]);
	}
	channel_region_release(region);
	control->is_alive = true;
	send_full_set(control);
}

void sim_control_kill(struct sim_control *control)
{
	if (!control->is_alive)
		return;
	control->is_alive = false;
	region_detach(&control->region);
}

// answer sends the routes of a host that was asked for, or that there are none.
static void answer(struct sim_control *control, const char *host)
{
	bool is_found = false;
	control->lookup_count++;
	begin(control, RECORD_SET_DELTA);
	for (uint32_t i = 0; i < control->on_demand_count && !is_found; i++) {
		struct sim_row *row = &control->on_demand[i];
		is_found = strcmp(((struct record_route *)(void *)row->payload)->host, host) == 0;
		if (is_found)
			send(control, row->type, row->payload, row->bytes);
	}
	if (!is_found) {
		struct record_route_absent absent = {.lifetime_ms = 5000};
		memcpy(absent.host, host, strnlen(host, sizeof(absent.host) - 1));
		send(control, RECORD_ROUTE_ABSENT, &absent, sizeof(absent));
	}
	commit(control, 1);
}

static void note_applied(struct sim_control *control, uint32_t worker,
			 const struct event_applied *applied)
{
	control->applied_by[worker] = applied->generation;
	control->refused_count += applied->refused_count;
	control->applied = control->applied_by[0];
	for (uint32_t i = 1; i < control->worker_count; i++)
		control->applied = MIN(control->applied, control->applied_by[i]);
}

// listen reads what one worker says.
static void listen(struct sim_control *control, uint32_t worker)
{
	static _Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
	struct record_header header;
	while (ring_read(&control->up[worker], &header, payload) == 0) {
		CHECK(event_check(&header, payload) == NULL);
		if (header.type == EVENT_RESYNC)
			send_full_set(control);
		else if (header.type == EVENT_APPLIED)
			note_applied(control, worker, (struct event_applied *)(void *)payload);
		else if (header.type == EVENT_LOOKUP)
			answer(control, ((struct event_lookup *)(void *)payload)->host);
	}
}

void sim_control_step(struct sim_control *control)
{
	for (uint32_t i = 0; control->is_alive && i < control->worker_count; i++)
		listen(control, i);
}

void sim_control_fini(struct sim_control *control)
{
	sim_control_kill(control);
	for (uint32_t i = 0; i < control->row_count; i++)
		free(control->rows[i].payload);
	for (uint32_t i = 0; i < control->on_demand_count; i++)
		free(control->on_demand[i].payload);
}
