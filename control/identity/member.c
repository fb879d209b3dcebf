// SPDX-License-Identifier: Apache-2.0
// A node's own side of identity; see member.h. A request under way is kept beside the present key,
// so that a killed process goes on where it was.
#include "member.h"

#include "keyfile.h"
#include "log.h"
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seeking {
	const struct member_options *options;
	const char *slot;
	char key[STORE_KEY_BYTES]; // of its rows in the registry
	uint64_t now_s;
	struct row_secret secret;
};

uint64_t member_renew_s(uint64_t made_s, uint64_t end_s)
{
	uint64_t life_s = end_s > made_s ? end_s - made_s : 0;
	uint64_t tenth_s = life_s / 10;
	// Two different ends scatter; the same one always gives the same moment.
	uint64_t scatter = (end_s * 0x9e3779b97f4a7c15ull) >> 33;
	return made_s + life_s / 2 - tenth_s / 2 + (tenth_s ? scatter % (tenth_s + 1) : 0);
}

static bool save(struct seeking *seeking)
{
	if (store_put(seeking->options->local, STORE_secret, seeking->slot, &seeking->secret,
		      STORE_ANY) == STORE_OK)
		return true;
	log_error("identity %s cannot be kept: %s", seeking->slot,
		  store_error(seeking->options->local));
	return false;
}

static void postpone(struct seeking *seeking)
{
	seeking->secret.retry_s = seeking->now_s + MEMBER_RETRY_S;
	seeking->secret.next_key[0] = 0;
	seeking->secret.next_csr[0] = 0;
	save(seeking);
}

// prove_by_token fills the request's proof from the join token. False: there is none.
static bool prove_by_token(const struct member_options *options, struct row_csr *csr)
{
	char *text =
		options->token ? strdup(options->token) : keyfile_read(NULL, options->token_path);
	bool is_done = text && token_id(text, csr->token_id, sizeof(csr->token_id));
	if (is_done)
		token_prove(text, csr->csr, csr->proof);
	keyfile_free(text);
	return is_done;
}

// prove_by_identity signs the request with the node's present identity. False: there is none, it
// has expired, or it is of another name than this node has now.
static bool prove_by_identity(const struct seeking *seeking, struct row_csr *csr)
{
	struct row_secret node;
	char name[PKI_NAME_BYTES];
	if (store_read(seeking->options->local, STORE_secret, "node", &node, NULL) != STORE_OK ||
	    !node.chain[0] || node.end_s <= seeking->now_s)
		return false;
	X509 *cert = pki_cert_read(node.chain);
	EVP_PKEY *key = pki_key_read(node.key);
	bool is_done = cert && key && pki_uri(cert, name) &&
		       strcmp(name, seeking->options->node_name) == 0 &&
		       pki_sign(key, csr->csr, csr->proof);
	if (is_done)
		memcpy(csr->chain, node.chain, sizeof(csr->chain));
	EVP_PKEY_free(key);
	X509_free(cert);
	explicit_bzero(&node, sizeof(node));
	return is_done;
}

// prove fills the proof. A node whose identity the CA did not accept tries the token again.
static bool prove(const struct seeking *seeking, struct row_csr *csr)
{
	bool is_node = strcmp(seeking->slot, "node") == 0;
	if (is_node && seeking->secret.is_proof_refused && prove_by_token(seeking->options, csr))
		return true;
	if (prove_by_identity(seeking, csr))
		return true;
	return is_node && prove_by_token(seeking->options, csr);
}

// make_request makes a key and a request for it in the secret. False: OpenSSL failed.
static bool make_request(struct row_secret *secret)
{
	EVP_PKEY *key = pki_key_new();
	char *key_text = key ? pki_key_text(key) : NULL;
	char *csr_text = key ? pki_csr_text(key) : NULL;
	bool is_done = key_text && csr_text &&
		       row_copy_text(secret->next_key, sizeof(secret->next_key), key_text) &&
		       row_copy_text(secret->next_csr, sizeof(secret->next_csr), csr_text);
	keyfile_free(key_text);
	free(csr_text);
	EVP_PKEY_free(key);
	return is_done;
}

// ask writes a request to the registry; its key is kept first.
static void ask(struct seeking *seeking)
{
	struct row_csr csr = {0};
	bool is_resent = seeking->secret.next_csr[0];
	if (!is_resent && !make_request(&seeking->secret)) {
		log_error("identity %s: no key could be made", seeking->slot);
		return;
	}
	row_copy_text(csr.node, sizeof(csr.node), seeking->options->node);
	row_copy_text(csr.slot, sizeof(csr.slot), seeking->slot);
	memcpy(csr.csr, seeking->secret.next_csr, sizeof(csr.csr));
	if (!prove(seeking, &csr)) {
		if (strcmp(seeking->slot, "node") == 0 && seeking->secret.retry_s == 0)
			log_warning("this node has no identity and no join token: put one into %s "
				    "(millrace node token %s --role ... --location ...)",
				    seeking->options->token_path, seeking->options->node);
		// A token may be put there at any moment; services wait for the node's own name.
		seeking->secret.next_csr[0] = 0;
		seeking->secret.retry_s = seeking->now_s + 1;
		save(seeking);
		return;
	}
	if (save(seeking) && store_put(seeking->options->registry, STORE_csr, seeking->key, &csr,
				       STORE_ANY) == STORE_OK)
		log_info("identity %s: asked%s", seeking->slot, is_resent ? " again" : "");
}

// accept moves the issued certificate and its key in place. False: it is not for our key.
static bool accept(struct seeking *seeking, const struct row_svid *svid)
{
	struct row_secret *secret = &seeking->secret;
	X509 *cert = pki_cert_read(svid->chain);
	EVP_PKEY *key = pki_key_read(secret->next_key);
	bool is_good = cert && key && pki_key_fits(cert, key);
	if (is_good) {
		memcpy(secret->key, secret->next_key, sizeof(secret->key));
		memcpy(secret->chain, svid->chain, sizeof(secret->chain));
		secret->made_s = seeking->now_s;
		secret->end_s = pki_end_s(cert);
		secret->retry_s = 0;
		secret->is_proof_refused = false;
		explicit_bzero(secret->next_key, sizeof(secret->next_key));
		secret->next_csr[0] = 0;
	}
	EVP_PKEY_free(key);
	X509_free(cert);
	return is_good && save(seeking);
}

// take_answer looks for the CA's answer. True when key and chain changed.
static bool take_answer(struct seeking *seeking)
{
	struct row_svid svid;
	struct row_csr csr;
	struct store *registry = seeking->options->registry;
	enum store_result result = store_read(registry, STORE_svid, seeking->key, &svid, NULL);
	if (result == STORE_ABSENT) {
		if (store_read(registry, STORE_csr, seeking->key, &csr, NULL) == STORE_ABSENT)
			ask(seeking); // killed between keeping and asking
		return false;
	}
	if (result != STORE_OK)
		return false;
	store_remove(registry, STORE_svid, seeking->key);
	if (!svid.refusal[0] && accept(seeking, &svid)) {
		log_info("identity %s: issued, until %llu", seeking->slot,
			 (unsigned long long)seeking->secret.end_s);
		return true;
	}
	log_error("identity %s: refused: %s", seeking->slot,
		  svid.refusal[0] ? svid.refusal : "the answer is not for our key");
	seeking->secret.is_proof_refused = !seeking->secret.is_proof_refused;
	postpone(seeking);
	return false;
}

// is_due is true when there is nothing to show, or when it is time to renew.
static bool is_due(const struct seeking *seeking)
{
	const struct row_secret *secret = &seeking->secret;
	char name[PKI_NAME_BYTES];
	if (!secret->chain[0] || seeking->now_s >= member_renew_s(secret->made_s, secret->end_s))
		return true;
	if (seeking->options->signer &&
	    !pki_is_by_first(secret->chain, seeking->options->signer, seeking->now_s))
		return true;
	if (strcmp(seeking->slot, "node") != 0)
		return false;
	X509 *cert = pki_cert_read(secret->chain);
	bool is_other =
		!cert || !pki_uri(cert, name) || strcmp(name, seeking->options->node_name) != 0;
	X509_free(cert);
	return is_other;
}

bool member_seek(const struct member_options *options, const char *slot, uint64_t now_s)
{
	struct seeking seeking = {.options = options, .slot = slot, .now_s = now_s};
	bool has_changed = false;
	snprintf(seeking.key, sizeof(seeking.key), "%s/%s", options->node, slot);
	enum store_result result =
		store_read(options->local, STORE_secret, slot, &seeking.secret, NULL);
	if (result == STORE_BROKEN)
		return false;
	row_copy_text(seeking.secret.slot, sizeof(seeking.secret.slot), slot);
	if (seeking.secret.next_csr[0])
		has_changed = take_answer(&seeking);
	else if (now_s >= seeking.secret.retry_s && is_due(&seeking))
		ask(&seeking);
	explicit_bzero(&seeking.secret, sizeof(seeking.secret));
	return has_changed;
}

void member_forget(const struct member_options *options, const char *slot)
{
	char key[STORE_KEY_BYTES];
	snprintf(key, sizeof(key), "%s/%s", options->node, slot);
	store_remove(options->registry, STORE_name, key);
	store_remove(options->local, STORE_secret, slot);
	store_remove(options->registry, STORE_csr, key);
	store_remove(options->registry, STORE_svid, key);
}
