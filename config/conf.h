// SPDX-License-Identifier: Apache-2.0
// The configuration of a node, read by both processes. Every key is one line of conf.def, which
// makes the struct below, its checks, the defaults and the reference text. A name says its unit: a
// SIZE key `head` is the member head_bytes, a TIME key `idle` is idle_ms, a BOOL key `ca` is is_ca.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_NAME_BYTES          64u
#define CONF_TEXT_BYTES          256u
#define CONF_CORES_MAX           64u
#define CONF_HANDSHAKE_CORES_MAX 16u
#define CONF_IFACE_BYTES         16u // IFNAMSIZ
#define CONF_PREFIXES_MAX        8u
#define CONF_ENDPOINTS_MAX       32u
#define CONF_WEIGHT_MAX          100u
#define CONF_FILE_BYTES          (1u << 20) // largest file

struct conf_cores {
	uint16_t at[CONF_CORES_MAX];
	uint32_t count;
};

struct conf_prefixes {
	struct prefix at[CONF_PREFIXES_MAX];
	uint32_t count;
};

struct conf_endpoints {
	struct endpoint_addr at[CONF_ENDPOINTS_MAX];
	uint16_t weights[CONF_ENDPOINTS_MAX];
	uint32_t count;
};

struct conf_mac {
	uint8_t bytes[6];
	bool is_set;
};

// enum conf_role { CONF_ROLE_EDGE, ... CONF_ROLE_COUNT } and so on.
#define CHOICE(name)                                                                               \
	enum conf_##name                                                                           \
	{
#define WORD(choice, word, text) CONF_##choice##_##word,
#define END_CHOICE                                                                                 \
	}                                                                                          \
	;
#include "conf.def"

#define CONF_MEMBER_NAME(name)       char name[CONF_NAME_BYTES]
#define CONF_MEMBER_TEXT(name)       char name[CONF_TEXT_BYTES]
#define CONF_MEMBER_PATH(name)       char name[CONF_TEXT_BYTES]
#define CONF_MEMBER_COUNT(name)      uint32_t name
#define CONF_MEMBER_SIZE(name)       uint64_t name##_bytes
#define CONF_MEMBER_TIME(name)       uint64_t name##_ms
#define CONF_MEMBER_BOOL(name)       bool is_##name
#define CONF_MEMBER_CORES(name)      struct conf_cores name
#define CONF_MEMBER_ADDR(name)       struct addr name
#define CONF_MEMBER_PREFIX(name)     struct prefix name
#define CONF_MEMBER_PREFIXES(name)   struct conf_prefixes name
#define CONF_MEMBER_ENDPOINTS(name)  struct conf_endpoints name
#define CONF_MEMBER_TRANSPORT(name)  enum conf_transport name
#define CONF_MEMBER_MAC(name)        struct conf_mac name
#define CONF_MEMBER_ROLE(name)       enum conf_role name
#define CONF_MEMBER_IDLE(name)       enum conf_idle name
#define CONF_MEMBER_HUGEPAGES(name)  enum conf_hugepages name
#define CONF_MEMBER_ECN(name)        enum conf_ecn name
#define CONF_MEMBER_PROTOCOL(name)   enum conf_protocol name
#define CONF_MEMBER_CONGESTION(name) enum conf_congestion name
#define CONF_MEMBER_STORE(name)      enum conf_store name

// struct conf_port, conf_ip_route, conf_listener and so on: one element of a list. line is
// where it stands in the file.
#define ITEM(item)                                        struct conf_##item {
#define FIELD(item, name, type, min, max, fallback, text) CONF_MEMBER_##type(name);
#define END_ITEM(item)                                                                             \
	unsigned line;                                                                             \
	}                                                                                          \
	;
#include "conf.def"

// struct conf { version; ... struct { id; role; ... } node; ... }. A list `ports` has ports_count.
#define TOP(name, type, min, max, fallback, when, text)          CONF_MEMBER_##type(name);
#define SECTION(name, text)                                      struct conf_##name {
#define KEY(section, name, type, min, max, fallback, when, text) CONF_MEMBER_##type(name);
#define LIST(section, name, item, most, when, text)                                                \
	struct conf_##item name[most];                                                             \
	uint32_t name##_count;
#define TOP_LIST(name, item, most, when, text) LIST(, name, item, most, when, text)
#define END(name)                                                                                  \
	}                                                                                          \
	name;
struct conf {
#include "conf.def"
};

// conf_load reads the file at path into *conf. Returns 0; else the number of errors, each of which
// was written to errors as one line `file:line: key: reason; cure`, all of them at once, and *conf
// is not to be used.
unsigned conf_load(const char *path, struct conf *conf, FILE *errors);

// conf_parse is conf_load of text (NUL-terminated) that is called name in errors.
unsigned conf_parse(const char *text, const char *name, struct conf *conf, FILE *errors);

// conf_print_defaults writes a file with every key at its default, those that must be given as
// comments.
void conf_print_defaults(FILE *out);

// conf_print_reference writes what every key is: type, range, default, what a change needs,
// meaning.
void conf_print_reference(FILE *out);

// conf_port_iface writes the name of the kernel's interface that port's device names by iface=
// (empty when there is none). False when there is none, or it is no name that an interface can
// have.
bool conf_port_iface(const struct conf_port *port, char iface[CONF_IFACE_BYTES]);

// conf_role_name returns "edge", "gateway" or "sidecar".
const char *conf_role_name(enum conf_role role);
