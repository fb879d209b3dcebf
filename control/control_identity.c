// SPDX-License-Identifier: Apache-2.0
// Which names this node wants, and the CA role where conf gives it.
#include "control.h"

#include "keyfile.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

static bool is_on_node(void *user, const char *service, const char *node)
{
	const struct control *control = user;
	char prefix[RECORD_NAME_BYTES + 2];
	snprintf(prefix, sizeof(prefix), "%.*s/", (int)RECORD_NAME_BYTES, service);
	struct model_rows instances = model_range(control->registry, STORE_instance, prefix);
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *instance = instances.rows[i]->row;
		if (strcmp(instance->node, node) == 0)
			return true;
	}
	return false;
}

static bool is_served(void *user, const char *host)
{
	const struct control *control = user;
	return compile_is_served(control->registry, host);
}

static void catch_up(void *user)
{
	control_catch_up(user);
}

bool control_identity_open(struct control *control)
{
	char error[STORE_ERROR_BYTES];
	struct row_member self = {0};
	struct authority_options options = {
		.registry = control->registry_store,
		.state_dir = control->conf.identity.state_dir,
		.mesh = control->self.mesh,
		.life_s = control->conf.identity.life_ms / 1000,
		.is_on_node = is_on_node,
		.is_served = is_served,
		.catch_up = catch_up,
		.user = control,
	};
	if (!control->conf.identity.is_ca)
		return true;
	control->authority = authority_open(&options, control_now_s(), error);
	if (!control->authority) {
		log_error("%s", error);
		return false;
	}
	row_copy_text(self.node, sizeof(self.node), control->self.node);
	row_copy_text(self.role, sizeof(self.role), conf_role_name(control->self.role));
	row_copy_text(self.location, sizeof(self.location), control->self.location);
	struct row_secret secret;
	if (store_read(control->local_store, STORE_secret, "node", &secret, NULL) == STORE_OK &&
	    secret.chain[0] && secret.end_s > control_now_s())
		return true; // it has joined before
	if (authority_token(control->authority, &self, control_now_s() + 600, control->own_token) ==
	    STORE_OK)
		return true;
	log_error("no join token for this node: %s", store_error(control->registry_store));
	return false;
}

static bool is_secret_fresh(const struct row_secret *secret, uint64_t now_s)
{
	return secret && secret->chain[0] && !secret->next_csr[0] &&
	       now_s < member_renew_s(secret->made_s, secret->end_s);
}

// seek brings one slot forward; those with nothing to do cost a look into memory.
static bool seek(struct control *control, const char *slot, uint64_t now_s)
{
	struct member_options options = {
		.registry = control->registry_store,
		.local = control->local_store,
		.node = control->self.node,
		.node_name = control->name,
		.token_path = control->conf.identity.join_token,
		.token = control->own_token[0] ? control->own_token : NULL,
	};
	const struct row_secret *secret = model_get(control->local, STORE_secret, slot);
	const struct row_trust *trust = model_get(control->registry, STORE_trust, "bundle");
	if (trust && trust->phase == TRUST_RENEWING && strncmp(slot, "dns/", 4) != 0)
		options.signer = trust->bundle;
	if (strcmp(slot, "node") != 0 && !options.signer && is_secret_fresh(secret, now_s))
		return false;
	return member_seek(&options, slot, now_s);
}

// seek_services wants the names of the services that run on this node.
static bool seek_services(struct control *control, uint64_t now_s)
{
	struct model_rows instances = model_all(control->registry, STORE_instance);
	const char *previous = "";
	char slot[RECORD_NAME_BYTES + 8];
	bool has_changed = false;
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *instance = instances.rows[i]->row;
		if (strcmp(instance->node, control->self.node) != 0 ||
		    strcmp(instance->service, previous) == 0)
			continue;
		previous = instance->service;
		snprintf(slot, sizeof(slot), "svc/%s", instance->service);
		has_changed |= seek(control, slot, now_s);
	}
	return has_changed;
}

// seek_hosts wants certificates for the public hosts that workers asked them for.
static bool seek_hosts(struct control *control, uint64_t now_s)
{
	struct model_rows hosts = model_all(control->local, STORE_interest);
	char slot[RECORD_HOST_BYTES + 8];
	bool has_changed = false;
	for (size_t i = 0; i < hosts.count; i++) {
		const struct row_interest *row = hosts.rows[i]->row;
		snprintf(slot, sizeof(slot), "dns/%s", row->host);
		if (row->is_cert_wanted && is_served(control, row->host))
			has_changed |= seek(control, slot, now_s);
	}
	return has_changed;
}

// is_wanted is true for slots that this node should still have.
static bool is_wanted(struct control *control, const char *slot)
{
	if (strncmp(slot, "svc/", 4) == 0)
		return control->self.role == CONF_ROLE_SIDECAR &&
		       is_on_node(control, slot + 4, control->self.node);
	if (strncmp(slot, "dns/", 4) == 0) {
		const struct row_interest *row =
			model_get(control->local, STORE_interest, slot + 4);
		return row && row->is_cert_wanted && is_served(control, slot + 4);
	}
	return true;
}

static void forget_unwanted(struct control *control)
{
	struct member_options options = {.registry = control->registry_store,
					 .local = control->local_store,
					 .node = control->self.node};
	struct model_rows secrets = model_all(control->local, STORE_secret);
	for (size_t i = 0; i < secrets.count; i++)
		if (!is_wanted(control, secrets.rows[i]->key))
			member_forget(&options, secrets.rows[i]->key);
}

// keep_development_ca leaves the certificate that clients must trust in the state directory.
static void keep_development_ca(struct control *control)
{
	const struct row_trust *trust = model_get(control->registry, STORE_trust, "bundle");
	const char *dir = control->conf.identity.state_dir;
	if (!trust || !trust->development[0] || control->authority ||
	    !control->conf.is_development_ca)
		return;
	char *known = keyfile_read(dir, "development-ca.pem");
	bool is_same = known && strncmp(known, trust->development, strlen(known)) == 0 && known[0];
	keyfile_free(known);
	if (!is_same && !keyfile_write(dir, "development-ca.pem", trust->development, 0644))
		log_warning("development-ca.pem cannot be written in %s", dir);
}

void control_identity_run(struct control *control, uint64_t now_s)
{
	if (control->authority)
		authority_run(control->authority, now_s);
	bool has_changed = seek(control, "node", now_s);
	if (control->self.role == CONF_ROLE_SIDECAR)
		has_changed |= seek_services(control, now_s);
	if (control->self.role == CONF_ROLE_EDGE)
		has_changed |= seek_hosts(control, now_s);
	// What was asked just now is answered at once when this process is the CA.
	if (control->authority)
		authority_run(control->authority, now_s);
	forget_unwanted(control);
	keep_development_ca(control);
	if (has_changed) {
		explicit_bzero(control->own_token, sizeof(control->own_token));
		control_compile_soon(control);
	}
}
