// SPDX-License-Identifier: Apache-2.0
// Our tickets; see tls_psk.h.
//
//   | name of the key 16 | salt 16 | sealed: version, hash, issued, began, secret, name | tag 16 |
//
// Each is sealed by AES-256-GCM under a key of its own, HMAC of its salt: random nonces of 96 bits
// would be enough for 2^32 tickets under one of control's keys, which all edges share.
//
// The age a client claims matters to early data only, which we do not take: age_add is random and
// forgotten.
#include "tls_psk.h"

#include "bytes.h"
#include "check.h"

#include <openssl/crypto.h>

#define VERSION            1u
#define MESSAGE_TICKET     4u
#define SALT_BYTES         16u
#define HEAD_BYTES         (TLS_TICKET_NAME_BYTES + SALT_BYTES)
#define TEXT_MAX           (1u + 1u + 8u + 8u + TLS_HASH_MAX + 1u + RECORD_HOST_BYTES)
#define MESSAGE_HEAD_BYTES (4u + 4u + 4u + 1u + TLS_PSK_NONCE_BYTES + 2u)
#define CLOCK_SKEW_S       60u // between edges

static_assert(MESSAGE_HEAD_BYTES + HEAD_BYTES + TEXT_MAX + TLS_TAG_BYTES + 2 <=
	      TLS_PSK_MESSAGE_MAX);

void tls_psk_derive(const struct tls_crypto *crypto, struct tls_ticket_key *key)
{
	const struct tls_hash *hash = &crypto->hashes[TLS_HASH_SHA256];
	const struct tls_label name = {SLICE("ticket name"), slice_of(key->row.name, 16)};
	const struct tls_label sealing = {SLICE("ticket key"), slice_of(key->row.name, 16)};
	uint8_t root[TLS_HASH_MAX], input[sizeof(key->row.aes_key) + sizeof(key->row.mac_key)];
	memcpy(input, key->row.aes_key, sizeof(key->row.aes_key));
	memcpy(input + sizeof(key->row.aes_key), key->row.mac_key, sizeof(key->row.mac_key));
	tls_hmac(hash, SLICE("millrace ticket"), slice_of(input, sizeof(input)), root);
	tls_expand_label(hash, root, name, key->own_name, sizeof(key->own_name));
	tls_expand_label(hash, root, sealing, root, hash->bytes);
	tls_secret_set(hash, &key->own, slice_of(root, hash->bytes));
	OPENSSL_cleanse(root, sizeof(root));
	OPENSSL_cleanse(input, sizeof(input));
}

// key_of makes the key of the ticket at ticket.
static void key_of(const struct tls *tls, const struct tls_ticket_key *key, const uint8_t *ticket,
		   uint8_t out[TLS_KEY_MAX])
{
	const struct tls_hash *hash = &tls->crypto.hashes[TLS_HASH_SHA256];
	tls_secret_mac(hash, &key->own, slice_of(ticket + TLS_TICKET_NAME_BYTES, SALT_BYTES), out);
}

static const struct tls_ticket_key *find_key(const struct tls *tls, const char *name)
{
	for (uint32_t i = 0; i < tls->ticket_key_count; i++)
		if (memcmp(tls->ticket_keys[i].own_name, name, TLS_TICKET_NAME_BYTES) == 0)
			return &tls->ticket_keys[i];
	return NULL;
}

// read_text reads what seal sealed, which nobody but us could write.
static bool read_text(const struct tls *tls, struct slice text, const char *server_name,
		      struct tls_psk *psk)
{
	struct bytes_reader r = bytes_read_from(text.at, text.bytes);
	uint8_t version = bytes_u8(&r);
	psk->hash = bytes_u8(&r);
	if (version != VERSION || psk->hash >= TLS_HASH_COUNT)
		return false;
	uint64_t issued_s = bytes_u64(&r);
	psk->began_s = bytes_u64(&r);
	uint32_t bytes = tls->crypto.hashes[psk->hash].bytes;
	const uint8_t *secret = bytes_take(&r, bytes);
	uint8_t name_bytes = bytes_u8(&r);
	const uint8_t *name = bytes_take(&r, name_bytes);
	if (!r.ok || r.left > 0 || !slice_equal(slice_of(name, name_bytes), slice_str(server_name)))
		return false;
	memcpy(psk->secret, secret, bytes);
	return issued_s <= tls->wall_s + CLOCK_SKEW_S &&
	       tls->wall_s < issued_s + TLS_TICKET_LIFE_S &&
	       tls->wall_s < psk->began_s + TLS_PSK_LIFE_MAX_S;
}

bool tls_psk_open(struct tls *tls, struct slice ticket, const char *server_name,
		  struct tls_psk *psk)
{
	uint8_t text[TEXT_MAX + TLS_TAG_BYTES], its[TLS_KEY_MAX];
	if (ticket.bytes <= HEAD_BYTES + TLS_TAG_BYTES ||
	    ticket.bytes > HEAD_BYTES + TEXT_MAX + TLS_TAG_BYTES)
		return false;
	const struct tls_ticket_key *key = find_key(tls, ticket.at);
	if (!key)
		return false;
	uint32_t bytes = (uint32_t)ticket.bytes - HEAD_BYTES - TLS_TAG_BYTES;
	key_of(tls, key, (const uint8_t *)ticket.at, its);
	memcpy(text, ticket.at + HEAD_BYTES, bytes + TLS_TAG_BYTES); // the hello stays as it is
	bool ok = tls_once_open(&tls->crypto, its, slice_head(ticket, HEAD_BYTES), text, bytes) &&
		  read_text(tls, slice_of(text, bytes), server_name, psk);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(its, sizeof(its));
	return ok;
}

bool tls_psk_verify(struct tls_hash *hash, const struct tls_psk *psk, const struct tls_hello *hello,
		    struct tls_secret *salt)
{
	uint8_t key[TLS_HASH_MAX], transcript[TLS_HASH_MAX], binder[TLS_HASH_MAX];
	const struct tls_label label = {SLICE("res binder"), slice_of(hash->empty, hash->bytes)};
	struct tls_secret base;
	tls_next_secret(hash, NULL, slice_of(psk->secret, hash->bytes), key);
	tls_secret_set(hash, salt, slice_of(key, hash->bytes));
	tls_secret_expand(hash, salt, label, key, hash->bytes);
	tls_secret_set(hash, &base, slice_of(key, hash->bytes));
	tls_transcript_begin(hash);
	tls_transcript_add(hash, slice_head(hello->message, hello->truncated_bytes));
	tls_transcript_tell(hash, transcript);
	tls_finished_mac(hash, &base, transcript, binder);
	bool ok = hello->binder.bytes == hash->bytes &&
		  CRYPTO_memcmp(binder, hello->binder.at, hash->bytes) == 0;
	tls_secret_salt(hash, salt);
	OPENSSL_cleanse(&base, sizeof(base));
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(binder, sizeof(binder));
	return ok;
}

// write_text writes what a ticket of psk remembers.
static uint32_t write_text(struct tls *tls, const struct tls_psk *psk, const char *server_name,
			   uint8_t *out)
{
	static const char zeros[TLS_PSK_NONCE_BYTES];
	const struct tls_label label = {SLICE("resumption"), slice_of(zeros, sizeof(zeros))};
	const struct tls_hash *hash = &tls->crypto.hashes[psk->hash];
	uint8_t secret[TLS_HASH_MAX];
	size_t name_bytes = strlen(server_name);
	struct bytes_writer w = bytes_write_to(out, TEXT_MAX);
	tls_expand_label(hash, psk->secret, label, secret, hash->bytes);
	bytes_put_u8(&w, VERSION);
	bytes_put_u8(&w, psk->hash);
	bytes_put_u64(&w, tls->wall_s);
	bytes_put_u64(&w, psk->began_s);
	bytes_put(&w, secret, hash->bytes);
	bytes_put_u8(&w, (uint8_t)name_bytes);
	bytes_put(&w, server_name, name_bytes);
	OPENSSL_cleanse(secret, sizeof(secret));
	CHECK(w.ok);
	return (uint32_t)w.written;
}

uint32_t tls_psk_write(struct tls *tls, const struct tls_psk *psk, const char *server_name,
		       uint8_t out[TLS_PSK_MESSAGE_MAX])
{
	static const uint8_t zeros[TLS_PSK_NONCE_BYTES];
	uint8_t random[4 + SALT_BYTES]; // ticket_age_add, the salt
	uint8_t its[TLS_KEY_MAX];
	const struct tls_ticket_key *key = &tls->ticket_keys[0];
	CHECK(tls->ticket_key_count > 0);
	uint8_t *ticket = out + MESSAGE_HEAD_BYTES;
	uint32_t text_bytes = write_text(tls, psk, server_name, ticket + HEAD_BYTES);
	uint32_t bytes = HEAD_BYTES + text_bytes + TLS_TAG_BYTES;
	if (!tls_random_take(&tls->crypto.random, random, sizeof(random)))
		return 0;
	struct bytes_writer w = bytes_write_to(out, TLS_PSK_MESSAGE_MAX);
	bytes_put_u32(&w, MESSAGE_TICKET << 24 | (MESSAGE_HEAD_BYTES - 4 + bytes + 2));
	bytes_put_u32(&w, TLS_TICKET_LIFE_S);
	bytes_put(&w, random, 4);
	bytes_put_u8(&w, TLS_PSK_NONCE_BYTES);
	bytes_put(&w, zeros, sizeof(zeros));
	bytes_put_u16(&w, (uint16_t)bytes);
	bytes_put(&w, key->own_name, sizeof(key->own_name));
	bytes_put(&w, random + 4, SALT_BYTES);
	key_of(tls, key, ticket, its);
	bool ok = tls_once_seal(&tls->crypto, its, slice_of(ticket, HEAD_BYTES),
				ticket + HEAD_BYTES, text_bytes);
	explicit_bzero(its, sizeof(its));
	memset(ticket + bytes, 0, 2); // no extensions
	return ok ? MESSAGE_HEAD_BYTES + bytes + 2 : 0;
}
