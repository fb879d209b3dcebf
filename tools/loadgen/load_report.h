// SPDX-License-Identifier: Apache-2.0
// What a run found, as one JSON object.
#pragma once

#include "load.h"

#include <stdio.h>

// load_report_print writes the object and a newline.
void load_report_print(const struct load *load, FILE *out);
