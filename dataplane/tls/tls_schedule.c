// SPDX-License-Identifier: Apache-2.0
// The key schedule of OpenSSL's TLS 1.3 handshakes, done by us: a provider whose only algorithm is
// TLS13-KDF (RFC 8446 7.1). libssl asks it for every secret, a third as dear as of OpenSSL's own;
// and the application traffic secrets that our record layer needs are seen as they are made, where
// libssl's keylog would print them for us to read back: 8 % of a handshake.
//
// Each call is whole: a context keeps nothing between calls, so the provider itself stands for all.
#include "tls_priv.h"

#include "check.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

// What libssl asks for.
struct request {
	int mode;
	struct slice digest;
	struct slice key;  // the secret to expand, or the input to extract; empty: zeros
	struct slice salt; // extract: the secret before, or empty
	struct slice prefix, label, data;
};

static void *new_context(void *provider)
{
	return provider;
}

static void free_context(void *) {}

static bool read_request(const OSSL_PARAM *params, struct request *request)
{
	const struct {
		const char *name;
		struct slice *value;
	} slices[] = {
		{OSSL_KDF_PARAM_DIGEST, &request->digest},
		{OSSL_KDF_PARAM_KEY, &request->key},
		{OSSL_KDF_PARAM_SALT, &request->salt},
		{OSSL_KDF_PARAM_PREFIX, &request->prefix},
		{OSSL_KDF_PARAM_LABEL, &request->label},
		{OSSL_KDF_PARAM_DATA, &request->data},
	};
	for (const OSSL_PARAM *param = params; param && param->key; param++) {
		if (strcmp(param->key, OSSL_KDF_PARAM_MODE) == 0 &&
		    !OSSL_PARAM_get_int(param, &request->mode))
			return false;
		for (size_t i = 0; i < ARRAY_LEN(slices); i++)
			if (strcmp(param->key, slices[i].name) == 0)
				*slices[i].value = slice_of(param->data, param->data_size);
	}
	return slice_equal(request->prefix, SLICE("tls13 "));
}

static struct tls_hash *hash_of(struct tls_schedule *schedule, struct slice digest)
{
	for (unsigned i = 0; i < TLS_HASH_COUNT; i++) {
		const char *name = EVP_MD_get0_name(schedule->hashes[i].md);
		if (slice_equal_nocase(digest, slice_str(name)))
			return &schedule->hashes[i];
	}
	return NULL;
}

// note keeps an application traffic secret of the handshake that is being done.
static void note(struct tls_handshake *handshake, const struct request *request,
		 const uint8_t *secret, size_t bytes)
{
	static const struct slice labels[2] = {{"c ap traffic", 12}, {"s ap traffic", 12}};
	for (unsigned side = 0; handshake && side < 2; side++) {
		if (!slice_equal(request->label, labels[side]))
			continue;
		memcpy(handshake->secret[side], secret, bytes);
		handshake->has_secret[side] = true;
	}
}

static int derive(void *context, unsigned char *out, size_t bytes, const OSSL_PARAM params[])
{
	struct tls_schedule *schedule = context;
	struct request request = {0};
	if (!read_request(params, &request))
		return 0;
	struct tls_hash *hash = hash_of(schedule, request.digest);
	if (!hash || bytes > hash->bytes)
		return 0;
	if (request.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) {
		bool is_whole = request.salt.bytes == 0 || request.salt.bytes == hash->bytes;
		const char *before = request.salt.bytes ? request.salt.at : NULL;
		if (!is_whole || bytes != hash->bytes)
			return 0;
		tls_next_secret(hash, (const uint8_t *)before, request.key, out);
		return 1;
	}
	struct tls_label label = {request.label, request.data};
	if (request.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || request.key.bytes != hash->bytes ||
	    label.text.bytes > TLS_LABEL_MAX || label.context.bytes > TLS_HASH_MAX)
		return 0;
	tls_expand_label(hash, (const uint8_t *)request.key.at, label, out, bytes);
	note(schedule->handshake, &request, out, bytes);
	return 1;
}

static const OSSL_DISPATCH kdf[] = {
	{OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_context},
	{OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_context},
	{OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
	{0, NULL},
};

static const OSSL_ALGORITHM kdfs[] = {
	{OSSL_KDF_NAME_TLS1_3_KDF, "provider=" TLS_SCHEDULE_NAME, kdf, "TLS 1.3 key schedule"},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *, int operation, int *no_cache)
{
	*no_cache = 0;
	return operation == OSSL_OP_KDF ? kdfs : NULL;
}

static void tear_down(void *provider)
{
	OPENSSL_free(provider);
}

static const OSSL_DISPATCH provider_functions[] = {
	{OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))tear_down},
	{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
	{0, NULL},
};

static int init(const OSSL_CORE_HANDLE *, const OSSL_DISPATCH *, const OSSL_DISPATCH **functions,
		void **provider)
{
	*provider = OPENSSL_zalloc(sizeof(struct tls_schedule));
	*functions = provider_functions;
	return *provider != NULL;
}

// is_ours is true when libssl's fetch finds our provider before OpenSSL's.
static bool is_ours(OSSL_LIB_CTX *lib, const OSSL_PROVIDER *provider)
{
	EVP_KDF *found = EVP_KDF_fetch(lib, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
	bool ours = found && EVP_KDF_get0_provider(found) == provider;
	EVP_KDF_free(found);
	return ours;
}

bool tls_schedule_load(struct tls_crypto *crypto)
{
	if (!OSSL_PROVIDER_add_builtin(crypto->lib, TLS_SCHEDULE_NAME, init))
		return false;
	crypto->schedule_provider = OSSL_PROVIDER_load(crypto->lib, TLS_SCHEDULE_NAME);
	crypto->provider = OSSL_PROVIDER_load(crypto->lib, "default");
	if (!crypto->schedule_provider || !crypto->provider)
		return false;
	crypto->schedule = OSSL_PROVIDER_get0_provider_ctx(crypto->schedule_provider);
	crypto->schedule->hashes = crypto->hashes;
	return is_ours(crypto->lib, crypto->schedule_provider);
}
