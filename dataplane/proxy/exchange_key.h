// SPDX-License-Identifier: Apache-2.0
// What of a request makes the cache's key, by the service's policy. Key and forwarded request are
// the same thing: what is not in the key does not reach the service. URL: the query. Beside it:
// fields, by a Vary that the cache sees as if the service had said it.
#pragma once

#include "exchange.h"

#define EXCHANGE_KEY_VARY_BYTES 512u

// exchange_key_apply takes out of the request what the policy keeps out of the key: parameters, and
// of requests that may be answered from the cache cookies; puts parameters in order; adds the
// client's class of device.
void exchange_key_apply(struct exchange *exchange);

// exchange_key_has_fields is true when the policy names fields beside the URL.
bool exchange_key_has_fields(const struct exchange *exchange);

// exchange_key_vary writes their names as a Vary into text (EXCHANGE_KEY_VARY_BYTES) and borrows
// it; empty when there is none, "*" when they do not fit: nothing is stored then.
struct slice exchange_key_vary(const struct exchange *exchange, char *text);
