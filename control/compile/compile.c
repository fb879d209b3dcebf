// SPDX-License-Identifier: Apache-2.0
// What every role gets: trust, ticket keys, identities, certificates; then the role's own rows. See
// compile.h.
#include "compile.h"

#include "compile_role.h"

#include <stdio.h>
#include <string.h>

// read_hex reads bytes bytes from text; false when it is anything else.
static bool read_hex(const char *text, uint8_t *out, size_t bytes)
{
	if (strlen(text) != bytes * 2)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		unsigned value;
		if (sscanf(text + i * 2, "%2x", &value) != 1)
			return false;
		out[i] = (uint8_t)value;
	}
	return true;
}

static void add_trust(struct rowset *set, const struct model *registry)
{
	const struct row_trust *trust = model_get(registry, STORE_trust, "bundle");
	if (!trust || !trust->bundle[0])
		return;
	struct record_trust row;
	memset(&row, 0, sizeof(row));
	row.epoch = trust->epoch;
	row.bundle_bytes = (uint32_t)strlen(trust->bundle);
	row_copy_text(row.mesh, sizeof(row.mesh), trust->mesh);
	rowset_add(set, &(struct rowset_row){RECORD_TRUST, 0, sizeof(row), &row}, trust->bundle,
		   NULL);
}

static void add_ticket_keys(struct rowset *set, const struct model *registry)
{
	struct model_rows keys = model_all(registry, STORE_ticket_key);
	for (size_t i = 0; i < keys.count; i++) {
		const struct row_ticket_key *key = keys.rows[i]->row;
		struct record_ticket_key row;
		memset(&row, 0, sizeof(row));
		row.id = key->id;
		if (read_hex(key->name, row.name, sizeof(row.name)) &&
		    read_hex(key->aes_key, row.aes_key, sizeof(row.aes_key)) &&
		    read_hex(key->mac_key, row.mac_key, sizeof(row.mac_key)))
			rowset_add(
				set,
				&(struct rowset_row){RECORD_TICKET_KEY, row.id, sizeof(row), &row},
				NULL, NULL);
		explicit_bzero(&row, sizeof(row));
	}
}

bool compile_slot_name(const struct compile_self *self, const char *slot,
		       char out[RECORD_PEER_BYTES])
{
	int length = -1;
	if (strcmp(slot, "node") == 0)
		length = snprintf(out, RECORD_PEER_BYTES, "spiffe://%s/%s/%s/%s", self->mesh,
				  conf_role_name(self->role), self->location, self->node);
	else if (strncmp(slot, "svc/", 4) == 0)
		length = snprintf(out, RECORD_PEER_BYTES, "spiffe://%s/%s", self->mesh, slot);
	return length > 0 && length < (int)RECORD_PEER_BYTES;
}

static void add_cert(struct rowset *set, uint32_t id, const struct compile_cert *cert)
{
	struct record_cert row = {
		.id = id,
		.is_default = cert->is_default,
		.chain_bytes = (uint32_t)strlen(cert->chain),
		.key_bytes = (uint32_t)strlen(cert->key),
	};
	rowset_add(set, &(struct rowset_row){RECORD_CERT, id, sizeof(row), &row}, cert->chain,
		   cert->key);
}

// add_secret adds an identity between nodes, or a certificate of a public host.
static void add_secret(struct rowset *set, const struct compile_self *self,
		       const struct model_row *from)
{
	const struct row_secret *secret = from->row;
	if (!secret->chain[0])
		return;
	if (strncmp(secret->slot, "dns/", 4) == 0) {
		add_cert(set, (uint32_t)from->id,
			 &(struct compile_cert){secret->chain, secret->key, false});
		return;
	}
	struct record_identity row;
	memset(&row, 0, sizeof(row));
	row.id = (uint32_t)from->id;
	row.chain_bytes = (uint32_t)strlen(secret->chain);
	row.key_bytes = (uint32_t)strlen(secret->key);
	if (compile_slot_name(self, secret->slot, row.name))
		rowset_add(set, &(struct rowset_row){RECORD_IDENTITY, row.id, sizeof(row), &row},
			   secret->chain, secret->key);
}

struct rowset *compile_run(const struct compile_input *input)
{
	struct rowset *set = rowset_new();
	if (!set)
		return NULL;
	add_trust(set, input->registry);
	add_ticket_keys(set, input->registry);
	struct model_rows secrets = model_all(input->local, STORE_secret);
	for (size_t i = 0; i < secrets.count; i++)
		add_secret(set, &input->self, secrets.rows[i]);
	for (uint32_t i = 0; i < input->cert_count; i++)
		add_cert(set, i + 1, &input->certs[i]);
	if (input->self.role == CONF_ROLE_EDGE)
		compile_edge(input, set);
	else if (input->self.role == CONF_ROLE_GATEWAY)
		compile_gateway(input, set);
	else
		compile_sidecar(input, set);
	if (rowset_seal(set))
		return set;
	rowset_drop(set);
	return NULL;
}
