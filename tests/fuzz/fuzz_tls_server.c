// SPDX-License-Identifier: Apache-2.0
// Our own server handshake from its first byte. The input is a script: OpenSSL's client speaks
// (full, or resuming by the last ticket), and what it sends is cut, flipped, repeated, left out, or
// mixed with other records. Whatever comes: at most one ready and one closed event, nothing after
// the latter, no buffer lost; ready only for a client whose Finished we have, with the same
// secrets; and an untouched talk ends in a handshake of our own.
#include "bytes.h"
#include "check.h"
#include "tls_rig.h"

#include <openssl/err.h>

#define WIRE_MAX 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct talk {
	struct rig_peer peer;
	struct rig_end end;
	uint8_t wire[WIRE_MAX]; // what the client says in one turn
	size_t wire_bytes;
	bool is_touched; // not only what OpenSSL's client says has been sent
};

static SSL_SESSION *sessions[3]; // by suite, given at the beginning; owned

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	unsigned suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)) - 0x1301u;
	if (sessions[suite])
		return 0;
	sessions[suite] = session;
	return 1;
}

static void start(struct talk *talk, uint8_t kind)
{
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};
	struct rig_peer *peer = &talk->peer;
	rig_peer_init(peer, false, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(peer->ctx, suites[kind % 3]);
	SSL_CTX_set1_groups_list(peer->ctx, kind & 16 ? "P-256" : "X25519:P-256");
	SSL_CTX_set_session_cache_mode(peer->ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(peer->ctx, on_session);
	if (kind & 32)
		SSL_CTX_clear_options(peer->ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	peer->ssl = SSL_new(peer->ctx);
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	CHECK(peer->ssl && peer->in && peer->out);
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	SSL_set_tlsext_host_name(peer->ssl, "a.test");
	if (kind & 64)
		SSL_set_session(peer->ssl, sessions[kind % 3]);
	SSL_set_connect_state(peer->ssl);
	SSL_do_handshake(peer->ssl);
	rig_accept(&talk->end, rig_site(), (struct tls_accept){.is_h2_offered = true});
	CHECK(talk->end.conn);
}

// hear gives the client what the server said, and takes its answer.
static void hear(struct talk *talk)
{
	struct rig_end *end = &talk->end;
	char text[64];
	if (end->out_end > end->out_start)
		BIO_write(talk->peer.in, end->out + end->out_start,
			  (int)(end->out_end - end->out_start));
	end->out_start = end->out_end;
	ERR_clear_error();
	if (SSL_do_handshake(talk->peer.ssl) == 1)
		SSL_read(talk->peer.ssl, text, sizeof(text));
	int count = BIO_read(talk->peer.out, talk->wire + talk->wire_bytes,
			     (int)(WIRE_MAX - talk->wire_bytes));
	if (count > 0)
		talk->wire_bytes += (size_t)count;
}

static void say(struct talk *talk, size_t count, size_t chunk)
{
	count = MIN(count, talk->wire_bytes);
	rig_receive(&talk->end, talk->wire, count, chunk);
	memmove(talk->wire, talk->wire + count, talk->wire_bytes - count);
	talk->wire_bytes -= count;
	hear(talk);
}

static void touch(struct talk *talk, uint8_t what, struct bytes_reader *r)
{
	size_t at = talk->wire_bytes ? bytes_u16(r) % talk->wire_bytes : 0;
	uint8_t mask = bytes_u8(r);
	if (talk->wire_bytes == 0 || mask == 0)
		return;
	talk->is_touched = true;
	if (what & 1) {
		talk->wire[at] ^= mask;
	} else {
		size_t gone = MIN((size_t)mask, talk->wire_bytes - at);
		memmove(talk->wire + at, talk->wire + at + gone, talk->wire_bytes - at - gone);
		talk->wire_bytes -= gone;
	}
}

// inject sends bytes of the script's own between the client's.
static void inject(struct talk *talk, struct bytes_reader *r)
{
	size_t count = MIN((size_t)bytes_u8(r), r->left);
	const uint8_t *at = bytes_take(r, count);
	if (!at || count == 0)
		return;
	talk->is_touched = true;
	rig_receive(&talk->end, at, count, 7);
	hear(talk);
}

static void step(struct talk *talk, struct bytes_reader *r)
{
	uint8_t what = bytes_u8(r);
	if (what < 96)
		say(talk, 1u + bytes_u8(r), 1u + what);
	else if (what < 160)
		say(talk, SIZE_MAX, what & 1 ? SIZE_MAX : 1u + bytes_u8(r));
	else if (what < 224)
		touch(talk, what, r);
	else if (what < 240)
		inject(talk, r);
	else
		tls_run(rig_site()->tls, 10);
}

static void check(const struct talk *talk)
{
	const struct rig_end *end = &talk->end;
	CHECK(end->ready_count <= 1 && end->closed_count <= 1);
	if (end->ready_count && !talk->is_touched) {
		CHECK(SSL_is_init_finished(talk->peer.ssl));
		CHECK(end->info.is_tls13 && end->info.alpn == TLS_ALPN_NONE);
		CHECK(end->info.is_resumed == (bool)SSL_session_reused(talk->peer.ssl));
	}
}

// settle lets a talk that nobody touched come to its end, which is a good one.
static void settle(struct talk *talk)
{
	for (unsigned i = 0; i < 4; i++) {
		tls_run(rig_site()->tls, 10);
		say(talk, SIZE_MAX, SIZE_MAX);
	}
	CHECK(talk->end.ready_count == 1 && talk->end.closed_count == 0);
	CHECK(SSL_write(talk->peer.ssl, "question", 8) == 8);
	hear(talk);
	say(talk, SIZE_MAX, SIZE_MAX);
	CHECK(talk->end.plain_bytes == 8 && memcmp(talk->end.plain, "question", 8) == 0);
	CHECK(rig_count(rig_site(), COUNTER_tls_handshakes_own) > 0);
}

static void finish(struct talk *talk)
{
	rig_end_free(&talk->end);
	rig_peer_free(&talk->peer);
	CHECK(buf_pool_in_use(&rig_site()->bufs) == 0);
}

// prepare gets a ticket of each suite.
static void prepare(struct talk *talk)
{
	rig_apply_ticket_key(rig_site(), 1);
	for (uint8_t suite = 0; suite < 3; suite++) {
		*talk = (struct talk){0};
		start(talk, suite);
		hear(talk);
		settle(talk);
		finish(talk);
		CHECK(sessions[suite]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct bytes_reader r = bytes_read_from(data, bytes);
	static struct talk talk;
	if (!sessions[0])
		prepare(&talk);
	talk = (struct talk){0};
	start(&talk, bytes_u8(&r));
	hear(&talk);
	unsigned event_count = 0;
	for (unsigned i = 0; r.ok && r.left > 0 && i < 300; i++) {
		bool was_closed = talk.end.closed_count > 0;
		step(&talk, &r);
		check(&talk);
		CHECK(!was_closed || talk.end.event_count == event_count);
		event_count = talk.end.event_count;
	}
	if (!talk.is_touched)
		settle(&talk);
	finish(&talk);
	return 0;
}
