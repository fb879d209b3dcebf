// SPDX-License-Identifier: Apache-2.0
// The control process as one struct: what it holds, and its reactions to the loop. One thread, one
// loop; nothing here is ever on the way of a packet.
#pragma once

#include "admin.h"
#include "attach.h"
#include "authority.h"
#include "certs.h"
#include "conf.h"
#include "failures.h"
#include "member.h"
#include "model.h"

#include <uv.h>

#define CONTROL_POLL_MS      25u   // how often the registry is looked at for others' changes
#define CONTROL_HEARTBEAT_S  5u    // how often a node writes that it is there
#define CONTROL_INTEREST_S   300u  // a host nobody asked for that long is forgotten
#define CONTROL_ABSENT_COUNT 1024u // hosts without a service that are told when they get one
#define CONTROL_LOG_KEPT     100000u

struct control {
	struct conf conf;
	struct compile_self self;
	char mesh_address[64]; // where other nodes reach our data plane, or ""
	char name[PKI_NAME_BYTES];
	char own_token[TOKEN_TEXT_BYTES]; // the CA's node admits itself
	uv_loop_t loop;
	uv_timer_t poll;
	uv_timer_t second;
	uv_timer_t due; // what is to be done soon: a compile, identities
	uv_signal_t signals[2];
	struct store *registry_store;
	struct store *local_store;
	struct model *registry;
	struct model *local;
	struct authority *authority; // NULL: another node is the CA
	struct certs *certs;
	struct publish *publish;
	struct attach *attach;
	struct admin *admin;
	char absent_hosts[CONTROL_ABSENT_COUNT][RECORD_HOST_BYTES];
	uint32_t absent_next;
	uint64_t started_s;
	uint64_t heartbeat_s;      // of the last one written
	uint64_t compile_after_ns; // earliest next compile, by uv_hrtime
	bool is_compile_due;
	bool is_identity_due;
	bool is_leaving;         // the data plane ends politely
	uint64_t seen_s;         // when the data plane was last attached
	uint64_t purge_sequence; // of the last one sent
	uint64_t told_sequence;  // of the last one that the registry knows to be applied
	bool has_told_names;     // all that this node can show, once at least
	bool has_purge_sequence;
	bool is_ending;
	bool is_registry_broken;   // told once
	uint32_t registry_changed; // kinds, and nothing was done about it yet
	int locks[2];              // of run_dir and state_dir, -1 = not held
	struct failures failures;
};

// control_start opens everything conf asks for. NULL: an error was written to the log.
struct control *control_start(const struct conf *conf);

// control_run turns the loop until SIGTERM or SIGINT; control_end frees.
void control_run(struct control *control);
void control_end(struct control *control);

// control_lock makes sure that no other control process uses our run_dir and state_dir, and waits a
// second for one that is ending. False: told in the log. control_unlock lets go.
bool control_lock(struct control *control);
void control_unlock(struct control *control);

// control_now_s is the wall clock.
uint64_t control_now_s(void);

// control_follow takes changes of both stores and does what they call for.
void control_follow(struct control *control);

// control_catch_up only takes the registry's changes; the next control_follow does the rest.
void control_catch_up(struct control *control);

// control_compile_soon compiles and publishes when what is under way in the loop is done, but
// leaves at least half of the time to other work; many calls make one.
void control_compile_soon(struct control *control);

// control_interest_event answers LOOKUP and CERT_WANTED.
void control_interest_event(struct control *control, uint32_t worker, enum event_type type,
			    const void *payload);

// control_interest_expire forgets hosts that nobody asks for any more.
void control_interest_expire(struct control *control, uint64_t now_s);

// control_interest_appear looks whether hosts told to be absent have a service now.
void control_interest_appear(struct control *control);

// control_number_route is the compile_input's number_route.
uint32_t control_number_route(void *user, const char *host, const char *path);

// control_identity_open starts the CA role when conf says so. False: told in the log.
bool control_identity_open(struct control *control);

// control_identity_run brings every slot this node wants forward and forgets the others.
void control_identity_run(struct control *control, uint64_t now_s);

// control_register writes this node's row: a heartbeat, or at once when is_now.
void control_register(struct control *control, uint64_t now_s, bool is_now);

// control_is_applied is true when every worker has applied all that this node knows.
bool control_is_applied(const struct control *control);

// control_tell_names writes which names this node's data plane can show, once it can.
void control_tell_names(struct control *control);

// control_purge sends purges that are new; all of the last minute when is_again.
void control_purge(struct control *control, bool is_again);

// control_tell_purged writes how far the data plane of this edge is with them, once it is.
void control_tell_purged(struct control *control);
