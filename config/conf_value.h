// SPDX-License-Identifier: Apache-2.0
// One value of the configuration: from text to its member of struct conf.
#pragma once

#include "conf_table.h"

#define CONF_FAULT_BYTES 256u

// conf_value_parse reads text as key's type into the member at `at` (written only on success).
// Returns true; else fault holds "reason; cure" (CONF_FAULT_BYTES).
bool conf_value_parse(const struct conf_key *key, const char *text, void *at,
		      char fault[CONF_FAULT_BYTES]);

// conf_value_range writes key's range as an operator reads it ("16 to 4096", "1KiB to 32KiB", "").
void conf_value_range(const struct conf_key *key, char out[CONF_FAULT_BYTES]);
