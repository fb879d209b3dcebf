// SPDX-License-Identifier: Apache-2.0
// Fields as HPACK's literals (RFC 7541 6.2.2): the name by its number in the static table where it
// has one, the value as it is, nothing indexed. So what is written stands for itself, wherever in
// the header blocks of a connection it stands, whatever its dynamic tables have.
#pragma once

#include "slice.h"

#include <stdint.h>

// What a field takes beyond its name and its value, at most; both are shorter than 2^21 bytes.
#define HPACK_FIELD_EXTRA 10u

// hpack_write writes a field to at, which has room for name, value and HPACK_FIELD_EXTRA, and
// returns the end of it. name is in lower case, as RFC 9113 8.2 wants it.
uint8_t *hpack_write(uint8_t *at, struct slice name, struct slice value);
