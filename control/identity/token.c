// SPDX-License-Identifier: Apache-2.0
// Join tokens; see token.h.
#include "token.h"

#include <stdio.h>
#include <string.h>

bool token_new(const char *ca_secret, struct row_join_token *row, char text[TOKEN_TEXT_BYTES])
{
	if (!pki_random_hex(row->id, 12))
		return false;
	token_text(ca_secret, row, text);
	return true;
}

void token_text(const char *ca_secret, const struct row_join_token *row,
		char text[TOKEN_TEXT_BYTES])
{
	char facts[512];
	char secret[PKI_PROOF_BYTES];
	snprintf(facts, sizeof(facts), "join %s %s %s %s %llu", row->id, row->node, row->role,
		 row->location, (unsigned long long)row->end_s);
	pki_hmac(ca_secret, facts, secret);
	snprintf(text, TOKEN_TEXT_BYTES, "%s.%.64s", row->id, secret);
}

bool token_id(const char *text, char *out, size_t bytes)
{
	const char *dot = strchr(text, '.');
	if (!dot || dot == text || (size_t)(dot - text) >= bytes || strlen(dot + 1) != 64)
		return false;
	memcpy(out, text, (size_t)(dot - text));
	out[dot - text] = 0;
	return true;
}

void token_prove(const char *text, const char *csr, char out[PKI_PROOF_BYTES])
{
	pki_hmac(text, csr, out);
}
