// SPDX-License-Identifier: Apache-2.0
// May this request be signed, and for which name? The name comes from the token or from the record
// of the member; a request only brings a key and a proof.
#include "authority_priv.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool authority_name(const char *mesh, const struct row_member *member, const char *slot,
		    char out[PKI_NAME_BYTES])
{
	int length = -1;
	if (strcmp(slot, "node") == 0)
		length = snprintf(out, PKI_NAME_BYTES, "spiffe://%s/%s/%s/%s", mesh, member->role,
				  member->location, member->node);
	else if (strncmp(slot, "svc/", 4) == 0 && slot[4])
		length = snprintf(out, PKI_NAME_BYTES, "spiffe://%s/%s", mesh, slot);
	return length > 0 && length < (int)PKI_NAME_BYTES;
}

// judge_token checks a join token. Returns NULL and the member it admits, or why not.
static const char *judge_token(struct authority *authority, const struct row_csr *csr,
			       uint64_t now_s, struct row_join_token *token, uint64_t *revision)
{
	char text[TOKEN_TEXT_BYTES];
	char proof[PKI_PROOF_BYTES];
	if (store_read(authority->options.registry, STORE_join_token, csr->token_id, token,
		       revision) != STORE_OK)
		return "join token: unknown";
	if (token->used_s)
		return "join token: used before";
	if (token->end_s <= now_s)
		return "join token: expired";
	if (strcmp(token->node, csr->node) != 0)
		return "join token: made for another node";
	if (strcmp(csr->slot, "node") != 0)
		return "join token: admits a node only";
	token_text(authority->secret, token, text);
	token_prove(text, csr->csr, proof);
	if (strlen(csr->proof) != strlen(proof) ||
	    CRYPTO_memcmp(csr->proof, proof, strlen(proof)) != 0)
		return "join token: the proof is wrong";
	return NULL;
}

// judge_identity checks a request signed by the node's present identity.
static const char *judge_identity(struct authority *authority, const struct row_csr *csr,
				  const struct row_member *member, uint64_t now_s)
{
	char expected[PKI_NAME_BYTES];
	char name[PKI_NAME_BYTES];
	const char *why = "identity: the proof is wrong";
	char *bundle = pki_cert_text(authority->mesh_ca.cert);
	char *old = authority->old_cert ? pki_cert_text(authority->old_cert) : NULL;
	X509 *leaf = pki_cert_read(csr->chain);
	bool is_ours = bundle && leaf &&
		       (pki_verify(csr->chain, bundle, now_s) == NULL ||
			(old && pki_verify(csr->chain, old, now_s) == NULL));
	if (!is_ours)
		why = "identity: expired, or not from this CA";
	else if (!authority_name(authority->mesh, member, "node", expected) ||
		 !pki_uri(leaf, name) || strcmp(name, expected) != 0)
		why = "identity: of another node";
	else if (pki_check(leaf, csr->csr, csr->proof))
		why = NULL;
	X509_free(leaf);
	free(bundle);
	free(old);
	return why;
}

// judge_slot tells whether this member may have that slot.
static const char *judge_slot(struct authority *authority, const struct row_member *member,
			      const char *slot)
{
	const struct authority_options *options = &authority->options;
	if (strcmp(slot, "node") == 0)
		return NULL;
	if (strncmp(slot, "svc/", 4) == 0) {
		if (strcmp(member->role, "sidecar") != 0)
			return "service: only a sidecar may have its name";
		return options->is_on_node(options->user, slot + 4, member->node)
			       ? NULL
			       : "service: no instance on this node";
	}
	if (strncmp(slot, "dns/", 4) == 0) {
		if (strcmp(member->role, "edge") != 0)
			return "host: only an edge may have its name";
		return options->is_served(options->user, slot + 4) ? NULL
								   : "host: nobody serves it";
	}
	return "no such kind of name";
}

// sign issues the certificate.
static char *sign(struct authority *authority, const struct row_csr *csr,
		  const struct row_member *member, uint64_t now_s)
{
	char uri[PKI_NAME_BYTES];
	bool is_host = strncmp(csr->slot, "dns/", 4) == 0;
	struct pki_leaf leaf = {
		.dns = is_host ? csr->slot + 4 : NULL,
		.uri = is_host ? NULL : uri,
		.now_s = now_s,
		.life_s = is_host ? AUTHORITY_DNS_LIFE_S : authority->options.life_s,
	};
	if (!is_host && !authority_name(authority->mesh, member, csr->slot, uri))
		return NULL;
	EVP_PKEY *key = pki_csr_key(csr->csr);
	X509 *cert = key ? pki_issue(is_host ? &authority->development_ca : &authority->mesh_ca,
				     key, &leaf)
			 : NULL;
	char *chain = cert ? pki_cert_text(cert) : NULL;
	X509_free(cert);
	EVP_PKEY_free(key);
	return chain;
}

void authority_judge(struct authority *authority, const struct row_csr *csr, uint64_t now_s,
		     struct authority_verdict *verdict)
{
	struct row_member member = {0};
	struct row_join_token *token = &verdict->token;
	memset(verdict, 0, sizeof(*verdict));
	if (csr->token_id[0]) {
		verdict->why = judge_token(authority, csr, now_s, token, &verdict->token_revision);
		memcpy(member.node, token->node, sizeof(member.node));
		memcpy(member.role, token->role, sizeof(member.role));
		memcpy(member.location, token->location, sizeof(member.location));
	} else if (store_read(authority->options.registry, STORE_member, csr->node, &member,
			      NULL) != STORE_OK) {
		verdict->why = "the node never joined";
	} else {
		verdict->why = judge_identity(authority, csr, &member, now_s);
	}
	if (!verdict->why)
		verdict->why = judge_slot(authority, &member, csr->slot);
	if (verdict->why)
		return;
	verdict->chain = sign(authority, csr, &member, now_s);
	if (!verdict->chain)
		verdict->why = "the request is broken: P-256, signed by its own key, is wanted";
}
