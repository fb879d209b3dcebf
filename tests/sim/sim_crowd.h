// SPDX-License-Identifier: Apache-2.0
// Users who GET of a mesh over bad links until each has had its answers; what came to nothing is
// asked for again. What they ask for, and what disturbs them, is the scenario's: a sim_scene.
#pragma once

#include "sim_get.h"
#include "sim_workload.h"

#define SIM_CROWD_USERS 10u

struct sim_crowd;

// One user: one request at a time.
struct sim_user {
	struct sim_conn conn;
	struct sim_crowd *crowd;
	struct sim_body expected; // of the answer that comes
	uint32_t stream;          // of the request that is out
	uint32_t done_count;      // answers that were whole
	uint32_t try_count;       // of the request that comes next, in vain
	uint64_t deaf_until_us;   // it does not read until then
	uint16_t status;
	bool is_asking, is_wrong, is_over, is_h2;
};

struct sim_scene {
	const char *program, *what; // of sim_seeds
	const char *cache;          // the edge's configuration
	uint32_t latency_max_us;    // of a link, one way
	uint32_t user_count;        // at most SIM_CROWD_USERS
	uint32_t answer_count;      // that each user wants
	uint32_t try_count;         // of one request, after which nobody asks again
	uint16_t status;            // of a right answer; a 5xx is honest where links lose
	// start draws what holds for a seed, join what holds for one user.
	void (*start)(struct sim_crowd *crowd);
	void (*join)(struct sim_user *user);
	// ask sends a request by sim_user_ask, and says by expected what may come.
	void (*ask)(struct sim_user *user);
	// head reads the head of an answer of the right status; body was a piece of it; done was a
	// whole one. All may be NULL.
	void (*head)(struct sim_user *user, const struct http_message *message);
	void (*body)(struct sim_user *user);
	void (*done)(struct sim_user *user);
	// leaves is true for a user who gives its connection up now; NULL: nobody does.
	bool (*leaves)(struct sim_user *user);
	// disturb does something to the workload and sets the time of the next.
	void (*disturb)(struct sim_crowd *crowd);
	// judge returns what is wrong although all answers were right, or NULL; print tells of it.
	const char *(*judge)(const struct sim_crowd *crowd);
	void (*print)(const struct sim_crowd *crowd);
};

// A scenario's own struct begins with one.
struct sim_crowd {
	struct sim_world world;
	struct sim_workload workload;
	const struct sim_scene *scene;
	struct sim_user users[SIM_CROWD_USERS];
	uint64_t disturb_us; // when the workload is disturbed next
	uint32_t wrong_count, retry_count, given_up_count;
};

// sim_user_ask asks for a target; fields as in sim_get.
void sim_user_ask(struct sim_user *user, const char *target, const struct http_field *fields,
		  uint32_t field_count);

// sim_user_again counts a try that came to nothing, if one is out.
void sim_user_again(struct sim_user *user);

// sim_crowd_main is a program's main; the crowd is zeroed memory.
int sim_crowd_main(int count, char **arguments, struct sim_crowd *crowd,
		   const struct sim_scene *scene);
