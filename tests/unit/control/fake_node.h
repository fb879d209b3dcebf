// SPDX-License-Identifier: Apache-2.0
// A node for tests: the real control process beside a data plane of rings. What goes wrong fails
// the running case.
#pragma once

#include "fake_plane.h"

#define NODE_REPLY_BYTES 65536u

struct node {
	char dir[64];
	char run_dir[64];
	char conf[128];
	const char *node_keys; // more keys of the group `node`, or NULL
	pid_t pid;
	struct plane plane;
};

// The last reply of node_command, or what node_tool printed.
extern char node_reply[NODE_REPLY_BYTES];

// node_make_dir makes a directory for nodes; node_remove_dir removes it.
void node_make_dir(char dir[64]);
void node_remove_dir(const char *dir);

// node_open makes a node in dir and starts it; node_close ends it, which must be clean.
void node_open(struct node *node, const char *dir, const char *id, const char *role, bool is_ca);
void node_close(struct node *node);

// node_join makes a node beside core, which is the CA, with a token of its; it has no identity yet.
void node_join(struct node *node, struct node *core, const char *id, const char *role);

// node_start starts the control process and waits until it attached.
void node_start(struct node *node);

// node_stop ends control by a signal and returns its exit status.
int node_stop(struct node *node, int signal);

// node_command sends one JSON line that must be done.
void node_command(struct node *node, const char *line);

// node_tool runs the operator's tool against the node and keeps what it prints. Returns its exit
// status.
int node_tool(struct node *node, const char *words);

// What tests wait for: node_has_identity, that the node has a name, trust and ticket keys;
// node_has_shop, that the route and the only endpoint of NODE_SET_SHOP are there.
bool node_has_identity(struct plane *plane);
bool node_has_shop(struct plane *plane);

#define NODE_SET_SHOP                                                                              \
	"{\"command\":\"service-set\",\"name\":\"shop\",\"hosts\":[\"shop.example\"],"             \
	"\"to\":[\"10.0.0.9:8080\"]}"
