// SPDX-License-Identifier: Apache-2.0
// A node's own side of identity: makes keys, asks the CA through the store, keeps what it gets in
// the node's state, renews at half-life. Slots: "node", "svc/<service>", "dns/<host>".
//
//   nothing -> key + request (proof: join token, or the node's identity) -> issued -> ... half-life
//   ...
//                    ^----------------- refused: again after 30 s -----------------'
#pragma once

#include "pki.h"
#include "store.h"

#define MEMBER_RETRY_S 30u

struct member_options {
	struct store *registry;
	struct store *local; // the node's state: secrets
	const char *node;
	const char *node_name;  // spiffe://... that the slot "node" must carry
	const char *token_path; // file with a join token; "" = none
	const char *token;      // the token itself, or NULL: read token_path
	const char *signer;     // renew what is not by the first certificate here (PEM); NULL: any
};

// member_seek brings one slot forward: asks, takes the answer, renews. True when the slot's key and
// chain changed.
bool member_seek(const struct member_options *options, const char *slot, uint64_t now_s);

// member_forget drops a slot that is no longer wanted: what is told of it first, then its key and
// its request.
void member_forget(const struct member_options *options, const char *slot);

// member_renew_s tells when an identity is renewed: half its life, give or take a tenth that hangs
// on the certificate, so that a fleet does not come at once.
uint64_t member_renew_s(uint64_t made_s, uint64_t end_s);
