// SPDX-License-Identifier: Apache-2.0
// What a connection costs an edge in packets and in turns that send: a client of OpenSSL's shakes
// hands, asks for what the cache has, and ends, each of its steps in a turn of the edge's own or
// together. And that nothing is lost by sending less: tickets arrive, half-closed clients are
// answered, over bad links, too.
#include "sim_frame.h"
#include "sim_get.h"
#include "sim_workload.h"
#include "unit.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define HIT        "/b/1/512?age=600"
#define SLOW       "/s/1/512" // not before the workload may
#define HTTPS      443
#define LIMIT_US   600000000ull
#define SEEDS      100u
#define SEGMENTS   64u
#define DELAYED_US 40000ull // tcp.delayed_ack

// How a client behaves.
struct habit {
	const char *target; // NULL: it asks nothing
	bool is_apart;      // Finished, request, close_notify and FIN in turns of their own
	bool is_half;       // its FIN follows the request, before the answer
	bool is_waiting;    // it stays when there is nothing to do
};

// One of the edge's segments, as a letter: S is its SYN-ACK, A a bare ACK, D data, F its FIN, E
// data and FIN.
struct run {
	struct sim_world world;
	struct sim_workload workload;
	struct sim_conn conn;
	struct habit habit;
	char ours[SEGMENTS + 1];
	uint32_t our_count, our_turns;
	uint32_t status_count; // answers
	uint64_t sent_us;      // when the edge sent last
	bool is_asked, is_done, is_notified;
};

static struct run run;

static bool on_frame(void *, const struct port *port, uint8_t *frame, uint32_t bytes)
{
	uint32_t segment_bytes;
	const uint8_t *tcp = sim_frame_tcp(frame, bytes, &segment_bytes);
	bool is_ours = tcp && port == run.world.nodes[SIM_EDGE].ports[0];
	if (!is_ours || (tcp[0] << 8 | tcp[1]) != HTTPS) // upstream is on the same segment
		return true;
	bool has_data = segment_bytes > (tcp[12] >> 4) * 4u;
	char letter = has_data ? 'D' : 'A';
	if (tcp[13] & TCP_SYN)
		letter = 'S';
	else if (tcp[13] & TCP_RST)
		letter = 'R';
	else if (tcp[13] & TCP_FIN)
		letter = has_data ? 'E' : 'F';
	if (run.our_count < SEGMENTS)
		run.ours[run.our_count++] = letter;
	run.our_turns += run.sent_us != run.world.now_us;
	run.sent_us = run.world.now_us;
	return true;
}

static void open_run(uint64_t seed, uint32_t loss)
{
	struct sim_world_plan plan = {.seed = seed, .is_edge_alone = true};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){.latency_us = 20, .mtu = 1500};
	plan.links[SIM_ACCESS].loss = loss;
	plan.links[SIM_ACCESS].reorder = loss;
	plan.links[SIM_ACCESS].reorder_us = 5000;
	plan.links[SIM_ACCESS].duplicate = loss;
	plan.links[SIM_ACCESS].tamper = on_frame;
	sim_world_seed(&run.world, seed);
	sim_world_open(&run.world, &plan);
	CHECK(sim_workload_init(&run.workload, run.world.workload_host.tcp,
				&run.world.workload_memory->bufs, 80) == 0);
}

static void on_head(void *, uint32_t, void *, const struct http_message *message, bool)
{
	run.status_count += message->status == 200;
}

static void on_body(void *, uint32_t stream, void *, struct slice bytes)
{
	http_consume(run.conn.http, stream, bytes.bytes);
}

static void on_end(void *, uint32_t, void *, const struct http_field *, uint32_t)
{
	run.is_done = true;
}

static void on_reset(void *, uint32_t, void *, struct http_fault) {}

static const struct http_events http_events = {on_head,      on_body,      on_end,        on_reset,
					       sim_get_pull, sim_get_sent, sim_get_closed};

static void ask(void)
{
	uint32_t stream;
	struct sim_get get = {.target = run.habit.target};
	run.is_asked = true;
	run.is_done = !get.target;
	if (get.target)
		CHECK(sim_get(run.conn.http, &get, &stream));
}

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	sim_get_ready(conn, is_h2, &http_events);
	if (!run.habit.is_apart)
		ask();
}

static const struct sim_conn_owner owner = {
	.ready = on_ready, .gone = sim_get_gone, .raw = sim_get_raw};

// end says what the client has to say last, in one turn or in two.
static void end(void)
{
	if (run.habit.is_apart && !run.is_notified)
		SSL_shutdown(run.conn.ssl);
	else
		sim_conn_shut(&run.conn);
	run.is_notified = true;
}

static void act(void)
{
	bool is_over = run.is_done || (run.habit.is_half && run.is_asked);
	if (is_over && !run.habit.is_waiting)
		end();
	if (run.conn.http && !run.is_asked)
		ask();
	sim_conn_step(&run.conn);
}

static void turn(void)
{
	sim_world_step(&run.world);
	act();
	sim_workload_step(&run.workload);
	sim_world_advance(&run.world);
}

static void call(const struct habit *habit, SSL_SESSION *session)
{
	run.habit = *habit;
	run.our_count = run.our_turns = run.status_count = 0;
	run.is_asked = run.is_done = run.is_notified = false;
	sim_get_connect(&run.world, &run.conn, false, &owner);
	CHECK(!run.conn.is_gone && (!session || SSL_set_session(run.conn.ssl, session)));
}

// visit calls and runs until the connection is gone; the caller finishes run.conn.
static void visit(const struct habit *habit, SSL_SESSION *session)
{
	call(habit, session);
	for (uint64_t end_us = run.world.now_us + LIMIT_US; !run.conn.is_gone;) {
		turn();
		CHECK(run.world.now_us < end_us);
	}
	run.ours[run.our_count] = '\0';
}

static bool has_ticket(void)
{
	return SSL_SESSION_is_resumable(SSL_get_session(run.conn.ssl));
}

static void rest(uint64_t us)
{
	for (uint64_t end_us = run.world.now_us + us; run.world.now_us < end_us;)
		turn();
}

static void close_run(void)
{
	sim_conn_fini(&run.conn);
	sim_workload_fini(&run.workload);
	rest(90000000);
	CU_ASSERT_PTR_NULL(sim_world_leftovers(&run.world));
	sim_world_close(&run.world);
}

// warm fills the cache, and neighbours.
static void warm(void)
{
	visit(&(struct habit){.target = HIT}, NULL);
	sim_conn_fini(&run.conn);
	rest(5000000);
}

// costs visits with and without a ticket, and wants these segments of the edge.
static void costs(const struct habit *habit, const char *wanted)
{
	open_run(1, 0);
	warm();
	SSL_SESSION *session = NULL;
	for (unsigned i = 0; i < 2; i++) {
		visit(habit, session);
		printf("# %s: %s in %u turns\n", session ? "resumed" : "full", run.ours,
		       run.our_turns);
		CU_ASSERT_EQUAL(SSL_session_reused(run.conn.ssl), session != NULL);
		CU_ASSERT_EQUAL(run.status_count, habit->target != NULL);
		CU_ASSERT(has_ticket());
		CU_ASSERT_STRING_EQUAL(run.ours, wanted);
		CU_ASSERT_EQUAL(run.our_turns, strlen(wanted));
		SSL_SESSION_free(session);
		session = SSL_get1_session(run.conn.ssl);
		sim_conn_fini(&run.conn);
		rest(5000000);
	}
	SSL_SESSION_free(session);
	close_run();
}

static void a_connection_costs_four_packets_of_ours(void)
{
	costs(&(struct habit){.target = HIT}, "SDDE");
}

// Our close answers close_notify; a FIN that comes later has an ACK of its own.
static void steps_in_turns_of_their_own_cost_one_more(void)
{
	costs(&(struct habit){.target = HIT, .is_apart = true}, "SDDEA");
}

static void a_client_that_leaves_at_once_costs_three(void)
{
	costs(&(struct habit){0}, "SDE");
}

// The ticket is there for who only listens, and what it said last is acknowledged soon: it may be
// Nagle's algorithm that makes it wait.
static void a_client_that_says_nothing_has_its_ticket(void)
{
	open_run(1, 0);
	warm();
	call(&(struct habit){.is_waiting = true}, NULL);
	rest(DELAYED_US / 2);
	CU_ASSERT(has_ticket());
	run.ours[run.our_count] = '\0';
	CU_ASSERT_STRING_EQUAL(run.ours, "SDA");
	CU_ASSERT_EQUAL(tcp_in_use(run.world.client_host.tcp).ready_count, 0);
	close_run();
}

// A client that has shut down its side waits for its answer: its FIN is acknowledged meanwhile.
static void a_half_closed_client_hears_of_its_fin_and_its_answer(void)
{
	open_run(1, 0);
	warm();
	run.workload.is_holding = true;
	call(&(struct habit){.target = SLOW, .is_half = true}, NULL);
	rest(DELAYED_US / 2);
	run.ours[run.our_count] = '\0';
	CU_ASSERT_STRING_EQUAL(run.ours, "SDA");
	CU_ASSERT_EQUAL(run.status_count, 0);
	run.workload.is_holding = false;
	rest(1000000);
	run.ours[run.our_count] = '\0';
	CU_ASSERT_STRING_EQUAL(run.ours, "SDAE");
	CU_ASSERT_EQUAL(run.status_count, 1);
	close_run();
}

// Over a bad link each visit is answered, has a ticket, and the next one resumes by it.
static void nothing_is_lost_over_bad_links(void)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct habit habit = {
			.target = HIT, .is_apart = seed % 2, .is_half = seed % 3 == 0};
		SSL_SESSION *session = NULL;
		open_run(seed, 500 + (uint32_t)(seed % 4) * 500);
		for (unsigned i = 0; i < 3; i++) {
			visit(&habit, session);
			bool is_good = run.status_count == 1 && has_ticket() &&
				       SSL_session_reused(run.conn.ssl) == (session != NULL);
			if (!is_good)
				printf("# seed %u: %s\n", (unsigned)seed, run.ours);
			CU_ASSERT(is_good);
			SSL_SESSION_free(session);
			session = SSL_get1_session(run.conn.ssl);
			sim_conn_fini(&run.conn);
		}
		SSL_SESSION_free(session);
		close_run();
	}
}

int main(void)
{
	sim_world_init(&run.world);
	static const struct unit_case tests[] = {
		{"a connection costs four packets of ours",
		 a_connection_costs_four_packets_of_ours},
		{"steps in turns of their own cost one more",
		 steps_in_turns_of_their_own_cost_one_more},
		{"a client that leaves at once costs three",
		 a_client_that_leaves_at_once_costs_three},
		{"a client that says nothing has its ticket",
		 a_client_that_says_nothing_has_its_ticket},
		{"a half-closed client hears of its FIN and its answer",
		 a_half_closed_client_hears_of_its_fin_and_its_answer},
		{"nothing is lost over bad links", nothing_is_lost_over_bad_links},
	};
	int failed = unit_run("turns_sim", tests, ARRAY_LEN(tests));
	sim_world_fini(&run.world);
	return failed;
}
