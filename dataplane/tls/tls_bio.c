// SPDX-License-Identifier: Apache-2.0
// What OpenSSL takes for its network: during one call it reads the bytes that were lent and writes
// into buffers, which are sent when the call is over. OpenSSL reads a record's head, then its body,
// never further: what follows the handshake is left for our record layer.
#include "tls_priv.h"

#include "check.h"

#include <openssl/bio.h>

static int bio_read(BIO *bio, char *into, size_t bytes, size_t *taken)
{
	struct tls_io *io = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*taken = MIN(bytes, io->in_left);
	if (*taken == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(into, io->in, *taken);
	io->in += *taken;
	io->in_left -= *taken;
	return 1;
}

// write_sealed takes the one record that OpenSSL makes of a tls_seal.
static int write_sealed(struct tls_io *io, const char *from, size_t bytes)
{
	if (bytes > io->seal_room - io->seal_bytes)
		return 0;
	memcpy(io->seal_at + io->seal_bytes, from, bytes);
	io->seal_bytes += bytes;
	return 1;
}

static struct tls_held *out_with_room(struct tls *tls, size_t bytes)
{
	struct tls_io *io = &tls->io;
	struct tls_held *last = io->out_count ? &io->out[io->out_count - 1] : NULL;
	if (last && last->end < last->buf->bytes)
		return last;
	struct buf *buf = NULL;
	if (io->out_count < TLS_OUT_PARTS)
		buf = buf_new(tls->bufs, MIN(bytes, (size_t)BUF_BYTES));
	if (!buf) {
		io->is_short = true;
		return NULL;
	}
	last = &io->out[io->out_count++];
	*last = (struct tls_held){.buf = buf};
	return last;
}

static int bio_write(BIO *bio, const char *from, size_t bytes, size_t *written)
{
	struct tls_io *io = BIO_get_data(bio);
	struct tls *tls = container_of(io, struct tls, io);
	BIO_clear_retry_flags(bio);
	*written = 0;
	if (io->seal_at) {
		*written = bytes;
		return write_sealed(io, from, bytes);
	}
	while (*written < bytes) {
		struct tls_held *out = out_with_room(tls, bytes - *written);
		if (!out)
			return 0;
		size_t run = MIN(bytes - *written, (size_t)(out->buf->bytes - out->end));
		memcpy(out->buf->data + out->end, from + *written, run);
		out->end += (uint32_t)run;
		*written += run;
	}
	return 1;
}

static long bio_ctrl(BIO *, int command, long, void *)
{
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "millrace");
	if (method && BIO_meth_set_read_ex(method, bio_read) &&
	    BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl) &&
	    BIO_meth_set_create(method, bio_create))
		return method;
	BIO_meth_free(method);
	return NULL;
}

bool tls_bio_attach(struct tls *tls, SSL *ssl)
{
	BIO *bio = BIO_new(tls->bio_method);
	if (!bio)
		return false;
	BIO_set_data(bio, &tls->io);
	SSL_set_bio(ssl, bio, bio);
	return true;
}

void tls_bio_begin(struct tls *tls, const uint8_t *bytes, size_t count)
{
	CHECK(tls->io.out_count == 0);
	tls->io.in = bytes;
	tls->io.in_left = count;
	tls->io.is_short = false;
	tls->io.seal_at = NULL;
}

void tls_bio_flush(struct tls_conn *conn)
{
	struct tls_io *io = &conn->tls->io;
	struct tls_held out[TLS_OUT_PARTS];
	uint32_t count = io->out_count;
	memcpy(out, io->out, sizeof(out));
	io->out_count = 0; // before the events: they may start other connections
	for (uint32_t i = 0; i < count; i++)
		conn->events->send(conn->user, out[i].buf, 0, out[i].end);
}
