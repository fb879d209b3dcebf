// SPDX-License-Identifier: Apache-2.0
// What the controls of a simulated mesh say: one service, its route, its way, and everybody's keys.
#pragma once

#include "sim_world.h"

// sim_world_fill_controls gives every node's control its rows, as world->plan says.
void sim_world_fill_controls(struct sim_world *world);
