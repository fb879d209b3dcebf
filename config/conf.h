// SPDX-License-Identifier: Apache-2.0
// The configuration of a node, both processes. Being built.
#pragma once
