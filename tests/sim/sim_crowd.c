// SPDX-License-Identifier: Apache-2.0
// Users who GET over bad links until each has had its answers; see sim_crowd.h.
#include "sim_crowd.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>

#define STALLED_US 900000000ull
#define QUIET_US   90000000ull

void sim_user_ask(struct sim_user *user, const char *target, const struct http_field *fields,
		  uint32_t field_count)
{
	struct sim_get get = {.target = target, .fields = fields, .field_count = field_count};
	user->status = 0;
	user->is_wrong = false;
	user->is_asking = sim_get(user->conn.http, &get, &user->stream);
}

void sim_user_again(struct sim_user *user)
{
	struct sim_crowd *crowd = user->crowd;
	if (!user->is_asking)
		return;
	user->is_asking = false;
	crowd->retry_count++;
	if (++user->try_count < crowd->scene->try_count)
		return;
	crowd->given_up_count++;
	user->is_over = true;
}

// user_of is who has the connection, the user of its HTTP.
static struct sim_user *user_of(void *conn)
{
	return container_of((struct sim_conn *)conn, struct sim_user, conn);
}

static void on_head(void *conn, uint32_t, void *, const struct http_message *message, bool is_end)
{
	struct sim_user *user = user_of(conn);
	const struct sim_scene *scene = user->crowd->scene;
	user->status = message->status;
	user->is_wrong = message->status != scene->status && message->status < 500;
	if (message->status == scene->status && scene->head)
		scene->head(user, message);
	if (is_end)
		sim_user_again(user);
}

static void on_body(void *conn, uint32_t stream, void *, struct slice bytes)
{
	struct sim_user *user = user_of(conn);
	const struct sim_scene *scene = user->crowd->scene;
	if (user->status == scene->status && !user->is_wrong)
		user->is_wrong = !sim_body_check(&user->expected, bytes);
	http_consume(user->conn.http, stream, bytes.bytes);
	if (scene->body)
		scene->body(user);
}

static void on_end(void *conn, uint32_t, void *, const struct http_field *, uint32_t)
{
	struct sim_user *user = user_of(conn);
	struct sim_crowd *crowd = user->crowd;
	if (user->status >= 500) {
		sim_user_again(user);
		return;
	}
	bool is_whole = user->expected.offset == user->expected.bytes;
	if (user->is_wrong || !is_whole)
		printf("# wrong: status %u at %" PRIu64 " of %" PRIu64 "\n", user->status,
		       user->expected.offset, user->expected.bytes);
	crowd->wrong_count += user->is_wrong || !is_whole;
	user->is_asking = false;
	user->try_count = 0;
	user->is_over = ++user->done_count == crowd->scene->answer_count;
	if (crowd->scene->done)
		crowd->scene->done(user);
}

static void on_reset(void *conn, uint32_t, void *, struct http_fault)
{
	sim_user_again(user_of(conn));
}

static const struct http_events http_events = {on_head,      on_body,      on_end,        on_reset,
					       sim_get_pull, sim_get_sent, sim_get_closed};

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	sim_get_ready(conn, is_h2, &http_events);
}

static const struct sim_conn_owner owner = {
	.ready = on_ready, .gone = sim_get_gone, .raw = sim_get_raw};

static void call(struct sim_user *user)
{
	sim_get_connect(&user->crowd->world, &user->conn, user->is_h2, &owner);
}

static void step_user(struct sim_user *user)
{
	const struct sim_scene *scene = user->crowd->scene;
	struct sim_conn *conn = &user->conn;
	if (user->is_over) {
		conn->is_deaf = false;
		sim_conn_shut(conn);
		sim_conn_step(conn);
		return;
	}
	if (conn->http && !user->is_asking)
		scene->ask(user);
	conn->is_deaf = user->crowd->world.now_us < user->deaf_until_us;
	sim_conn_step(conn);
	bool is_lost = conn->is_gone || (conn->http && http_is_done(conn->http));
	bool leaves = scene->leaves && scene->leaves(user);
	if ((!leaves && !is_lost) || user->is_over)
		return;
	sim_user_again(user);
	sim_conn_fini(conn);
	call(user);
}

static bool is_over(const struct sim_crowd *crowd)
{
	for (uint32_t i = 0; i < crowd->scene->user_count; i++)
		if (!crowd->users[i].is_over)
			return false;
	return true;
}

static void turn(struct sim_crowd *crowd)
{
	struct sim_world *world = &crowd->world;
	sim_world_step(world);
	for (uint32_t i = 0; i < crowd->scene->user_count; i++)
		step_user(&crowd->users[i]);
	if (world->now_us >= crowd->disturb_us && !is_over(crowd))
		crowd->scene->disturb(crowd);
	sim_workload_step(&crowd->workload);
	sim_world_advance(world);
}

static void open_crowd(struct sim_crowd *crowd, uint64_t seed)
{
	static const uint32_t losses[] = {0, 50, 200, 500};
	const struct sim_scene *scene = crowd->scene;
	struct sim_world *world = &crowd->world;
	sim_world_seed(world, seed);
	struct sim_world_plan plan = {.seed = seed,
				      .is_v6 = random_below(&world->random, 2),
				      .has_two_workers = random_below(&world->random, 2),
				      .conf_more[SIM_EDGE] = scene->cache};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){
			.loss = s == SIM_HOST_SEGMENT ? 0 : losses[seed % 4],
			.latency_us = 50 + random_below(&world->random, scene->latency_max_us),
			.jitter_us = random_below(&world->random, 1000),
			.queue_bytes = 200000,
			.mtu = 1500};
	sim_world_open(world, &plan);
	CHECK(sim_workload_init(&crowd->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
	crowd->wrong_count = crowd->retry_count = crowd->given_up_count = 0;
	scene->start(crowd);
	for (uint32_t i = 0; i < scene->user_count; i++) {
		crowd->users[i] = (struct sim_user){.crowd = crowd};
		scene->join(&crowd->users[i]);
		call(&crowd->users[i]);
	}
}

static void close_crowd(struct sim_crowd *crowd)
{
	for (uint32_t i = 0; i < crowd->scene->user_count; i++)
		sim_conn_fini(&crowd->users[i].conn);
	sim_workload_fini(&crowd->workload);
	sim_world_close(&crowd->world);
}

static const char *judge(struct sim_crowd *crowd)
{
	if (!is_over(crowd))
		return "stalled";
	if (crowd->wrong_count)
		return "wrong bytes, status or length";
	if (crowd->given_up_count)
		return "a request was never answered";
	const char *failure = crowd->scene->judge(crowd);
	return failure ? failure : sim_world_leftovers(&crowd->world);
}

// run_seed runs one seed; true when it passed.
static bool run_seed(void *user, uint64_t seed, bool is_verbose)
{
	struct sim_crowd *crowd = user;
	struct sim_world *world = &crowd->world;
	open_crowd(crowd, seed);
	while (!is_over(crowd) && world->now_us - world->began_us < STALLED_US)
		turn(crowd);
	sim_workload_fini(&crowd->workload);
	for (uint64_t end_us = world->now_us + QUIET_US; is_over(crowd) && world->now_us < end_us;)
		turn(crowd);
	const char *failure = judge(crowd);
	if (failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, failure);
	if (failure || is_verbose) {
		fprintf(stderr, "  virtual %.1f s, %u tries again",
			(double)(world->now_us - world->began_us) / 1e6, crowd->retry_count);
		crowd->scene->print(crowd);
		sim_world_print(world, failure);
	}
	close_crowd(crowd);
	return !failure;
}

int sim_crowd_main(int count, char **arguments, struct sim_crowd *crowd,
		   const struct sim_scene *scene)
{
	crowd->scene = scene;
	sim_world_init(&crowd->world);
	int result =
		sim_seeds_main(count, arguments,
			       &(struct sim_seeds){scene->program, scene->what, crowd, run_seed});
	sim_world_fini(&crowd->world);
	return result;
}
