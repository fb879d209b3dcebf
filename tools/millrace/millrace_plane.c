// SPDX-License-Identifier: Apache-2.0
// The data plane's own account; see millrace_plane.h.
#include "millrace_plane.h"

#include "millrace_show.h"
#include "millrace_socket.h"

#include <stdint.h>
#include <stdio.h>

// Which counters `status` tells: module.name as what.
static const struct {
	const char *module;
	const char *name;
	const char *what;
} traffic_rows[] = {
	{"tcp", "conns", "tcp_connections"},
	{"tls", "conns", "tls_connections"},
	{"tls", "handshakes_done", "tls_handshakes"},
	{"tls", "handshakes_resumed", "tls_resumed"},
	{"exchange", "active", "exchanges_now"},
	{"exchange", "requests", "requests"},
	{"exchange", "responses_2xx", "responses_2xx"},
	{"exchange", "responses_3xx", "responses_3xx"},
	{"exchange", "responses_4xx", "responses_4xx"},
	{"exchange", "responses_5xx", "responses_5xx"},
	{"exchange", "retries", "retries"},
	{"cache", "hit", "cache_hits"},
	{"cache", "fetch", "cache_fetches"},
	{"cache", "objects", "cache_objects"},
	{"port", "rx_packets", "packets_in"},
	{"port", "tx_packets", "packets_out"},
};

static json_t *traffic(const json_t *counters)
{
	json_t *out = json_object();
	for (size_t i = 0; i < sizeof(traffic_rows) / sizeof(traffic_rows[0]); i++) {
		const json_t *module = json_object_get(counters, traffic_rows[i].module);
		const json_t *value = json_object_get(module, traffic_rows[i].name);
		json_object_set_new(out, traffic_rows[i].what,
				    json_integer(json_integer_value(value)));
	}
	return out;
}

static void copy(json_t *to, const char *name, const json_t *from, const char *from_name)
{
	json_object_set_new(to, name,
			    json_integer(json_integer_value(json_object_get(from, from_name))));
}

// worker_of gathers what one worker says: its loop, and how far it follows control.
static json_t *worker_of(int fd, const char *index, const json_t *row)
{
	static const char *const names[] = {
		"core",     "loops",     "loops_busy",     "cycles_busy", "cycles_idle", "sleeps",
		"slept_us", "rx_bursts", "rx_bursts_full", "mbufs_free",  "bufs_in_use"};
	char what[64];
	json_t *out = json_pack("{s:s}", "worker", index);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		copy(out, names[i], row, names[i]);
	snprintf(what, sizeof(what), "/millrace/channel,%.8s", index);
	json_t *channel = millrace_telemetry_ask(fd, what);
	copy(out, "generation", channel, "generation");
	copy(out, "in_sync", channel, "in_sync");
	copy(out, "unread_bytes", channel, "unread_bytes");
	json_decref(channel);
	return out;
}

// values_of makes a list of a dictionary that is keyed by 0, 1, ...
static json_t *values_of(json_t *rows)
{
	json_t *list = json_array();
	const char *key;
	json_t *row;
	json_object_foreach(rows, key, row) json_array_append(list, row);
	json_decref(rows);
	return list;
}

static json_t *workers_of(int fd, json_t *rows)
{
	json_t *list = json_array();
	const char *key;
	json_t *row;
	json_object_foreach(rows, key, row) json_array_append_new(list, worker_of(fd, key, row));
	json_decref(rows);
	return list;
}

json_t *millrace_plane_read(int fd)
{
	json_t *node = millrace_telemetry_ask(fd, "/millrace/node");
	json_t *counters = node ? millrace_telemetry_ask(fd, "/millrace/counters") : NULL;
	if (!counters) {
		json_decref(node);
		return NULL;
	}
	json_t *plane = json_pack("{s:o, s:o, s:o, s:o, s:o}", "node", node, "workers",
				  workers_of(fd, millrace_telemetry_ask(fd, "/millrace/workers")),
				  "ports", values_of(millrace_telemetry_ask(fd, "/millrace/ports")),
				  "traffic", traffic(counters), "reasons",
				  millrace_telemetry_ask(fd, "/millrace/reasons"));
	json_decref(counters);
	return plane;
}

void millrace_plane_show(const json_t *plane)
{
	json_t *node = json_object_get(plane, "node");
	json_t *shown = json_object();
	json_object_set_new(shown, "dataplane",
			    json_pack("{s:O, s:O, s:O}", "uptime_s",
				      json_object_get(node, "uptime_s"), "control",
				      json_object_get(node, "control_attached"), "refused",
				      json_object_get(node, "control_refused")));
	json_object_set(shown, "traffic", json_object_get(plane, "traffic"));
	json_object_set(shown, "ports", json_object_get(plane, "ports"));
	json_object_set(shown, "loops", json_object_get(plane, "workers"));
	json_object_set(shown, "reasons", json_object_get(plane, "reasons"));
	millrace_show("status", shown);
	json_decref(shown);
}

static double change(const json_t *now, const json_t *then, const char *name)
{
	return (double)(json_integer_value(json_object_get(now, name)) -
			json_integer_value(json_object_get(then, name)));
}

// rates_of is one worker's row. Asleep is by its own clock; what is left of the time is shared by
// busy and idle turns as their cycles are.
static json_t *rates_of(const json_t *now, const json_t *then, double seconds)
{
	double asleep = change(now, then, "slept_us") / 1e6 / seconds;
	double busy = change(now, then, "cycles_busy");
	double idle = change(now, then, "cycles_idle");
	asleep = asleep < 1 ? asleep : 1;
	busy = busy + idle > 0 ? (1 - asleep) * busy / (busy + idle) : 0;
	return json_pack("{s:O, s:f, s:f, s:I, s:I, s:I, s:O, s:O}", "worker",
			 json_object_get(now, "worker"), "busy_percent",
			 (double)(int64_t)(busy * 1000) / 10, "asleep_percent",
			 (double)(int64_t)(asleep * 1000) / 10, "loops_per_s",
			 (json_int_t)(change(now, then, "loops") / seconds), "bursts_per_s",
			 (json_int_t)(change(now, then, "rx_bursts") / seconds), "sleeps_per_s",
			 (json_int_t)(change(now, then, "sleeps") / seconds), "generation",
			 json_object_get(now, "generation"), "unread_bytes",
			 json_object_get(now, "unread_bytes"));
}

json_t *millrace_plane_rates(const json_t *now, const json_t *then, double seconds)
{
	json_t *list = json_array();
	size_t index;
	json_t *row;
	json_array_foreach(json_object_get(now, "workers"), index, row) json_array_append_new(
		list,
		rates_of(row, json_array_get(json_object_get(then, "workers"), index), seconds));
	return list;
}
