// SPDX-License-Identifier: Apache-2.0
// What was asked for: hosts and certificates. An edge knows only the hosts that its workers asked
// for; they are kept in the node's state, so that the first full set after a restart names them all
// and a sweep forgets none.
#include "control.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// interest_max bounds the hosts an edge keeps: each has a route at least, the workers' table is
// finite.
static size_t interest_max(const struct control *control)
{
	size_t half = control->conf.route.routes / 2;
	return half ? half : 1;
}

uint32_t control_number_route(void *user, const char *host, const char *path)
{
	struct control *control = user;
	char key[STORE_KEY_BYTES];
	snprintf(key, sizeof(key), "%s %s", host, path);
	const struct model_row *known = model_find(control->local, STORE_route_number, key);
	if (known)
		return (uint32_t)known->id;
	struct row_route_number row = {0};
	row_copy_text(row.host, sizeof(row.host), host);
	if (store_put(control->local_store, STORE_route_number, key, &row, STORE_ANY) != STORE_OK)
		return 0;
	return (uint32_t)store_id(control->local_store, STORE_route_number, key);
}

// forget drops a host and the numbers of its routes.
static void forget(struct control *control, const char *host)
{
	char prefix[RECORD_HOST_BYTES + 2];
	snprintf(prefix, sizeof(prefix), "%s ", host);
	struct model_rows numbers = model_range(control->local, STORE_route_number, prefix);
	for (size_t i = 0; i < numbers.count; i++)
		store_remove(control->local_store, STORE_route_number, numbers.rows[i]->key);
	store_remove(control->local_store, STORE_interest, host);
}

// make_room forgets the host that was asked for longest ago when the bound is reached.
static void make_room(struct control *control)
{
	struct model_rows hosts = model_all(control->local, STORE_interest);
	const struct row_interest *oldest = NULL;
	if (hosts.count < interest_max(control))
		return;
	for (size_t i = 0; i < hosts.count; i++) {
		const struct row_interest *row = hosts.rows[i]->row;
		if (!oldest || row->asked_s < oldest->asked_s)
			oldest = row;
	}
	forget(control, oldest->host);
}

// note keeps that host was asked for. True when that is new.
static bool note(struct control *control, const char *host, bool is_cert_wanted)
{
	const struct row_interest *known = model_get(control->local, STORE_interest, host);
	struct row_interest row = {.asked_s = control_now_s(), .is_cert_wanted = is_cert_wanted};
	uint32_t changed;
	bool is_new = !known || (is_cert_wanted && !known->is_cert_wanted);
	if (known && !is_new && row.asked_s < known->asked_s + 30)
		return false;
	if (known)
		row.is_cert_wanted |= known->is_cert_wanted;
	else
		make_room(control);
	row_copy_text(row.host, sizeof(row.host), host);
	if (store_put(control->local_store, STORE_interest, host, &row, STORE_ANY) != STORE_OK)
		log_error("interest in %s cannot be kept: %s", host,
			  store_error(control->local_store));
	model_follow(control->local, control->local_store, &changed);
	return is_new;
}

static void send_route_absent(struct control *control, uint32_t worker, const char *host)
{
	struct record_route_absent row;
	memset(&row, 0, sizeof(row));
	row.lifetime_ms = COMPILE_ABSENT_LIFETIME_MS;
	row_copy_text(row.host, sizeof(row.host), host);
	publish_once(control->publish, worker,
		     &(struct rowset_row){RECORD_ROUTE_ABSENT, 0, sizeof(row), &row}, NULL);
}

static void send_cert_absent(struct control *control, uint32_t worker, const char *host)
{
	struct record_cert_absent row;
	memset(&row, 0, sizeof(row));
	row.lifetime_ms = COMPILE_ABSENT_LIFETIME_MS;
	row_copy_text(row.host, sizeof(row.host), host);
	publish_once(control->publish, worker,
		     &(struct rowset_row){RECORD_CERT_ABSENT, 0, sizeof(row), &row}, NULL);
}

// wire_route_id tells under which id a route of host is in the set.
static uint64_t wire_route_id(struct control *control, const char *host,
			      const struct model_row *route)
{
	const struct row_route *row = route->row;
	if (control->self.role != CONF_ROLE_EDGE)
		return route->id;
	return control_number_route(control, host, row->path);
}

struct repeating {
	struct control *control;
	uint32_t worker;
	const char *host;
	bool is_sent;
};

static void repeat_route(void *user, const struct model_row *route)
{
	struct repeating *repeating = user;
	const struct rowset *latest = publish_latest(repeating->control->publish);
	uint64_t id = wire_route_id(repeating->control, repeating->host, route);
	const struct rowset_row *row = latest ? rowset_find(latest, RECORD_ROUTE, id) : NULL;
	if (row)
		publish_once(repeating->control->publish, repeating->worker, row, NULL);
	repeating->is_sent |= row != NULL;
}

// send_again repeats what the set says of host to the one worker that asked: its row grew old.
// False: the set says nothing.
static bool send_again(struct control *control, uint32_t worker, const char *host)
{
	struct repeating repeating = {control, worker, host, false};
	compile_each_route(control->registry, host, repeat_route, &repeating);
	return repeating.is_sent;
}

// remember_absent keeps a host without a service, so that its service is told when it comes.
// Bounded; the oldest makes room.
static void remember_absent(struct control *control, const char *host)
{
	for (uint32_t i = 0; i < CONTROL_ABSENT_COUNT; i++)
		if (strcmp(control->absent_hosts[i], host) == 0)
			return;
	row_copy_text(control->absent_hosts[control->absent_next], RECORD_HOST_BYTES, host);
	control->absent_next = (control->absent_next + 1) % CONTROL_ABSENT_COUNT;
}

void control_interest_appear(struct control *control)
{
	for (uint32_t i = 0; i < CONTROL_ABSENT_COUNT; i++) {
		char *host = control->absent_hosts[i];
		if (!host[0] || !compile_is_served(control->registry, host))
			continue;
		note(control, host, false);
		host[0] = 0;
	}
}

// is_served tells whether host has a service now. Before it says no it looks at the registry once
// more: the service may have been written since the last look.
static bool is_served(struct control *control, const char *host)
{
	if (compile_is_served(control->registry, host))
		return true;
	control_follow(control);
	return compile_is_served(control->registry, host);
}

static void lookup(struct control *control, uint32_t worker, const char *host)
{
	if (!is_served(control, host)) {
		send_route_absent(control, worker, host);
		if (control->self.role == CONF_ROLE_EDGE)
			remember_absent(control, host);
	} else if (control->self.role == CONF_ROLE_EDGE && note(control, host, false)) {
		control_compile_soon(control);
	} else if (control->is_compile_due) {
		return; // the answer is on its way in the next set
	} else if (!send_again(control, worker, host)) {
		send_route_absent(control, worker, host);
	}
}

// send_cert repeats a certificate that a worker let go. False: there is none.
static bool send_cert(struct control *control, uint32_t worker, const char *slot)
{
	const struct model_row *secret = model_find(control->local, STORE_secret, slot);
	const struct rowset *latest = publish_latest(control->publish);
	const struct rowset_row *row =
		secret && latest ? rowset_find(latest, RECORD_CERT, secret->id) : NULL;
	if (row)
		publish_once(control->publish, worker, row, NULL);
	return row != NULL;
}

static void cert_wanted(struct control *control, uint32_t worker, const char *host)
{
	char slot[RECORD_HOST_BYTES + 8];
	snprintf(slot, sizeof(slot), "dns/%s", host);
	bool can_be_issued = control->self.role == CONF_ROLE_EDGE &&
			     control->conf.is_development_ca && !strpbrk(host, ":[]") &&
			     is_served(control, host);
	if (!can_be_issued) {
		send_cert_absent(control, worker, host);
		return;
	}
	bool is_new = note(control, host, true);
	if (is_new)
		control_compile_soon(control);
	if (!send_cert(control, worker, slot))
		control_identity_run(control, control_now_s());
}

void control_interest_event(struct control *control, uint32_t worker, enum event_type type,
			    const void *payload)
{
	const struct event_lookup *asked = payload;
	const struct event_cert_wanted *wanted = payload;
	const struct event_endpoint_failed *failed = payload;
	if (type == EVENT_LOOKUP)
		lookup(control, worker, asked->host);
	else if (type == EVENT_CERT_WANTED)
		cert_wanted(control, worker, wanted->host);
	else if (type == EVENT_ENDPOINT_FAILED)
		failures_note(&control->failures, failed->endpoint_id, failed->failure_count,
			      control_now_s());
}

void control_interest_expire(struct control *control, uint64_t now_s)
{
	struct model_rows hosts = model_all(control->local, STORE_interest);
	bool has_changed = false;
	// While control was dead nobody could ask: age counts from our start at the earliest.
	for (size_t i = 0; i < hosts.count; i++) {
		const struct row_interest *row = hosts.rows[i]->row;
		uint64_t asked_s =
			row->asked_s > control->started_s ? row->asked_s : control->started_s;
		if (now_s < asked_s + CONTROL_INTEREST_S)
			continue;
		forget(control, row->host);
		has_changed = true;
	}
	if (has_changed)
		control_follow(control);
}
