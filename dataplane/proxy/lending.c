// SPDX-License-Identifier: Apache-2.0
// Objects lent to a record; see lending.h.
#include "lending.h"

#include "proxy_priv.h"

// find returns the place of object, or the first that is free.
static uint32_t find(const struct lending *lending, const struct cache_object *object)
{
	uint32_t i = 0;
	while (i < lending->count && lending->lent[i].object != object)
		i++;
	return i;
}

void lending_lend(struct exchange *exchange, struct cache_object *object, struct slice run)
{
	struct lending *lending = &exchange->proxy->lending;
	if (!exchange->down || !http_lend(exchange->down->transport.http, run.bytes))
		return;
	uint32_t i = find(lending, object);
	CHECK(i < GAPS_MAX); // one a gap at most
	if (i < lending->count)
		return;
	lending->lent[i].object = object;
	lending->lent[i].release_count = 0;
	lending->count++;
}

void lending_release(struct proxy *proxy, struct cache_object *object)
{
	struct lending *lending = &proxy->lending;
	uint32_t i = find(lending, object);
	if (i < lending->count)
		lending->lent[i].release_count++;
	else
		cache_release(proxy->cache, object);
}

void lending_end(struct proxy *proxy)
{
	struct lending *lending = &proxy->lending;
	for (uint32_t i = 0; i < lending->count; i++)
		for (; lending->lent[i].release_count > 0; lending->lent[i].release_count--)
			cache_release(proxy->cache, lending->lent[i].object);
	lending->count = 0;
}
