// SPDX-License-Identifier: Apache-2.0
// Handshakes whose public-key work is done elsewhere, against chance: jobs come back in any order,
// late or never, connections end in between, certificates and ticket keys are replaced, time jumps.
// Who stays is served, with the certificate or the session it was answered with; nothing is left.
//
//   jobs_sim [--seeds A-B]
//
// A failing seed replays with --seeds N-N.
#include "random.h"
#include "tls_rig.h"
#include "unit.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 8, STEPS = 120, LATE_US = 50000 };

static const struct tls_accept web = {.is_h2_offered = true, .is_http1_offered = true};

struct client {
	struct rig_peer peer;
	struct rig_end end;
	bool is_alive, is_resuming;
};

struct world {
	struct rig rig;
	struct tls_offload *offloads[3];
	struct random_source random;
	uint64_t now_us;
	struct client clients[CLIENTS];
	SSL_SESSION *session; // of the last who finished, or NULL
	uint64_t done_count, dropped_count, resumed_count;
	const char *failure;
};

static struct rig_pair pairs[4]; // P-256, P-384, Ed25519, P-256
static uint64_t totals[COUNTER_COUNT];

static uint32_t below(struct world *world, uint32_t bound)
{
	return random_below(&world->random, bound);
}

static void certify(struct world *world)
{
	const char *wrong = rig_apply_cert(&world->rig, 1, true, &pairs[below(world, 4)]);
	CHECK(!wrong);
}

static void begin(struct world *world, struct client *client)
{
	struct rig_peer *peer = &client->peer;
	rig_accept(&client->end, &world->rig, web);
	if (!client->end.conn)
		return; // as many handshakes as may be
	client->is_alive = true;
	client->is_resuming = world->session && below(world, 3) == 0;
	rig_peer_init(peer, false, TLS1_3_VERSION);
	rig_peer_resume(peer, "a.test", client->is_resuming ? world->session : NULL);
}

static void end(struct client *client)
{
	rig_end_free(&client->end);
	rig_peer_free(&client->peer);
	client->is_alive = false;
}

// talk moves up to bytes of what either side has said.
static void talk(struct client *client, size_t bytes)
{
	struct rig_end *ours = &client->end;
	char *wire = NULL;
	uint8_t chunk[4096];
	size_t count = MIN((size_t)BIO_get_mem_data(client->peer.out, &wire), bytes);
	count = MIN(count, sizeof(chunk));
	size_t taken = count ? rig_receive(ours, wire, count, SIZE_MAX) : 0;
	if (taken)
		BIO_read(client->peer.out, chunk, (int)taken);
	count = MIN(ours->out_end - ours->out_start, bytes);
	if (count)
		BIO_write(client->peer.in, ours->out + ours->out_start, (int)count);
	ours->out_start += count;
	if (SSL_do_handshake(client->peer.ssl) == 1)
		SSL_read(client->peer.ssl, chunk, sizeof(chunk));
}

// finish judges a client whose handshake is done, and takes its ticket.
static void finish(struct world *world, struct client *client)
{
	if (client->end.closed_count)
		world->failure = "a connection was closed";
	if (!client->end.ready_count || !SSL_is_init_finished(client->peer.ssl))
		return;
	uint8_t text[100] = "hello", got[100];
	CHECK(rig_write(&client->end, text, sizeof(text)) == 0);
	rig_pump(&client->end, &client->peer, SIZE_MAX);
	if (SSL_read(client->peer.ssl, got, sizeof(got)) != sizeof(got) ||
	    memcmp(got, text, sizeof(got)) != 0)
		world->failure = "what was sent did not arrive";
	world->done_count++;
	world->resumed_count += client->end.info.is_resumed;
	SSL_SESSION_free(world->session);
	world->session = SSL_get1_session(client->peer.ssl);
	SSL_set_shutdown(client->peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	end(client);
}

// work has one of the jobs that are out done, by any helper.
static void work(struct world *world)
{
	struct rig *rig = &world->rig;
	if (rig->job_count == 0)
		return;
	uint32_t at = below(world, rig->job_count);
	struct tls_job *job = rig->jobs[at];
	rig->jobs[at] = rig->jobs[--rig->job_count];
	tls_offload_do(world->offloads[below(world, 3)], job);
	tls_job_done(rig->tls, job);
}

static void turn(struct world *world, uint64_t us)
{
	world->now_us += us;
	tls_set_time(world->rig.tls, world->now_us, RIG_WALL_S);
	tls_run(world->rig.tls, 1 + below(world, 2));
}

static void act(struct world *world)
{
	struct client *client = &world->clients[below(world, CLIENTS)];
	switch (below(world, 16)) {
	case 0: certify(world); break;
	case 1:
		if (client->is_alive && below(world, 2)) {
			end(client);
			world->dropped_count++;
		}
		break;
	case 2: world->rig.job_room = below(world, 10); break;
	case 3: turn(world, below(world, LATE_US)); break;
	case 4: rig_apply_ticket_key(&world->rig, 1 + below(world, 3)); break;
	case 5:
	case 6:
	case 7: work(world); break;
	default:
		if (!client->is_alive)
			begin(world, client);
		else
			talk(client, below(world, 4) ? SIZE_MAX : 1 + below(world, 200));
		break;
	}
	turn(world, below(world, 200));
	for (unsigned i = 0; i < CLIENTS && !world->failure; i++)
		if (world->clients[i].is_alive)
			finish(world, &world->clients[i]);
}

// settle serves who is left, some of them without any helper.
static void settle(struct world *world)
{
	bool has_helpers = below(world, 2);
	for (unsigned n = 0; n < 200 && !world->failure; n++) {
		bool is_left = false;
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct client *client = &world->clients[i];
			if (!client->is_alive)
				continue;
			talk(client, SIZE_MAX);
			finish(world, client);
			is_left |= client->is_alive;
		}
		if (!is_left)
			return;
		if (has_helpers)
			work(world);
		turn(world, 10000);
	}
	if (!world->failure)
		world->failure = "a client was not served";
}

static void judge(struct world *world)
{
	struct rig *rig = &world->rig;
	for (unsigned i = 0; i < 10000 && tls_jobs_count(rig->tls) > 0; i++) {
		work(world);
		turn(world, 10);
	}
	uint64_t sent = rig_count(rig, COUNTER_tls_jobs_sent);
	uint64_t done = rig_count(rig, COUNTER_tls_jobs_done);
	uint64_t stale = rig_count(rig, COUNTER_tls_jobs_stale);
	if (!world->failure && tls_jobs_count(rig->tls) > 0)
		world->failure = "a job is left";
	if (!world->failure && buf_pool_in_use(&rig->bufs) > 0)
		world->failure = "a buffer is left";
	if (!world->failure &&
	    (done + stale > sent || rig_count(rig, COUNTER_tls_handshakes_own) !=
					    rig_count(rig, COUNTER_tls_handshakes_done)))
		world->failure = "the counters do not add up";
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		totals[i] += rig->counters.value[i];
}

static bool run_seed(uint64_t seed, uint64_t *resumed_count)
{
	struct world world = {.now_us = 1000000};
	random_init(&world.random, (struct siphash_key){{seed, 0x6a6f6273}});
	rig_init_jobs(&world.rig);
	world.rig.job_room = 2 + below(&world, 8);
	for (unsigned i = 0; i < 3; i++)
		CHECK((world.offloads[i] = tls_offload_new(i)));
	certify(&world);
	rig_apply_ticket_key(&world.rig, 1);
	for (unsigned i = 0; i < STEPS && !world.failure; i++)
		act(&world);
	world.rig.job_room = 64;
	settle(&world);
	judge(&world);
	if (world.failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, world.failure);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (world.clients[i].is_alive)
			end(&world.clients[i]);
	*resumed_count += world.resumed_count;
	SSL_SESSION_free(world.session);
	rig_fini(&world.rig);
	for (unsigned i = 0; i < 3; i++)
		tls_offload_free(world.offloads[i]);
	return !world.failure;
}

int main(int count, char **arguments)
{
	static const enum counter all[] = {COUNTER_tls_jobs_sent,  COUNTER_tls_jobs_done,
					   COUNTER_tls_jobs_full,  COUNTER_tls_jobs_late,
					   COUNTER_tls_jobs_stale, COUNTER_tls_shares_offloaded};
	static const char *const keys[] = {"P-256", "P-384", "ED25519", "P-256"};
	uint64_t first = 1, last = 100, failed = 0, resumed_count = 0;
	if (count == 3 && strcmp(arguments[1], "--seeds") == 0)
		count -= 2 * (sscanf(arguments[2], "%" SCNu64 "-%" SCNu64, &first, &last) == 2);
	if (count != 1) {
		fprintf(stderr, "use: jobs_sim [--seeds A-B]\n");
		return 2;
	}
	for (unsigned i = 0; i < 4; i++)
		pairs[i] = rig_issue((struct rig_wish){.names = "DNS:a.test", .key = keys[i]});
	printf("TAP version 13\n1..1\n");
	for (uint64_t seed = first; seed <= last; seed++)
		failed += !run_seed(seed, &resumed_count);
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		printf("# %s: %" PRIu64 "\n", counter_info[all[i]].name, totals[all[i]]);
		failed += totals[all[i]] == 0 && last > first; // no scenario that does nothing
	}
	printf("# resumed: %" PRIu64 "\n", resumed_count);
	failed += resumed_count == 0 && last > first;
	printf("%s 1 - jobs of seeds %" PRIu64 " to %" PRIu64 "\n", failed ? "not ok" : "ok", first,
	       last);
	for (unsigned i = 0; i < 4; i++)
		rig_pair_free(&pairs[i]);
	return failed ? 1 : 0;
}
