// SPDX-License-Identifier: Apache-2.0
// From an exchange to an entry of the access log; see access.h.
#include "access.h"

#include "forward.h"
#include "proxy_priv.h"

static struct slice field(const struct exchange *exchange, struct slice name)
{
	return http_field_find(&exchange->request, name);
}

// target is what was asked for, without the query where that must not be kept.
static struct slice target(const struct exchange *exchange)
{
	return exchange->proxy->limits.access_query ? exchange->request.target : exchange->path;
}

// collect borrows the texts, cut to what is kept of each.
static void collect(struct exchange *exchange, struct access_entry *entry, char *cache_text,
		    struct slice texts[ACCESS_TEXT_COUNT])
{
	static const uint16_t most[] = {
#define X(name, key, most) most,
		ACCESS_TEXTS(X)
#undef X
	};
	struct proxy *proxy = exchange->proxy;
	texts[ACCESS_METHOD] = exchange->request.method_text;
	texts[ACCESS_SCHEME] = exchange->request.scheme;
	texts[ACCESS_HOST] = exchange->host;
	texts[ACCESS_TARGET] = target(exchange);
	texts[ACCESS_SERVICE] = slice_str(route_service_name(proxy->routes, exchange->service_id));
	texts[ACCESS_CACHE] = slice_of(
		cache_text, forward_cache_status(exchange, cache_text, CACHE_STATUS_BYTES));
	texts[ACCESS_USER_AGENT] = field(exchange, SLICE("user-agent"));
	texts[ACCESS_REFERER] = field(exchange, SLICE("referer"));
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++) {
		texts[i] = slice_head(texts[i], most[i]);
		entry->text_bytes[i] = (uint16_t)texts[i].bytes;
	}
}

void access_note(struct exchange *exchange, enum counter reason)
{
	struct proxy *proxy = exchange->proxy;
	struct proxy_callbacks *callbacks = &proxy->callbacks;
	// Behind a client's back nothing is sent: what the service answered counts.
	uint16_t status = exchange->down ? exchange->status : exchange->forward_status;
	bool is_good = reason == COUNTER_COUNT && status < 500;
	if (!callbacks->access)
		return;
	trace_draw(&exchange->trace, proxy->random);
	if (is_good && !trace_is_sampled(&exchange->trace, proxy->limits.access_sample))
		return;
	uint16_t port = exchange->down ? exchange->down->tuple.remote_port : 0;
	struct access_entry entry = {
		.started_us = exchange->started_us,
		.trace = exchange->trace,
		.client = {exchange->client, port, 0},
		.request_bytes = exchange->request_bytes,
		.response_bytes = exchange->response_bytes,
		.sent_us = exchange->sent_us,
		.answered_us = exchange->answered_us,
		.total_us = exchange_age_us(exchange),
		.reason = (uint16_t)reason,
		.status = status,
		.version = exchange->request.version,
		.try_count = (uint8_t)exchange->try_count,
	};
	if (exchange->try_count)
		entry.endpoint = exchange->target.to;
	char cache_text[CACHE_STATUS_BYTES];
	struct slice texts[ACCESS_TEXT_COUNT];
	collect(exchange, &entry, cache_text, texts);
	callbacks->access(callbacks->user, &entry, texts);
}
