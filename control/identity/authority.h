// SPDX-License-Identifier: Apache-2.0
// The CA role: one control process of the mesh has it (identity.ca). Signs requests that come
// through the store, from the CA's own record of each node, never from names in the request. Also
// makes the session ticket keys. Keys lie in the state directory, mode 0600, and never go into the
// store.
#pragma once

#include "pki.h"
#include "store.h"
#include "token.h"

#define AUTHORITY_CA_LIFE_S        (3650ull * 86400)
#define AUTHORITY_TICKET_PERIOD_S  43200u // a new ticket key that often
#define AUTHORITY_TICKET_KEY_COUNT 3u     // kept: the newest encrypts, all decrypt
#define AUTHORITY_DNS_LIFE_S       (30ull * 86400)

struct authority;

struct authority_options {
	struct store *registry;
	const char *state_dir;
	const char *mesh;
	uint64_t life_s; // of identities
	// is_on_node: does an instance of service run on node? is_served: has host a service?
	bool (*is_on_node)(void *user, const char *service, const char *node);
	bool (*is_served)(void *user, const char *host);
	// catch_up makes both know what was in the registry when it is called: a request comes
	// after the reason for it, but may be seen before.
	void (*catch_up)(void *user);
	void *user;
};

// authority_open loads the CA's keys or makes them, and publishes its certificate in the trust row
// (beside those already there, as a new epoch). NULL: error (STORE_ERROR_BYTES) says why.
struct authority *authority_open(const struct authority_options *options, uint64_t now_s,
				 char *error);

// authority_close wipes and frees; NULL is fine.
void authority_close(struct authority *authority);

// authority_run answers every request that waits and rotates ticket keys that are due.
void authority_run(struct authority *authority, uint64_t now_s);

// authority_token makes a join token for a node and registers it; it ends at end_s.
enum store_result authority_token(struct authority *authority, const struct row_member *member,
				  uint64_t end_s, char text[TOKEN_TEXT_BYTES]);

// authority_rotate begins to replace the mesh's CA by a new one; authority_run goes on with it.
// STORE_ABSENT: a rotation is under way already. STORE_BROKEN: no key could be kept or written.
enum store_result authority_rotate(struct authority *authority, uint64_t now_s);

// authority_waits_for tells a node that a rotation waits for; "" when there is none.
void authority_waits_for(struct authority *authority, char waiting[64]);

// authority_name writes the name the CA gives a member's slot. False: no such slot.
bool authority_name(const char *mesh, const struct row_member *member, const char *slot,
		    char out[PKI_NAME_BYTES]);
