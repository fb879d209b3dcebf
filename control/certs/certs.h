// SPDX-License-Identifier: Apache-2.0
// Public certificates from files, checked before they are used and read again when a file changes.
#pragma once

#include "compile.h"

struct certs;

#define CERTS_ERROR_BYTES 512u

// certs_open reads every pair that conf names (borrowed). NULL: error says which file and why.
struct certs *certs_open(const struct conf *conf, char error[CERTS_ERROR_BYTES]);

// certs_close wipes and frees; NULL is fine.
void certs_close(struct certs *certs);

// certs_reload reads what changed on disk since; a pair that is broken now keeps its old content
// and is told in the log. True when anything is new.
bool certs_reload(struct certs *certs);

// certs_rows borrows the pairs until the next certs_reload.
const struct compile_cert *certs_rows(const struct certs *certs, uint32_t *count);
