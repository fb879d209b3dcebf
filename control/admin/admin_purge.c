// SPDX-License-Identifier: Apache-2.0
// purge: a row that every edge reads, and how far they are with it. Whoever asked waits by asking
// again (tools/millrace), so that nothing waits here.
#include "admin_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PURGES_KEPT    1000u
#define TAG_BYTES_MAX  256u // as the cache's bound
#define PREFIX_SLASHES 16u  // directories of a URL that the cache knows
#define SILENT_S       15u  // a node that has not written for so long is away

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

// path_of borrows the path of http(s)://host/...; NULL when that is not what url is.
static const char *path_of(const char *url)
{
	const char *rest = strncmp(url, "https://", 8) == 0  ? url + 8
			   : strncmp(url, "http://", 7) == 0 ? url + 7
							     : NULL;
	return rest && rest[0] != '/' && is_visible(url) ? strchr(rest, '/') : NULL;
}

// judge_prefix returns NULL, or why this cannot be purged.
static json_t *judge_prefix(const char *prefix)
{
	const char *path = path_of(prefix);
	unsigned slashes = 0;
	if (!path)
		return admin_error("'%.200s': https://host/path/ is wanted", prefix);
	for (const char *at = path; *at; at++)
		slashes += *at == '/';
	if (path[strlen(path) - 1] != '/' || strchr(path, '?'))
		return admin_error(
			"'%.200s': a prefix ends in '/': purge the directory, or the URL", prefix);
	if (slashes > PREFIX_SLASHES)
		return admin_error("a prefix has at most %u '/': purge one above it",
				   PREFIX_SLASHES);
	return NULL;
}

static json_t *judge(const struct admin_options *admin, const char *kind, const char *text)
{
	if (strcmp(kind, "url") == 0)
		return path_of(text) ? NULL
				     : admin_error("'%.200s': https://host/path is wanted", text);
	if (strcmp(kind, "prefix") == 0)
		return judge_prefix(text);
	if (strcmp(kind, "tag") == 0)
		return strlen(text) <= TAG_BYTES_MAX && is_visible(text)
			       ? NULL
			       : admin_error("a tag has at most %u characters and no blank",
					     TAG_BYTES_MAX);
	return model_get(admin->registry, STORE_service, text)
		       ? NULL
		       : admin_error("no service '%.64s'; millrace service list", text);
}

// read_purge fills row from the request. Returns NULL, or the reply that refuses.
static json_t *read_purge(const struct admin_options *admin, const json_t *request,
			  struct row_purge *row)
{
	static const char *const kinds[] = {"url", "prefix", "tag", "service"};
	unsigned given = json_is_true(json_object_get(request, "all"));
	json_t *refusal = NULL;
	*row = (struct row_purge){.made_s = (uint64_t)time(NULL),
				  .is_soft = json_is_true(json_object_get(request, "soft"))};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !refusal; i++) {
		const char *text = admin_text(request, kinds[i], "");
		if (!text[0])
			continue;
		given++;
		row_copy_text(row->kind, sizeof(row->kind), i ? kinds[i] : "");
		refusal = judge(admin, kinds[i], text);
		if (!refusal && !row_copy_text(row->url, sizeof(row->url), text))
			refusal = admin_error("longer than %zu bytes", sizeof(row->url) - 1);
	}
	if (refusal || given == 1)
		return refusal;
	return admin_error("purge URL, --prefix URL, --tag TAG, --service NAME or --all: one of "
			   "them is wanted");
}

json_t *admin_purge(const struct admin_options *admin, const json_t *request)
{
	struct row_purge row;
	struct model_rows purges = model_all(admin->registry, STORE_purge);
	uint64_t newest = purges.count ? strtoull(purges.rows[purges.count - 1]->key, NULL, 10) : 0;
	char key[24];
	json_t *refusal = read_purge(admin, request, &row);
	if (refusal)
		return refusal;
	enum store_result result = STORE_CONFLICT;
	for (unsigned i = 0; i < 64 && result == STORE_CONFLICT; i++) {
		snprintf(key, sizeof(key), "%020" PRIu64, ++newest);
		result = store_put(admin->registry_store, STORE_purge, key, &row, STORE_NONE);
	}
	if (result != STORE_OK)
		return admin_store_error(admin, result);
	for (size_t i = 0; i + PURGES_KEPT < purges.count; i++)
		store_remove(admin->registry_store, STORE_purge, purges.rows[i]->key);
	return admin_ok(json_pack("{s:I}", "sequence", (json_int_t)newest));
}

// why_not tells what is known about an edge that has not answered.
static const char *why_not(const struct row_node *node)
{
	if ((uint64_t)time(NULL) > node->heartbeat_s + SILENT_S)
		return "its control process is away";
	return node->is_down ? "its data plane is away" : "";
}

json_t *admin_purge_status(const struct admin_options *admin, const json_t *request)
{
	json_int_t wanted = json_integer_value(json_object_get(request, "sequence"));
	json_int_t edges = 0, applied = 0;
	json_t *waiting = json_array();
	struct model_rows nodes = model_all(admin->registry, STORE_node);
	for (size_t i = 0; i < nodes.count; i++) {
		const struct row_node *node = nodes.rows[i]->row;
		const struct row_purged *purged =
			model_get(admin->registry, STORE_purged, node->node);
		if (strcmp(node->role, "edge") != 0)
			continue;
		edges++;
		if (purged && (json_int_t)purged->sequence >= wanted)
			applied++;
		else
			json_array_append_new(waiting, json_pack("{s:s, s:s}", "node", node->node,
								 "why", why_not(node)));
	}
	return admin_ok(json_pack("{s:I, s:I, s:I, s:o}", "sequence", wanted, "edges", edges,
				  "applied", applied, "waiting", waiting));
}
