// SPDX-License-Identifier: Apache-2.0
// Flow ownership: our table-driven hash is Toeplitz as NICs compute it, both directions agree, and
// packets reach their owner.
#include "net_fake.h"

#include <string.h>

// toeplitz is the definition, bit by bit: Microsoft's "Verifying the RSS Hash Calculation".
static uint32_t toeplitz(const uint8_t key[40], const uint8_t *input, size_t bytes)
{
	uint32_t hash = 0;
	for (size_t bit = 0; bit < bytes * 8; bit++) {
		if (!(input[bit / 8] & (0x80 >> bit % 8)))
			continue;
		uint32_t window = 0;
		for (size_t i = 0; i < 32; i++)
			window = window << 1 |
				 (uint32_t)(key[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1);
		hash ^= window;
	}
	return hash;
}

static void the_reference_hash_gives_the_published_vectors(void)
{
	static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
					0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
					0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
					0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	// 66.9.149.187:2794 -> 161.142.100.80:1766
	static const uint8_t tuple[12] = {66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 6, 0xe6};
	CU_ASSERT_EQUAL(toeplitz(key, tuple, 12), 0x51ccc178);
	CU_ASSERT_EQUAL(toeplitz(key, tuple, 8), 0x323e8fc2);
}

static void our_hash_is_toeplitz_under_the_symmetric_key(void)
{
	uint8_t key[40];
	struct fake fake;
	struct random_source random;
	fake_start(&fake);
	fake_open(&fake);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 2 ? 0x5a : 0x6d;
	random_init(&random, (struct siphash_key){{7, 7}});
	for (int round = 0; round < 2000; round++) {
		uint8_t tuple[36];
		for (size_t i = 0; i < sizeof(tuple); i++)
			tuple[i] = (uint8_t)random_u64(&random);
		bool is_v4 = round % 2;
		size_t width = is_v4 ? 4 : 16;
		struct addr a = is_v4 ? addr_v4(tuple) : addr_v6(tuple);
		struct addr b = is_v4 ? addr_v4(tuple + 4) : addr_v6(tuple + 16);
		const uint8_t *ports = tuple + 2 * width;
		uint16_t p = (uint16_t)(ports[0] << 8 | ports[1]);
		uint16_t q = (uint16_t)(ports[2] << 8 | ports[3]);
		uint32_t expected = toeplitz(key, tuple, 2 * width + 4);
		CU_ASSERT_EQUAL(net_flow_hash(fake.net, &a, p, &b, q), expected);
		CU_ASSERT_EQUAL(net_flow_hash(fake.net, &b, q, &a, p), expected);
	}
	fake_stop(&fake);
}

static void every_worker_owns_flows(void)
{
	struct addr local = fake_addr("192.0.2.1");
	struct addr remote = fake_addr("198.51.100.77");
	for (uint32_t workers = 1; workers <= FAKE_WORKERS; workers++) {
		struct fake fake;
		uint32_t owned[FAKE_WORKERS] = {0};
		fake_start(&fake);
		fake.config.worker_count = workers;
		fake_open(&fake);
		for (uint16_t port = 0; port < 4000; port++)
			owned[net_owner(fake.net, &local, 443, &remote, port)]++;
		for (uint32_t i = 0; i < workers; i++)
			CU_ASSERT(owned[i] > 4000 / workers / 2);
		fake_stop(&fake);
	}
}

// feed gives net one segment from port and returns its owner.
static uint32_t feed(struct fake *fake, uint16_t port)
{
	struct addr source = fake_addr("192.0.2.7");
	struct addr ours = fake_addr("192.0.2.1");
	uint8_t tcp[20], frame[100];
	fake_tcp(tcp, port, 443);
	fake_input(fake, frame, fake_ip(frame, &source, &ours, 6, slice_of(tcp, 20)));
	return net_owner(fake->net, &ours, 443, &source, port);
}

static void a_packet_of_another_workers_flow_is_handed_over_and_taken_there(void)
{
	struct fake fake, other;
	uint32_t own = 0;
	fake_start(&fake);
	fake.config.worker_count = 2;
	fake_open(&fake);
	fake_start(&other);
	other.config.worker_count = 2;
	other.config.worker_index = 1;
	other.net = NULL;
	fake_open(&other);
	for (uint16_t port = 1; port <= 50; port++)
		own += feed(&fake, port) == 0;
	CU_ASSERT(own > 0 && own < 50);
	CU_ASSERT_EQUAL(fake.received_count, own);
	CU_ASSERT_EQUAL(fake.handed_count, 50 - own);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_handed_out), 50 - own);
	for (uint32_t i = 0; i < fake.handed_count; i++)
		CU_ASSERT_EQUAL(fake.handed_to[i], 1);
	net_input_handed(other.net, fake.handed, fake.handed_count);
	fake.handed_count = 0;
	CU_ASSERT_EQUAL(other.received_count, 50 - own);
	CU_ASSERT_EQUAL(other.received_bursts, (50 - own + PORT_BURST - 1) / PORT_BURST);
	CU_ASSERT_EQUAL(other.handed_count, 0);
	CU_ASSERT_EQUAL(fake_count(&other, COUNTER_net_handed_in), 50 - own);
	fake_clear(&fake);
	fake_stop(&other);
	fake_stop(&fake);
}

static void a_steering_port_is_trusted(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.config.worker_count = 2;
	fake.ports[0].port.is_flow_steered = true;
	fake_open(&fake);
	for (uint16_t port = 1; port <= 20; port++)
		feed(&fake, port);
	CU_ASSERT_EQUAL(fake.received_count, 20);
	fake_stop(&fake);
}

static void an_icmp_error_reaches_the_owner_of_the_flow(void)
{
	struct fake fake, other;
	struct addr router = fake_addr("192.0.2.254");
	struct addr ours = fake_addr("192.0.2.1");
	struct addr remote = fake_addr("203.0.113.5");
	fake_start(&fake);
	fake.config.worker_count = 2;
	fake_open(&fake);
	fake_start(&other);
	other.config.worker_count = 2;
	other.config.worker_index = 1;
	fake_open(&other);
	uint8_t tcp[20], inner[100], icmp[60] = {3, 1}, frame[200];
	uint16_t port = 1000;
	while (net_owner(fake.net, &ours, port, &remote, 443) != 1)
		port++;
	fake_tcp(tcp, port, 443);
	fake_ip(inner, &ours, &remote, 6, slice_of(tcp, 20));
	memcpy(icmp + 8, inner + 14, 40);
	fake_input(&fake, frame, fake_ip(frame, &router, &ours, 1, slice_of(icmp, 48)));
	CU_ASSERT_EQUAL(fake.error.count, 0);
	CU_ASSERT_EQUAL_FATAL(fake.handed_count, 1);
	net_input_handed(other.net, fake.handed, 1);
	fake.handed_count = 0;
	CU_ASSERT_EQUAL(other.error.count, 1);
	CU_ASSERT(addr_equal(&other.error.remote, &remote));
	fake_stop(&other);
	fake_stop(&fake);
}

UNIT_MAIN("net_owner",
	  {"the reference hash gives the published vectors",
	   the_reference_hash_gives_the_published_vectors},
	  {"our hash is Toeplitz under the symmetric key",
	   our_hash_is_toeplitz_under_the_symmetric_key},
	  {"every worker owns flows", every_worker_owns_flows},
	  {"a packet of another worker's flow is handed over and taken there",
	   a_packet_of_another_workers_flow_is_handed_over_and_taken_there},
	  {"a steering port is trusted", a_steering_port_is_trusted},
	  {"an ICMP error reaches the owner of the flow",
	   an_icmp_error_reaches_the_owner_of_the_flow})
