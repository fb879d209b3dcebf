// SPDX-License-Identifier: Apache-2.0
// The configuration of a node.
#include "conf.h"

typedef int conf_is_being_built;
