// SPDX-License-Identifier: Apache-2.0
// Four workers of one host on one port, each with its own net and tcp: hosts connect to them, and
// each connection makes its worker connect back, under churn. No flow is ever in two workers, each
// is where net_owner says, what one worker hands out another takes in, and answers to a worker's
// own connections come back to it.
#include "check.h"
#include "sim_host.h"
#include "unit.h"
#include "worker_handoff.h"

#include <rte_mbuf.h>

#include <stdlib.h>

#define WORKERS     4u
#define CLIENTS     2u
#define SERVER      9u // host number
#define SERVER_PORT 443u
#define CLIENT_PORT 8080u
#define CONNECTIONS 400u // opened by the clients; the workers open as many
#define OPEN_MAX    60u
#define REPLY_BYTES 3000u
#define QUEUE_MBUFS 256u
#define LIMIT_US    600000000ull
#define LOOK_EVERY  8u // steps

// How frames find a worker.
enum steering {
	ONE_QUEUE, // the first worker receives everything
	ANYBODY,   // whoever asks first
	RSS,       // the NIC sends a flow to its owner, the rest to the first
};

// A NIC's queue of one worker.
struct queue {
	struct port port; // first: what net sees
	struct crew *crew;
	struct rte_mbuf *mbufs[QUEUE_MBUFS];
	uint32_t count;
};

// A worker or a client.
struct member {
	struct crew *crew;
	uint32_t index; // of a worker
	struct sim_host host;
};

// One end of a connection; the pointer that tcp's events get.
struct end {
	struct crew *crew;
	struct sim_host *host;
	uint32_t worker; // of the server's ends
	bool is_server;  // an end of a worker
	bool is_opener;  // reads a reply; the other end writes it
	bool has_replied;
	uint32_t read;
};

struct crew {
	uint64_t now_us;
	enum steering steering;
	struct sim_link *link;
	struct port *wire; // the server's
	struct queue queues[WORKERS];
	struct handoff *handoff;
	struct member workers[WORKERS];
	struct member clients[CLIENTS];
	uint32_t opened, live, whole, broken, misplaced, connected_back;
};

static struct sim_memory *memories[WORKERS + CLIENTS];

// note_place counts a connection that is not at the worker that owns its flow.
static void note_place(struct end *end, struct pool_id conn)
{
	struct tcp_tuple tuple;
	if (!end->is_server || !tcp_tuple_of(end->host->tcp, conn, &tuple))
		return;
	end->crew->misplaced += net_owner(end->host->net, &tuple.local, tuple.local_port,
					  &tuple.remote, tuple.remote_port) != end->worker;
}

static void reply(struct end *end, struct pool_id conn)
{
	struct buf *buf = buf_new(&end->host->memory->bufs, REPLY_BYTES);
	if (!buf)
		return;
	memset(buf->data, 'x', REPLY_BYTES);
	end->has_replied = tcp_send(end->host->tcp, conn, buf, 0, REPLY_BYTES) == 0;
	tcp_shutdown(end->host->tcp, conn);
}

static void on_opened(void *user, struct pool_id conn)
{
	struct end *end = user;
	note_place(end, conn);
	if (!end->is_opener && !end->has_replied)
		reply(end, conn);
}

static void on_readable(void *user, struct pool_id conn)
{
	struct end *end = user;
	struct tcp *tcp = end->host->tcp;
	size_t bytes = tcp_received(tcp, conn);
	end->read += (uint32_t)bytes;
	tcp_consume(tcp, conn, bytes);
	if (tcp_at_end(tcp, conn) && end->is_opener)
		tcp_shutdown(tcp, conn);
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct end *end = user;
	uint32_t expected = end->is_opener ? REPLY_BYTES : 0;
	bool is_whole = reason == COUNTER_tcp_closed && end->read == expected;
	end->crew->whole += is_whole;
	end->crew->broken += !is_whole;
	end->crew->live--;
	free(end);
}

static const struct tcp_events events = {on_opened, on_readable, on_opened, on_closed};

static struct end *new_end(struct member *member)
{
	struct end *end = calloc(1, sizeof(*end));
	CHECK(end);
	end->crew = member->crew;
	end->host = &member->host;
	member->crew->live++;
	return end;
}

static void dial(struct end *end, uint32_t number, uint16_t port)
{
	struct pool_id conn;
	struct tcp_connect connect = {.remote = sim_host_addr(number, false),
				      .remote_port = port,
				      .events = &events,
				      .user = end};
	end->is_opener = true;
	CHECK(tcp_connect_to(end->host->tcp, &connect, &conn) == 0);
	note_place(end, conn);
}

// accept_client is a worker's listener: it answers and connects back.
static void *accept_client(void *user, struct pool_id conn, const struct tcp_tuple *tuple)
{
	struct member *member = user;
	struct end *end = new_end(member);
	end->is_server = true;
	end->worker = member->index;
	note_place(end, conn);
	reply(end, conn);
	struct end *back = new_end(member);
	back->is_server = true;
	back->worker = member->index;
	dial(back, tuple->remote.bytes[15], CLIENT_PORT);
	member->crew->connected_back++;
	return end;
}

// accept_back is a client's listener.
static void *accept_back(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct member *member = user;
	struct end *end = new_end(member);
	reply(end, conn);
	return end;
}

static void hand(void *user, uint32_t owner, struct rte_mbuf *mbuf)
{
	struct member *member = user;
	handoff_send(member->crew->handoff, member->index, owner, mbuf, &member->host.counters);
}

static void take_handed(struct member *member)
{
	struct rte_mbuf *mbufs[HANDOFF_BUDGET];
	for (uint32_t from = 0; from < WORKERS; from++) {
		if (from == member->index)
			continue;
		uint32_t count = handoff_receive(member->crew->handoff, from, member->index, mbufs);
		net_input_handed(member->host.net, mbufs, count);
		counter_add(&member->host.counters, COUNTER_worker_handed_in, count);
	}
}

// queue_of is the NIC's choice for a frame: the flow's owner when it is TCP over IPv4.
static uint32_t queue_of(struct crew *crew, const struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	if (mbuf->pkt_len < 54 || frame[12] != 0x08 || frame[13] != 0 || frame[23] != 6)
		return 0;
	struct addr remote = addr_v4(frame + 26), local = addr_v4(frame + 30);
	uint16_t remote_port = (uint16_t)(frame[34] << 8 | frame[35]);
	uint16_t local_port = (uint16_t)(frame[36] << 8 | frame[37]);
	return net_owner(crew->workers[0].host.net, &local, local_port, &remote, remote_port);
}

// steer empties the wire into the queues.
static void steer(struct crew *crew)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint16_t count = crew->wire->ops->rx(crew->wire, mbufs, PORT_BURST);
	for (uint16_t i = 0; i < count; i++) {
		struct queue *queue = &crew->queues[queue_of(crew, mbufs[i])];
		CHECK(queue->count < QUEUE_MBUFS);
		queue->mbufs[queue->count++] = mbufs[i];
	}
}

static uint16_t queue_rx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct queue *queue = (struct queue *)port;
	steer(queue->crew);
	count = (uint16_t)MIN(count, queue->count);
	memcpy(mbufs, queue->mbufs, count * sizeof(*mbufs));
	queue->count -= count;
	memmove(queue->mbufs, queue->mbufs + count, queue->count * sizeof(*mbufs));
	return count;
}

static uint16_t queue_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct port *wire = ((struct queue *)port)->crew->wire;
	return wire->ops->tx(wire, mbufs, count);
}

static const struct port_ops queue_ops = {queue_rx, queue_tx};

// port_of makes worker index's view of the server's port.
static struct port *port_of(struct crew *crew, uint32_t index)
{
	if (crew->steering == RSS) {
		struct queue *queue = &crew->queues[index];
		queue->port = *crew->wire;
		queue->port.ops = &queue_ops;
		queue->port.is_flow_steered = true;
		queue->crew = crew;
		return &queue->port;
	}
	if (index == 0)
		return crew->wire;
	return sim_link_share(crew->link, crew->wire, memories[index]->mbufs,
			      crew->steering == ANYBODY);
}

static void open_worker(struct crew *crew, uint32_t index)
{
	struct member *member = &crew->workers[index];
	member->crew = crew;
	member->index = index;
	struct sim_host_config config = {.number = SERVER,
					 .memory = memories[index],
					 .link = crew->link,
					 .limits = sim_limits(),
					 .seed = {{index, 11}},
					 .now_us = crew->now_us,
					 .port = port_of(crew, index),
					 .worker_index = index,
					 .worker_count = WORKERS,
					 .handoff = hand,
					 .user = member};
	config.limits.time_wait_count = 1024;
	sim_host_open(&member->host, &config);
	struct tcp_listener listener = {
		.port = SERVER_PORT, .events = &events, .accepted = accept_client, .user = member};
	CHECK(tcp_listen_on(member->host.tcp, &listener) == 0);
}

static void open_client(struct crew *crew, uint32_t index)
{
	struct sim_host_config config = {.number = index + 1,
					 .memory = memories[WORKERS + index],
					 .link = crew->link,
					 .limits = sim_limits(),
					 .seed = {{index, 12}},
					 .now_us = crew->now_us};
	config.limits.conn_count = 256;
	config.limits.time_wait_count = 1024;
	struct member *member = &crew->clients[index];
	member->crew = crew;
	sim_host_open(&member->host, &config);
	struct tcp_listener listener = {
		.port = CLIENT_PORT, .events = &events, .accepted = accept_back, .user = member};
	CHECK(tcp_listen_on(member->host.tcp, &listener) == 0);
}

static struct crew *open_crew(enum steering steering, const struct sim_link_config *link)
{
	static const char *const names[WORKERS + CLIENTS] = {"w0", "w1", "w2", "w3", "c1", "c2"};
	if (!memories[0]) {
		sim_start();
		for (unsigned i = 0; i < WORKERS + CLIENTS; i++)
			memories[i] = sim_memory_new(names[i], 4095, 64, 256);
	}
	struct crew *crew = calloc(1, sizeof(*crew));
	CHECK(crew);
	crew->now_us = 1000000;
	crew->steering = steering;
	crew->link = sim_link_new(link, &crew->now_us, (struct siphash_key){{steering, 5}});
	crew->wire = sim_link_attach(crew->link, (uint8_t[6]){2, 0, 0, 0, 0, SERVER},
				     memories[0]->mbufs);
	crew->wire->can_scatter_tx = false; // as on a queue that workers share
	crew->handoff = handoff_new(WORKERS, 1024);
	CHECK(crew->handoff);
	for (uint32_t i = 0; i < WORKERS; i++)
		open_worker(crew, i);
	for (uint32_t i = 0; i < CLIENTS; i++)
		open_client(crew, i);
	return crew;
}

static uint64_t count_of(const struct crew *crew, enum counter counter)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < WORKERS; i++)
		count += crew->workers[i].host.counters.value[counter];
	return count;
}

// look counts every flow, of any state, that is in another worker's table than its owner's: so none
// is in two.
static void look(struct crew *crew)
{
	struct tcp_filter everything = {0};
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct sim_host *host = &crew->workers[i].host;
		struct tcp_info info;
		for (uint32_t slot = 0; slot < tcp_flow_slots(host->tcp); slot++)
			if (tcp_flow_at(host->tcp, slot, &everything, &info))
				crew->misplaced +=
					net_owner(host->net, &info.tuple.local,
						  info.tuple.local_port, &info.tuple.remote,
						  info.tuple.remote_port) != i;
	}
}

static uint64_t step(struct crew *crew)
{
	uint64_t next_us = UINT64_MAX;
	for (uint32_t i = 0; i < WORKERS; i++) {
		take_handed(&crew->workers[i]);
		sim_host_step(&crew->workers[i].host, crew->now_us, 64);
	}
	for (uint32_t i = 0; i < CLIENTS; i++) {
		sim_host_step(&crew->clients[i].host, crew->now_us, 64);
		next_us = MIN(next_us, sim_host_next_us(&crew->clients[i].host, crew->now_us));
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		next_us = MIN(next_us, sim_host_next_us(&crew->workers[i].host, crew->now_us));
		if (handoff_has_input(crew->handoff, i) || crew->queues[i].count)
			next_us = crew->now_us;
	}
	return MIN(next_us, sim_link_next_us(crew->link));
}

// open_more keeps OPEN_MAX ends open while there is anything left to open.
static void open_more(struct crew *crew)
{
	while (crew->opened < CONNECTIONS && crew->live < OPEN_MAX) {
		struct end *end = new_end(&crew->clients[crew->opened++ % CLIENTS]);
		dial(end, SERVER, SERVER_PORT);
	}
}

static bool has_leftovers(const struct crew *crew)
{
	uint32_t left = crew->live;
	for (uint32_t i = 0; i < WORKERS + CLIENTS; i++) {
		const struct sim_host *host =
			i < WORKERS ? &crew->workers[i].host : &crew->clients[i - WORKERS].host;
		struct tcp_in_use in_use = tcp_in_use(host->tcp);
		left += in_use.conn_count + in_use.half_open_count + in_use.time_wait_count;
	}
	return left > 0;
}

static void run(struct crew *crew)
{
	uint64_t end_us = crew->now_us + LIMIT_US;
	uint32_t steps = 0;
	while (crew->now_us < end_us && (crew->opened < CONNECTIONS || has_leftovers(crew))) {
		open_more(crew);
		uint64_t next_us = step(crew);
		if (steps++ % LOOK_EVERY == 0)
			look(crew);
		crew->now_us = MIN(MAX(next_us, crew->now_us + 50), end_us);
	}
}

static void close_crew(struct crew *crew)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		sim_host_close(&crew->workers[i].host);
	for (uint32_t i = 0; i < CLIENTS; i++)
		sim_host_close(&crew->clients[i].host);
	handoff_free(crew->handoff);
	sim_link_free(crew->link);
	for (unsigned i = 0; i < WORKERS + CLIENTS; i++)
		CU_ASSERT_EQUAL(sim_memory_in_use(memories[i]), 0);
	free(crew);
}

// check asserts what holds however frames find their workers.
static void check(struct crew *crew)
{
	CU_ASSERT_EQUAL(crew->misplaced, 0);
	CU_ASSERT_EQUAL(crew->connected_back, CONNECTIONS);
	CU_ASSERT_EQUAL(crew->whole, 4 * CONNECTIONS);
	CU_ASSERT_EQUAL(crew->broken, 0);
	CU_ASSERT(!has_leftovers(crew));
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_net_handed_out),
			count_of(crew, COUNTER_worker_handed_out));
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_worker_handed_out),
			count_of(crew, COUNTER_worker_handed_in));
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_worker_handoff_full), 0);
	for (uint32_t i = 0; i < WORKERS; i++) { // the hash spreads them: nobody is idle
		const uint64_t *counted = crew->workers[i].host.counters.value;
		CU_ASSERT(counted[COUNTER_tcp_opened_passive] > CONNECTIONS / WORKERS / 2);
		CU_ASSERT_EQUAL(counted[COUNTER_tcp_opened_active],
				counted[COUNTER_tcp_opened_passive]);
	}
}

static const struct sim_link_config clean = {.latency_us = 2000, .mtu = 1500};

static void one_queue(void)
{
	struct crew *crew = open_crew(ONE_QUEUE, &clean);
	run(crew);
	check(crew);
	// a segment at the wrong worker would be of no connection there
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_no_connection), 0);
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_resets_out), 0);
	CU_ASSERT(count_of(crew, COUNTER_worker_handed_in) >
		  count_of(crew, COUNTER_tcp_segments_in) / 2);
	CU_ASSERT_EQUAL(crew->workers[1].host.counters.value[COUNTER_worker_handed_out], 0);
	close_crew(crew);
}

static void anybody(void)
{
	struct crew *crew = open_crew(ANYBODY, &clean);
	run(crew);
	check(crew);
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_no_connection), 0);
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_resets_out), 0);
	close_crew(crew);
}

static void steered(void)
{
	struct crew *crew = open_crew(RSS, &clean);
	run(crew);
	check(crew);
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_no_connection), 0);
	CU_ASSERT_EQUAL(count_of(crew, COUNTER_tcp_resets_out), 0);
	// only what all workers must know goes round: two neighbours' addresses, asked for and told
	CU_ASSERT(count_of(crew, COUNTER_worker_handed_out) < 100);
	close_crew(crew);
}

static void bad_path(void)
{
	struct sim_link_config link = {.loss = 300,
				       .reorder = 300,
				       .duplicate = 300,
				       .latency_us = 2000,
				       .reorder_us = 4000,
				       .mtu = 1500};
	for (enum steering steering = ONE_QUEUE; steering <= RSS; steering++) {
		struct crew *crew = open_crew(steering, &link);
		run(crew);
		check(crew);
		close_crew(crew);
	}
}

UNIT_MAIN("tcp_workers", {"one queue: the first worker hands every flow to its owner", one_queue},
	  {"any queue: whoever received hands to the owner", anybody},
	  {"steered queues: every segment and every answer arrives at its owner", steered},
	  {"on a path that loses, reorders and repeats it is the same", bad_path})
