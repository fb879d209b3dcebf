// SPDX-License-Identifier: Apache-2.0
// Random bytes; see tls_random.h.
#include "tls_random.h"

#include "check.h"

#include <openssl/rand.h>
#include <string.h>

static bool refill(struct tls_random *random)
{
	if (RAND_bytes_ex(random->lib, random->bytes, sizeof(random->bytes), 0) != 1)
		return false;
	random->left = sizeof(random->bytes);
	return true;
}

bool tls_random_take(struct tls_random *random, void *out, uint32_t count)
{
	CHECK(count <= sizeof(random->bytes));
	if (random->left < count && !refill(random))
		return false;
	random->left -= count;
	memcpy(out, random->bytes + random->left, count);
	explicit_bzero(random->bytes + random->left, count);
	return true;
}
