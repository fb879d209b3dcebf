// SPDX-License-Identifier: Apache-2.0
// Which names this node can show. Others send here under a name once the registry has its row,
// which is written when every worker has the key and removed before the key is: nobody is sent to a
// node that is still waiting for the CA. What was told stays while we are away.
#include "control.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

bool control_is_applied(const struct control *control)
{
	if (control->is_compile_due || !attach_is_attached(control->attach) ||
	    !publish_latest(control->publish))
		return false;
	for (uint32_t i = 0; i < publish_worker_count(control->publish); i++) {
		struct publish_status status;
		publish_read_status(control->publish, i, 0, &status);
		if (!status.is_current)
			return false;
	}
	return true;
}

// take_back removes what was told of names that are gone: another state directory, another control
// that was killed on its way.
static void take_back(struct control *control)
{
	char prefix[RECORD_NAME_BYTES + 2];
	snprintf(prefix, sizeof(prefix), "%s/", control->self.node);
	struct model_rows told = model_range(control->registry, STORE_name, prefix);
	for (size_t i = 0; i < told.count; i++) {
		const struct row_name *name = told.rows[i]->row;
		const struct row_secret *secret =
			model_get(control->local, STORE_secret, name->slot);
		if (!secret || !secret->chain[0])
			store_remove(control->registry_store, STORE_name, told.rows[i]->key);
	}
}

// tell writes that this node can show the name of a slot.
static void tell(struct control *control, const char *slot, const char *key)
{
	struct row_name row = {0};
	row_copy_text(row.node, sizeof(row.node), control->self.node);
	row_copy_text(row.slot, sizeof(row.slot), slot);
	if (store_put(control->registry_store, STORE_name, key, &row, STORE_ANY) == STORE_OK)
		log_info("identity %s: others may send here", slot);
}

void control_tell_names(struct control *control)
{
	struct model_rows secrets = model_all(control->local, STORE_secret);
	bool is_all_told = secrets.count > 0;
	take_back(control);
	for (size_t i = 0; i < secrets.count; i++) {
		const struct row_secret *secret = secrets.rows[i]->row;
		char key[STORE_KEY_BYTES];
		snprintf(key, sizeof(key), "%s/%s", control->self.node, secret->slot);
		if (!secret->chain[0] || strncmp(secret->slot, "dns/", 4) == 0 ||
		    model_find(control->registry, STORE_name, key))
			continue;
		is_all_told = false;
		if (control_is_applied(control) &&
		    rowset_find(publish_latest(control->publish), RECORD_IDENTITY,
				secrets.rows[i]->id))
			tell(control, secret->slot, key);
	}
	control->has_told_names |= is_all_told;
}
