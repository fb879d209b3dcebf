// SPDX-License-Identifier: Apache-2.0
// What the files of the CA role share.
#pragma once

#include "authority.h"

struct authority {
	struct authority_options options;
	char mesh[64];
	struct pki_ca mesh_ca;        // signs names between nodes
	struct pki_ca next_ca;        // of a rotation; empty without
	X509 *old_cert;               // of a rotation: who signed before; NULL without
	struct pki_ca development_ca; // signs public hosts; a different one, so that it can be
				      // trusted by clients without giving it a say between nodes
	char secret[65];              // makes join tokens
};

// authority_keys_load loads or makes what lies in the state directory. False: error says why.
bool authority_keys_load(struct authority *authority, uint64_t now_s, char *error);

// authority_next_make makes the CA that a rotation leads to, or keeps the one that is there.
// authority_next_use makes it the CA and remembers the certificate of the one before;
// authority_old_forget forgets that. False: files cannot be written.
bool authority_next_make(struct authority *authority, uint64_t now_s);
bool authority_next_use(struct authority *authority);
void authority_old_forget(struct authority *authority);

// authority_roll takes the next step of a rotation when everybody has taken the last one.
void authority_roll(struct authority *authority);

// What the CA decided on one request.
struct authority_verdict {
	const char *why;             // NULL: granted
	char *chain;                 // PEM when granted; the caller frees it
	struct row_join_token token; // the token spent, when its id is not empty
	uint64_t token_revision;
};

// authority_judge decides on one request at now_s. It writes nothing.
void authority_judge(struct authority *authority, const struct row_csr *csr, uint64_t now_s,
		     struct authority_verdict *verdict);

// authority_rotate_tickets makes a new ticket key when one is due and forgets the oldest.
void authority_rotate_tickets(struct authority *authority, uint64_t now_s);

// authority_forget_tickets removes every ticket key.
void authority_forget_tickets(struct authority *authority);
