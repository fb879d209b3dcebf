// SPDX-License-Identifier: Apache-2.0
// A whole mesh in one process on a virtual clock: edge, gateway and sidecar as real workers with
// their controls, a client's and a workload's host, four segments between them.
//
//   client --access-- edge ==wide== gateway ==local== sidecar --host-- workload
#pragma once

#include "sim_control.h"
#include "sim_host.h"
#include "sim_pki.h"

#define SIM_WALL_S 1800000000u // Unix time when a world begins
#define SIM_MESH   "mesh.test"
#define SIM_HOST   "shop.test"

enum sim_node_name { SIM_EDGE, SIM_GATEWAY, SIM_SIDECAR, SIM_NODE_COUNT };
enum sim_segment { SIM_ACCESS, SIM_WIDE, SIM_LOCAL, SIM_HOST_SEGMENT, SIM_SEGMENT_COUNT };

// A node's workers beyond the first, which is in sim_node.
struct sim_second {
	struct sim_memory *memory;
	struct worker *worker; // NULL: there is none
	struct port *ports[2];
};

struct sim_node {
	struct conf conf;
	struct sim_memory *memory;
	struct worker *worker;
	struct port *ports[2];
	struct sim_second second;
	struct handoff *handoff;                 // between the two
	struct worker_offload *offload;          // the edge's helper cores, or NULL
	uint64_t core_free_us[TLS_OFFLOADS_MAX]; // when each does its next job
	struct sim_control control;
};

// What a scenario changes; all zero is the usual mesh.
struct sim_world_plan {
	uint64_t seed;
	struct sim_link_config links[SIM_SEGMENT_COUNT];
	// Added to the node's configuration, or NULL; its tcp, route or cache replaces the usual
	// one.
	const char *conf_more[SIM_NODE_COUNT];
	const char *listen[SIM_NODE_COUNT]; // protocol of the first listener, or NULL: the usual
	bool is_v6;
	uint32_t host_window_bytes; // of the client's and the workload's TCP; 0: sim_limits
	// Helper cores of the edge, which are quick, slow or stall for a while; 0: none. Their jobs
	// at once, and how long one may take.
	uint32_t handshake_cores, handshake_jobs, handshake_job_time_ms;
	bool has_two_workers;     // every node, on shared ports
	bool is_spread;           // and both receive, whoever comes first; else only the first does
	bool is_route_on_demand;  // the edge's route is sent only when it asks
	bool has_no_route;        // nobody has a route
	bool has_no_endpoint;     // the sidecar has no workload
	bool is_edge_alone;       // the workload is on the edge's segment, and its endpoint
	bool has_no_edge_control; // nobody ever tells the edge anything
	const char *identities[SIM_NODE_COUNT]; // SPIFFE names in place of the right ones
	uint64_t identity_wall_s; // identities of the gateway are valid a day around it; 0 = now
	bool has_other_ca;        // the gateway's identity is from a CA that nobody trusts
};

struct sim_world {
	struct sim_world_plan plan;
	uint64_t now_us, began_us;
	struct random_source random;
	struct sim_link *links[SIM_SEGMENT_COUNT];
	struct sim_node nodes[SIM_NODE_COUNT];
	struct sim_memory *client_memory, *workload_memory;
	struct sim_host client_host, workload_host;
	struct sim_pki pki, other_pki;
	SSL_CTX *contexts[2]; // a client's: http/1.1, h2
	SSL_CTX *stranger;    // offers h2, verifies nobody
	SSL_CTX *caller;      // a gateway by its certificate, offers no protocol
	struct addr vip;      // of the edge, on the client's segment
};

extern const char *const sim_node_names[SIM_NODE_COUNT];

// sim_world_init makes what lives as long as the process: DPDK, pools, CAs. Call once.
void sim_world_init(struct sim_world *world);

// sim_world_fini frees keys and contexts.
void sim_world_fini(struct sim_world *world);

// sim_world_seed starts the world's randomness and clock, and OpenSSL's randomness, from a seed;
// call before drawing a plan.
void sim_world_seed(struct sim_world *world, uint64_t seed);

// sim_world_open makes all hosts as plan says, starts their controls and runs until the full sets
// are applied. The plan is copied.
void sim_world_open(struct sim_world *world, const struct sim_world_plan *plan);

// sim_world_step runs every node and both hosts once at the world's time.
void sim_world_step(struct sim_world *world);

// sim_world_advance moves the clock to what happens next, at least 20 µs on.
void sim_world_advance(struct sim_world *world);

// sim_world_leftovers says what is left in any node that should have ended (naming the node on
// stderr), or NULL: exchanges, connections, waits, buffers, packets.
const char *sim_world_leftovers(struct sim_world *world);

// sim_world_print writes every counter that is not zero to stderr, and the journals when asked.
void sim_world_print(struct sim_world *world, bool has_journals);

// sim_world_counter reads a counter of a node, summed over its workers.
uint64_t sim_world_counter(const struct sim_world *world, enum sim_node_name node,
			   enum counter counter);

// sim_world_close frees all hosts.
void sim_world_close(struct sim_world *world);
