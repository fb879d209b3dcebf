// SPDX-License-Identifier: Apache-2.0
// The connection facade of http.h: picks the version, then every call goes through its table.
#include "http_priv.h"

struct http_conn *http_conn_new(enum http_version version, bool is_server,
				const struct http_limits *limits, const struct http_events *events,
				void *user)
{
	CHECK(limits->field_count <= HTTP_FIELDS_MAX && limits->head_bytes >= 64);
	struct http_conn *conn =
		version == HTTP_VERSION_2 ? h2_conn_new(is_server, limits) : h1_conn_new(limits);
	if (!conn)
		return NULL;
	conn->limits = limits;
	conn->events = events;
	conn->user = user;
	conn->version = version;
	conn->is_server = is_server;
	return conn;
}

void *http_chain_take(struct http_chain *chain)
{
	void *piece = chain->first;
	if (!piece)
		return NULL;
	memcpy(&chain->first, piece, sizeof(chain->first));
	chain->count--;
	return piece;
}

void http_chain_give(struct http_chain *chain, void *piece)
{
	if (chain->count == HTTP_SPARE_MAX) {
		free(piece);
		return;
	}
	memcpy(piece, &chain->first, sizeof(chain->first));
	chain->first = piece;
	chain->count++;
}

void http_spare_fini(struct http_spare *spare)
{
	while (spare->heads.first)
		free(http_chain_take(&spare->heads));
	while (spare->outs.first)
		free(http_chain_take(&spare->outs));
}

void *http_head_take(const struct http_limits *limits, size_t bytes)
{
	struct http_spare *spare = limits->spare;
	bool has_one = spare && spare->heads.first && spare->head_bytes == bytes;
	return has_one ? http_chain_take(&spare->heads) : malloc(bytes);
}

void http_head_give(const struct http_limits *limits, void *memory, size_t bytes)
{
	struct http_spare *spare = limits->spare;
	if (!memory || !spare || (spare->heads.first && spare->head_bytes != bytes)) {
		free(memory);
		return;
	}
	spare->head_bytes = bytes;
	http_chain_give(&spare->heads, memory);
}

void http_conn_free(struct http_conn *conn)
{
	if (conn)
		conn->ops->free(conn);
}

size_t http_receive(struct http_conn *conn, struct slice bytes)
{
	return conn->ops->receive(conn, bytes);
}

void http_receive_end(struct http_conn *conn)
{
	conn->ops->receive_end(conn);
}

size_t http_produce(struct http_conn *conn, uint8_t *out, size_t room)
{
	return conn->ops->produce(conn, out, room);
}

size_t http_produce_gaps(struct http_conn *conn, uint8_t *out, size_t room, struct gaps *gaps)
{
	conn->out = out;
	conn->gaps = gaps;
	size_t bytes = conn->ops->produce(conn, out, room);
	conn->gaps = NULL;
	return bytes;
}

bool http_lend(struct http_conn *conn, size_t bytes)
{
	conn->is_lent = gaps_may_add(conn->gaps, bytes);
	return conn->is_lent;
}

bool http_wants_to_send(const struct http_conn *conn)
{
	return conn->ops->wants_to_send(conn);
}

size_t http_produce_most(const struct http_conn *conn)
{
	return conn->ops->produce_most ? conn->ops->produce_most(conn) : SIZE_MAX;
}

int http_request(struct http_conn *conn, const struct http_message *message, bool has_body,
		 void *stream_user, uint32_t *stream)
{
	CHECK(!conn->is_server);
	return conn->ops->request(conn, message, has_body, stream_user, stream);
}

int http_respond(struct http_conn *conn, uint32_t stream, const struct http_message *message,
		 bool has_body)
{
	CHECK(conn->is_server && message->status >= 100 && message->status != 101);
	return conn->ops->respond(conn, stream, message, has_body);
}

void http_resume(struct http_conn *conn, uint32_t stream)
{
	conn->ops->resume(conn, stream);
}

void http_consume(struct http_conn *conn, uint32_t stream, size_t bytes)
{
	conn->ops->consume(conn, stream, bytes);
}

void http_reset(struct http_conn *conn, uint32_t stream)
{
	conn->ops->reset(conn, stream, HTTP_ERROR_NONE);
}

void http_reset_as(struct http_conn *conn, uint32_t stream, enum http_error error)
{
	conn->ops->reset(conn, stream, error);
}

void http_set_stream_user(struct http_conn *conn, uint32_t stream, void *stream_user)
{
	conn->ops->set_stream_user(conn, stream, stream_user);
}

void http_ping(struct http_conn *conn)
{
	if (conn->ops->ping)
		conn->ops->ping(conn);
}

void http_drain(struct http_conn *conn)
{
	CHECK(conn->is_server);
	conn->ops->drain(conn);
}

void http_shutdown(struct http_conn *conn)
{
	conn->ops->shutdown(conn);
}

bool http_is_done(const struct http_conn *conn)
{
	return conn->ops->is_done(conn);
}

bool http_has_said_all(const struct http_conn *conn)
{
	return conn->ops->has_said_all(conn);
}

bool http_is_reading(const struct http_conn *conn)
{
	return conn->ops->is_reading && conn->ops->is_reading(conn);
}

uint32_t http_stream_count(const struct http_conn *conn)
{
	return conn->ops->stream_count(conn);
}

bool http_can_request(const struct http_conn *conn)
{
	return conn->ops->can_request(conn);
}

enum http_version http_version_of(const struct http_conn *conn)
{
	return conn->version;
}
