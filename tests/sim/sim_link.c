// SPDX-License-Identifier: Apache-2.0
// A simulated Ethernet segment; see sim_link.h.
#include "sim_link.h"

#include "check.h"
#include "random.h"
#include "sim_frame.h"

#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 65550u
#define HEADERS_BYTES   96u // Ethernet, IPv6 and TCP without options: never cut apart by split

struct frame {
	uint64_t due_us;
	uint64_t order; // breaks ties: first sent, first received
	uint32_t bytes;
	uint8_t *data; // owned
};

struct sim_port {
	struct port port; // first: what net sees
	struct sim_link *link;
	struct sim_port *wire; // itself, or whose transmitter and receiver it shares
	bool is_receiving;
	bool is_bad; // in a burst of losses
	struct rte_mempool *mbufs;
	struct frame *heap; // on their way to this port, earliest at 0
	uint32_t count;
	uint32_t capacity;
	uint64_t last_due_us; // of frames in order
	uint64_t free_us;     // when the transmitter is done with what it has
	uint64_t policed_us;  // when its bucket was full, or will be
	struct rte_mbuf *ring[SIM_LINK_TX_RING];
	uint32_t ring_at;
};

struct sim_link {
	struct sim_link_config config;
	const uint64_t *now_us;
	struct random_source random;
	struct sim_port *ports[SIM_LINK_PORTS];
	uint32_t port_count;
	struct sim_port *sharers[SIM_LINK_PORTS];
	uint32_t sharer_count;
	uint64_t order;
	uint16_t datagram; // that was cut last
	struct sim_link_totals totals;
};

static bool happens(struct sim_link *link, uint32_t chance)
{
	return chance && random_below(&link->random, SIM_LINK_CERTAIN) < chance;
}

static bool is_earlier(const struct frame *a, const struct frame *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void push(struct sim_port *to, struct frame frame)
{
	if (to->count == to->capacity) {
		to->capacity = MAX(2 * to->capacity, 64u);
		to->heap = realloc(to->heap, to->capacity * sizeof(*to->heap));
		CHECK(to->heap);
	}
	uint32_t at = to->count++;
	while (at > 0 && is_earlier(&frame, &to->heap[(at - 1) / 2])) {
		to->heap[at] = to->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	to->heap[at] = frame;
}

static struct frame pop(struct sim_port *port)
{
	struct frame first = port->heap[0];
	struct frame moved = port->heap[--port->count];
	uint32_t at = 0;
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= port->count)
			break;
		if (child + 1 < port->count &&
		    is_earlier(&port->heap[child + 1], &port->heap[child]))
			child++;
		if (!is_earlier(&port->heap[child], &moved))
			break;
		port->heap[at] = port->heap[child];
		at = child;
	}
	port->heap[at] = moved;
	return first;
}

// is_ip is true for frames whose damage a checksum above finds; others have only the FCS that a
// simulated bit error would have failed.
static bool is_ip(const uint8_t *frame, uint32_t bytes)
{
	uint32_t type_at = frame[12] == 0x81 && frame[13] == 0x00 ? 16 : 12;
	if (bytes < type_at + 22)
		return false;
	return (frame[type_at] == 0x08 && frame[type_at + 1] == 0x00) ||
	       (frame[type_at] == 0x86 && frame[type_at + 1] == 0xdd);
}

// when draws the arrival of a frame that leaves the transmitter at start_us.
static uint64_t when(struct sim_link *link, struct sim_port *to, uint64_t start_us)
{
	const struct sim_link_config *config = &link->config;
	uint64_t due_us = start_us + config->latency_us;
	if (config->jitter_us)
		due_us += random_below(&link->random, config->jitter_us + 1);
	if (config->reorder_us && happens(link, config->reorder)) {
		link->totals.reordered++;
		return due_us + 1 + random_below(&link->random, config->reorder_us);
	}
	to->last_due_us = MAX(to->last_due_us, due_us);
	return to->last_due_us;
}

// deliver sends a copy of the frame on its way to one port.
static void deliver(struct sim_link *link, struct sim_port *to, struct frame frame,
		    uint64_t start_us)
{
	uint8_t *copy = malloc(frame.bytes);
	CHECK(copy);
	memcpy(copy, frame.data, frame.bytes);
	if (is_ip(copy, frame.bytes) && happens(link, link->config.corrupt)) {
		uint32_t bit = 14 * 8 + random_below(&link->random, (frame.bytes - 14) * 8);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		link->totals.corrupted++;
	}
	push(to, (struct frame){when(link, to, start_us), link->order++, frame.bytes, copy});
}

// is_lost draws whether a frame vanishes: alone, or with its neighbours.
static bool is_lost(struct sim_link *link, struct sim_port *to)
{
	const struct sim_link_config *config = &link->config;
	if (happens(link, to->is_bad ? config->turns_good : config->turns_bad))
		to->is_bad = !to->is_bad;
	bool is_burst = to->is_bad && happens(link, config->bad_loss);
	return happens(link, config->loss) || is_burst;
}

static void impair(struct sim_link *link, struct sim_port *to, struct frame frame,
		   uint64_t start_us)
{
	if (is_lost(link, to)) {
		link->totals.lost++;
		return;
	}
	deliver(link, to, frame, start_us);
	if (happens(link, link->config.duplicate)) {
		link->totals.duplicated++;
		deliver(link, to, frame, start_us);
	}
}

// pace returns when the transmitter is done with bytes more, or false when its queue is full.
static bool pace(struct sim_link *link, struct sim_port *from, uint32_t bytes, uint64_t *start_us)
{
	const struct sim_link_config *config = &link->config;
	*start_us = *link->now_us;
	if (!config->bytes_per_s)
		return true;
	from->free_us = MAX(from->free_us, *link->now_us);
	uint64_t waiting_bytes = (from->free_us - *link->now_us) * config->bytes_per_s / 1000000;
	if (config->queue_bytes && waiting_bytes + bytes > config->queue_bytes)
		return false;
	from->free_us += bytes * 1000000ull / config->bytes_per_s;
	*start_us = from->free_us;
	return true;
}

// is_policed is a token bucket: true for a frame that finds too few tokens in it.
static bool is_policed(struct sim_link *link, struct sim_port *from, uint32_t bytes)
{
	const struct sim_link_config *config = &link->config;
	if (!config->policed_bytes_per_s)
		return false;
	uint64_t full_us = MAX(from->policed_us, *link->now_us);
	full_us += bytes * 1000000ull / config->policed_bytes_per_s;
	if ((full_us - *link->now_us) * config->policed_bytes_per_s / 1000000 >
	    config->policed_burst_bytes)
		return true;
	from->policed_us = full_us;
	return false;
}

// refuse drops a frame that exceeds the MTU, and says so to its sender where routers do.
static void refuse(struct sim_link *link, struct sim_port *from, const struct frame *frame)
{
	uint8_t answer[SIM_FRAME_TOO_BIG_BYTES];
	link->totals.too_long++;
	if (!link->config.tells_too_big)
		return;
	uint32_t bytes = sim_frame_too_big(frame->data, frame->bytes, link->config.mtu, answer);
	if (bytes)
		impair(link, from, (struct frame){.bytes = bytes, .data = answer}, *link->now_us);
}

// mark is a router whose queue is long: CE for packets that can bear it (RFC 3168 5).
static void mark(struct sim_link *link, uint8_t *frame, uint64_t start_us)
{
	const struct sim_link_config *config = &link->config;
	uint64_t waiting_bytes = (start_us - *link->now_us) * config->bytes_per_s / 1000000;
	if (config->mark_bytes && waiting_bytes > config->mark_bytes)
		link->totals.marked += sim_frame_mark(frame);
}

// carry takes a frame that is short enough to those it is for.
static void carry(struct sim_link *link, struct sim_port *from, struct frame frame)
{
	uint64_t start_us;
	if (is_policed(link, from, frame.bytes)) {
		link->totals.policed++;
		return;
	}
	if (!pace(link, from, frame.bytes, &start_us)) {
		link->totals.queue_dropped++;
		return;
	}
	mark(link, frame.data, start_us);
	bool is_group = frame.data[0] & 1;
	bool has_receiver = false;
	for (uint32_t i = 0; i < link->port_count; i++) {
		struct sim_port *to = link->ports[i];
		if (to == from || (!is_group && memcmp(to->port.mac, frame.data, 6) != 0))
			continue;
		has_receiver = true;
		impair(link, to, frame, start_us);
	}
	link->totals.nobody += !has_receiver;
}

// cut carries a frame that is too long in pieces; false when it must not be cut.
static bool cut(struct sim_link *link, struct sim_port *from, const struct frame *frame)
{
	uint8_t data[FRAME_BYTES_MAX];
	struct frame part = {.data = data};
	if (!link->config.cuts || link->config.vlan)
		return false;
	link->datagram++;
	for (uint32_t i = 0;; i++) {
		struct sim_fragment one = {link->config.mtu, i, link->datagram, data};
		part.bytes = sim_frame_cut(frame->data, frame->bytes, &one);
		if (part.bytes == 0)
			return i > 0;
		link->totals.cut += i == 0;
		carry(link, from, part);
	}
}

static void transmit(struct sim_port *from, const struct rte_mbuf *mbuf)
{
	struct sim_link *link = from->link;
	const struct sim_link_config *config = &link->config;
	uint8_t data[FRAME_BYTES_MAX];
	struct frame frame = {.bytes = mbuf->pkt_len, .data = data};
	link->totals.sent++;
	CHECK(frame.bytes <= sizeof(data));
	const uint8_t *read = rte_pktmbuf_read(mbuf, 0, frame.bytes, data);
	CHECK(read);
	if (read != data)
		memcpy(data, read, frame.bytes);
	bool is_long = frame.bytes > config->mtu + (config->vlan ? 18u : 14u);
	if (is_long && !config->cuts) {
		refuse(link, from, &frame);
		return;
	}
	if (config->tamper && !config->tamper(config->user, &from->port, data, frame.bytes)) {
		link->totals.tampered_out++;
		return;
	}
	if (!is_long)
		carry(link, from, frame);
	else if (!cut(link, from, &frame))
		refuse(link, from, &frame);
}

static uint16_t wire_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct sim_port *from = (struct sim_port *)port;
	for (uint16_t i = 0; i < count; i++) {
		transmit(from->wire, mbufs[i]);
		struct rte_mbuf **slot = &from->ring[from->ring_at++ % SIM_LINK_TX_RING];
		rte_pktmbuf_free(*slot);
		*slot = mbufs[i];
	}
	return count;
}

// chain copies a frame into one mbuf, or into as many as its bytes need; NULL without mbufs.
static struct rte_mbuf *chain(struct sim_port *port, const struct frame *frame, uint32_t cut)
{
	struct rte_mbuf *head = NULL;
	uint32_t done = 0;
	while (done < frame->bytes) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->mbufs);
		if (!mbuf) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		uint32_t part = MIN(frame->bytes - done, (uint32_t)rte_pktmbuf_tailroom(mbuf));
		if (done < cut)
			part = MIN(part, cut - done);
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)part), frame->data + done, part);
		done += part;
		if (!head)
			head = mbuf;
		else
			CHECK(rte_pktmbuf_chain(head, mbuf) == 0);
	}
	return head;
}

static uint16_t wire_rx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct sim_port *to = (struct sim_port *)port;
	struct sim_link *link = to->link;
	struct sim_port *wire = to->wire;
	uint16_t received = 0;
	while (to->is_receiving && received < count && wire->count &&
	       wire->heap[0].due_us <= *link->now_us) {
		struct frame frame = pop(wire);
		uint32_t cut = frame.bytes;
		if (link->config.split && frame.bytes > HEADERS_BYTES)
			cut = HEADERS_BYTES +
			      random_below(&link->random, frame.bytes - HEADERS_BYTES);
		struct rte_mbuf *mbuf = chain(to, &frame, cut);
		free(frame.data);
		if (mbuf) {
			link->totals.delivered++;
			mbufs[received++] = mbuf;
		} else {
			link->totals.no_mbuf++;
		}
	}
	return received;
}

static const struct port_ops ops = {wire_rx, wire_tx};

struct sim_link *sim_link_new(const struct sim_link_config *config, const uint64_t *now_us,
			      struct siphash_key seed)
{
	struct sim_link *link = calloc(1, sizeof(*link));
	CHECK(link);
	link->config = *config;
	link->now_us = now_us;
	random_init(&link->random, seed);
	return link;
}

static struct sim_port *new_port(struct sim_link *link, const uint8_t mac[6],
				 struct rte_mempool *mbufs)
{
	struct sim_port *port = calloc(1, sizeof(*port));
	CHECK(port);
	port->port.ops = &ops;
	port->port.mtu = link->config.mtu;
	port->port.vlan = link->config.vlan;
	memcpy(port->port.mac, mac, 6);
	port->link = link;
	port->mbufs = mbufs;
	return port;
}

struct port *sim_link_attach(struct sim_link *link, const uint8_t mac[6], struct rte_mempool *mbufs)
{
	CHECK(link->port_count < SIM_LINK_PORTS);
	struct sim_port *port = new_port(link, mac, mbufs);
	port->port.can_scatter_tx = true;
	port->wire = port;
	port->is_receiving = true;
	link->ports[link->port_count++] = port;
	return &port->port;
}

struct port *sim_link_share(struct sim_link *link, struct port *port, struct rte_mempool *mbufs,
			    bool is_receiving)
{
	CHECK(link->sharer_count < SIM_LINK_PORTS);
	struct sim_port *sharer = new_port(link, port->mac, mbufs);
	sharer->wire = (struct sim_port *)port;
	sharer->is_receiving = is_receiving;
	link->sharers[link->sharer_count++] = sharer;
	return &sharer->port;
}

void sim_link_configure(struct sim_link *link, const struct sim_link_config *config)
{
	link->config = *config;
}

uint64_t sim_link_next_us(const struct sim_link *link)
{
	uint64_t next_us = UINT64_MAX;
	for (uint32_t i = 0; i < link->port_count; i++)
		if (link->ports[i]->count)
			next_us = MIN(next_us, link->ports[i]->heap[0].due_us);
	return next_us;
}

static void release(struct sim_port *port)
{
	for (uint32_t slot = 0; slot < SIM_LINK_TX_RING; slot++) {
		rte_pktmbuf_free(port->ring[slot]);
		port->ring[slot] = NULL;
	}
}

void sim_link_release(struct sim_link *link)
{
	for (uint32_t i = 0; i < link->port_count; i++)
		release(link->ports[i]);
	for (uint32_t i = 0; i < link->sharer_count; i++)
		release(link->sharers[i]);
}

struct sim_link_totals sim_link_totals_of(const struct sim_link *link)
{
	return link->totals;
}

void sim_link_free(struct sim_link *link)
{
	sim_link_release(link);
	for (uint32_t i = 0; i < link->port_count; i++) {
		struct sim_port *port = link->ports[i];
		while (port->count)
			free(pop(port).data);
		free(port->heap);
		free(port);
	}
	for (uint32_t i = 0; i < link->sharer_count; i++)
		free(link->sharers[i]);
	free(link);
}
