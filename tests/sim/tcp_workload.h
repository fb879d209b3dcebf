// SPDX-License-Identifier: Apache-2.0
// A random workload over a random network: what the files of tcp_workload share. A seed draws
// hosts, a link, limits and flows; a flow is one planned connection with what its two applications
// do.
#pragma once

#include "sim_host.h"

#define WORKLOAD_HOSTS 4u
#define WORKLOAD_PORT  4433u // listened on by every host
#define WORKLOAD_TWIN  7000u // both ports of a simultaneous open
#define WORKLOAD_SHUT  4444u // nobody listens here

enum flow_kind {
	FLOW_WHOLE,   // both ends send all, shut down, read to the end
	FLOW_TWIN,    // the same, opened by both ends at once
	FLOW_BROKEN,  // an end aborts or releases somewhere on the way
	FLOW_REFUSED, // the listener's owner says no
	FLOW_NOBODY,  // nobody listens
	FLOW_KINDS
};

struct workload;
struct flow;

// One end of a flow: first what it was drawn to do, then what became of it.
struct flow_end {
	struct flow *flow;
	struct sim_host *host;
	uint64_t to_send;
	uint64_t breaks_after;  // bytes read and queued; UINT64_MAX: never
	uint64_t breaks_at_us;  // UINT64_MAX: never
	uint32_t read_max;      // bytes at a time, and a nap after each
	uint32_t read_pause_us; // 0: reads all it can
	uint32_t write_max;
	uint32_t write_pause_us;
	bool is_releasing;  // breaks off by tcp_release, not tcp_abort
	bool waits_for_end; // sends its FIN after the peer's
	bool is_stalling;   // stops reading for seconds now and then

	struct pool_id conn;
	uint64_t sent, read;
	uint64_t read_at_us, write_at_us; // naps end
	uint64_t closed_us;
	enum counter reason;
	bool is_live, is_shut, is_at_end, is_closed, is_broken;
};

struct flow {
	struct workload *workload;
	struct flow_end ends[2]; // the one that connects first
	struct tcp_tuple tuple;  // of ends[0]
	enum flow_kind kind;
	uint64_t start_us; // moved on while the connection table is full
	uint64_t began_us;
	uint32_t salt;
	bool is_v6, is_started, is_active;
};

// A listener's user.
struct workload_door {
	struct workload *workload;
	uint32_t host;
};

struct workload {
	uint64_t seed, now_us, began_us;
	struct random_source random;
	struct sim_link *link;
	struct sim_link_config path, calm; // now; without outages
	struct sim_host hosts[WORKLOAD_HOSTS];
	uint64_t time_wait_us[WORKLOAD_HOSTS];
	struct workload_door doors[WORKLOAD_HOSTS];
	struct sim_memory *memories[WORKLOAD_HOSTS]; // borrowed
	uint32_t host_count, flow_count;
	struct flow *flows;   // owned, by start
	struct flow **active; // owned; started and not over, active_count of them
	uint32_t next_flow, active_count;
	uint64_t event_us; // the path changes
	uint32_t events_left;
	bool is_disturbed;
	bool is_unwanted[256]; // TCP options that a middlebox takes from SYNs
	bool is_crowd;         // thousands of small flows
	bool is_harsh;         // so lossy that a connection may give up
	bool is_tight;         // tables so small that a handshake may be lost
	bool has_v6, is_verbose;
	uint32_t excused; // flows that ended short and were allowed to
	const char *failure;
	const struct flow *failed;
};

// workload_draw fills workload from its seed: hosts opened, flows planned. small and large are the
// memories of the hosts to choose from.
void workload_draw(struct workload *workload, struct sim_memory *const large[WORKLOAD_HOSTS],
		   struct sim_memory *const small[WORKLOAD_HOSTS]);

// workload_disturb changes the path when its time has come: outages, MTU, rate.
void workload_disturb(struct workload *workload);

// workload_fail notes the first failure.
void workload_fail(struct workload *workload, const struct flow *flow, const char *why);

// workload_activate puts a started flow among the active ones, also one that seemed over: its first
// end had broken off before the other heard of it.
void workload_activate(struct workload *workload, struct flow *flow);

// workload_listen opens host's door.
void workload_listen(struct workload *workload, uint32_t host, uint16_t backlog,
		     enum tcp_congestion congestion);

// flow_start connects; false: try again at the new start_us.
bool flow_start(struct flow *flow);

// flow_pump lets both applications do what they can now.
void flow_pump(struct flow *flow);

// flow_is_over is true when neither application holds its end any longer.
bool flow_is_over(const struct flow *flow);

// flow_next_us is when an application of the flow wakes up; UINT64_MAX when it waits for events.
uint64_t flow_next_us(const struct flow *flow);

// flow_check judges what became of a flow that is over.
void flow_check(struct flow *flow);

// flow_print tells all about a flow.
void flow_print(const struct flow *flow);
