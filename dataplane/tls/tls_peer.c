// SPDX-License-Identifier: Apache-2.0
// Who may be at the other end of a hop between nodes: a certificate of the mesh's CA (RFC 5280 6),
// valid at the time we were told, with exactly one SPIFFE name, of the role or the name that was
// meant. Nothing turns this off, and no session between nodes is ever resumed without it.
#include "tls_priv.h"
#include "tls_peer.h"

#include "check.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_';
}

// take_segment takes "/segment" off the front of path; false when it is malformed.
static bool take_segment(struct slice *path, struct slice *segment)
{
	if (path->bytes < 2 || path->at[0] != '/')
		return false;
	struct slice rest = slice_skip(*path, 1);
	*segment = slice_head(rest, slice_find(rest, '/'));
	*path = slice_skip(rest, segment->bytes);
	for (size_t i = 0; i < segment->bytes; i++)
		if (!is_name_char(segment->at[i]))
			return false;
	return segment->bytes > 0 && !slice_equal(*segment, SLICE(".")) &&
	       !slice_equal(*segment, SLICE(".."));
}

enum tls_peer_form tls_peer_parse(struct slice name, struct slice mesh, unsigned *role)
{
	static const struct {
		struct slice text;
		unsigned role;
		unsigned segment_count; // after the role
	} forms[] = {
		{SLICE("edge"), TLS_PEER_EDGE, 2},
		{SLICE("gateway"), TLS_PEER_GATEWAY, 2},
		{SLICE("svc"), TLS_PEER_SERVICE, 1},
	};
	struct slice scheme = SLICE("spiffe://");
	if (!slice_starts(name, scheme) || name.bytes >= RECORD_PEER_BYTES)
		return TLS_PEER_FORM_BAD;
	struct slice path = slice_skip(name, scheme.bytes);
	struct slice domain = slice_head(path, slice_find(path, '/'));
	struct slice segment;
	struct slice kind;
	path = slice_skip(path, domain.bytes);
	if (!take_segment(&path, &kind))
		return TLS_PEER_FORM_BAD;
	unsigned count = 0;
	while (path.bytes > 0) {
		if (!take_segment(&path, &segment))
			return TLS_PEER_FORM_BAD;
		count++;
	}
	if (!slice_equal(domain, mesh))
		return TLS_PEER_FORM_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (slice_equal(kind, forms[i].text) && count == forms[i].segment_count) {
			*role = forms[i].role;
			return TLS_PEER_FORM_OK;
		}
	return TLS_PEER_FORM_BAD;
}

bool tls_peer_is_meant(struct slice name, struct slice wanted)
{
	if (wanted.bytes > 0 && wanted.at[wanted.bytes - 1] == '/')
		return name.bytes > wanted.bytes && slice_starts(name, wanted);
	return slice_equal(name, wanted);
}

// read_name copies the one URI name of leaf; false when there is none, more than one, or one that
// does not fit or has a NUL.
static bool read_name(X509 *leaf, char name[RECORD_PEER_BYTES])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int uri_count = 0;
	bool ok = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *each = sk_GENERAL_NAME_value(names, i);
		if (each->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *uri = each->d.uniformResourceIdentifier;
		size_t bytes = (size_t)ASN1_STRING_length(uri);
		const void *text = ASN1_STRING_get0_data(uri);
		ok = bytes > 0 && bytes < RECORD_PEER_BYTES && !memchr(text, 0, bytes);
		if (ok) {
			memcpy(name, text, bytes);
			name[bytes] = 0;
		}
		uri_count++;
	}
	GENERAL_NAMES_free(names);
	return ok && uri_count == 1;
}

static enum counter reason_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED: return COUNTER_tls_peer_expired;
	case X509_V_ERR_CERT_NOT_YET_VALID: return COUNTER_tls_peer_not_yet_valid;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_UNTRUSTED: return COUNTER_tls_peer_other_ca;
	default: return COUNTER_tls_peer_unfit;
	}
}

// verify_chain checks leaf up to the trust bundle at the time told. Returns OpenSSL's error code.
static int verify_chain(struct tls *tls, X509_STORE_CTX *outer, bool is_client)
{
	X509 *leaf = X509_STORE_CTX_get0_cert(outer);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(tls->crypto.lib, NULL);
	int error = X509_V_ERR_OUT_OF_MEM;
	if (ctx && tls->trust.store &&
	    X509_STORE_CTX_init(ctx, tls->trust.store, leaf,
				X509_STORE_CTX_get0_untrusted(outer))) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(param, (time_t)tls->wall_s);
		X509_VERIFY_PARAM_set_auth_level(param, 2);
		X509_VERIFY_PARAM_set_depth(param, 4);
		X509_STORE_CTX_set_purpose(ctx, is_client ? X509_PURPOSE_SSL_CLIENT
							  : X509_PURPOSE_SSL_SERVER);
		bool ok = X509_verify_cert(ctx) == 1;
		error = X509_STORE_CTX_get_error(ctx);
		if (!ok && error == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
	}
	X509_STORE_CTX_free(ctx);
	return error;
}

// judge_name tells why a peer of this name is refused, or TLS_NO_REASON.
static enum counter judge_name(const struct tls_handshake *handshake)
{
	const struct tls_conn *conn = handshake->conn;
	struct slice name = slice_str(handshake->peer);
	unsigned role = 0;
	switch (tls_peer_parse(name, slice_str(conn->tls->trust.mesh), &role)) {
	case TLS_PEER_FORM_BAD: return COUNTER_tls_peer_no_name;
	case TLS_PEER_FORM_OTHER: return COUNTER_tls_peer_wrong_mesh;
	case TLS_PEER_FORM_OK: break;
	}
	if (conn->is_server)
		return role & handshake->peer_roles ? TLS_NO_REASON : COUNTER_tls_peer_wrong_role;
	return tls_peer_is_meant(name, slice_str(handshake->wanted_peer))
		       ? TLS_NO_REASON
		       : COUNTER_tls_peer_wrong_name;
}

// on_verify is called by OpenSSL with the chain that the peer showed. 1 accepts it.
static int on_verify(X509_STORE_CTX *outer, void *)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(outer, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_handshake *handshake = tls_handshake_of(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(outer);
	CHECK(handshake && handshake->is_mesh);
	int error = verify_chain(handshake->conn->tls, outer, handshake->conn->is_server);
	enum counter reason = TLS_NO_REASON;
	if (error != X509_V_OK)
		reason = reason_of(error);
	else if (!read_name(leaf, handshake->peer))
		reason = COUNTER_tls_peer_no_name;
	else if (X509_check_ca(leaf) != 0 || !(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
		reason = COUNTER_tls_peer_unfit;
	else
		reason = judge_name(handshake);
	if (reason == TLS_NO_REASON)
		return 1;
	if (error == X509_V_OK)
		error = X509_V_ERR_HOSTNAME_MISMATCH; // OpenSSL's alert: bad_certificate
	X509_STORE_CTX_set_error(outer, error);
	tls_handshake_refuse(handshake, reason, 0); // OpenSSL sends the alert
	return 0;
}

void tls_peer_install(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
}
