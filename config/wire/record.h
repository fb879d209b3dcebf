// SPDX-License-Identifier: Apache-2.0
// Records: what control tells a worker, down the ring. Every record is a header and a payload of
// one of the types below; a payload is a plain struct, some followed by a tail of bytes. The reader
// copies a record out of the ring, then record_check()s it, then uses it.
//
//   BEGIN(generation, full|delta)  row row row ...  COMMIT(generation, count of rows)
//
// A full set marks every row it names; COMMIT sweeps the rest. A delta changes only what it names.
// Rows act at once, in order: control sends a service before its routes and endpoints.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MAGIC      0x6d72u // "mr"
#define RECORD_VERSION    1u
#define RECORD_MAX_BYTES  65536u // header and payload
#define RECORD_NAME_BYTES 64u    // names of services, locations, nodes: NUL-terminated
#define RECORD_HOST_BYTES 256u   // RFC 1035 2.3.4: 253 and a NUL
#define RECORD_PATH_BYTES 256u
#define RECORD_PEER_BYTES 256u // a SPIFFE name

enum record_type {
#define RECORD(name, type, tail, text) RECORD_##name,
#include "record.def"
#undef RECORD
	RECORD_TYPE_COUNT
};

struct record_header {
	uint16_t magic;
	uint8_t version;
	uint8_t type;      // enum record_type
	uint32_t bytes;    // of the payload, without this header
	uint64_t sequence; // 1, 2, 3 ... per ring; a gap means: ask for a full set
};

enum record_set { RECORD_SET_FULL, RECORD_SET_DELTA, RECORD_SET_COUNT };

struct record_begin {
	uint64_t generation;
	uint32_t set; // enum record_set
	uint32_t reserved;
};

struct record_commit {
	uint64_t generation;
	uint32_t row_count; // rows between BEGIN and COMMIT
	uint32_t reserved;
};

// A service. Ids are chosen by control and never 0; they do not change while the row lives.
struct record_service {
	uint32_t id;
	uint32_t flags; // reserved, 0
	char name[RECORD_NAME_BYTES];
};

// A location, as this node sees it.
struct record_location {
	uint32_t id;
	uint32_t cost_us; // round trip; lower is nearer
	char name[RECORD_NAME_BYTES];
};

// A service's presence in a location: what an edge balances over.
struct record_presence {
	uint32_t service_id;
	uint32_t location_id;
	uint32_t healthy_count;
	uint32_t total_count;
};

// How the bytes travel to an endpoint, and who must answer there.
enum record_hop {
	RECORD_HOP_GATEWAY,  // mTLS, h2; the peer is spiffe://<mesh>/gateway/<location>/...
	RECORD_HOP_SIDECAR,  // mTLS, h2; the peer is spiffe://<mesh>/svc/<service>
	RECORD_HOP_WORKLOAD, // plain, to the instance itself
	RECORD_HOP_COUNT
};

enum record_protocol { RECORD_PROTOCOL_HTTP1, RECORD_PROTOCOL_H2C, RECORD_PROTOCOL_COUNT };

// Where to send: a gateway of a location (service_id 0: it serves all), a sidecar, a workload.
struct record_endpoint {
	uint32_t id;
	uint32_t service_id;  // 0 = every service of the location
	uint32_t location_id; // 0 = here
	struct endpoint_addr to;
	uint8_t hop;      // enum record_hop
	uint8_t protocol; // enum record_protocol, of a WORKLOAD hop
	uint8_t is_healthy;
	uint8_t is_draining;
	uint32_t weight;              // 1..1000
	char peer[RECORD_PEER_BYTES]; // exact SPIFFE name, or a prefix ending in '/'; "" for
				      // WORKLOAD
};

// A route: host and path prefix to service. The longest host match wins, then the longest prefix.
struct record_route {
	uint32_t id;
	uint32_t service_id;
	uint32_t lifetime_ms; // 0 = until removed; else ask again after that
	uint32_t reserved;
	char host[RECORD_HOST_BYTES]; // lower case; "*" any, "*.example.com" one label
	char path[RECORD_PATH_BYTES]; // "/" is everything
};

// The negative answer to a lookup.
struct record_route_absent {
	uint32_t lifetime_ms;
	uint32_t reserved;
	char host[RECORD_HOST_BYTES];
};

// A certificate for public names. Tail: chain PEM, then key PEM. Its names are its SANs.
struct record_cert {
	uint32_t id;
	uint32_t is_default; // served when no name matches
	uint32_t chain_bytes;
	uint32_t key_bytes;
};

// No certificate for this name.
struct record_cert_absent {
	uint32_t lifetime_ms;
	uint32_t reserved;
	char host[RECORD_HOST_BYTES];
};

// This node's own name between nodes. Tail: chain PEM, then key PEM. A sidecar has one a service.
struct record_identity {
	uint32_t id;
	uint32_t chain_bytes;
	uint32_t key_bytes;
	uint32_t reserved;
	char name[RECORD_PEER_BYTES]; // spiffe://...
};

// The mesh's trust bundle. Tail: PEM certificates. A new epoch ends resumption of the old ones.
struct record_trust {
	uint64_t epoch;
	uint32_t bundle_bytes;
	uint32_t reserved;
	char mesh[RECORD_NAME_BYTES]; // trust domain
};

// A session ticket key (RFC 5077 4): name, AES-256 key, HMAC key. The newest id encrypts.
struct record_ticket_key {
	uint64_t id;
	uint8_t name[16];
	uint8_t aes_key[32];
	uint8_t mac_key[32];
};

enum record_purge {
	RECORD_PURGE_URL,     // "scheme://host/path?query"
	RECORD_PURGE_ALL,     // no text
	RECORD_PURGE_PREFIX,  // "scheme://host/path/"
	RECORD_PURGE_TAG,     // of Surrogate-Key or Cache-Tag
	RECORD_PURGE_SERVICE, // a name
	RECORD_PURGE_KNOWN,   // no purge: those up to sequence came before; no text
	RECORD_PURGE_COUNT
};

// Forget cached responses, or make them stale. Tail: the text of the kind.
struct record_purge_row {
	uint64_t sequence;
	uint32_t kind; // enum record_purge
	uint32_t text_bytes;
	uint32_t is_soft; // stale, not forgotten
	uint32_t unsure;  // KNOWN: so many of the last of those may not have come; 0 of others
};

// A service's policy. Tail: its rules (policy.h).
struct record_policy {
	uint32_t service_id;
	uint32_t rule_bytes;
};

// Forget one row named by type and id (SERVICE, LOCATION, ENDPOINT, ROUTE, CERT, IDENTITY,
// TICKET_KEY, POLICY: of a service) or, for PRESENCE, by service id and location id.
struct record_remove {
	uint32_t type; // enum record_type
	uint32_t reserved;
	uint64_t id; // PRESENCE: service_id << 32 | location_id
};

// A record copied out of the ring: payload is aligned to 8 and borrowed for the call.
struct record {
	enum record_type type;
	uint64_t sequence;
	uint32_t payload_bytes;
	const void *payload;
};

// record_tail borrows what follows the fixed struct of the record's type.
const uint8_t *record_tail(const struct record *record, size_t *bytes);

// record_check tells whether header and payload are what their type demands: magic, version,
// length, enum ranges, NUL-terminated strings, tail lengths that add up, hosts in lower case.
// Returns NULL, or what is wrong (a literal).
const char *record_check(const struct record_header *header, const void *payload);

// record_host_is_good is true for a NUL-terminated, non-empty host in lower case as it may stand in
// a record or event: letters, digits, ".-_" or an address literal; no wildcard.
bool record_host_is_good(const char host[RECORD_HOST_BYTES]);

// record_type_name returns "SERVICE" ... or "?".
const char *record_type_name(unsigned type);
