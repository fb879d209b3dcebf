// SPDX-License-Identifier: Apache-2.0
// Checks between keys; see conf_check.h.
#include "conf_check.h"

#include <stdarg.h>
#include <string.h>

void conf_errors_add(struct conf_errors *errors, unsigned line, const char *key, const char *format,
		     ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	// What the file says is quoted in it; an error stays one line.
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = '?';
	errors->count++;
	fprintf(errors->out, "%s:%u: %s: %s\n", errors->name, line, key, text);
}

// line_at is the line of the setting at path, or of the nearest group around it.
static unsigned line_at(const config_t *config, const char *path)
{
	const config_setting_t *setting = config_lookup(config, path);
	char group[64] = {0};
	const char *dot = strchr(path, '.');
	if (setting)
		return config_setting_source_line(setting);
	if (!dot)
		return 1;
	memcpy(group, path, (size_t)(dot - path));
	return line_at(config, group);
}

static bool is_power_of_two(uint64_t value)
{
	return (value & (value - 1)) == 0;
}

static void check_powers(const struct conf *conf, const config_t *config,
			 struct conf_errors *errors)
{
	const struct {
		const char *path;
		uint64_t value;
	} keys[] = {
		{"access_log.ring", conf->access_log.ring_bytes},
		{"channel.ring", conf->channel.ring_bytes},
		{"channel.events", conf->channel.events_bytes},
		{"dataplane.handoff", conf->dataplane.handoff},
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!is_power_of_two(keys[i].value))
			conf_errors_add(errors, line_at(config, keys[i].path), keys[i].path,
					"is no power of two; take the next one");
}

static void check_counts(const struct conf *conf, const config_t *config,
			 struct conf_errors *errors)
{
	uint64_t wanted = (uint64_t)conf->http.connections + conf->upstream.connections;
	if (conf->tcp.connections < wanted)
		conf_errors_add(
			errors, line_at(config, "tcp.connections"), "tcp.connections",
			"%u is less than http.connections + upstream.connections; choose at least "
			"%llu",
			conf->tcp.connections, (unsigned long long)wanted);
	if (conf->tcp.port_first > conf->tcp.port_last)
		conf_errors_add(errors, line_at(config, "tcp.port_first"), "tcp.port_first",
				"is above tcp.port_last; choose a lower one");
	if (conf->cache.memory_bytes && conf->cache.max_object_bytes > conf->cache.memory_bytes)
		conf_errors_add(errors, line_at(config, "cache.max_object"), "cache.max_object",
				"is more than cache.memory; choose less, or give the cache more");
	uint64_t disk_min = (1 + 64ull * conf->dataplane.cores.count) << 20; // disk_bytes_min
	if (conf->cache.disk_path[0] && conf->cache.disk_size_bytes < disk_min)
		conf_errors_add(errors, line_at(config, "cache.disk_size"), "cache.disk_size",
				"is less than 1MiB and 64MiB for each worker; choose at least "
				"%lluMiB",
				(unsigned long long)(disk_min >> 20));
}

// check_handshake_cores: helpers beside workers, never on one's core.
static void check_handshake_cores(const struct conf *conf, const config_t *config,
				  struct conf_errors *errors)
{
	const char *path = "dataplane.handshake_cores";
	const struct conf_cores *cores = &conf->dataplane.handshake_cores;
	const struct conf_cores *workers = &conf->dataplane.cores;
	unsigned line = line_at(config, path);
	if (cores->count > CONF_HANDSHAKE_CORES_MAX)
		conf_errors_add(errors, line, path, "names %u cores; name at most %u", cores->count,
				CONF_HANDSHAKE_CORES_MAX);
	if (cores->count > 0 && !conf->tls.is_own_handshake)
		conf_errors_add(errors, line, path,
				"libssl's handshakes stay in the worker; remove it, or "
				"tls.own_handshake = false");
	for (uint32_t i = 0; i < cores->count; i++)
		for (uint32_t j = 0; j < workers->count; j++)
			if (cores->at[i] == workers->at[j])
				conf_errors_add(errors, line, path,
						"core %u is a worker's (dataplane.cores); name one "
						"that is free",
						cores->at[i]);
}

// check_ports: names and addresses are unique.
static void check_ports(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_port *ports = conf->dataplane.ports;
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(ports[i].name, ports[j].name) == 0)
				conf_errors_add(errors, ports[i].line, "dataplane.ports",
						"two are called \"%s\"; give each its own name",
						ports[i].name);
}

bool conf_port_iface(const struct conf_port *port, char iface[CONF_IFACE_BYTES])
{
	const char *at = strstr(port->device, ",iface=");
	iface[0] = 0;
	if (!at)
		return false;
	at += strlen(",iface=");
	size_t bytes = strcspn(at, ",");
	if (bytes == 0 || bytes >= CONF_IFACE_BYTES || memchr(at, '/', bytes) || *at == '.')
		return false;
	memcpy(iface, at, bytes);
	iface[bytes] = 0;
	return true;
}

// check_napi_key: what it sets is the NAPI of an interface of the kernel's, beneath its driver's
// XDP.
static void check_napi_key(const struct conf_port *port, uint32_t index, const char *name,
			   struct conf_errors *errors)
{
	char key[48], iface[CONF_IFACE_BYTES];
	snprintf(key, sizeof(key), "dataplane.ports[%u].%s", index, name);
	if (strncmp(port->device, "net_af_xdp", strlen("net_af_xdp")) != 0 ||
	    !conf_port_iface(port, iface))
		conf_errors_add(errors, port->line, key,
				"is for net_af_xdp with iface=; write device = "
				"\"net_af_xdp0,iface=NAME\", or leave it out");
	else if (port->is_generic_xdp)
		conf_errors_add(errors, port->line, key,
				"does nothing under generic_xdp; leave one of them out");
}

static void check_napi(const struct conf *conf, struct conf_errors *errors)
{
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_port *port = &conf->dataplane.ports[i];
		if (port->is_adaptive_rx)
			check_napi_key(port, i, "adaptive_rx", errors);
		if (port->is_napi_batch)
			check_napi_key(port, i, "napi_batch", errors);
	}
}

static bool is_connected(const struct conf *conf, const struct addr *addr)
{
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_prefixes *prefixes = &conf->dataplane.ports[i].addresses;
		for (uint32_t j = 0; j < prefixes->count; j++)
			if (prefix_contains(&prefixes->at[j], addr))
				return true;
	}
	return false;
}

static bool is_ours(const struct conf *conf, const struct addr *addr)
{
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_prefixes *prefixes = &conf->dataplane.ports[i].addresses;
		for (uint32_t j = 0; j < prefixes->count; j++)
			if (addr_equal(&prefixes->at[j].addr, addr))
				return true;
	}
	return false;
}

static void check_routes(const struct conf *conf, struct conf_errors *errors)
{
	char text[ADDR_TEXT_BYTES];
	for (uint32_t i = 0; i < conf->dataplane.routes_count; i++) {
		const struct conf_ip_route *route = &conf->dataplane.routes[i];
		addr_text(&route->via, text);
		bool is_v4 = addr_is_v4(&route->via);
		if (is_v4 != (addr_is_v4(&route->to.addr) && route->to.bits >= 96))
			conf_errors_add(
				errors, route->line, "dataplane.routes",
				"next hop %s is of the other family than its prefix; give one of "
				"the same",
				text);
		else if (!is_connected(conf, &route->via))
			conf_errors_add(
				errors, route->line, "dataplane.routes",
				"next hop %s is in no prefix of our ports; give one that is", text);
	}
}

static void check_listeners(const struct conf *conf, const config_t *config,
			    struct conf_errors *errors)
{
	bool has_mesh = false;
	for (uint32_t i = 0; i < conf->listen_count; i++) {
		const struct conf_listener *one = &conf->listen[i];
		has_mesh = has_mesh || one->protocol == CONF_PROTOCOL_MESH;
		if (!addr_is_zero(&one->address) && !is_ours(conf, &one->address))
			conf_errors_add(errors, one->line, "listen",
					"the address is on none of our ports; give it to one of "
					"dataplane.ports");
		for (uint32_t j = 0; j < i; j++)
			if (conf->listen[j].port == one->port &&
			    addr_equal(&conf->listen[j].address, &one->address))
				conf_errors_add(errors, one->line, "listen",
						"port %u is taken by the listener at line %u; "
						"choose another",
						one->port, conf->listen[j].line);
	}
	if (conf->listen_count == 0)
		conf_errors_add(errors, 1, "listen",
				"is missing; write ( { port = 443; protocol = "
				"\"https\"; } )");
	else if (!has_mesh && conf->node.role != CONF_ROLE_EDGE)
		conf_errors_add(
			errors, line_at(config, "listen"), "listen",
			"a %s without a mesh listener serves nobody; add { port = 8443; protocol = "
			"\"mesh\"; }",
			conf_role_name(conf->node.role));
}

static void check_certificates(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_certificate *first = NULL;
	for (uint32_t i = 0; i < conf->certificates_count; i++) {
		const struct conf_certificate *one = &conf->certificates[i];
		if (one->is_default && first)
			conf_errors_add(
				errors, one->line, "certificates",
				"the one at line %u is the default already; keep one of them",
				first->line);
		if (one->is_default)
			first = one;
	}
}

// check_l4_addresses: a service's addresses are ours, its endpoints are not, all of one family.
static void check_l4_addresses(const struct conf *conf, const struct conf_l4_service *one,
			       struct conf_errors *errors)
{
	char text[ADDR_TEXT_BYTES];
	bool is_v4 = addr_is_v4(&one->address), has_source = !addr_is_zero(&one->source);
	if (!is_ours(conf, &one->address) || (has_source && !is_ours(conf, &one->source)))
		conf_errors_add(errors, one->line, "l4.services",
				"address and source must be on our ports; give them to one of "
				"dataplane.ports");
	if (has_source && addr_is_v4(&one->source) != is_v4)
		conf_errors_add(errors, one->line, "l4.services",
				"source is of the other family than address; give one of the same");
	for (uint32_t i = 0; i < one->endpoints.count; i++) {
		const struct endpoint_addr *endpoint = &one->endpoints.at[i];
		endpoint_addr_text(endpoint, text);
		if (addr_is_v4(&endpoint->addr) != is_v4)
			conf_errors_add(errors, one->line, "l4.services",
					"endpoint %s is of the other family than address; give one "
					"of the same",
					text);
		else if (is_ours(conf, &endpoint->addr))
			conf_errors_add(errors, one->line, "l4.services",
					"endpoint %s is an address of ours; a packet to ourselves "
					"never leaves, give another machine's",
					text);
	}
}

// is_heard is true when a TCP listener of ours has the service's address and port.
static bool is_heard(const struct conf *conf, const struct conf_l4_service *one)
{
	for (uint32_t i = 0; i < conf->listen_count; i++) {
		const struct conf_listener *listener = &conf->listen[i];
		if (one->protocol == CONF_TRANSPORT_TCP && listener->port == one->port &&
		    (addr_is_zero(&listener->address) ||
		     addr_equal(&listener->address, &one->address)))
			return true;
	}
	return false;
}

static void check_l4_places(const struct conf *conf, uint32_t index, struct conf_errors *errors)
{
	const struct conf_l4_service *one = &conf->l4.services[index];
	if (is_heard(conf, one))
		conf_errors_add(errors, one->line, "l4.services",
				"port %u is taken by a listener; choose another, or give the "
				"listener an address of its own",
				one->port);
	for (uint32_t i = 0; i < index; i++) {
		const struct conf_l4_service *other = &conf->l4.services[i];
		if (other->port == one->port && other->protocol == one->protocol &&
		    addr_equal(&other->address, &one->address))
			conf_errors_add(
				errors, one->line, "l4.services",
				"port %u is taken by the service at line %u; choose another",
				one->port, other->line);
	}
}

static void check_l4(const struct conf *conf, const config_t *config, struct conf_errors *errors)
{
	if (conf->l4.services_count == 0)
		return;
	if (conf->l4.port_first > conf->l4.port_last)
		conf_errors_add(errors, line_at(config, "l4.port_first"), "l4.port_first",
				"is above l4.port_last; choose a lower one");
	else if (conf->l4.port_first <= conf->tcp.port_last &&
		 conf->tcp.port_first <= conf->l4.port_last)
		conf_errors_add(errors, line_at(config, "l4.port_first"), "l4.port_first",
				"to l4.port_last overlaps with tcp.port_first to tcp.port_last; "
				"choose ranges apart");
	for (uint32_t i = 0; i < conf->l4.services_count; i++) {
		check_l4_addresses(conf, &conf->l4.services[i], errors);
		check_l4_places(conf, i, errors);
	}
}

void conf_check(const struct conf *conf, const config_t *config, struct conf_errors *errors)
{
	if (conf->dataplane.ports_count == 0)
		conf_errors_add(
			errors, line_at(config, "dataplane.ports"), "dataplane.ports",
			"is missing; write ( { name = ...; device = ...; addresses = [...]; } )");
	check_powers(conf, config, errors);
	check_counts(conf, config, errors);
	check_handshake_cores(conf, config, errors);
	check_ports(conf, errors);
	check_napi(conf, errors);
	check_routes(conf, errors);
	check_listeners(conf, config, errors);
	check_certificates(conf, errors);
	check_l4(conf, config, errors);
}
