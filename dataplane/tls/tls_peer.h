// SPDX-License-Identifier: Apache-2.0
// Names between nodes: SPIFFE IDs (SPIFFE-ID 2.1, 2.2, 2.3) of this mesh. Pure.
//
//   spiffe://<mesh>/edge/<location>/<node>   spiffe://<mesh>/gateway/<location>/<node>
//   spiffe://<mesh>/svc/<service>
#pragma once

#include "slice.h"

#include <stdbool.h>

enum tls_peer_form {
	TLS_PEER_FORM_OK,
	TLS_PEER_FORM_BAD,   // not a SPIFFE name, or not one of the three forms
	TLS_PEER_FORM_OTHER, // of another mesh
};

// tls_peer_parse tells the role (enum tls_peer_role) that a name of mesh has; *role is written only
// with TLS_PEER_FORM_OK.
enum tls_peer_form tls_peer_parse(struct slice name, struct slice mesh, unsigned *role);

// tls_peer_is_meant is true when name is wanted, or longer than wanted and beginning with it when
// wanted ends in '/'.
bool tls_peer_is_meant(struct slice name, struct slice wanted);
