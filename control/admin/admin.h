// SPDX-License-Identifier: Apache-2.0
// The operator's socket: <run_dir>/control.sock, one JSON object a line in, one out.
//   {"command": "service-set", "name": "shop", ...}  ->  {"ok": true, "data": ...}
//                                                        {"ok": false, "error": "what, and the
//                                                        cure"}
#pragma once

#include "attach.h"
#include "authority.h"
#include "compile.h"
#include "failures.h"

#include <uv.h>

#define ADMIN_LINE_BYTES  65536u
#define ADMIN_CLIENTS_MAX 32u
#define ADMIN_SOCKET_NAME "control.sock"

struct admin;

struct admin_options {
	uv_loop_t *loop;
	const char *run_dir;
	struct compile_self self;
	struct store *registry_store;
	const struct model *registry;
	const struct model *local;
	struct authority *authority; // NULL: another node is the CA
	struct publish *publish;
	struct attach *attach;
	const struct failures *failures; // of endpoints, as workers told
	void (*follow)(void *user);      // bring the models up to date, and what follows to workers
	void *user;
};

// admin_new listens. Everything in options is borrowed. NULL: told in the log.
struct admin *admin_new(const struct admin_options *options);

// admin_close ends connections; run the loop until it ends, then admin_free.
void admin_close(struct admin *admin);
void admin_free(struct admin *admin);
