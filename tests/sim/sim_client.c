// SPDX-License-Identifier: Apache-2.0
// A simulated user; see sim_client.h.
#include "sim_client.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>

enum { CONN_TRIES_MAX = 5 };

struct request {
	struct sim_body upload;
	struct sim_body expected;
	struct client_conn *owner;
	char target[128];
	uint16_t status;
	bool is_upload, is_sent, is_done, is_wrong;
};

struct client_conn {
	struct sim_conn conn;
	struct sim_client *client;
	struct request *requests;
	uint32_t request_count;
	uint32_t tries;
	bool is_waiting; // to connect again
};

static const struct http_limits http_limits = {.head_bytes = 32768,
					       .field_count = 100,
					       .target_bytes = 8192,
					       .stream_count = 100,
					       .stream_window_bytes = 65536,
					       .conn_window_bytes = 1 << 20,
					       .reset_budget = 100};

static void send_requests(struct client_conn *cc)
{
	struct http_conn *http = cc->conn.http;
	const char *host = cc->client->plan.host;
	for (uint32_t i = 0; i < cc->request_count && http_can_request(http); i++) {
		struct request *request = &cc->requests[i];
		uint32_t stream;
		if (request->is_done || request->is_sent)
			continue;
		struct http_message message = {
			.method = request->is_upload ? HTTP_POST : HTTP_GET,
			.method_text = request->is_upload ? SLICE("POST") : SLICE("GET"),
			.scheme = SLICE("https"),
			.authority = slice_str(host),
			.target = slice_str(request->target),
			.version = 11,
			.content_length = request->is_upload && (request->upload.seed & 2)
						  ? request->upload.bytes
						  : HTTP_LENGTH_NONE,
		};
		sim_body_init(&request->upload, request->upload.seed, request->upload.bytes);
		sim_body_init(&request->expected, request->expected.seed, request->expected.bytes);
		request->is_sent = true;
		if (http_request(http, &message, request->is_upload && request->upload.bytes > 0,
				 request, &stream) != 0)
			request->is_sent = false;
	}
}

static void on_head(void *, uint32_t, void *stream_user, const struct http_message *message, bool)
{
	struct request *request = stream_user;
	if (!request || message->status < 200)
		return;
	request->status = message->status;
}

static void on_body(void *user, uint32_t stream, void *stream_user, struct slice bytes)
{
	struct client_conn *cc = user;
	struct request *request = stream_user;
	if (request && request->status == 200 && !sim_body_check(&request->expected, bytes))
		request->is_wrong = true;
	http_consume(cc->conn.http, stream, bytes.bytes);
}

// finish judges a complete response. A 502, 503 or 504 is an honest answer of a proxy whose
// connections are being lost: the request is sent again.
static void finish(struct client_conn *cc, struct request *request)
{
	struct sim_client *client = cc->client;
	bool is_honest = request->status >= 502 && request->status <= 504;
	bool is_right = request->status == 200 && !request->is_wrong &&
			request->expected.offset == request->expected.bytes;
	request->is_sent = false;
	if (is_honest && cc->tries++ < CONN_TRIES_MAX) {
		client->retry_count++;
		return;
	}
	request->is_done = true;
	client->done_count += is_right;
	client->wrong_count += !is_right;
	if (!is_right)
		printf("# wrong: %s status %u, %" PRIu64 " of %" PRIu64 " bytes%s\n",
		       request->target, request->status, request->expected.offset,
		       request->expected.bytes, request->is_wrong ? ", bytes differ" : "");
}

static void on_end(void *user, uint32_t, void *stream_user, const struct http_field *, uint32_t)
{
	if (stream_user)
		finish(user, stream_user);
}

static void on_head_event(void *user, uint32_t stream, void *stream_user,
			  const struct http_message *message, bool is_end)
{
	on_head(user, stream, stream_user, message, is_end);
	if (is_end && stream_user)
		finish(user, stream_user);
}

static void on_reset(void *user, uint32_t, void *stream_user, struct http_fault)
{
	struct client_conn *cc = user;
	struct request *request = stream_user;
	if (!request || request->is_done)
		return;
	request->is_sent = false;
	cc->client->retry_count++;
	cc->tries++;
}

static struct slice on_pull(void *, uint32_t, void *stream_user, size_t max, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	struct request *request = stream_user;
	struct slice run = sim_body_make(&request->upload, max);
	*is_end = request->upload.offset == request->upload.bytes;
	return run;
}

static void on_sent(void *, uint32_t, void *) {}

static void on_http_closed(void *, struct http_fault) {}

static const struct http_events http_events = {
	.head = on_head_event,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.pull = on_pull,
	.sent = on_sent,
	.closed = on_http_closed,
};

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	struct client_conn *cc = container_of(conn, struct client_conn, conn);
	CHECK(is_h2 == cc->client->plan.is_h2);
	conn->http = http_conn_new(is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, false, &http_limits,
				   &http_events, cc);
	CHECK(conn->http);
}

static void on_gone(struct sim_conn *, enum counter) {}

static void on_raw(struct sim_conn *, struct slice) {}

static const struct sim_conn_owner owner = {.ready = on_ready, .gone = on_gone, .raw = on_raw};

// plan_exact plans a body of the one length that the client's plan names.
static void plan_exact(struct client_conn *cc, struct request *request, uint64_t seed)
{
	const struct sim_plan *plan = &cc->client->plan;
	request->owner = cc;
	request->is_upload = plan->is_upload;
	request->upload.seed = request->expected.seed = seed;
	request->upload.bytes = plan->is_upload ? plan->exact_bytes : 0;
	request->expected.bytes = plan->is_upload ? 0 : plan->exact_bytes;
	snprintf(request->target, sizeof(request->target), "/%c/%" PRIu64 "/%" PRIu64,
		 plan->is_upload ? 'u' : 'b', seed, plan->exact_bytes);
}

static void plan_request(struct client_conn *cc, struct request *request)
{
	struct sim_client *client = cc->client;
	struct random_source *random = &client->random;
	if (client->plan.exact_bytes) {
		plan_exact(cc, request, random_below(random, 1000000));
		return;
	}
	uint64_t max = client->plan.body_bytes_max;
	uint64_t bytes =
		random_u64(random) % (max >> random_below(random, 10)) + random_below(random, 2);
	uint64_t seed = random_below(random, 1000000);
	request->owner = cc;
	request->is_upload = random_below(random, 4) == 0;
	request->upload.seed = request->expected.seed = seed;
	request->upload.bytes = request->is_upload ? bytes : 0;
	request->expected.bytes = request->is_upload ? 0 : bytes;
	if (request->is_upload)
		snprintf(request->target, sizeof(request->target), "/u/%" PRIu64 "/%" PRIu64, seed,
			 bytes);
	else if (random_below(random, 2))
		snprintf(request->target, sizeof(request->target),
			 "/b/%" PRIu64 "/%" PRIu64 "?age=600", seed % 10,
			 request->expected.bytes = 1000 * (seed % 10));
	else
		snprintf(request->target, sizeof(request->target), "/b/%" PRIu64 "/%" PRIu64, seed,
			 bytes);
	if (!request->is_upload && request->target[0] && strstr(request->target, "age="))
		request->expected.seed = seed % 10;
}

static void start(struct client_conn *cc)
{
	struct sim_client *client = cc->client;
	struct tcp_connect connect = {.remote = client->plan.vip,
				      .remote_port = client->plan.port,
				      .events = &sim_conn_events,
				      .user = &cc->conn};
	struct sim_conn_plan plan = {client->tcp, client->bufs, &owner, client->ssl_context,
				     client->plan.host};
	sim_conn_init(&cc->conn, &plan);
	list_append(&client->conns, &cc->conn.link);
	for (uint32_t i = 0; i < cc->request_count; i++)
		cc->requests[i].is_sent = false;
	if (tcp_connect_to(client->tcp, &connect, &cc->conn.id) != 0)
		cc->conn.is_gone = true;
}

static void add_conn(struct sim_client *client)
{
	struct client_conn *cc = calloc(1, sizeof(*cc));
	CHECK(cc);
	cc->client = client;
	cc->request_count = client->plan.requests_per_conn;
	cc->requests = calloc(cc->request_count, sizeof(*cc->requests));
	CHECK(cc->requests);
	for (uint32_t i = 0; i < cc->request_count; i++)
		plan_request(cc, &cc->requests[i]);
	client->conns_started++;
	start(cc);
}

void sim_client_init(struct sim_client *client, struct tcp *tcp, struct buf_pool *bufs,
		     SSL_CTX *ssl_context, const struct sim_plan *plan)
{
	*client = (struct sim_client){
		.tcp = tcp, .bufs = bufs, .plan = *plan, .ssl_context = ssl_context};
	random_init(&client->random, (struct siphash_key){{plan->seed, 77}});
	list_init(&client->conns);
}

static bool is_complete(const struct client_conn *cc)
{
	for (uint32_t i = 0; i < cc->request_count; i++)
		if (!cc->requests[i].is_done)
			return false;
	return true;
}

static void drop(struct client_conn *cc)
{
	list_remove(&cc->conn.link);
	sim_conn_fini(&cc->conn);
	free(cc->requests);
	free(cc);
}

// lost starts the connection anew, or gives its requests up.
static void lost(struct client_conn *cc)
{
	struct sim_client *client = cc->client;
	if (is_complete(cc)) {
		drop(cc);
		return;
	}
	if (cc->tries++ >= CONN_TRIES_MAX) {
		client->given_up_count += cc->request_count;
		drop(cc);
		return;
	}
	list_remove(&cc->conn.link);
	sim_conn_fini(&cc->conn);
	start(cc);
}

bool sim_client_step(struct sim_client *client)
{
	struct list *node, *after;
	while (client->conns_started < client->plan.conn_count)
		add_conn(client);
	list_for_each_safe (node, after, &client->conns) {
		struct client_conn *cc = container_of(node, struct client_conn, conn.link);
		if (cc->conn.is_gone) {
			lost(cc);
			continue;
		}
		if (cc->conn.http)
			send_requests(cc);
		sim_conn_step(&cc->conn);
		if (is_complete(cc))
			sim_conn_shut(&cc->conn);
	}
	return !list_is_empty(&client->conns);
}

void sim_client_fini(struct sim_client *client)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &client->conns)
		drop(container_of(node, struct client_conn, conn.link));
}
