// SPDX-License-Identifier: Apache-2.0
// The CA role; see authority.h.
#include "authority_priv.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// publish_trust writes our certificates into the trust row unless they are there. Those of an
// earlier CA stay in the bundle, so that its identities are accepted until they are renewed.
static enum store_result publish_trust(struct authority *authority)
{
	struct row_trust row;
	uint64_t revision;
	enum store_result result =
		store_read(authority->options.registry, STORE_trust, "bundle", &row, &revision);
	char *own = pki_cert_text(authority->mesh_ca.cert);
	char *development = pki_cert_text(authority->development_ca.cert);
	char bundle[sizeof(row.bundle)];
	if (result == STORE_BROKEN || !own || !development)
		goto out;
	if (strstr(row.bundle, own) && strcmp(row.development, development) == 0) {
		result = STORE_OK;
		goto out;
	}
	snprintf(bundle, sizeof(bundle), "%s%s", own, strstr(row.bundle, own) ? "" : row.bundle);
	memcpy(row.bundle, bundle, sizeof(bundle));
	row_copy_text(row.mesh, sizeof(row.mesh), authority->mesh);
	row_copy_text(row.development, sizeof(row.development), development);
	row.epoch++;
	result = store_put(authority->options.registry, STORE_trust, "bundle", &row, revision);
	// Sessions of the old epoch must not be resumed: resumption does not look at certificates.
	authority_forget_tickets(authority);
out:
	free(own);
	free(development);
	return result;
}

struct authority *authority_open(const struct authority_options *options, uint64_t now_s,
				 char *error)
{
	struct authority *authority = calloc(1, sizeof(*authority));
	if (!authority) {
		snprintf(error, STORE_ERROR_BYTES, "out of memory");
		return NULL;
	}
	authority->options = *options;
	row_copy_text(authority->mesh, sizeof(authority->mesh), options->mesh);
	if (!authority_keys_load(authority, now_s, error)) {
		authority_close(authority);
		return NULL;
	}
	if (publish_trust(authority) != STORE_OK) {
		snprintf(error, STORE_ERROR_BYTES, "the trust bundle cannot be published: %.120s",
			 store_error(options->registry));
		authority_close(authority);
		return NULL;
	}
	return authority;
}

void authority_close(struct authority *authority)
{
	if (!authority)
		return;
	pki_ca_free(&authority->mesh_ca);
	pki_ca_free(&authority->next_ca);
	X509_free(authority->old_cert);
	pki_ca_free(&authority->development_ca);
	explicit_bzero(authority->secret, sizeof(authority->secret));
	free(authority);
}

enum store_result authority_token(struct authority *authority, const struct row_member *member,
				  uint64_t end_s, char text[TOKEN_TEXT_BYTES])
{
	struct row_join_token row = {.end_s = end_s};
	memcpy(row.node, member->node, sizeof(row.node));
	memcpy(row.role, member->role, sizeof(row.role));
	memcpy(row.location, member->location, sizeof(row.location));
	if (!token_new(authority->secret, &row, text))
		return STORE_BROKEN;
	return store_put(authority->options.registry, STORE_join_token, row.id, &row, STORE_NONE);
}

struct requests {
	struct row_csr *rows;
	uint64_t *revisions;
	size_t count;
};

static void collect(void *user, const struct store_row *row)
{
	struct requests *requests = user;
	size_t count = requests->count + 1;
	struct row_csr *rows = realloc(requests->rows, count * sizeof(*rows));
	if (!rows)
		return;
	requests->rows = rows;
	uint64_t *revisions = realloc(requests->revisions, count * sizeof(*revisions));
	if (!revisions)
		return;
	requests->revisions = revisions;
	revisions[requests->count] = row->revision;
	char key[STORE_KEY_BYTES];
	const char *wrong = row_decode(STORE_csr, row->value, &rows[requests->count]);
	snprintf(key, sizeof(key), "%s/%s", rows[requests->count].node, rows[requests->count].slot);
	if (wrong || strcmp(key, row->key) != 0)
		log_warning("request %s is passed over: %s", row->key,
			    wrong ? wrong : "its key is not its node and slot");
	else
		requests->count = count;
}

// answer judges one request and writes the outcome: the answer in, the request out, the token spent
// and the member admitted, all or nothing.
static void answer(struct authority *authority, const struct row_csr *csr, uint64_t revision,
		   uint64_t now_s)
{
	struct row_svid svid = {0};
	struct row_member member = {0};
	struct authority_verdict verdict;
	char key[STORE_KEY_BYTES];
	authority_judge(authority, csr, now_s, &verdict);
	memcpy(svid.node, csr->node, sizeof(svid.node));
	memcpy(svid.slot, csr->slot, sizeof(svid.slot));
	row_copy_text(svid.refusal, sizeof(svid.refusal), verdict.why ? verdict.why : "");
	if (verdict.chain)
		row_copy_text(svid.chain, sizeof(svid.chain), verdict.chain);
	snprintf(key, sizeof(key), "%s/%s", csr->node, csr->slot);
	memcpy(member.node, verdict.token.node, sizeof(member.node));
	memcpy(member.role, verdict.token.role, sizeof(member.role));
	memcpy(member.location, verdict.token.location, sizeof(member.location));
	verdict.token.used_s = now_s;
	char *svid_text = row_encode(STORE_svid, &svid);
	char *token_text = row_encode(STORE_join_token, &verdict.token);
	char *member_text = row_encode(STORE_member, &member);
	struct store_write writes[] = {
		{STORE_csr, key, NULL, revision},
		{STORE_svid, key, svid_text, STORE_ANY},
		{STORE_join_token, verdict.token.id, token_text, verdict.token_revision},
		{STORE_member, member.node, member_text, STORE_ANY},
	};
	bool is_joining = !verdict.why && verdict.token.id[0];
	if (svid_text && token_text && member_text &&
	    store_write(authority->options.registry, writes, is_joining ? 4 : 2) == STORE_OK)
		log_line(verdict.why ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "identity %s %s: %s",
			 csr->node, csr->slot, verdict.why ? verdict.why : "issued");
	free(svid_text);
	free(token_text);
	free(member_text);
	free(verdict.chain);
}

void authority_run(struct authority *authority, uint64_t now_s)
{
	struct requests requests = {0};
	store_list(authority->options.registry, STORE_csr, collect, &requests, NULL);
	if (requests.count)
		authority->options.catch_up(authority->options.user);
	for (size_t i = 0; i < requests.count; i++)
		answer(authority, &requests.rows[i], requests.revisions[i], now_s);
	free(requests.rows);
	free(requests.revisions);
	authority_roll(authority);
	authority_rotate_tickets(authority, now_s);
}
