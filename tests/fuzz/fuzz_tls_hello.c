// SPDX-License-Identifier: Apache-2.0
// ClientHellos. Input that begins with 0x16 is wire bytes; else it is a script of fields, of which
// a well framed message is made, so that mutations reach what lies deep. Whatever the pieces, the
// verdict is the same and the message too; what we call ours OpenSSL takes as well, with the same
// version, name and group.
#include "bytes.h"
#include "check.h"
#include "tls_priv.h"
#include "tls_hello.h"
#include "tls_rig.h"

#include <openssl/err.h>

#define WIRE_MAX 9000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static SSL_CTX *server(void)
{
	static SSL_CTX *ctx;
	if (ctx)
		return ctx;
	struct rig_pair pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	ctx = SSL_CTX_new(TLS_server_method());
	CHECK(ctx && SSL_CTX_use_certificate(ctx, pair.certificate));
	CHECK(SSL_CTX_use_PrivateKey(ctx, pair.key));
	CHECK(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384"));
	rig_pair_free(&pair);
	return ctx;
}

static bool is_in(struct slice part, const uint8_t *bytes, size_t count)
{
	const uint8_t *at = (const uint8_t *)part.at;
	return part.bytes == 0 || (at >= bytes && at + part.bytes <= bytes + count);
}

static void check_slices(const struct tls_hello *h)
{
	const uint8_t *at = (const uint8_t *)h->message.at;
	const struct slice parts[] = {h->random,     h->session_id,   h->server_name, h->alpn,
				      h->share_p256, h->share_x25519, h->identity,    h->binder};
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		CHECK(is_in(parts[i], at, h->message.bytes));
	CHECK(h->random.bytes == 32 && h->session_id.bytes <= 32);
	CHECK(h->suites != 0 && h->suites < 1 << TLS_SUITE_COUNT);
	CHECK(h->schemes != 0 && h->schemes < 1 << TLS_SCHEME_COUNT);
	CHECK(h->share_x25519.bytes == 32 ? h->share_p256.bytes == 0 : h->share_p256.bytes == 65);
	CHECK(h->has_server_name == (h->server_name.bytes > 0));
	CHECK((h->identity.bytes > 0) == (h->binder.bytes > 0));
	if (h->binder.bytes > 0)
		CHECK(h->truncated_bytes + 3 + h->binder.bytes == h->message.bytes);
}

// check_openssl lets OpenSSL answer the same bytes.
static void check_openssl(struct slice wire, const struct tls_hello *hello)
{
	SSL *ssl = SSL_new(server());
	BIO *from = BIO_new_mem_buf(wire.at, (int)wire.bytes);
	BIO_set_mem_eof_return(from, -1);
	SSL_set_bio(ssl, from, BIO_new(BIO_s_mem()));
	ERR_clear_error();
	int result = SSL_accept(ssl);
	if (SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ) {
		const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		long group = SSL_get_negotiated_group(ssl);
		CHECK(SSL_version(ssl) == TLS1_3_VERSION);
		CHECK(!name == !hello->has_server_name);
		CHECK(!name || slice_equal(slice_str(name), hello->server_name));
		CHECK(group == (hello->share_p256.bytes ? NID_X9_62_prime256v1 : NID_X25519));
	} else {
		int reason = ERR_GET_REASON(ERR_peek_error());
		bool is_point =
			reason == SSL_R_BAD_ECPOINT || ERR_GET_LIB(ERR_peek_error()) != ERR_LIB_SSL;
		bool is_scheme = reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM &&
				 !(hello->schemes & 1 << TLS_SCHEME_ECDSA_P256_SHA256);
		CHECK(is_point || is_scheme);
	}
	SSL_free(ssl);
}

// check_recut puts the message into records of another size, which must change nothing.
static void check_recut(const struct tls_hello *hello, size_t most)
{
	static uint8_t wire[WIRE_MAX];
	static uint8_t room[TLS_HELLO_ROOM];
	struct bytes_writer w = bytes_write_to(wire, sizeof(wire));
	struct tls_hello other;
	size_t used = 0;
	most = MAX(most, hello->message.bytes / 16 + 1);
	for (size_t at = 0; at < hello->message.bytes; at += most) {
		size_t run = MIN(most, hello->message.bytes - at);
		bytes_put_u8(&w, TLS_CONTENT_HANDSHAKE);
		bytes_put_u16(&w, 0x0303);
		bytes_put_u16(&w, (uint16_t)run);
		bytes_put(&w, hello->message.at + at, run);
	}
	CHECK(w.ok);
	CHECK(tls_hello_read(slice_of(wire, w.written), room, &other, &used) == TLS_HELLO_OURS);
	CHECK(used == w.written && slice_equal(other.message, hello->message));
	CHECK(other.suites == hello->suites && other.schemes == hello->schemes);
	CHECK(slice_equal(other.share_x25519, hello->share_x25519));
	CHECK(slice_equal(other.binder, hello->binder));
}

static void check_wire(struct slice wire)
{
	static uint8_t room[TLS_HELLO_ROOM];
	struct tls_hello hello, other;
	size_t used = 0;
	enum tls_hello_verdict whole = tls_hello_read(wire, room, &hello, &used);
	enum tls_hello_verdict before = TLS_HELLO_MORE;
	for (size_t n = 0; n <= wire.bytes; n++) {
		size_t other_used;
		enum tls_hello_verdict now =
			tls_hello_read(slice_head(wire, n), room, &other, &other_used);
		CHECK(before == TLS_HELLO_MORE || now == before); // an answer stays
		CHECK(now != TLS_HELLO_OURS || (other_used <= n && other_used == used));
		before = now;
	}
	CHECK(before == whole);
	if (whole != TLS_HELLO_OURS)
		return;
	CHECK(used <= wire.bytes);
	check_slices(&hello);
	check_recut(&hello, SIZE_MAX);
	check_recut(&hello, (uint8_t)hello.random.at[0]);
	check_openssl(slice_head(wire, used), &hello);
}

// put_vector copies a vector whose length is one byte in the script and two on the wire.
static void put_vector(struct bytes_writer *w, struct bytes_reader *script)
{
	size_t bytes = MIN((size_t)bytes_u8(script), script->left);
	bytes_put_u16(w, (uint16_t)bytes);
	bytes_put(w, bytes_take(script, bytes), bytes);
}

static void write_script(struct bytes_writer *w, struct bytes_reader *script)
{
	bytes_put_u16(w, 0x0303);
	for (unsigned i = 0; i < 32; i++)
		bytes_put_u8(w, (uint8_t)i);
	size_t session = MIN((size_t)bytes_u8(script) % 33, script->left);
	bytes_put_u8(w, (uint8_t)session);
	bytes_put(w, bytes_take(script, session), session);
	put_vector(w, script);
	bytes_put_u16(w, 0x0100);
	uint8_t *length = w->at;
	bytes_put_u16(w, 0);
	size_t before = w->written;
	while (script->left > 2 && w->ok) {
		bytes_put_u16(w, bytes_u16(script));
		put_vector(w, script);
	}
	length[0] = (uint8_t)((w->written - before) >> 8);
	length[1] = (uint8_t)(w->written - before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static uint8_t wire[WIRE_MAX];
	if (bytes > 0 && data[0] == TLS_CONTENT_HANDSHAKE) {
		check_wire(slice_of(data, MIN(bytes, WIRE_MAX)));
		return 0;
	}
	struct bytes_reader script = bytes_read_from(data, MIN(bytes, 4000u));
	struct bytes_writer w = bytes_write_to(wire + 9, sizeof(wire) - 9);
	write_script(&w, &script);
	CHECK(w.ok);
	const uint8_t head[] = {22,
				3,
				1,
				(uint8_t)((w.written + 4) >> 8),
				(uint8_t)(w.written + 4),
				1,
				0,
				(uint8_t)(w.written >> 8),
				(uint8_t)w.written};
	memcpy(wire, head, sizeof(head));
	check_wire(slice_of(wire, w.written + sizeof(head)));
	return 0;
}
