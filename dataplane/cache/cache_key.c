// SPDX-License-Identifier: Apache-2.0
// The key: scheme, authority in lower case without the scheme's own port, path and query byte for
// byte. It is exactly what is forwarded, so nothing that is not in the key can change what others
// get. GET and HEAD share it (RFC 9111 2).
#include "cache_priv.h"

#include "check.h"
#include "http_field.h"

struct url {
	struct slice scheme;
	struct slice authority;
	struct slice target;
};

static struct slice without_default_port(struct slice scheme, struct slice authority)
{
	bool is_https =
		slice_equal(scheme, SLICE("https")) || slice_equal_nocase(scheme, SLICE("https"));
	struct slice port = is_https ? SLICE(":443") : SLICE(":80");
	if (authority.bytes > port.bytes &&
	    slice_equal(slice_skip(authority, authority.bytes - port.bytes), port))
		return slice_head(authority, authority.bytes - port.bytes);
	return authority;
}

static inline char *put(char *to, struct slice part)
{
	return part.bytes ? mempcpy(to, part.at, part.bytes) : to;
}

static bool make(struct cache *cache, const struct url *url, struct cache_key *key)
{
	struct slice authority = without_default_port(url->scheme, url->authority);
	const struct slice colon = SLICE("://");
	size_t bytes = url->scheme.bytes + colon.bytes + authority.bytes + url->target.bytes;
	if (bytes > sizeof(cache->key_text) || bytes < url->target.bytes)
		return false;
	// So that no part of one URL can pass for a part of another.
	if (!slice_starts(url->target, SLICE("/")) || slice_find(authority, '/') < authority.bytes)
		return false;
	char *at = put(put(put(cache->key_text, url->scheme), colon), authority);
	http_lower(cache->key_text, (size_t)(at - cache->key_text));
	memcpy(at, url->target.at, url->target.bytes); // it begins with a slash
	key->text = slice_of(cache->key_text, bytes);
	key->hash = siphash13(&cache->limits.key_secret, cache->key_text, bytes);
	return true;
}

bool cache_key_make(struct cache *cache, const struct http_message *request, struct cache_key *key)
{
	return make(cache, &(struct url){request->scheme, request->authority, request->target},
		    key);
}

bool cache_key_parse(struct cache *cache, struct slice url, struct cache_key *key)
{
	struct url parts = {.target = SLICE("/")};
	size_t colon = slice_find(url, ':');
	parts.scheme = slice_head(url, colon);
	url = slice_skip(url, colon);
	if (parts.scheme.bytes == 0 || !slice_starts(url, SLICE("://")))
		return false;
	url = slice_skip(url, 3);
	size_t slash = slice_find(url, '/');
	parts.authority = slice_head(url, slash);
	if (slash < url.bytes)
		parts.target = slice_skip(url, slash);
	return parts.authority.bytes > 0 && make(cache, &parts, key);
}

uint32_t cache_key_owner(const struct cache *cache, uint64_t key_hash)
{
	// The low bits choose the bucket of an index; the high ones are free.
	return (uint32_t)((key_hash >> 32) % cache->limits.worker_count);
}
