// SPDX-License-Identifier: Apache-2.0
// Join tokens: "id.secret", used once, bound to a node's id, role and location. The secret is an
// HMAC of those under a key that only the CA has, so the registry holds no secret; a request proves
// the token by an HMAC over itself, so the token never travels.
#pragma once

#include "pki.h"
#include "row.h"

#define TOKEN_TEXT_BYTES 160u
#define TOKEN_LIFE_S     86400u

// token_new fills a token's row (id, end) for node, role and location, and its text.
// False: no randomness.
bool token_new(const char *ca_secret, struct row_join_token *row, char text[TOKEN_TEXT_BYTES]);

// token_text writes the text of a known row.
void token_text(const char *ca_secret, const struct row_join_token *row,
		char text[TOKEN_TEXT_BYTES]);

// token_id copies the id of a token's text. False: it is no token.
bool token_id(const char *text, char *out, size_t bytes);

// token_prove writes the proof that a request's sender has the token.
void token_prove(const char *text, const char *csr, char out[PKI_PROOF_BYTES]);
