// SPDX-License-Identifier: Apache-2.0
// Cached bodies on their way into a record without a copy: while a record is produced and sealed,
// its gaps (gaps.h) point into the memory of cached objects, which therefore must stay, also when
// the exchange that read them ends meanwhile.
#pragma once

#include "gaps.h"

struct cache_object;
struct exchange;
struct proxy;

// Objects that the gaps of the record in work point into, each once.
struct lending {
	uint32_t count;
	struct {
		struct cache_object *object;
		uint32_t release_count; // wanted meanwhile
	} lent[GAPS_MAX];
};

// lending_lend tells the client's connection, inside pull, that run of object need not be copied.
void lending_lend(struct exchange *exchange, struct cache_object *object, struct slice run);

// lending_release is cache_release, put off while object is lent.
void lending_release(struct proxy *proxy, struct cache_object *object);

// lending_end: the record is sealed, nothing points into objects any more.
void lending_end(struct proxy *proxy);
