// SPDX-License-Identifier: Apache-2.0
// Two stacks over a bad link: random connections, sizes, half-closes, resets and slow readers.
// Every byte is checked, every plan has one right outcome, and all pools must be back at zero.
//
//   tcp_sim [--seed N | --seeds A-B] [--loss P] [--reorder P] [--dup P] [--corrupt P] [--verbose]
//
// Chances are percents with at most two decimals; without --loss it goes round 0, 1, 5 and 10 %
// with reordering and duplication. A failing seed is printed with its options; exit code 1.
#include "check.h"
#include "sim_frame.h"
#include "sim_host.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define PLANS_MAX  24u
#define PORT       4433u
#define HEAD_BYTES 4u // a client's first bytes: the number of its plan
#define STEPS_MAX  4000000u
#define STALLED_US 30000000000ull // of virtual time: a lost third is a matter of minutes
#define WRITE_MAX  16384u

enum behaviour {
	BEHAVE,        // both sides send all, shut down, read to the end
	CLIENT_ABORTS, // after some bytes
	SERVER_ABORTS,
	CLIENT_RELEASES, // sends all, then does not care
	SERVER_REFUSES,  // accepted returns NULL
	BEHAVIOUR_COUNT
};

struct plan;

// One end of a planned connection.
struct side {
	struct plan *plan;
	struct sim_host *host;
	struct pool_id conn;
	struct run *run;
	uint64_t to_send, sent;
	uint64_t to_read, read;
	uint64_t pause_until_us; // a slow reader's nap
	enum counter reason;
	bool is_client, is_live, is_shut, is_at_end, is_closed, is_broken;
};

struct plan {
	struct side client, server;
	struct tcp_tuple client_tuple;
	enum behaviour behaviour;
	uint64_t start_us;
	uint64_t abort_after; // bytes read or sent by the aborting side
	uint32_t read_max;    // bytes a reader takes at a time; 0 = all
	uint32_t salt;
	bool is_started;
	bool is_v6;
};

struct run {
	uint64_t now_us, began_us;
	struct random_source random;
	struct sim_link *link;
	struct sim_host hosts[2]; // client, server
	struct plan plans[PLANS_MAX];
	uint32_t plan_count;
	const char *failure;
	uint32_t failed_plan;
	bool has_cookies, is_unwanted[256]; // few handshakes are kept; by TCP option kind
};

struct options {
	uint64_t first, last;
	uint32_t loss, reorder, duplicate, corrupt;
	bool has_impairments, is_verbose;
};

static void fail(struct run *run, const struct plan *plan, const char *why)
{
	if (run->failure)
		return;
	run->failure = why;
	run->failed_plan = (uint32_t)(plan - run->plans);
}

static void on_broken(void *user, const char *rule)
{
	struct run *run = user;
	if (!run->failure)
		fprintf(stderr, "  %s\n", rule);
	fail(run, run->plans, "an invariant of tcp does not hold");
}

static uint8_t byte_at(const struct side *sender, uint64_t offset)
{
	if (sender->is_client && offset < HEAD_BYTES)
		return (uint8_t)((uint32_t)(sender->plan - sender->run->plans) >> 8 * offset);
	uint64_t x = (offset >> 3 ^ (uint64_t)sender->plan->salt << 32 ^ sender->is_client) *
		     0x9e3779b97f4a7c15ull;
	return (uint8_t)(x >> (offset & 7) * 8);
}

static struct side *peer_of(struct side *side)
{
	return side->is_client ? &side->plan->server : &side->plan->client;
}

static void abort_now(struct side *side)
{
	tcp_abort(side->host->tcp, side->conn);
	side->is_live = false;
	side->is_broken = true;
}

// should_abort is true when this side is the one that breaks off, and it is time.
static bool should_abort(const struct side *side)
{
	enum behaviour mine = side->is_client ? CLIENT_ABORTS : SERVER_ABORTS;
	return side->plan->behaviour == mine && side->read + side->sent >= side->plan->abort_after;
}

static void finish_sending(struct side *side)
{
	if (side->sent < side->to_send || side->is_shut)
		return;
	side->is_shut = true;
	if (side->is_client && side->plan->behaviour == CLIENT_RELEASES) {
		tcp_release(side->host->tcp, side->conn);
		side->is_live = false;
		return;
	}
	tcp_shutdown(side->host->tcp, side->conn);
}

static void send_more(struct side *side)
{
	struct tcp *tcp = side->host->tcp;
	while (side->is_live && side->sent < side->to_send) {
		if (should_abort(side)) {
			abort_now(side);
			return;
		}
		uint64_t left = side->to_send - side->sent;
		uint32_t want = 1 + random_below(&side->run->random, WRITE_MAX);
		uint32_t bytes = (uint32_t)MIN(left, (uint64_t)want);
		if (tcp_send_room(tcp, side->conn) < bytes)
			return;
		struct buf *buf = buf_new(&side->host->memory->bufs, bytes);
		if (!buf)
			return; // try again later: pump
		uint32_t offset = random_below(&side->run->random, buf->bytes - bytes + 1);
		for (uint32_t i = 0; i < bytes; i++)
			buf->data[offset + i] = byte_at(side, side->sent + i);
		if (tcp_send(tcp, side->conn, buf, offset, bytes) != 0)
			fail(side->run, side->plan, "tcp_send refused");
		side->sent += bytes;
	}
	if (side->is_live)
		finish_sending(side);
}

// take checks bytes read and scribbles over them, as decryption in place does.
static void take(struct side *side, struct slice bytes)
{
	uint8_t *at = (uint8_t *)(uintptr_t)bytes.at;
	for (size_t i = 0; i < bytes.bytes; i++) {
		if (at[i] != byte_at(peer_of(side), side->read + i))
			fail(side->run, side->plan, "wrong byte");
		at[i] ^= 0xff;
	}
	side->read += bytes.bytes;
	if (side->read > side->to_read)
		fail(side->run, side->plan, "more bytes than were sent");
}

static void read_more(struct side *side)
{
	struct tcp *tcp = side->host->tcp;
	struct run *run = side->run;
	uint32_t quota = side->plan->read_max ? side->plan->read_max : UINT32_MAX;
	if (run->now_us < side->pause_until_us)
		return;
	while (side->is_live && tcp_received(tcp, side->conn) > 0 && quota > 0 && !run->failure) {
		if (should_abort(side)) {
			abort_now(side);
			return;
		}
		struct slice got = slice_head(tcp_peek(tcp, side->conn), quota);
		take(side, got);
		tcp_consume(tcp, side->conn, got.bytes);
		quota -= (uint32_t)got.bytes;
	}
	if (side->plan->read_max)
		side->pause_until_us = run->now_us + random_below(&run->random, 50000);
	if (side->is_live && tcp_at_end(tcp, side->conn))
		side->is_at_end = true;
}

static void on_opened(void *user, struct pool_id)
{
	send_more(user);
}

static void on_readable(void *user, struct pool_id)
{
	read_more(user);
}

static void on_closed(void *user, struct pool_id conn, enum counter reason)
{
	struct side *side = user;
	struct tcp_tuple tuple;
	if (side->is_closed || !side->is_live)
		fail(side->run, side->plan, "closed twice, or after abort or release");
	if (tcp_tuple_of(side->host->tcp, conn, &tuple))
		fail(side->run, side->plan, "handle lives after closed");
	side->is_closed = true;
	side->is_live = false;
	side->reason = reason;
	if (reason == COUNTER_tcp_closed) // a napping reader had taken every byte, not yet the end
		side->is_at_end = true;
}

static const struct tcp_events events = {on_opened, on_readable, on_opened, on_closed};

static void *on_accepted(void *user, struct pool_id conn, const struct tcp_tuple *tuple)
{
	struct run *run = user;
	for (uint32_t i = 0; i < run->plan_count; i++) {
		struct plan *plan = &run->plans[i];
		struct side *side = &plan->server;
		if (side->is_live || side->is_closed || side->is_broken ||
		    plan->client_tuple.local_port != tuple->remote_port ||
		    !addr_equal(&plan->client_tuple.local, &tuple->remote))
			continue;
		if (plan->behaviour == SERVER_REFUSES)
			return NULL;
		side->conn = conn;
		side->is_live = true;
		tcp_set_user(run->hosts[1].tcp, conn, side);
		send_more(side);
		return side;
	}
	if (!run->has_cookies) // a late first ACK brings back the connection that was broken off
		fail(run, run->plans, "a connection that no plan knows");
	return NULL;
}

static uint64_t draw_bytes(struct random_source *random)
{
	uint32_t bits = random_below(random, 19);
	return random_below(random, (1u << bits) + 1);
}

static void draw_plan(struct run *run, struct plan *plan)
{
	struct random_source *random = &run->random;
	*plan = (struct plan){
		.start_us = run->now_us + random_below(random, 2000000),
		.salt = (uint32_t)random_u64(random),
		.is_v6 = random_below(random, 2),
	};
	if (random_below(random, 3) == 0)
		plan->behaviour = random_below(random, BEHAVIOUR_COUNT);
	if (random_below(random, 4) == 0)
		plan->read_max = 1 + random_below(random, 20000);
	plan->client.to_send = HEAD_BYTES + draw_bytes(random);
	// a released connection's peer must not send: its bytes would be answered with RST
	plan->server.to_send = plan->behaviour == CLIENT_RELEASES ? 0 : draw_bytes(random);
	plan->client.to_read = plan->server.to_send;
	plan->server.to_read = plan->client.to_send;
	plan->abort_after = random_below(random, (uint32_t)plan->client.to_send + 1);
	plan->client.is_client = true;
	plan->client.plan = plan->server.plan = plan;
	plan->client.run = plan->server.run = run;
	plan->client.host = &run->hosts[0];
	plan->server.host = &run->hosts[1];
}

static void start_plan(struct run *run, struct plan *plan)
{
	struct tcp_connect connect = {
		.remote = sim_host_addr(2, plan->is_v6),
		.remote_port = PORT,
		.events = &events,
		.user = &plan->client,
	};
	if (run->now_us < plan->start_us || plan->is_started)
		return;
	plan->is_started = true;
	plan->client.is_live = true;
	if (tcp_connect_to(run->hosts[0].tcp, &connect, &plan->client.conn) != 0)
		fail(run, plan, "tcp_connect_to refused");
	tcp_tuple_of(run->hosts[0].tcp, plan->client.conn, &plan->client_tuple);
}

// pump starts what is due and lets sleepers read on.
static void pump(struct run *run)
{
	for (uint32_t i = 0; i < run->plan_count && !run->failure; i++) {
		struct plan *plan = &run->plans[i];
		start_plan(run, plan);
		struct side *sides[] = {&plan->client, &plan->server};
		for (unsigned s = 0; s < 2; s++) {
			struct tcp_info info;
			if (!sides[s]->is_live ||
			    !tcp_info_of(sides[s]->host->tcp, sides[s]->conn, &info))
				continue;
			read_more(sides[s]);
			if (sides[s]->is_live && strcmp(info.state, "SYN-SENT") != 0)
				send_more(sides[s]);
		}
	}
}

static uint64_t next_us(const struct run *run)
{
	uint64_t next = sim_link_next_us(run->link);
	for (unsigned h = 0; h < 2; h++)
		next = MIN(next, sim_host_next_us(&run->hosts[h], run->now_us));
	for (uint32_t i = 0; i < run->plan_count; i++) {
		const struct plan *plan = &run->plans[i];
		if (!plan->is_started)
			next = MIN(next, plan->start_us);
		const struct side *sides[] = {&plan->client, &plan->server};
		for (unsigned s = 0; s < 2; s++)
			if (sides[s]->is_live && sides[s]->pause_until_us > run->now_us)
				next = MIN(next, sides[s]->pause_until_us);
	}
	return next;
}

static bool is_done(const struct run *run)
{
	for (uint32_t i = 0; i < run->plan_count; i++)
		if (!run->plans[i].is_started || run->plans[i].client.is_live ||
		    run->plans[i].server.is_live)
			return false;
	for (unsigned h = 0; h < 2; h++) {
		struct tcp_in_use in_use = tcp_in_use(run->hosts[h].tcp);
		if (in_use.conn_count + in_use.half_open_count + in_use.time_wait_count)
			return false;
	}
	return sim_link_next_us(run->link) == UINT64_MAX;
}

static void check_whole(struct run *run, struct plan *plan, struct side *side)
{
	if (!side->is_closed || side->reason != COUNTER_tcp_closed)
		fail(run, plan, "did not end as closed");
	else if (side->read != side->to_read || side->sent != side->to_send || !side->is_at_end)
		fail(run, plan, "bytes missing at the end");
}

static void check_plan(struct run *run, struct plan *plan)
{
	struct side *client = &plan->client, *server = &plan->server;
	switch (plan->behaviour) {
	case BEHAVE:
		check_whole(run, plan, client);
		check_whole(run, plan, server);
		break;
	case CLIENT_RELEASES: check_whole(run, plan, server); break;
	case SERVER_REFUSES:
		if (!client->is_closed || client->reason != COUNTER_tcp_reset_by_peer)
			fail(run, plan, "refused connection was not reset");
		break;
	default: // broken off: prefixes were checked; nobody may time out
		if (client->reason == COUNTER_tcp_timed_out ||
		    server->reason == COUNTER_tcp_timed_out)
			fail(run, plan, "timed out");
	}
}

static void simulate(struct run *run)
{
	while (!run->failure && !is_done(run)) {
		if (run->now_us - run->began_us > STALLED_US) {
			run->failure = "stalled";
			return;
		}
		pump(run);
		for (unsigned h = 0; h < 2; h++)
			sim_host_step(&run->hosts[h], run->now_us,
				      1 + random_below(&run->random, 64));
		uint64_t next = MAX(next_us(run), run->now_us + 1);
		if (next == UINT64_MAX && !is_done(run)) {
			run->failure = "nothing will ever happen again";
			return;
		}
		if (next != UINT64_MAX)
			run->now_us = next + random_below(&run->random, 200);
	}
}

// tamper takes from SYNs the options that this run goes without.
static bool tamper(void *user, const struct port *, uint8_t *frame, uint32_t bytes)
{
	const struct run *run = user;
	sim_frame_strip(frame, bytes, run->is_unwanted);
	return true;
}

static struct sim_link_config draw_link(struct random_source *random, const struct options *options,
					uint64_t seed)
{
	static const uint32_t losses[] = {0, 100, 500, 1000};
	struct sim_link_config config = {
		.loss = losses[seed % 4],
		.reorder = losses[seed / 4 % 4],
		.duplicate = losses[seed / 16 % 4],
		.corrupt = seed % 3 ? 0 : 100,
		.latency_us = 50 + random_below(random, 40000),
		.jitter_us = random_below(random, 3000),
		.reorder_us = 1 + random_below(random, 30000),
		.bytes_per_s =
			random_below(random, 2) ? 0 : 300000 + random_below(random, 20000000),
		.queue_bytes = 30000 + random_below(random, 200000),
		.mtu = (uint16_t)(1280 + random_below(random, 221)),
		.split = random_below(random, 4) == 0,
	};
	if (options->has_impairments) {
		config.loss = options->loss;
		config.reorder = options->reorder;
		config.duplicate = options->duplicate;
		config.corrupt = options->corrupt;
	}
	return config;
}

static void open_run(struct run *run, const struct options *options, uint64_t seed,
		     struct sim_memory *memories[2])
{
	struct random_source *random = &run->random;
	random_init(random, (struct siphash_key){{seed, 0x7463705f73696d}});
	run->now_us = 1 + random_u64(random) % 1000000000000ull; // clocks wrap somewhere
	run->began_us = run->now_us;
	struct sim_link_config link = draw_link(random, options, seed);
	run->is_unwanted[3] = random_below(random, 8) == 0; // window scale
	run->is_unwanted[4] = random_below(random, 4) == 0; // SACK
	run->is_unwanted[8] = random_below(random, 4) == 0; // timestamps
	link.tamper = tamper;
	link.user = run;
	run->link = sim_link_new(&link, &run->now_us, random_key(random));
	for (unsigned h = 0; h < 2; h++) {
		struct sim_host_config host = {.number = h + 1,
					       .memory = memories[h],
					       .link = run->link,
					       .limits = sim_limits(),
					       .seed = random_key(random),
					       .now_us = run->now_us,
					       .broken = on_broken,
					       .user = run};
		host.limits.time_wait_ms = link.loss > 1000 ? 1500000 : 240000; // for a last FIN
		host.limits.keepalive_probes = 30;
		host.limits.receive_buffer_bytes = 4096u << random_below(random, 7);
		host.limits.sent_count = seed % 7 ? 0 : 1 + (uint32_t)(seed / 7 % 40);
		host.limits.send_buffer_bytes = 20000u << random_below(random, 4);
		if ((run->has_cookies = seed % 5 == 0))
			host.limits.half_open_count = (uint32_t)(seed / 5 % 3);
		sim_host_open(&run->hosts[h], &host);
	}
	struct tcp_listener listener = {
		.port = PORT, .events = &events, .accepted = on_accepted, .user = run};
	CHECK(tcp_listen_on(run->hosts[1].tcp, &listener) == 0);
	run->plan_count = 1 + random_below(random, PLANS_MAX);
	for (uint32_t i = 0; i < run->plan_count; i++)
		draw_plan(run, &run->plans[i]);
}

static void close_run(struct run *run, struct sim_memory *memories[2])
{
	for (unsigned h = 0; h < 2; h++)
		sim_host_close(&run->hosts[h]);
	sim_link_free(run->link);
	for (unsigned h = 0; h < 2; h++)
		if (sim_memory_in_use(memories[h]) && !run->failure)
			run->failure = "buffers leaked";
}

static void print_side(const char *name, const struct side *side)
{
	struct tcp_info info = {.state = "-"};
	tcp_info_of(side->host->tcp, side->conn, &info);
	fprintf(stderr,
		"  %s: %s sent %lu/%lu read %lu/%lu live %d shut %d end %d closed %d reason %s; "
		"cwnd %u ssthresh %u wnd %u rwnd %u queued %u unacked %u rto %u retransmits %lu\n",
		name, info.state, side->sent, side->to_send, side->read, side->to_read,
		side->is_live, side->is_shut, side->is_at_end, side->is_closed,
		side->is_closed ? counter_info[side->reason].name : "-", info.cwnd_bytes,
		info.ssthresh_bytes, info.send_window, info.receive_window, info.queued_bytes,
		info.unacked_bytes, info.rto_us, info.retransmits);
}

static void print_run(const struct run *run)
{
	struct sim_link_totals totals = sim_link_totals_of(run->link);
	fprintf(stderr,
		"  virtual %.3f s; frames %lu lost %lu queue %lu reordered %lu dup %lu corrupt "
		"%lu\n",
		(double)(run->now_us - run->began_us) / 1e6, totals.sent, totals.lost,
		totals.queue_dropped, totals.reordered, totals.duplicated, totals.corrupted);
	for (unsigned h = 0; h < 2; h++)
		for (unsigned c = COUNTER_tcp_segments_in; c <= COUNTER_tcp_icmp_ignored; c++)
			if (run->hosts[h].counters.value[c])
				fprintf(stderr, "  host %u %s %lu\n", h + 1, counter_info[c].name,
					run->hosts[h].counters.value[c]);
	if (!run->failure)
		return;
	const struct plan *plan = &run->plans[run->failed_plan];
	fprintf(stderr, "  plan %u behaviour %d v6 %d read_max %u\n", run->failed_plan,
		plan->behaviour, plan->is_v6, plan->read_max);
	print_side("client", &plan->client);
	print_side("server", &plan->server);
}

static bool run_seed(uint64_t seed, const struct options *options, struct sim_memory *memories[2])
{
	static struct run run; // large; begun anew each time
	run = (struct run){0};
	open_run(&run, options, seed, memories);
	simulate(&run);
	for (uint32_t i = 0; i < run.plan_count && !run.failure; i++)
		check_plan(&run, &run.plans[i]);
	if (run.failure || options->is_verbose)
		print_run(&run);
	close_run(&run, memories);
	if (run.failure)
		fprintf(stderr, "FAILED: --seed %lu: %s\n", seed, run.failure);
	return !run.failure;
}

static uint32_t chance_of(const char *percent)
{
	return (uint32_t)(strtod(percent, NULL) * 100 + 0.5);
}

static void parse(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'S'},
		{"loss", required_argument, NULL, 'l'}, {"reorder", required_argument, NULL, 'r'},
		{"dup", required_argument, NULL, 'd'},  {"corrupt", required_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},    {0},
	};
	int option;
	char *dash;
	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		options->has_impairments |=
			option == 'l' || option == 'r' || option == 'd' || option == 'c';
		switch (option) {
		case 's': options->first = options->last = strtoull(optarg, NULL, 10); break;
		case 'S':
			options->first = options->last = strtoull(optarg, &dash, 10);
			if (*dash == '-')
				options->last = strtoull(dash + 1, NULL, 10);
			break;
		case 'l': options->loss = chance_of(optarg); break;
		case 'r': options->reorder = chance_of(optarg); break;
		case 'd': options->duplicate = chance_of(optarg); break;
		case 'c': options->corrupt = chance_of(optarg); break;
		case 'v': options->is_verbose = true; break;
		default: exit(2);
		}
	}
}

int main(int count, char **arguments)
{
	struct options options = {.first = 1, .last = 200};
	parse(count, arguments, &options);
	uint64_t failed = 0;
	sim_start();
	struct sim_memory *memories[2] = {sim_memory_new("client", 8191, 512, 512),
					  sim_memory_new("server", 8191, 512, 512)};
	for (uint64_t seed = options.first; seed <= options.last; seed++)
		failed += !run_seed(seed, &options, memories);
	printf("tcp_sim: seeds %lu-%lu, %lu failed\n", options.first, options.last, failed);
	return failed ? 1 : 0;
}
