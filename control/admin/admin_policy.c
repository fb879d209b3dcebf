// SPDX-License-Identifier: Apache-2.0
// policy set | show | remove: what edges do for a service, as rules (config/wire/policy.h). `set`
// replaces all rules; what edges could not read never gets into the registry.
#include "admin_command.h"

#include "policy.h"

#include <stdio.h>
#include <string.h>

// gather joins the request's rules, one a line. Returns NULL, or the refusal.
static json_t *gather(const json_t *rules, char out[POLICY_TEXT_BYTES + 1])
{
	size_t bytes = 0, index;
	json_t *rule;
	out[0] = 0;
	json_array_foreach(rules, index, rule)
	{
		const char *text = json_string_value(rule);
		if (!text || strchr(text, '\n'))
			return admin_error("rule %zu: one line of text is wanted", index + 1);
		int added = snprintf(out + bytes, POLICY_TEXT_BYTES + 1 - bytes, "%s%s",
				     bytes ? "\n" : "", text);
		bytes += (size_t)added;
		if (bytes > POLICY_TEXT_BYTES)
			return admin_error("rules of more than %u bytes: leave some out",
					   POLICY_TEXT_BYTES);
	}
	return bytes ? NULL : admin_error("no rule: give --rule KEY=VALUE, or 'policy remove'");
}

json_t *admin_policy_set(const struct admin_options *admin, const json_t *request)
{
	char text[POLICY_TEXT_BYTES + 1], why[POLICY_WHY_BYTES];
	struct row_policy row = {0};
	struct policy policy;
	const char *name = admin_text(request, "name", "");
	if (!model_find(admin->registry, STORE_service, name))
		return admin_error("no service '%.64s': make it with 'service set'", name);
	json_t *refusal = gather(json_object_get(request, "rules"), text);
	if (refusal)
		return refusal;
	if (!policy_parse(text, strlen(text), &policy, why))
		return admin_error("%s", why);
	row_copy_text(row.service, sizeof(row.service), name);
	row_copy_text(row.rules, sizeof(row.rules), text);
	enum store_result result =
		store_put(admin->registry_store, STORE_policy, name, &row, STORE_ANY);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}

json_t *admin_policy_show(const struct admin_options *admin, const json_t *request)
{
	const char *name = admin_text(request, "name", "");
	const struct row_policy *row = model_get(admin->registry, STORE_policy, name);
	json_t *list = json_array();
	if (!model_find(admin->registry, STORE_service, name)) {
		json_decref(list);
		return admin_error("no service '%.64s'", name);
	}
	for (const char *at = row ? row->rules : ""; *at;) {
		size_t bytes = strcspn(at, "\n");
		json_array_append_new(list, json_pack("{s:s%}", "rule", at, bytes));
		at += bytes + (at[bytes] == '\n');
	}
	return admin_ok(json_pack("{s:o}", "rules", list));
}

json_t *admin_policy_remove(const struct admin_options *admin, const json_t *request)
{
	const char *name = admin_text(request, "name", "");
	if (!model_find(admin->registry, STORE_policy, name))
		return admin_error("service '%.64s' has no policy", name);
	const struct store_write write = {STORE_policy, name, NULL, STORE_ANY};
	enum store_result result = store_write(admin->registry_store, &write, 1);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}
