// SPDX-License-Identifier: Apache-2.0
// conf.def's keys as the rooms' limits; see worker_limits.h. The ranges of conf.def make the casts
// safe.
#include "worker_limits.h"

#include "check.h"

#include <stdio.h>

struct net_limits worker_limits_net(const struct conf *conf)
{
	return (struct net_limits){
		.neighbour_count = conf->dataplane.neighbours,
		.neighbour_queue = conf->dataplane.neighbour_queue,
		.icmp_per_second = conf->dataplane.icmp_per_second,
		.fragment_datagrams = conf->dataplane.fragment_datagrams,
		.fragments_per_datagram = conf->dataplane.fragments_per_datagram,
		.fragments = conf->dataplane.fragments,
		.fragment_time_ms = (uint32_t)conf->dataplane.fragment_time_ms,
	};
}

// send_memory_bytes is the key, or half of the buffers that records are queued in.
static uint64_t send_memory_bytes(const struct conf *conf)
{
	if (conf->tcp.send_memory_bytes)
		return conf->tcp.send_memory_bytes;
	return (uint64_t)conf->dataplane.record_buffers * BUF_BYTES / 2;
}

static const enum tcp_congestion congestions[] = {
	[CONF_CONGESTION_CUBIC] = TCP_CONGESTION_CUBIC,
	[CONF_CONGESTION_BBR] = TCP_CONGESTION_BBR,
};

struct tcp_limits worker_limits_tcp(const struct conf *conf)
{
	static const enum tcp_ecn ecn_words[] = {
		[CONF_ECN_OFF] = TCP_ECN_OFF,
		[CONF_ECN_ACCEPT] = TCP_ECN_ACCEPT,
		[CONF_ECN_ON] = TCP_ECN_ON,
	};
	return (struct tcp_limits){
		.conn_count = conf->tcp.connections,
		.half_open_count = conf->tcp.half_open,
		.time_wait_count = conf->tcp.time_wait,
		.listener_count = conf->listen_count,
		.send_buffer_bytes = (uint32_t)conf->tcp.send_buffer_bytes,
		.receive_buffer_bytes = (uint32_t)conf->tcp.receive_buffer_bytes,
		.send_memory_bytes = send_memory_bytes(conf),
		.receive_memory_bytes = conf->tcp.receive_memory_bytes,
		.syn_retries = conf->tcp.syn_retries,
		.retries = conf->tcp.retries,
		.keepalive_idle_ms = (uint32_t)conf->tcp.keepalive_idle_ms,
		.keepalive_interval_ms = (uint32_t)conf->tcp.keepalive_interval_ms,
		.keepalive_probes = conf->tcp.keepalive_probes,
		.time_wait_ms = (uint32_t)conf->tcp.time_wait_life_ms,
		.fin_wait_2_ms = (uint32_t)conf->tcp.fin_wait_2_ms,
		.delayed_ack_ms = (uint32_t)conf->tcp.delayed_ack_ms,
		.ecn = ecn_words[conf->tcp.ecn],
		.syn_rate_per_prefix = conf->tcp.syn_rate_per_prefix,
		.cookies_per_s = conf->tcp.cookies_per_second,
		.persist_ms = (uint32_t)conf->tcp.persist_timeout_ms,
		.user_timeout_ms = (uint32_t)conf->tcp.user_timeout_ms,
		.orphan_count = conf->tcp.orphans,
		.orphan_ms = (uint32_t)conf->tcp.orphan_life_ms,
		.is_coalescing = conf->tcp.is_gro,
		.is_paced = conf->tcp.is_pacing,
		.congestion = congestions[conf->tcp.congestion],
		.port_first = (uint16_t)conf->tcp.port_first,
		.port_last = (uint16_t)conf->tcp.port_last,
	};
}

struct tls_limits worker_limits_tls(const struct conf *conf)
{
	return (struct tls_limits){
		.conn_count = conf->http.connections + conf->upstream.connections,
		.handshakes_at_once = conf->tls.handshakes,
		.handshake_timeout_ms = (uint32_t)conf->tls.handshake_timeout_ms,
		.certificate_count = conf->tls.certificates,
		.cert_wait_count = conf->tls.cert_wait,
		.cert_wait_ms = (uint32_t)conf->tls.cert_wait_time_ms,
		.is_tls12_allowed = conf->tls.is_tls12,
		.is_own_handshake = conf->tls.is_own_handshake,
		.job_count = conf->tls.handshake_jobs,
		.job_time_ms = (uint32_t)conf->tls.handshake_job_time_ms,
	};
}

struct route_limits worker_limits_route(const struct conf *conf)
{
	return (struct route_limits){
		.service_count = conf->route.services,
		.location_count = conf->route.locations,
		.endpoint_count = conf->route.endpoints,
		.route_count = conf->route.routes,
		.presence_count = conf->route.presences,
		.absent_count = conf->route.absent,
	};
}

// window_memory_bytes is the key, or a quarter of the buffers that bodies wait in.
static uint64_t window_memory_bytes(const struct conf *conf)
{
	if (conf->http.window_memory_bytes)
		return conf->http.window_memory_bytes;
	return (uint64_t)conf->dataplane.record_buffers * BUF_BYTES / 4;
}

static struct http_limits http_limits_of(const struct conf *conf)
{
	return (struct http_limits){
		.head_bytes = (uint32_t)conf->http.head_bytes,
		.field_count = conf->http.fields,
		.target_bytes = (uint32_t)conf->http.target_bytes,
		.stream_count = conf->http.streams,
		.stream_window_bytes = (uint32_t)conf->http.stream_window_bytes,
		.conn_window_bytes = (uint32_t)conf->http.connection_window_bytes,
		.stream_window_max_bytes = (uint32_t)conf->http.stream_window_max_bytes,
		.window_growth_bytes = (uint32_t)conf->http.window_growth_bytes,
		.reset_budget = conf->http.resets,
	};
}

static struct compress_limits compress_limits_of(const struct conf *conf)
{
	struct compress_limits limits = {
		.contexts = conf->compression.contexts,
		.minimum_bytes = conf->compression.minimum_bytes,
		.cpu_percent = conf->compression.cpu,
		.slice_bytes = (uint32_t)conf->compression.slice_bytes,
		.levels = {conf->compression.gzip, conf->compression.br, conf->compression.zstd},
	};
	snprintf(limits.types, sizeof(limits.types), "%s", conf->compression.types);
	return limits;
}

struct proxy_limits worker_limits_proxy(const struct conf *conf)
{
	return (struct proxy_limits){
		.downstream_count = conf->http.connections,
		.per_prefix_count = conf->http.per_prefix
					    ? conf->http.per_prefix
					    : conf->http.connections - conf->http.connections / 8,
		.upstream_count = conf->upstream.connections,
		.exchange_count = conf->http.exchanges,
		.waiting_count = conf->http.waiting,
		.upstream_per_endpoint = conf->upstream.per_endpoint,
		.tries = conf->upstream.tries,
		.window_memory_bytes = window_memory_bytes(conf),
		.h2_memory_bytes = conf->http.h2_memory_bytes,
		.body_buffer_bytes = (uint32_t)conf->http.body_buffer_bytes,
		.head_timeout_ms = (uint32_t)conf->http.head_timeout_ms,
		.keepalive_timeout_ms = (uint32_t)conf->http.keepalive_timeout_ms,
		.min_rate = (uint32_t)conf->http.min_rate_bytes,
		.min_rate_time_ms = (uint32_t)conf->http.min_rate_time_ms,
		.upstream_idle_ms = (uint32_t)conf->upstream.idle_ms,
		.lookup_timeout_ms = (uint32_t)conf->upstream.lookup_timeout_ms,
		.connect_timeout_ms = (uint32_t)conf->upstream.connect_timeout_ms,
		.silence_timeout_ms = (uint32_t)conf->upstream.silence_timeout_ms,
		.continue_timeout_ms = (uint32_t)conf->upstream.continue_timeout_ms,
		.response_timeout_ms = (uint32_t)conf->upstream.response_timeout_ms,
		.body_idle_timeout_ms = (uint32_t)conf->http.body_idle_timeout_ms,
		.tunnel_idle_ms = (uint32_t)conf->http.tunnel_idle_timeout_ms,
		.linger_ms = (uint32_t)conf->http.linger_ms,
		.trusted = conf->http.trusted_proxies.at,
		.trusted_count = conf->http.trusted_proxies.count,
		.policy_count = conf->route.policies,
		.access_sample = conf->access_log.sample,
		.access_query = conf->access_log.is_query,
		.has_server_timing = conf->http.is_server_timing,
		.http = http_limits_of(conf),
		.compress = compress_limits_of(conf),
		.slice_bytes = MIN(conf->cache.slice_bytes, conf->cache.max_object_bytes),
		.object_bytes = conf->cache.max_object_bytes,
	};
}

struct cache_limits worker_limits_cache(const struct conf *conf, uint32_t worker_count)
{
	return (struct cache_limits){
		.memory_bytes = conf->cache.memory_bytes / worker_count,
		.object_count = MAX(conf->cache.objects / worker_count, 16u),
		.object_bytes =
			MIN(conf->cache.max_object_bytes, conf->cache.memory_bytes / worker_count),
		.waiter_count = conf->cache.waiters,
		.wait_ms = (uint32_t)conf->cache.wait_ms,
	};
}

uint32_t worker_addresses(const struct conf *conf, struct net_address *out)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_prefixes *prefixes = &conf->dataplane.ports[i].addresses;
		for (uint32_t j = 0; j < prefixes->count; j++)
			out[count++] = (struct net_address){prefixes->at[j], i};
	}
	return count;
}

// port_of is the port with the longest prefix that holds addr; conf_check saw that there is one.
static uint32_t port_of(const struct conf *conf, const struct addr *addr)
{
	uint32_t best = 0;
	unsigned best_bits = 0;
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_prefixes *prefixes = &conf->dataplane.ports[i].addresses;
		for (uint32_t j = 0; j < prefixes->count; j++) {
			const struct prefix *prefix = &prefixes->at[j];
			if (!prefix_contains(prefix, addr) || prefix->bits < best_bits)
				continue;
			best = i;
			best_bits = prefix->bits;
		}
	}
	return best;
}

uint32_t worker_routes(const struct conf *conf, struct net_route *out)
{
	for (uint32_t i = 0; i < conf->dataplane.routes_count; i++) {
		const struct conf_ip_route *route = &conf->dataplane.routes[i];
		out[i] = (struct net_route){.prefix = route->to,
					    .gateway = route->via,
					    .port_index = port_of(conf, &route->via),
					    .mss_clamp = (uint16_t)route->mss_clamp};
	}
	return conf->dataplane.routes_count;
}

uint32_t worker_listeners(const struct conf *conf, struct proxy_listener *out)
{
	static const enum proxy_protocol protocols[] = {
		[CONF_PROTOCOL_HTTPS] = PROXY_LISTEN_HTTPS,
		[CONF_PROTOCOL_HTTP] = PROXY_LISTEN_HTTP,
		[CONF_PROTOCOL_REDIRECT] = PROXY_LISTEN_REDIRECT,
		[CONF_PROTOCOL_MESH] = PROXY_LISTEN_MESH,
	};
	for (uint32_t i = 0; i < conf->listen_count; i++) {
		const struct conf_listener *one = &conf->listen[i];
		out[i] = (struct proxy_listener){one->address, (uint16_t)one->port,
						 protocols[one->protocol],
						 congestions[one->congestion]};
	}
	return conf->listen_count;
}

struct l4_limits worker_limits_l4(const struct conf *conf)
{
	return (struct l4_limits){
		.flow_count = conf->l4.flows,
		.half_open_count = conf->l4.half_open,
		.new_per_prefix = conf->l4.new_per_prefix,
		.answer_ms = (uint32_t)conf->l4.answer_timeout_ms,
		.tcp_idle_ms = (uint32_t)conf->l4.tcp_idle_timeout_ms,
		.tcp_closing_ms = (uint32_t)conf->l4.tcp_closing_timeout_ms,
		.udp_idle_ms = (uint32_t)conf->l4.udp_idle_timeout_ms,
		.port_first = (uint16_t)conf->l4.port_first,
		.port_last = (uint16_t)conf->l4.port_last,
	};
}

static_assert(CONF_ENDPOINTS_MAX == L4_ENDPOINTS_MAX && CONF_WEIGHT_MAX == L4_WEIGHT_MAX);

uint32_t worker_l4_services(const struct conf *conf, struct l4_service *out,
			    struct l4_endpoint *endpoints)
{
	for (uint32_t i = 0; i < conf->l4.services_count; i++) {
		const struct conf_l4_service *one = &conf->l4.services[i];
		bool is_tcp = one->protocol == CONF_TRANSPORT_TCP;
		out[i] = (struct l4_service){
			.address = one->address,
			.port = (uint16_t)one->port,
			.protocol = is_tcp ? NET_PROTOCOL_TCP : NET_PROTOCOL_UDP,
			.source = addr_is_zero(&one->source) ? one->address : one->source,
			.endpoints = endpoints,
			.endpoint_count = one->endpoints.count,
		};
		for (uint32_t j = 0; j < one->endpoints.count; j++)
			*endpoints++ = (struct l4_endpoint){.addr = one->endpoints.at[j].addr,
							    .port = one->endpoints.at[j].port,
							    .weight = one->endpoints.weights[j]};
	}
	return conf->l4.services_count;
}
