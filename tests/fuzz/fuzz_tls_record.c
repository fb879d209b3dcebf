// SPDX-License-Identifier: Apache-2.0
// The record layer after the take-over. The input is a script: sealed records of any inner type and
// padding, bare wire bytes, the pieces they come in, how much plaintext is taken. Whatever comes,
// there is at most one closed event, nothing after it, and no buffer is lost.
#include "bytes.h"
#include "check.h"
#include "tls_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct owner {
	bool is_closed;
	size_t take_max;
};

static void on_send(void *user, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	const struct owner *owner = user;
	CHECK(!owner->is_closed && bytes > 0 && offset + bytes <= buf->bytes);
	buf_unref(buf);
}

static void on_ready(void *, const struct tls_info *)
{
	CHECK(false);
}

static size_t on_plaintext(void *user, struct slice bytes)
{
	const struct owner *owner = user;
	CHECK(!owner->is_closed && bytes.bytes > 0 && bytes.bytes <= TLS_PLAINTEXT_MAX);
	return MIN(bytes.bytes, owner->take_max);
}

static void on_closed(void *user, enum counter reason)
{
	struct owner *owner = user;
	CHECK(!owner->is_closed && counter_info[reason].kind == COUNTER_KIND_REASON);
	owner->is_closed = true;
}

static bool on_cert_wanted(void *, const char *)
{
	return false;
}

struct world {
	struct buf_pool bufs;
	struct counters counters;
	struct tls *tls;
	struct tls_crypto crypto; // the peer's
};

static struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));
	const struct tls_limits limits = {
		.conn_count = 2, .handshakes_at_once = 2, .certificate_count = 1};
	const struct tls_callbacks callbacks = {on_cert_wanted, NULL};
	CHECK(world);
	void *memory = aligned_alloc(64, buf_pool_bytes(4, 4));
	CHECK(memory && buf_pool_init(&world->bufs, memory, 0, 4, 4) == 0);
	world->tls = tls_new(&limits, &callbacks, &world->bufs, &world->counters);
	CHECK(world->tls && tls_crypto_init(&world->crypto));
	return world;
}

// conn_new makes a connection as the take-over leaves it.
static struct tls_conn *conn_new(struct world *world, struct owner *owner, bool is_server)
{
	static const struct tls_events events = {on_send, on_ready, on_plaintext, on_closed};
	static const uint8_t secret[TLS_SECRET_MAX] = {1};
	struct tls_conn *conn = pool_new(&world->tls->conns, NULL);
	CHECK(conn);
	conn->tls = world->tls;
	conn->events = &events;
	conn->user = owner;
	conn->state = TLS_STATE_RECORD;
	conn->is_server = is_server;
	CHECK(tls_key_install(&world->tls->crypto, &conn->read, 0, secret));
	CHECK(tls_key_install(&world->tls->crypto, &conn->write, 0, secret));
	return conn;
}

static void feed(struct tls_conn *conn, struct owner *owner, uint8_t *at, size_t bytes,
		 size_t chunk)
{
	for (unsigned tries = 0; bytes > 0 && tries < 100; tries++) {
		size_t run = MIN(chunk, bytes);
		size_t taken = tls_receive(conn, at, run);
		CHECK(taken <= run);
		at += taken;
		bytes -= taken;
		if (taken < run) {
			owner->take_max = SIZE_MAX;
			tls_resume(conn);
		}
	}
}

// feed_sealed makes the next record of the peer out of r.
static void feed_sealed(struct world *world, struct tls_conn *conn, struct owner *owner,
			struct bytes_reader *r, struct tls_key *key)
{
	static uint8_t record[TLS_RECORD_HEAD + TLS_CIPHERTEXT_MAX + TLS_TAG_BYTES];
	uint8_t type = bytes_u8(r);
	uint8_t wanted = bytes_u8(r);
	uint16_t pad = bytes_u16(r) % 17000;
	uint8_t chunk = bytes_u8(r);
	uint32_t count = (uint32_t)MIN((size_t)wanted, r->left);
	const uint8_t *body = bytes_take(r, count);
	uint32_t inner = MIN(count + 1 + pad, TLS_CIPHERTEXT_MAX - TLS_TAG_BYTES);
	if (!r->ok)
		return;
	memset(record, 0, sizeof(record));
	memcpy(record + TLS_RECORD_HEAD, body, count);
	record[TLS_RECORD_HEAD + count] = type;
	CHECK(tls_key_seal(&world->crypto, key, record, inner));
	feed(conn, owner, record, TLS_RECORD_HEAD + inner + TLS_TAG_BYTES,
	     chunk ? 64u * chunk : SIZE_MAX);
	// Follow the reader through KeyUpdates: the peer would know what it sent.
	if (memcmp(key->secret, conn->read.secret, TLS_SECRET_MAX) != 0 && !owner->is_closed) {
		uint64_t serial = ++world->crypto.last_serial;
		*key = conn->read;
		key->serial = serial;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct world *world;
	static const uint8_t secret[TLS_SECRET_MAX] = {1};
	if (!world)
		world = world_new();
	struct bytes_reader r = bytes_read_from(data, bytes);
	struct owner owner = {.take_max = SIZE_MAX};
	struct tls_conn *conn = conn_new(world, &owner, bytes_u8(&r) & 1);
	struct tls_key key = {0};
	CHECK(tls_key_install(&world->crypto, &key, 0, secret));
	for (unsigned step = 0; r.ok && r.left > 0 && step < 200; step++) {
		uint8_t what = bytes_u8(&r);
		if (what < 200) {
			feed_sealed(world, conn, &owner, &r, &key);
		} else if (what < 230) {
			owner.take_max = bytes_u8(&r);
		} else {
			uint8_t copy[256];
			size_t count = MIN((size_t)bytes_u8(&r), r.left);
			const uint8_t *at = bytes_take(&r, count);
			if (at && count > 0) {
				memcpy(copy, at, count);
				feed(conn, &owner, copy, count, SIZE_MAX);
			}
		}
	}
	tls_free(conn);
	CHECK(buf_pool_in_use(&world->bufs) == 0);
	return 0;
}
