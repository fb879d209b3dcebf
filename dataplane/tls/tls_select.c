// SPDX-License-Identifier: Apache-2.0
// Which certificate a handshake gets (SNI: RFC 6066 3; wildcards: RFC 6125 6.4.3, one label) and
// which protocol (ALPN: RFC 7301). A name that nobody knows is asked of control, and the handshake
// waits, bounded in number and time; the answer "none" is remembered for its lifetime.
#include "tls_priv.h"

#include "check.h"

#include <openssl/rand.h>

#define ABSENT_AFTER_SILENCE_US 5000000u // control did not answer: do not let the next one wait too

bool tls_select_init(struct tls *tls)
{
	uint32_t count = 256;
	while (count < 2 * tls->limits.certificate_count && count < 1u << 20)
		count *= 2;
	tls->bucket_mask = count - 1;
	tls->buckets = calloc(count, sizeof(struct tls_name *));
	return tls->buckets && RAND_bytes_ex(tls->crypto.lib, (unsigned char *)&tls->name_key,
					     sizeof(tls->name_key), 0) == 1;
}

static struct tls_name **bucket_of(struct tls *tls, struct slice name)
{
	return &tls->buckets[siphash13(&tls->name_key, name.at, name.bytes) & tls->bucket_mask];
}

static struct tls_name *find_cert_name(struct tls *tls, struct slice name)
{
	for (struct tls_name *n = *bucket_of(tls, name); n; n = n->next_in_bucket)
		if (n->cert && slice_equal(slice_str(n->text), name))
			return n;
	return NULL;
}

static struct tls_name *find_absent(struct tls *tls, struct slice name)
{
	for (struct tls_name *n = *bucket_of(tls, name); n; n = n->next_in_bucket)
		if (!n->cert && slice_equal(slice_str(n->text), name))
			return n;
	return NULL;
}

enum tls_found tls_select_find(struct tls *tls, const char *name, struct tls_cert **cert)
{
	char wildcard[RECORD_HOST_BYTES];
	struct tls_name *found = find_cert_name(tls, slice_str(name));
	const char *dot = strchr(name, '.');
	if (!found && dot && dot > name) {
		wildcard[0] = '*';
		strcpy(wildcard + 1, dot); // never longer than name
		found = find_cert_name(tls, slice_str(wildcard));
	}
	if (found) {
		*cert = found->cert;
		return TLS_FOUND_CERT;
	}
	found = find_absent(tls, slice_str(name));
	return found && found->until_us > tls->now_us ? TLS_FOUND_ABSENT : TLS_FOUND_NOTHING;
}

static struct tls_name *add_name(struct tls *tls, struct slice text)
{
	struct tls_name *name = malloc(sizeof(*name) + text.bytes + 1);
	if (!name)
		return NULL;
	*name = (struct tls_name){0};
	memcpy(name->text, text.at, text.bytes);
	name->text[text.bytes] = 0;
	list_init(&name->absent_link);
	struct tls_name **bucket = bucket_of(tls, text);
	name->next_in_bucket = *bucket; // the newest of equal names is found first
	*bucket = name;
	return name;
}

static void remove_name(struct tls *tls, struct tls_name *name)
{
	struct tls_name **at = bucket_of(tls, slice_str(name->text));
	while (*at != name)
		at = &(*at)->next_in_bucket;
	*at = name->next_in_bucket;
	if (!name->cert) {
		list_remove(&name->absent_link);
		tls->absent_count--;
	}
	free(name);
}

bool tls_select_add(struct tls *tls, struct tls_cert *cert, struct slice text)
{
	struct tls_name *name = add_name(tls, text);
	if (!name)
		return false;
	name->cert = cert;
	name->next_of_cert = cert->names;
	cert->names = name;
	return true;
}

void tls_select_remove_all(struct tls *tls, struct tls_cert *cert)
{
	while (cert->names) {
		struct tls_name *name = cert->names;
		cert->names = name->next_of_cert;
		remove_name(tls, name);
	}
}

void tls_select_add_absent(struct tls *tls, const char *text, uint64_t until_us)
{
	struct tls_name *name = find_absent(tls, slice_str(text));
	if (!name) {
		if (tls->absent_count == TLS_ABSENT_MAX)
			remove_name(tls,
				    container_of(tls->absents.next, struct tls_name, absent_link));
		name = add_name(tls, slice_str(text));
		if (!name)
			return; // asked again
		list_append(&tls->absents, &name->absent_link);
		tls->absent_count++;
	}
	name->until_us = until_us;
	name->mark = tls->mark;
}

void tls_select_sweep(struct tls *tls, bool all)
{
	struct list *node;
	struct list *after;
	list_for_each_safe (node, after, &tls->absents) {
		struct tls_name *name = container_of(node, struct tls_name, absent_link);
		if (all || name->mark != tls->mark)
			remove_name(tls, name);
	}
}

void tls_select_wake(struct tls *tls)
{
	struct list *node;
	struct list *after;
	bool has_news = tls->has_cert_news;
	tls->has_cert_news = false;
	list_for_each_safe (node, after, &tls->cert_waiting) {
		struct tls_handshake *each = container_of(node, struct tls_handshake, wait_link);
		struct tls_cert *cert = NULL;
		bool is_late = each->wait_until_us <= tls->now_us;
		if (!is_late && !has_news)
			break; // the longest wait is first
		if (is_late) {
			each->is_wait_over = true;
			counter_inc(tls->counters, COUNTER_tls_cert_waits_timed_out);
			tls_select_add_absent(tls, each->server_name,
					      tls->now_us + ABSENT_AFTER_SILENCE_US);
		}
		if (is_late || tls_select_find(tls, each->server_name, &cert) != TLS_FOUND_NOTHING)
			tls_handshake_wait(each, TLS_WAIT_BUDGET);
	}
}

static bool is_asked_already(const struct tls *tls, const char *name)
{
	const struct list *node;
	list_for_each (node, &tls->cert_waiting)
		if (strcmp(container_of(node, struct tls_handshake, wait_link)->server_name,
			   name) == 0)
			return true;
	return false;
}

// wait_for_certificate asks control, once for all that wait for one name. False: no use waiting,
// nor asking again, when OpenSSL gets the same ClientHello.
static bool wait_for_certificate(struct tls *tls, struct tls_handshake *handshake)
{
	if (handshake->is_wait_over)
		return false;
	handshake->is_wait_over = true;
	if (tls->cert_waiting_count >= tls->limits.cert_wait_count) {
		counter_inc(tls->counters, COUNTER_tls_cert_waits_at_bound);
		return false;
	}
	if (!is_asked_already(tls, handshake->server_name)) {
		if (!tls->callbacks.cert_wanted(tls->callbacks.user, handshake->server_name))
			return false;
		counter_inc(tls->counters, COUNTER_tls_certificates_wanted);
	}
	counter_inc(tls->counters, COUNTER_tls_cert_waits);
	handshake->is_wait_over = false;
	handshake->wait_until_us = tls->now_us + (uint64_t)tls->limits.cert_wait_ms * 1000;
	tls_handshake_wait(handshake, TLS_WAIT_CERT);
	return true;
}

bool tls_select_read_name(struct slice name, char out[RECORD_HOST_BYTES])
{
	bool ok = name.bytes > 0 && name.bytes < RECORD_HOST_BYTES - 2;
	for (size_t i = 0; ok && i < name.bytes; i++) {
		char c = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (char)(name.at[i] | 0x20)
								: name.at[i];
		ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		     (c == '.' && i > 0 && i < name.bytes - 1);
		out[i] = c;
	}
	out[ok ? name.bytes : 0] = 0;
	return ok;
}

enum tls_choice tls_select_choose(struct tls *tls, struct tls_handshake *handshake,
				  struct tls_cert **cert)
{
	const char *name = handshake->server_name;
	enum tls_found found = name[0] ? tls_select_find(tls, name, cert) : TLS_FOUND_ABSENT;
	if (found == TLS_FOUND_NOTHING && wait_for_certificate(tls, handshake))
		return TLS_CHOICE_WAITS;
	if (found != TLS_FOUND_CERT)
		*cert = tls->default_cert;
	if (!*cert)
		return TLS_CHOICE_NONE;
	list_remove(&(*cert)->used_link);
	list_append(&tls->certs_by_use, &(*cert)->used_link);
	return TLS_CHOICE_CERT;
}

static void read_server_name(SSL *ssl, char out[RECORD_HOST_BYTES])
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	tls_select_read_name(name ? slice_str(name) : SLICE(""), out);
}

static int use(SSL *ssl, SSL_CTX *ctx)
{
	return SSL_set_SSL_CTX(ssl, ctx) ? 1 : 0;
}

static int choose_public(SSL *ssl, struct tls *tls, struct tls_handshake *handshake)
{
	struct tls_cert *cert = NULL;
	read_server_name(ssl, handshake->server_name);
	enum tls_choice choice = tls_select_choose(tls, handshake, &cert);
	if (choice == TLS_CHOICE_CERT)
		return use(ssl, cert->ctx);
	if (choice == TLS_CHOICE_WAITS)
		return -1;
	if (SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
		tls_handshake_refuse(handshake, COUNTER_tls_unrecognized_name,
				     SSL_AD_UNRECOGNIZED_NAME);
	else
		tls_handshake_refuse(handshake, COUNTER_tls_no_certificate,
				     SSL_AD_HANDSHAKE_FAILURE);
	return -1;
}

// on_certificate is called when a certificate is needed. -1: the handshake stands still, because it
// waits or is refused.
static int on_certificate(SSL *ssl, void *user)
{
	struct tls *tls = user;
	struct tls_handshake *handshake = tls_handshake_of(ssl);
	if (!SSL_is_server(ssl))
		return 1;
	if (!handshake->is_mesh)
		return choose_public(ssl, tls, handshake);
	read_server_name(ssl, handshake->server_name);
	struct tls_identity *identity = tls_identity_find_sni(tls, handshake->server_name);
	return identity ? use(ssl, identity->ctx) : 0;
}

static int on_server_name(SSL *, int *, void *)
{
	return SSL_TLSEXT_ERR_OK; // acknowledged; the choice is made by on_certificate
}

static bool is_listed(struct slice list, struct slice wanted)
{
	const uint8_t *in = (const uint8_t *)list.at;
	for (size_t i = 0; i < list.bytes; i += 1u + in[i])
		if (in[i] <= list.bytes - i - 1 && slice_equal(slice_of(in + i + 1, in[i]), wanted))
			return true;
	return false;
}

struct slice tls_select_protocol(const struct tls_handshake *handshake, struct slice list)
{
	static const struct slice http1[] = {{"http/1.1", 8}, {"http/1.0", 8}};
	if (handshake->is_h2_offered && is_listed(list, SLICE("h2")))
		return SLICE("h2");
	for (unsigned i = 0; handshake->is_http1_offered && i < ARRAY_LEN(http1); i++)
		if (is_listed(list, http1[i]))
			return http1[i];
	return SLICE("");
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
		   const unsigned char *in, unsigned in_bytes, void *)
{
	struct slice chosen = tls_select_protocol(tls_handshake_of(ssl), slice_of(in, in_bytes));
	*out = (const unsigned char *)chosen.at;
	*out_bytes = (unsigned char)chosen.bytes;
	return chosen.bytes ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_select_install(struct tls *tls, SSL_CTX *ctx)
{
	SSL_CTX_set_cert_cb(ctx, on_certificate, tls);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}
