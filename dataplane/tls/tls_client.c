// SPDX-License-Identifier: Apache-2.0
// The client of a public server (RFC 8446), as the load generator is one; between nodes it is
// tls_connect_new. Who wants tickets leaves the connection inside OpenSSL, which alone can read
// them; else our record layer takes over.
#include "tls_priv.h"

#include "check.h"

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *conn = SSL_get_ex_data(ssl, 0);
	const struct tls_callbacks *callbacks = &conn->tls->callbacks;
	if (!callbacks->session)
		return 0;
	callbacks->session(conn->user, session);
	return 1; // taken
}

// accept_any stands for the chain's verification, which would be made and not looked at.
static int accept_any(X509_STORE_CTX *, void *)
{
	return 1;
}

static SSL_CTX *new_context(struct tls *tls)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(tls->crypto.lib, NULL, TLS_client_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	tls_handshake_observe(ctx);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
	    SSL_CTX_set_ciphersuites(ctx, tls_identity_suites) &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256"))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static SSL_CTX *context_of(struct tls *tls)
{
	if (!tls->client_ctx)
		tls->client_ctx = new_context(tls);
	return tls->client_ctx;
}

bool tls_client_trust(struct tls *tls, const char *path)
{
	SSL_CTX *ctx = context_of(tls);
	if (!ctx || !SSL_CTX_load_verify_file(ctx, path))
		return false;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, NULL, NULL);
	return true;
}

// resume gives ssl a session of its own: OpenSSL takes one for used up whose SSL object is freed
// without a closing alert, as each is when our record layer takes over.
static bool resume(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION *own = SSL_SESSION_dup(session);
	bool is_set = own && SSL_set_session(ssl, own);
	SSL_SESSION_free(own);
	return is_set;
}

static bool offer(SSL *ssl, const struct tls_client *client)
{
	uint8_t protocols[12];
	unsigned bytes = 0;
	if (client->is_h2_offered) {
		memcpy(protocols, "\x02h2", 3);
		bytes = 3;
	}
	if (client->is_http1_offered) {
		memcpy(protocols + bytes, "\x08http/1.1", 9);
		bytes += 9;
	}
	return SSL_set_tlsext_host_name(ssl, client->server_name) &&
	       SSL_set1_host(ssl, client->server_name) &&
	       SSL_set_alpn_protos(ssl, protocols, bytes) == 0 &&
	       (!client->session || resume(ssl, client->session));
}

struct tls_conn *tls_client_new(struct tls *tls, const struct tls_client *client)
{
	CHECK(client->is_h2_offered || client->is_http1_offered);
	struct tls_conn *conn = tls_conn_make(tls, client->events, client->user);
	if (!conn)
		return NULL;
	SSL_CTX *ctx = context_of(tls);
	conn->handshake->is_kept = client->wants_session;
	if (!ctx || !tls_handshake_start(conn, ctx) || !offer(conn->ssl, client))
		return tls_conn_refuse(conn);
	conn->is_busy = true;
	tls_handshake_step(conn, NULL, 0);
	conn->is_busy = false;
	return conn;
}

void tls_session_free(struct ssl_session_st *session)
{
	SSL_SESSION_free(session);
}
