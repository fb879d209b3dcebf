// SPDX-License-Identifier: Apache-2.0
// CERT, IDENTITY and TRUST records become parsed keys, certificates and OpenSSL contexts, once
// each. A handshake holds a reference to the context it uses, so that rows are replaced while it
// goes on.
#include "tls_priv.h"

#include "check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

const char *const tls_identity_suites =
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

SSL_CTX *tls_identity_ctx_new(struct tls *tls, bool is_mesh)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(tls->crypto.lib, NULL, TLS_method());
	if (!ctx)
		return NULL;
	int oldest = !is_mesh && tls->limits.is_tls12_allowed ? TLS1_2_VERSION : TLS1_3_VERSION;
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	tls_handshake_observe(ctx);
	tls_select_install(tls, ctx);
	if (is_mesh) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
		tls_peer_install(ctx);
	} else {
		tls_ticket_install(ctx);
	}
	if (SSL_CTX_set_min_proto_version(ctx, oldest) &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_set_ciphersuites(ctx, tls_identity_suites) &&
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") &&
	    SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"millrace", 8))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int no_password(char *, int, int, void *)
{
	return 0; // an encrypted key is refused, never asked for
}

// read_certificate reads the next certificate of a PEM; NULL at the end (*is_end) or when it is
// bad.
static X509 *read_certificate(struct tls *tls, BIO *pem, bool *is_end)
{
	X509 *certificate = X509_new_ex(tls->crypto.lib, NULL);
	ERR_clear_error();
	if (certificate && PEM_read_bio_X509(pem, &certificate, no_password, NULL))
		return certificate;
	X509_free(certificate);
	*is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return NULL;
}

// use_chain puts the certificates of a PEM into ctx, the leaf first.
static const char *use_chain(struct tls *tls, SSL_CTX *ctx, const uint8_t *text, size_t bytes)
{
	BIO *pem = BIO_new_mem_buf(text, (int)bytes);
	X509 *certificate;
	bool is_end = false;
	int count = 0;
	bool ok = pem != NULL;
	while (ok && (certificate = read_certificate(tls, pem, &is_end))) {
		ok = count++ == 0 ? SSL_CTX_use_certificate(ctx, certificate)
				  : SSL_CTX_add1_chain_cert(ctx, certificate);
		X509_free(certificate);
	}
	BIO_free(pem);
	ERR_clear_error();
	if (!ok)
		return "OpenSSL refuses the certificate";
	return is_end && count > 0 ? NULL : "the chain is not PEM certificates";
}

static const char *use_key(struct tls *tls, SSL_CTX *ctx, const uint8_t *text, size_t bytes)
{
	BIO *pem = BIO_new_mem_buf(text, (int)bytes);
	EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey_ex(pem, NULL, no_password, NULL,
							 tls->crypto.lib, NULL)
			    : NULL;
	bool fits = key && SSL_CTX_use_PrivateKey(ctx, key) && SSL_CTX_check_private_key(ctx);
	const char *wrong = fits  ? NULL
			    : key ? "the key is not the certificate's"
				  : "the key is not a PEM private key";
	EVP_PKEY_free(key);
	BIO_free(pem);
	ERR_clear_error();
	return wrong;
}

// build makes a context of chain and key; *wrong tells why it could not.
static SSL_CTX *build(struct tls *tls, bool is_mesh, struct slice chain, struct slice key,
		      const char **wrong)
{
	SSL_CTX *ctx = tls_identity_ctx_new(tls, is_mesh);
	*wrong = ctx ? use_chain(tls, ctx, (const uint8_t *)chain.at, chain.bytes)
		     : "OpenSSL refuses a context";
	if (!*wrong)
		*wrong = use_key(tls, ctx, (const uint8_t *)key.at, key.bytes);
	if (!*wrong)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static struct tls_cert *find_cert(struct tls *tls, uint32_t id)
{
	for (uint32_t i = 0; i < tls->certs.capacity; i++) {
		struct tls_cert *cert = pool_at(&tls->certs, i);
		if (cert && cert->id == id)
			return cert;
	}
	return NULL;
}

static void count_certs(struct tls *tls)
{
	counter_set(tls->counters, COUNTER_tls_certificates, tls->certs.in_use);
	counter_set(tls->counters, COUNTER_tls_identities, tls->identities.in_use);
}

static void free_cert(struct tls *tls, struct tls_cert *cert)
{
	tls_select_remove_all(tls, cert);
	list_remove(&cert->used_link);
	if (tls->default_cert == cert)
		tls->default_cert = NULL;
	tls_signer_unref(cert->signer);
	SSL_CTX_free(cert->ctx);
	pool_free(&tls->certs, cert);
	count_certs(tls);
}

// evict forgets the certificate that was not used for longest, never the default one.
static void evict(struct tls *tls)
{
	struct list *node;
	list_for_each (node, &tls->certs_by_use) {
		struct tls_cert *cert = container_of(node, struct tls_cert, used_link);
		if (cert == tls->default_cert)
			continue;
		counter_inc(tls->counters, COUNTER_tls_certificates_evicted);
		free_cert(tls, cert);
		return;
	}
}

// add_name takes one dNSName in lower case; a name that is not a host name is left out.
static bool add_name(struct tls *tls, struct tls_cert *cert, const ASN1_IA5STRING *dns)
{
	char lower[RECORD_HOST_BYTES];
	size_t bytes = (size_t)ASN1_STRING_length(dns);
	const char *text = (const char *)ASN1_STRING_get0_data(dns);
	if (bytes == 0 || bytes >= sizeof(lower))
		return true;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return true;
		lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
	}
	return tls_select_add(tls, cert, slice_of(lower, bytes));
}

static bool add_names(struct tls *tls, struct tls_cert *cert)
{
	X509 *leaf = SSL_CTX_get0_certificate(cert->ctx);
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool ok = true;
	for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			ok = add_name(tls, cert, name->d.dNSName);
	}
	GENERAL_NAMES_free(names);
	return ok;
}

const char *tls_identity_apply_cert(struct tls *tls, const struct record *record)
{
	const struct record_cert *row = record->payload;
	size_t bytes = 0;
	const uint8_t *tail = record_tail(record, &bytes);
	const char *wrong = NULL;
	SSL_CTX *ctx = build(tls, false, slice_of(tail, row->chain_bytes),
			     slice_of(tail + row->chain_bytes, row->key_bytes), &wrong);
	if (!ctx)
		return wrong;
	struct tls_cert *cert = find_cert(tls, row->id);
	if (cert)
		free_cert(tls, cert);
	if (tls->certs.free_count == 0)
		evict(tls);
	cert = pool_new(&tls->certs, NULL);
	if (!cert) {
		SSL_CTX_free(ctx);
		return "no room beside the default certificate";
	}
	*cert = (struct tls_cert){
		.id = row->id, .is_default = row->is_default != 0, .mark = tls->mark, .ctx = ctx};
	list_init(&cert->used_link);
	list_append(&tls->certs_by_use, &cert->used_link);
	cert->signer = tls_signer_new(tls->crypto.lib, tls->crypto.hashes, ctx,
				      tls->callbacks.job != NULL);
	if (cert->is_default)
		tls->default_cert = cert;
	if (!add_names(tls, cert)) {
		free_cert(tls, cert);
		return "no memory for its names";
	}
	count_certs(tls);
	return NULL;
}

struct tls_identity *tls_identity_find(struct tls *tls, const char *name)
{
	struct tls_identity *first = NULL;
	for (uint32_t i = 0; i < tls->identities.capacity; i++) {
		struct tls_identity *each = pool_at(&tls->identities, i);
		if (!each)
			continue;
		if (name && strcmp(each->name, name) == 0)
			return each;
		if (!first || each->id < first->id)
			first = each;
	}
	return name ? NULL : first;
}

struct tls_identity *tls_identity_for_hop(struct tls *tls, const char *name)
{
	return tls->trust.store ? tls_identity_find(tls, name) : NULL;
}

struct tls_identity *tls_identity_find_sni(struct tls *tls, const char *server_name)
{
	for (uint32_t i = 0; server_name[0] && i < tls->identities.capacity; i++) {
		struct tls_identity *each = pool_at(&tls->identities, i);
		if (each && strcmp(each->server_name, server_name) == 0)
			return each;
	}
	// The caller checks our name: a wrong identity is refused there, with its reason.
	return tls_identity_find(tls, NULL);
}

// make_server_name turns spiffe://mesh/svc/shop into shop.svc.mesh, spiffe://mesh/gateway/par/g1
// into par.gateway.mesh: what a caller puts into its SNI.
static void make_server_name(const char *name, char out[RECORD_HOST_BYTES])
{
	struct slice rest = slice_skip(slice_str(name), strlen("spiffe://"));
	struct slice mesh = slice_head(rest, slice_find(rest, '/'));
	rest = slice_skip(rest, mesh.bytes + 1);
	struct slice kind = slice_head(rest, slice_find(rest, '/'));
	rest = slice_skip(rest, kind.bytes + 1);
	struct slice which = slice_head(rest, slice_find(rest, '/'));
	int bytes = snprintf(out, RECORD_HOST_BYTES, "%.*s.%.*s.%.*s", (int)which.bytes, which.at,
			     (int)kind.bytes, kind.at, (int)mesh.bytes, mesh.at);
	if (bytes <= 0 || bytes >= (int)RECORD_HOST_BYTES || which.bytes == 0)
		out[0] = 0;
	for (char *c = out; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
}

static struct tls_identity *find_identity_id(struct tls *tls, uint64_t id)
{
	for (uint32_t i = 0; i < tls->identities.capacity; i++) {
		struct tls_identity *each = pool_at(&tls->identities, i);
		if (each && each->id == id)
			return each;
	}
	return NULL;
}

const char *tls_identity_apply_identity(struct tls *tls, const struct record *record)
{
	const struct record_identity *row = record->payload;
	size_t bytes = 0;
	const uint8_t *tail = record_tail(record, &bytes);
	const char *wrong = NULL;
	if (!slice_starts(slice_str(row->name), SLICE("spiffe://")))
		return "not a SPIFFE name";
	SSL_CTX *ctx = build(tls, true, slice_of(tail, row->chain_bytes),
			     slice_of(tail + row->chain_bytes, row->key_bytes), &wrong);
	if (!ctx)
		return wrong;
	struct tls_identity *identity = find_identity_id(tls, row->id);
	if (!identity)
		identity = pool_new(&tls->identities, NULL);
	if (!identity) {
		SSL_CTX_free(ctx);
		return "too many identities";
	}
	SSL_CTX_free(identity->ctx);
	*identity = (struct tls_identity){.id = row->id, .mark = tls->mark, .ctx = ctx};
	memcpy(identity->name, row->name, sizeof(identity->name));
	make_server_name(identity->name, identity->server_name);
	count_certs(tls);
	return NULL;
}

const char *tls_identity_apply_trust(struct tls *tls, const struct record *record)
{
	const struct record_trust *row = record->payload;
	size_t bytes = 0;
	const uint8_t *tail = record_tail(record, &bytes);
	X509_STORE *store = X509_STORE_new();
	BIO *pem = BIO_new_mem_buf(tail, (int)row->bundle_bytes);
	X509 *certificate;
	bool is_end = false;
	int count = 0;
	bool ok = store && pem;
	while (ok && (certificate = read_certificate(tls, pem, &is_end))) {
		ok = X509_STORE_add_cert(store, certificate);
		X509_free(certificate);
		count++;
	}
	BIO_free(pem);
	if (!ok || !is_end || count == 0 || row->mesh[0] == 0) {
		X509_STORE_free(store);
		return "the bundle is not PEM certificates of a mesh";
	}
	X509_STORE_free(tls->trust.store);
	tls->trust = (struct tls_trust){.store = store, .epoch = row->epoch, .mark = tls->mark};
	memcpy(tls->trust.mesh, row->mesh, sizeof(tls->trust.mesh));
	return NULL;
}

static void free_identity(struct tls *tls, struct tls_identity *identity)
{
	SSL_CTX_free(identity->ctx);
	pool_free(&tls->identities, identity);
	count_certs(tls);
}

void tls_identity_remove(struct tls *tls, enum record_type type, uint64_t id)
{
	struct tls_cert *cert = type == RECORD_CERT ? find_cert(tls, (uint32_t)id) : NULL;
	struct tls_identity *identity = type == RECORD_IDENTITY ? find_identity_id(tls, id) : NULL;
	if (cert)
		free_cert(tls, cert);
	if (identity)
		free_identity(tls, identity);
}

void tls_identity_sweep(struct tls *tls, bool all)
{
	for (uint32_t i = 0; i < tls->certs.capacity; i++) {
		struct tls_cert *cert = pool_at(&tls->certs, i);
		if (cert && (all || cert->mark != tls->mark))
			free_cert(tls, cert);
	}
	for (uint32_t i = 0; i < tls->identities.capacity; i++) {
		struct tls_identity *identity = pool_at(&tls->identities, i);
		if (identity && (all || identity->mark != tls->mark))
			free_identity(tls, identity);
	}
	if (tls->trust.store && (all || tls->trust.mark != tls->mark)) {
		X509_STORE_free(tls->trust.store);
		tls->trust = (struct tls_trust){0};
	}
}
