// SPDX-License-Identifier: Apache-2.0
// The ticket keys from control, which all workers and edges share: the newest encrypts, older ones
// still decrypt. And OpenSSL's stateless tickets of public listeners under them (RFC 5077, RFC 8446
// 4.6.1); those of our own handshake are tls_psk.c's.
#include "tls_psk.h"

#include "check.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

static struct tls_ticket_key *find_name(struct tls *tls, const uint8_t name[16])
{
	for (uint32_t i = 0; i < tls->ticket_key_count; i++)
		if (memcmp(tls->ticket_keys[i].row.name, name, 16) == 0)
			return &tls->ticket_keys[i];
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->row.mac_key,
						  sizeof(key->row.mac_key)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params);
}

// on_ticket sets up cipher and MAC of one ticket. 1: go on; 2: go on and issue a newer one; 0: no
// such key, a full handshake follows; -1: OpenSSL refused.
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int is_new)
{
	struct tls_conn *conn = SSL_get_ex_data(ssl, 0);
	struct tls *tls = conn->tls;
	struct tls_ticket_key *newest = tls->ticket_key_count ? &tls->ticket_keys[0] : NULL;
	struct tls_ticket_key *key = is_new ? newest : find_name(tls, name);
	const EVP_CIPHER *aes = tls->crypto.ticket_cipher;
	if (!key)
		return 0;
	if (!set_mac(mac, key))
		return -1;
	if (!is_new) {
		if (!EVP_DecryptInit_ex2(cipher, aes, key->row.aes_key, iv, NULL))
			return -1;
		// A ticket of TLS 1.3 serves once (RFC 8446 C.4): the next visit wants another.
		return key == newest && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
	}
	memcpy(name, key->row.name, 16);
	if (RAND_bytes_ex(tls->crypto.lib, iv, 16, 0) != 1 ||
	    !EVP_EncryptInit_ex2(cipher, aes, key->row.aes_key, iv, NULL))
		return -1;
	return 1;
}

void tls_ticket_install(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
}

static void remove_at(struct tls *tls, uint32_t n)
{
	struct tls_ticket_key *keys = tls->ticket_keys;
	memmove(&keys[n], &keys[n + 1], (tls->ticket_key_count - n - 1) * sizeof(keys[0]));
	tls->ticket_key_count--;
	OPENSSL_cleanse(&keys[tls->ticket_key_count], sizeof(keys[0]));
}

void tls_ticket_remove(struct tls *tls, uint64_t id)
{
	for (uint32_t i = 0; i < tls->ticket_key_count; i++)
		if (tls->ticket_keys[i].row.id == id) {
			remove_at(tls, i);
			return;
		}
}

const char *tls_ticket_apply(struct tls *tls, const struct record_ticket_key *row)
{
	struct tls_ticket_key *keys = tls->ticket_keys;
	tls_ticket_remove(tls, row->id);
	uint32_t at = 0; // keys lie newest (highest id) first
	while (at < tls->ticket_key_count && keys[at].row.id > row->id)
		at++;
	if (at == TLS_TICKET_KEYS)
		return NULL; // older than all that we keep
	if (tls->ticket_key_count == TLS_TICKET_KEYS)
		remove_at(tls, TLS_TICKET_KEYS - 1);
	memmove(&keys[at + 1], &keys[at], (tls->ticket_key_count - at) * sizeof(keys[0]));
	keys[at] = (struct tls_ticket_key){.row = *row, .mark = tls->mark};
	tls->ticket_key_count++;
	tls_psk_derive(&tls->crypto, &keys[at]);
	return NULL;
}

void tls_ticket_sweep(struct tls *tls, bool all)
{
	for (uint32_t i = tls->ticket_key_count; i-- > 0;)
		if (all || tls->ticket_keys[i].mark != tls->mark)
			remove_at(tls, i);
}
