// SPDX-License-Identifier: Apache-2.0
// A new key for the CA while the mesh works. Each step waits until every member's data plane has
// applied the step before, as its node row tells; a member that is away for good is removed by the
// operator.
//
//   stable ──rotate──▶ announced: {old, new}, old signs ──all trust both──▶ renewing: new signs,
//     ▲                 everybody asks anew ──all have names by new──▶ {new}
//     └──────────────────────────────────────────────────────────────────┘
#include "authority_priv.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// is_done is true when a node has acknowledged what the phase asks for.
static bool is_done(const struct row_trust *trust, const struct row_node *node)
{
	return trust->phase == TRUST_ANNOUNCED ? node->trust_epoch == trust->epoch
					       : node->signed_epoch == trust->epoch;
}

struct names {
	char (*at)[64];
	size_t count;
};

static void collect_name(void *user, const struct store_row *row)
{
	struct names *names = user;
	char(*more)[64] = realloc(names->at, (names->count + 1) * sizeof(*more));
	if (!more)
		return;
	names->at = more;
	row_copy_text(more[names->count++], sizeof(*more), row->key);
}

// call_roll asks the registry whether every member is done.
static bool call_roll(struct authority *authority, const struct row_trust *trust, char waiting[64])
{
	struct names names = {0};
	waiting[0] = 0;
	bool is_fine = store_list(authority->options.registry, STORE_member, collect_name, &names,
				  NULL) == STORE_OK &&
		       names.count > 0;
	for (size_t i = 0; i < names.count && is_fine; i++) {
		struct row_node node;
		is_fine = store_read(authority->options.registry, STORE_node, names.at[i], &node,
				     NULL) == STORE_OK &&
			  is_done(trust, &node);
		if (!is_fine)
			row_copy_text(waiting, 64, names.at[i]);
	}
	free(names.at);
	return is_fine;
}

// put writes the next phase with a bundle of first and then rest.
static enum store_result put(struct authority *authority, struct row_trust *trust,
			     uint64_t revision, const char *first, const char *rest)
{
	char bundle[sizeof(trust->bundle)] = {0};
	if (snprintf(bundle, sizeof(bundle), "%s%s", first, rest) >= (int)sizeof(bundle)) {
		log_error("trust: the bundle does not fit into %zu bytes", sizeof(bundle));
		return STORE_BROKEN;
	}
	memcpy(trust->bundle, bundle, sizeof(bundle));
	trust->epoch++;
	enum store_result result =
		store_put(authority->options.registry, STORE_trust, "bundle", trust, revision);
	// Sessions of the old epoch must not be resumed: resumption does not look at certificates.
	if (result == STORE_OK)
		authority_forget_tickets(authority);
	return result;
}

// announce puts the new CA behind those that are trusted; renew puts it first; settle leaves only
// ours, which is the new one by then.
static enum store_result announce(struct authority *authority, struct row_trust *trust,
				  uint64_t revision)
{
	char *next = pki_cert_text(authority->next_ca.cert);
	trust->phase = TRUST_ANNOUNCED;
	enum store_result result =
		next ? put(authority, trust, revision, trust->bundle, next) : STORE_BROKEN;
	free(next);
	return result;
}

static enum store_result renew(struct authority *authority, struct row_trust *trust,
			       uint64_t revision)
{
	char *next = pki_cert_text(authority->next_ca.cert);
	char *place = next ? strstr(trust->bundle, next) : NULL;
	enum store_result result = STORE_BROKEN;
	trust->phase = TRUST_RENEWING;
	if (place) {
		*place = 0; // it was announced at the end
		result = put(authority, trust, revision, next, trust->bundle);
	}
	free(next);
	return result;
}

static enum store_result settle(struct authority *authority, struct row_trust *trust,
				uint64_t revision)
{
	char *own = pki_cert_text(authority->mesh_ca.cert);
	trust->phase = TRUST_STABLE;
	enum store_result result = own ? put(authority, trust, revision, own, "") : STORE_BROKEN;
	free(own);
	return result;
}

static enum store_result read_trust(struct authority *authority, struct row_trust *trust,
				    uint64_t *revision)
{
	return store_read(authority->options.registry, STORE_trust, "bundle", trust, revision);
}

enum store_result authority_rotate(struct authority *authority, uint64_t now_s)
{
	struct row_trust trust;
	uint64_t revision;
	enum store_result result = read_trust(authority, &trust, &revision);
	if (result != STORE_OK)
		return result;
	if (trust.phase != TRUST_STABLE)
		return STORE_ABSENT;
	if (!authority_next_make(authority, now_s))
		return STORE_BROKEN;
	result = announce(authority, &trust, revision);
	if (result == STORE_OK)
		log_info("trust: a new CA is announced, epoch %llu",
			 (unsigned long long)trust.epoch);
	return result;
}

void authority_waits_for(struct authority *authority, char waiting[64])
{
	struct row_trust trust;
	waiting[0] = 0;
	if (read_trust(authority, &trust, NULL) == STORE_OK && trust.phase != TRUST_STABLE)
		call_roll(authority, &trust, waiting);
}

void authority_roll(struct authority *authority)
{
	struct row_trust trust;
	uint64_t revision;
	char waiting[64];
	if (read_trust(authority, &trust, &revision) != STORE_OK || trust.phase == TRUST_STABLE)
		return;
	// A process that was killed between the row and the files goes on here.
	if (trust.phase == TRUST_RENEWING && authority->next_ca.cert &&
	    !authority_next_use(authority)) {
		log_error("trust: the new CA cannot be kept in %s", authority->options.state_dir);
		return;
	}
	if (!call_roll(authority, &trust, waiting))
		return;
	if (trust.phase == TRUST_ANNOUNCED && authority->next_ca.cert) {
		if (renew(authority, &trust, revision) == STORE_OK && authority_next_use(authority))
			log_info("trust: everybody trusts the new CA; it signs from now on");
	} else if (trust.phase == TRUST_RENEWING) {
		if (settle(authority, &trust, revision) == STORE_OK) {
			authority_old_forget(authority);
			log_info("trust: every name is by the new CA; the old one is forgotten");
		}
	}
}
