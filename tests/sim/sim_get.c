// SPDX-License-Identifier: Apache-2.0
// Simulated users that only GET; see sim_get.h.
#include "sim_get.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct http_limits sim_get_limits = {.head_bytes = 16384,
					   .field_count = 64,
					   .target_bytes = 1024,
					   .stream_count = 128,
					   .stream_window_bytes = 65536,
					   .conn_window_bytes = 1 << 20,
					   .reset_budget = 100};

bool sim_get(struct http_conn *http, const struct sim_get *get, uint32_t *stream)
{
	struct http_message message = {.method = HTTP_GET,
				       .method_text = SLICE("GET"),
				       .scheme = SLICE("https"),
				       .authority = SLICE(SIM_HOST),
				       .target = slice_str(get->target),
				       .version = 11,
				       .content_length = HTTP_LENGTH_NONE,
				       .fields = (struct http_field *)(uintptr_t)get->fields,
				       .field_count = get->field_count};
	return http_can_request(http) &&
	       http_request(http, &message, false, get->user, stream) == 0;
}

void sim_get_connect(struct sim_world *world, struct sim_conn *conn, bool is_h2,
		     const struct sim_conn_owner *owner)
{
	struct sim_conn_plan plan = {world->client_host.tcp, &world->client_memory->bufs, owner,
				     world->contexts[is_h2], SIM_HOST};
	struct tcp_connect connect = {
		.remote = world->vip, .remote_port = 443, .events = &sim_conn_events, .user = conn};
	sim_conn_init(conn, &plan);
	if (tcp_connect_to(world->client_host.tcp, &connect, &conn->id) != 0)
		conn->is_gone = true;
}

void sim_get_ready(struct sim_conn *conn, bool is_h2, const struct http_events *events)
{
	conn->http = http_conn_new(is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, false, &sim_get_limits,
				   events, conn);
	CHECK(conn->http);
}

struct slice sim_get_pull(void *, uint32_t, void *, size_t, bool *is_end,
			  const struct http_field **, uint32_t *)
{
	*is_end = true;
	return SLICE("");
}

void sim_get_sent(void *, uint32_t, void *) {}

void sim_get_closed(void *, struct http_fault) {}

void sim_get_gone(struct sim_conn *, enum counter) {}

void sim_get_raw(struct sim_conn *, struct slice) {}

int sim_seeds_main(int count, char **arguments, const struct sim_seeds *seeds)
{
	uint64_t first = 1, last = 20, failed = 0;
	bool is_verbose = false;
	for (int i = 1; i < count; i++) {
		const char *value = i + 1 < count ? arguments[i + 1] : "";
		if (strcmp(arguments[i], "--verbose") == 0)
			is_verbose = true;
		else if (strcmp(arguments[i], "--seeds") != 0 ||
			 sscanf(value, "%" SCNu64 "-%" SCNu64, &first, &last) != 2 || !++i) {
			fprintf(stderr, "use: %s [--seeds A-B] [--verbose]\n", seeds->program);
			return 2;
		}
	}
	printf("TAP version 13\n1..%" PRIu64 "\n", last - first + 1);
	for (uint64_t seed = first; seed <= last; seed++) {
		bool has_passed = seeds->run(seeds->user, seed, is_verbose);
		printf("%s %" PRIu64 " - %s, seed %" PRIu64 "\n", has_passed ? "ok" : "not ok",
		       seed - first + 1, seeds->what, seed);
		failed += !has_passed;
	}
	return failed ? 1 : 0;
}
