// SPDX-License-Identifier: Apache-2.0
// The rows of each role, and the pieces they share. Private to compile/.
#pragma once

#include "compile.h"

// compile_edge, compile_gateway, compile_sidecar add the role's rows to set.
void compile_edge(const struct compile_input *input, struct rowset *set);
void compile_gateway(const struct compile_input *input, struct rowset *set);
void compile_sidecar(const struct compile_input *input, struct rowset *set);

// compile_add_service adds the SERVICE row of name and returns its id; 0 when it is not registered.
uint32_t compile_add_service(const struct compile_input *input, struct rowset *set,
			     const char *name);

// compile_add_workload adds the endpoint of an instance itself.
void compile_add_workload(const struct compile_input *input, struct rowset *set,
			  const struct model_row *instance);

// compile_add_all_routes adds the registry's routes of one service, or of all when service is NULL.
void compile_add_all_routes(const struct compile_input *input, struct rowset *set,
			    const char *service);

// compile_instances returns the instances of a service.
struct model_rows compile_instances(const struct model *registry, const char *service);
