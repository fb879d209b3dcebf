// SPDX-License-Identifier: Apache-2.0
// What this node writes and reads for all: its own row, its location, purges.
#include "control.h"

#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_VERSION "0.1.0"
#define DOWN_GRACE_S     2u // a data plane that was replaced is back by then

// make_location adds our location to the registry unless it is known.
static void make_location(struct control *control)
{
	struct row_location row = {0};
	if (model_get(control->registry, STORE_location, control->self.location))
		return;
	row_copy_text(row.name, sizeof(row.name), control->self.location);
	store_put(control->registry_store, STORE_location, row.name, &row, STORE_NONE);
}

static bool is_node_equal(const struct row_node *a, const struct row_node *b)
{
	struct row_node x = *a;
	x.heartbeat_s = b->heartbeat_s;
	return memcmp(&x, b, sizeof(x)) == 0;
}

// read_applied tells what every worker has applied: the trust epoch, and whether all names of this
// node are by the CA that signs in it. False: not all are up to date just now.
static bool read_applied(struct control *control, uint64_t now_s, struct row_node *row)
{
	const struct row_trust *trust = model_get(control->registry, STORE_trust, "bundle");
	const struct rowset *set = publish_latest(control->publish);
	const struct rowset_row *told = set ? rowset_find(set, RECORD_TRUST, 0) : NULL;
	if (!trust || !told || !control_is_applied(control) ||
	    ((const struct record_trust *)told->payload)->epoch != trust->epoch)
		return false;
	row->trust_epoch = trust->epoch;
	bool is_signed = trust->phase == TRUST_RENEWING;
	struct model_rows secrets = model_all(control->local, STORE_secret);
	for (size_t i = 0; i < secrets.count && is_signed; i++) {
		const struct row_secret *secret = secrets.rows[i]->row;
		if (secret->chain[0] && strncmp(secret->slot, "dns/", 4) != 0)
			is_signed = pki_is_by_first(secret->chain, trust->bundle, now_s);
	}
	if (is_signed)
		row->signed_epoch = trust->epoch;
	return true;
}

void control_register(struct control *control, uint64_t now_s, bool is_now)
{
	const struct row_secret *identity = model_get(control->local, STORE_secret, "node");
	struct row_node known;
	struct row_node row;
	uint64_t revision = 0;
	// Other nodes send here only once this node can prove its name.
	if (!identity || !identity->chain[0])
		return;
	make_location(control);
	if (attach_is_attached(control->attach))
		control->seen_s = now_s;
	if (store_read(control->registry_store, STORE_node, control->self.node, &known,
		       &revision) == STORE_BROKEN)
		return;
	memset(&row, 0, sizeof(row));
	row_copy_text(row.node, sizeof(row.node), control->self.node);
	row_copy_text(row.role, sizeof(row.role), conf_role_name(control->self.role));
	row_copy_text(row.location, sizeof(row.location), control->self.location);
	row_copy_text(row.mesh_address, sizeof(row.mesh_address), control->mesh_address);
	row_copy_text(row.version, sizeof(row.version), REGISTER_VERSION);
	if (!read_applied(control, now_s, &row)) {
		row.trust_epoch = known.trust_epoch;
		row.signed_epoch = known.signed_epoch;
	}
	row.identity_end_s = identity->end_s;
	row.is_leaving = control->is_leaving;
	row.is_down = now_s >= control->seen_s + DOWN_GRACE_S;
	row.is_draining = known.is_draining; // the operator's, not ours
	// A node that is new tells from the start; one that others already send to, when it has.
	row.tells_names = known.tells_names || !known.node[0] || control->has_told_names;
	row.heartbeat_s = now_s;
	if (!is_now && is_node_equal(&row, &known) &&
	    now_s < control->heartbeat_s + CONTROL_HEARTBEAT_S)
		return;
	if (store_put(control->registry_store, STORE_node, row.node, &row, revision) == STORE_OK)
		control->heartbeat_s = now_s;
}

static enum record_purge kind_of(const struct row_purge *purge)
{
	static const struct {
		const char *name;
		enum record_purge kind;
	} kinds[] = {{"", RECORD_PURGE_URL},
		     {"prefix", RECORD_PURGE_PREFIX},
		     {"tag", RECORD_PURGE_TAG},
		     {"service", RECORD_PURGE_SERVICE}};
	for (size_t i = 0; purge->url[0] && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(purge->kind, kinds[i].name) == 0)
			return kinds[i].kind;
	return RECORD_PURGE_ALL; // also for what a newer version wrote: too much, not too little
}

static void send_purge(struct control *control, uint64_t sequence, const struct row_purge *purge)
{
	struct record_purge_row row = {
		.sequence = sequence, .kind = kind_of(purge), .is_soft = purge->is_soft};
	const char *text = row.kind == RECORD_PURGE_ALL ? NULL : purge->url;
	row.text_bytes = text ? (uint32_t)strlen(text) : 0;
	publish_once(control->publish, PUBLISH_ALL,
		     &(struct rowset_row){RECORD_PURGE, sequence, sizeof(row), &row}, text);
}

static void keep_purge_sequence(struct control *control, uint64_t sequence)
{
	struct row_memory row = {.value = sequence};
	control->purge_sequence = sequence;
	control->has_purge_sequence = true;
	store_put(control->local_store, STORE_memory, "purge", &row, STORE_ANY);
}

// read_purge_sequence finds out where this node stood. A node without a memory has cached nothing
// yet.
static void read_purge_sequence(struct control *control, uint64_t newest)
{
	struct row_memory row;
	if (control->has_purge_sequence)
		return;
	if (store_read(control->local_store, STORE_memory, "purge", &row, NULL) == STORE_OK) {
		control->purge_sequence = row.value;
		control->has_purge_sequence = true;
	} else {
		keep_purge_sequence(control, newest);
	}
}

// applied_sequence is up to where the data plane before this one is known to have done them, as
// control_tell_purged wrote.
static uint64_t applied_sequence(const struct control *control)
{
	const struct row_purged *row =
		model_get(control->registry, STORE_purged, control->self.node);
	bool is_of_use = row && row->sequence <= control->purge_sequence &&
			 control->purge_sequence - row->sequence <= UINT32_MAX;
	return is_of_use ? row->sequence : control->purge_sequence;
}

// tell_known says up to which purge all had been sent to data planes before this one, and which of
// them may not have been done: it may have a cache that is older.
static void tell_known(struct control *control, uint64_t applied)
{
	struct record_purge_row row = {.sequence = control->purge_sequence,
				       .kind = RECORD_PURGE_KNOWN,
				       .unsure = (uint32_t)(control->purge_sequence - applied)};
	publish_once(control->publish, PUBLISH_ALL,
		     &(struct rowset_row){RECORD_PURGE, row.sequence, sizeof(row), &row}, NULL);
}

void control_purge(struct control *control, bool is_again)
{
	struct model_rows purges = model_all(control->registry, STORE_purge);
	uint64_t oldest = purges.count ? strtoull(purges.rows[0]->key, NULL, 10) : 0;
	uint64_t newest = purges.count ? strtoull(purges.rows[purges.count - 1]->key, NULL, 10) : 0;
	uint64_t now_s = control_now_s();
	read_purge_sequence(control, newest);
	if (!attach_is_attached(control->attach))
		return; // those that come meanwhile are sent when it is back
	uint64_t done = is_again ? applied_sequence(control) : control->purge_sequence;
	if (is_again)
		tell_known(control, done);
	if (done + 1 < oldest && done < newest) {
		// Part of the list is gone: what we missed may have been anything.
		send_purge(control, newest, &(struct row_purge){0});
		keep_purge_sequence(control, newest);
	}
	for (size_t i = 0; i < purges.count; i++) {
		const struct row_purge *purge = purges.rows[i]->row;
		uint64_t sequence = strtoull(purges.rows[i]->key, NULL, 10);
		bool is_recent = is_again && now_s < purge->made_s + 60;
		if (sequence > done || is_recent)
			send_purge(control, sequence, purge);
	}
	if (newest > control->purge_sequence)
		keep_purge_sequence(control, newest);
	attach_flush(control->attach);
}

void control_tell_purged(struct control *control)
{
	struct row_purged row = {.sequence = control->purge_sequence};
	if (control->self.role != CONF_ROLE_EDGE || !control->has_purge_sequence ||
	    control->purge_sequence == control->told_sequence ||
	    !attach_is_attached(control->attach) || !publish_is_quiet(control->publish))
		return;
	row_copy_text(row.node, sizeof(row.node), control->self.node);
	if (store_put(control->registry_store, STORE_purged, row.node, &row, STORE_ANY) == STORE_OK)
		control->told_sequence = control->purge_sequence;
}
