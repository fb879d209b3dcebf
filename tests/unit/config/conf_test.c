// SPDX-License-Identifier: Apache-2.0
// The configuration: the shipped examples load, every error is told with line, key, reason and
// cure, all of them at once, and defaults and reference cover every key.
#include "conf.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A good file, into whose groups tests put more.
#define FILE_OF(top, dataplane, port)                                                              \
	"version = 1;\n"                                                                           \
	"node = { id = \"e1\"; role = \"edge\"; location = \"par\"; mesh = \"m.example\"; };\n"    \
	"run_dir = \"/run/x\";\n"                                                                  \
	"dataplane = { " dataplane "\n"                                                            \
	"  ports = ( { name = \"wan0\"; device = \"net_null0\";\n"                                 \
	"    addresses = [\"198.51.100.1/24\", \"2001:db8::1/64\"]; " port " } ); };\n"            \
	"listen = ( { port = 443; protocol = \"https\"; } );\n" top "\n"

static struct conf conf;

// errors_of returns what conf_parse says about text, to be freed.
static char *errors_of(const char *text, unsigned *count)
{
	char *said = NULL;
	size_t bytes;
	FILE *out = open_memstream(&said, &bytes);
	*count = conf_parse(text, "f.conf", &conf, out);
	fclose(out);
	return said;
}

// says checks that text has exactly these errors.
static void says(const char *text, const char *expected, unsigned line)
{
	unsigned count;
	char *said = errors_of(text, &count);
	unsigned lines = 0;
	for (const char *at = said; *at; at++)
		lines += *at == '\n';
	if (strcmp(said, expected) != 0)
		printf("# line %u: expected <%s> got <%s>\n", line, expected, said);
	CU_ASSERT_STRING_EQUAL(said, expected);
	CU_ASSERT_EQUAL(count, lines);
	free(said);
}
#define SAYS(text, expected) says(text, expected, __LINE__)

static void the_shipped_examples_load(void)
{
	static const char *const names[] = {"edge", "gateway", "sidecar"};
	for (unsigned i = 0; i < 3; i++) {
		char path[512];
		snprintf(path, sizeof(path), CONFIG_DIR "/%s.conf", names[i]);
		CU_ASSERT_EQUAL(conf_load(path, &conf, stdout), 0);
		CU_ASSERT_EQUAL(conf.node.role, i);
		CU_ASSERT_STRING_EQUAL(conf_role_name(conf.node.role), names[i]);
	}
}

static void values_reach_their_members(void)
{
	unsigned count;
	char *said = errors_of(
		FILE_OF("cache = { memory = \"3MiB\"; max_object = \"100KiB\"; };"
			"identity = { ca = true; life = \"36h\"; };"
			"tcp = { delayed_ack = \"25ms\"; };"
			"certificates = ( { chain = \"/c\"; key = \"/k\"; default = true; } );",
			"cores = \"0-2,5\"; handshake_cores = \"6-7\"; idle = \"poll\"; mbufs = "
			"1024;"
			"routes = ( { to = \"::/0\"; via = \"2001:db8::fe\"; } );",
			"mac = \"02:00:00:00:aB:01\"; vlan = 7;"),
		&count);
	CU_ASSERT_STRING_EQUAL(said, "");
	free(said);
	CU_ASSERT_EQUAL(conf.cache.memory_bytes, 3u << 20);
	CU_ASSERT_EQUAL(conf.cache.max_object_bytes, 100u << 10);
	CU_ASSERT(conf.identity.is_ca);
	CU_ASSERT_EQUAL(conf.identity.life_ms, 36u * 3600 * 1000);
	CU_ASSERT_EQUAL(conf.tcp.delayed_ack_ms, 25);
	CU_ASSERT_EQUAL(conf.certificates_count, 1);
	CU_ASSERT(conf.certificates[0].is_default);
	CU_ASSERT_EQUAL(conf.dataplane.cores.count, 4);
	CU_ASSERT_EQUAL(conf.dataplane.cores.at[3], 5);
	CU_ASSERT_EQUAL(conf.dataplane.handshake_cores.count, 2);
	CU_ASSERT_EQUAL(conf.dataplane.handshake_cores.at[1], 7);
	CU_ASSERT_EQUAL(conf.dataplane.idle, CONF_IDLE_POLL);
	CU_ASSERT_EQUAL(conf.dataplane.mbufs, 1024);
	CU_ASSERT_EQUAL(conf.dataplane.routes[0].to.bits, 0);
	const struct conf_port *port = &conf.dataplane.ports[0];
	CU_ASSERT_EQUAL(port->line, 5);
	CU_ASSERT_EQUAL(port->vlan, 7);
	CU_ASSERT_EQUAL(port->mtu, 1500);
	CU_ASSERT(port->mac.is_set);
	CU_ASSERT_EQUAL(port->mac.bytes[4], 0xab);
	CU_ASSERT_EQUAL(port->addresses.count, 2);
	CU_ASSERT_EQUAL(port->addresses.at[0].bits, 96 + 24);
	CU_ASSERT_EQUAL(port->addresses.at[1].bits, 64);
	CU_ASSERT_EQUAL(conf.listen[0].port, 443);
	CU_ASSERT(addr_is_zero(&conf.listen[0].address));
	CU_ASSERT_EQUAL(conf.listen[0].protocol, CONF_PROTOCOL_HTTPS);
}

static void a_value_of_the_wrong_type_is_told(void)
{
	SAYS(FILE_OF("tcp = { connections = \"4096\"; };", "", ""),
	     "f.conf:8: tcp.connections: is a text; write a number without quotes\n");
	SAYS(FILE_OF("tcp = { half_open = 3.5; };", "", ""),
	     "f.conf:8: tcp.half_open: is a fraction; write a number without quotes\n");
	SAYS(FILE_OF("tls = { tls12 = 1; };", "", ""),
	     "f.conf:8: tls.tls12: is a number; write true or false\n");
	SAYS(FILE_OF("", "memory = 64;", ""), "f.conf:4: dataplane.memory: is a number; write a "
					      "size in quotes: \"64MiB\" (B, KiB, MiB, "
					      "GiB)\n");
	SAYS(FILE_OF("tls = 5;", "", ""), "f.conf:8: tls: is a number; write tls = { ... };\n");
	SAYS(FILE_OF("certificates = { };", "", ""),
	     "f.conf:8: certificates: is a group; write ( { ... }, { ... } )\n");
	SAYS(FILE_OF("certificates = ( 5 );", "", ""),
	     "f.conf:8: certificates[0]: is a number; write { ... }\n");
	SAYS(FILE_OF("", "routes = [ \"x\" ];", ""),
	     "f.conf:4: dataplane.routes: is an array; write ( { ... }, { ... } )\n");
}

static void numbers_out_of_range_are_told_with_the_range(void)
{
	SAYS(FILE_OF("tcp = { syn_retries = 16; };", "", ""),
	     "f.conf:8: tcp.syn_retries: 16 is too large; choose 1 to 15\n");
	SAYS(FILE_OF("tcp = { syn_retries = -1; };", "", ""),
	     "f.conf:8: tcp.syn_retries: -1 is no count; write a number without quotes\n");
	SAYS(FILE_OF("http = { head = \"1MiB\"; };", "", ""),
	     "f.conf:8: http.head: 1MiB is too large; choose 1KiB to 32KiB\n");
	SAYS(FILE_OF("http = { linger = \"1ms\"; };", "", ""),
	     "f.conf:8: http.linger: 1ms is too small; choose 10ms to 1m\n");
	SAYS(FILE_OF("cache = { memory = \"99999999999999999GiB\"; };", "", ""),
	     "f.conf:8: cache.memory: 99999999999999999GiB is too large; choose 0B to 1024GiB\n");
	SAYS(FILE_OF("", "", "vlan = 4095;"),
	     "f.conf:6: dataplane.ports[0].vlan: 4095 is too large; choose 0 to 4094\n");
}

static void texts_that_are_no_value_are_told_how_to_write_one(void)
{
	SAYS(FILE_OF("cache = { memory = \"64\"; };", "", ""),
	     "f.conf:8: cache.memory: \"64\" has no unit; write a size in quotes: \"64MiB\" (B, "
	     "KiB, MiB, "
	     "GiB)\n");
	SAYS(FILE_OF("cache = { memory = \"64MB\"; };", "", ""),
	     "f.conf:8: cache.memory: \"64MB\" has an unknown unit; write a size in quotes: "
	     "\"64MiB\" (B, "
	     "KiB, MiB, GiB)\n");
	SAYS(FILE_OF("cache = { memory = \"much\"; };", "", ""),
	     "f.conf:8: cache.memory: \"much\" is no number with a unit; write a size in quotes: "
	     "\"64MiB\" (B, KiB, MiB, GiB)\n");
	SAYS(FILE_OF("", "cores = \"2-1\";", ""), "f.conf:4: dataplane.cores: \"2-1\" is no list "
						  "of cores; write core numbers in quotes: "
						  "\"0-1,3\"\n");
	SAYS(FILE_OF("", "cores = \"0,0\";", ""), "f.conf:4: dataplane.cores: \"0,0\" names a core "
						  "twice or more than 64 cores; name each of at "
						  "most 64 once\n");
	SAYS(FILE_OF("", "idle = \"nap\";", ""),
	     "f.conf:4: dataplane.idle: \"nap\" is not known; choose \"sleep\", \"poll\"\n");
	SAYS(FILE_OF("", "", "mac = \"01:00:00:00:00:01\";"),
	     "f.conf:6: dataplane.ports[0].mac: \"01:00:00:00:00:01\" is no Ethernet address of "
	     "one "
	     "machine; write an Ethernet address in quotes: \"02:00:00:00:00:01\"\n");
	SAYS(FILE_OF("identity = { state_dir = \"\"; };", "", ""),
	     "f.conf:8: identity.state_dir: is empty; give 1 to 255 characters\n");
	SAYS("node = { id = \"E\"; };\nversion = 1;",
	     "f.conf:1: run_dir: is missing; write a path in quotes (directory of sockets; one a "
	     "node, "
	     "writable by its processes only)\n"
	     "f.conf:1: node.id: \"E\" holds 'E'; write a name in quotes: lower case letters, "
	     "digits, - "
	     "and .\n"
	     "f.conf:1: node.role: is missing; write one of the words, in quotes (what the node "
	     "does: "
	     "edge, gateway or sidecar)\n"
	     "f.conf:1: node.location: is missing; write a name in quotes: lower case letters, "
	     "digits, - "
	     "and . (name of the location the node stands in)\n"
	     "f.conf:1: node.mesh: is missing; write a name in quotes: lower case letters, digits, "
	     "- and . "
	     "(trust domain: every name is spiffe://<mesh>/...)\n");
}

static void addresses_are_read_strictly(void)
{
	SAYS(FILE_OF("", "routes = ( { to = \"0.0.0.0/33\"; via = \"198.51.100.254\"; } );", ""),
	     "f.conf:4: dataplane.routes[0].to: \"0.0.0.0/33\" is no prefix; write a prefix in "
	     "quotes: "
	     "\"192.0.2.0/24\", \"2001:db8::/32\"\n");
	SAYS(FILE_OF("", "routes = ( { to = \"0.0.0.0/0\"; via = \"gw\"; } );", ""),
	     "f.conf:4: dataplane.routes[0].via: \"gw\" is no address; write an address in quotes: "
	     "\"192.0.2.1\", \"2001:db8::1\"\n");
	SAYS(FILE_OF("", "routes = ( { to = \"0.0.0.0/0\"; via = \"10.0.0.1\"; } );", ""),
	     "f.conf:4: dataplane.routes: next hop 10.0.0.1 is in no prefix of our ports; give one "
	     "that "
	     "is\n");
	SAYS(FILE_OF("", "routes = ( { to = \"0.0.0.0/0\"; via = \"2001:db8::2\"; } );", ""),
	     "f.conf:4: dataplane.routes: next hop 2001:db8::2 is of the other family than its "
	     "prefix; "
	     "give one of the same\n");
	SAYS("version = 1; run_dir = \"/r\"; node = { id = \"e\"; role = \"edge\"; location = "
	     "\"l\"; mesh "
	     "= \"m\"; };\n"
	     "dataplane = { ports = ( { name = \"p\"; device = \"d\"; addresses = [\"192.0.2.1\"]; "
	     "}, "
	     "{ name = \"q\"; device = \"d\"; addresses = []; } ); };",
	     "f.conf:2: dataplane.ports[0].addresses: \"192.0.2.1\" is no address with its prefix "
	     "length; "
	     "write prefixes: [\"192.0.2.1/24\", \"2001:db8::1/64\"]\n"
	     "f.conf:2: dataplane.ports[1].addresses: is empty; write prefixes: [\"192.0.2.1/24\", "
	     "\"2001:db8::1/64\"]\n");
}

static void an_unknown_key_is_told_with_the_nearest_known_one(void)
{
	SAYS(FILE_OF("tcp = { conections = 5; };", "", ""),
	     "f.conf:8: tcp.conections: is unknown; did you mean tcp.connections?\n");
	SAYS(FILE_OF("cahce = { };", "", ""), "f.conf:8: cahce: is unknown; did you mean cache?\n");
	SAYS(FILE_OF("mbufs = 5;", "", ""),
	     "f.conf:8: mbufs: is unknown; did you mean dataplane.mbufs?\n");
	SAYS(FILE_OF("", "", "colour = \"red\";"),
	     "f.conf:6: dataplane.ports[0].colour: is unknown; --reference lists every key\n");
	SAYS(FILE_OF("", "", "adresses = 1;"),
	     "f.conf:6: dataplane.ports[0].adresses: is unknown; did you "
	     "mean dataplane.ports[0].addresses?\n");
}

static void all_errors_are_told_at_once(void)
{
	SAYS(FILE_OF("tcp = { connections = 1; retris = 3; };\ncache = { wait = 5; };",
		     "mbufs = 1;", ""),
	     "f.conf:4: dataplane.mbufs: 1 is too small; choose 512 to 16777216\n"
	     "f.conf:8: tcp.connections: 1 is too small; choose 16 to 16777216\n"
	     "f.conf:8: tcp.retris: is unknown; did you mean tcp.retries?\n"
	     "f.conf:9: cache.wait: is a number; write a time in quotes: \"30s\" (ms, s, m, h, "
	     "d)\n");
}

static void keys_that_contradict_each_other_are_told(void)
{
	SAYS(FILE_OF("channel = { ring = \"200KiB\"; };", "handoff = 100;", ""),
	     "f.conf:8: channel.ring: is no power of two; take the next one\n"
	     "f.conf:4: dataplane.handoff: is no power of two; take the next one\n");
	SAYS(FILE_OF("tcp = { connections = 100; };", "", ""),
	     "f.conf:8: tcp.connections: 100 is less than http.connections + upstream.connections; "
	     "choose "
	     "at least 2560\n");
	SAYS(FILE_OF("tcp = { port_first = 2000; port_last = 1500; };", "", ""),
	     "f.conf:8: tcp.port_first: is above tcp.port_last; choose a lower one\n");
	SAYS(FILE_OF("cache = { memory = \"1MiB\"; };", "", ""),
	     "f.conf:8: cache.max_object: is more than cache.memory; choose less, or give the "
	     "cache more\n");
	SAYS(FILE_OF("cache = { disk_path = \"/d\"; disk_size = \"65MiB\"; };", "cores = \"0-1\";",
		     ""),
	     "f.conf:8: cache.disk_size: is less than 1MiB and 64MiB for each worker; choose at "
	     "least 129MiB\n");
	SAYS(FILE_OF("", "cores = \"0-1\"; handshake_cores = \"2,1\";", ""),
	     "f.conf:4: dataplane.handshake_cores: core 1 is a worker's (dataplane.cores); name "
	     "one that is free\n");
	SAYS(FILE_OF("", "handshake_cores = \"1-17\";", ""),
	     "f.conf:4: dataplane.handshake_cores: names 17 cores; name at most 16\n");
	SAYS(FILE_OF("tls = { own_handshake = false; };", "handshake_cores = \"1\";", ""),
	     "f.conf:4: dataplane.handshake_cores: libssl's handshakes stay in the worker; "
	     "remove it, or tls.own_handshake = false\n");
	SAYS(FILE_OF("certificates = ( { chain = \"a\"; key = \"b\"; default = true; },\n"
		     "{ chain = \"c\"; key = \"d\"; default = true; } );",
		     "", ""),
	     "f.conf:9: certificates: the one at line 8 is the default already; keep one of "
	     "them\n");
	SAYS("version = 1; run_dir = \"/r\"; node = { id = \"e\"; role = \"gateway\"; location = "
	     "\"l\"; "
	     "mesh = \"m\"; };\n"
	     "dataplane = { ports = ( { name = \"p\"; device = \"d\"; addresses = "
	     "[\"192.0.2.1/24\"]; },\n"
	     "{ name = \"p\"; device = \"d\"; addresses = [\"192.0.3.1/24\"]; } ); };\n"
	     "listen = ( { port = 1; protocol = \"http\"; address = \"192.0.2.9\"; },\n"
	     "{ port = 2; protocol = \"http\"; }, { port = 2; protocol = \"http\"; } );",
	     "f.conf:3: dataplane.ports: two are called \"p\"; give each its own name\n"
	     "f.conf:4: listen: the address is on none of our ports; give it to one of "
	     "dataplane.ports\n"
	     "f.conf:5: listen: port 2 is taken by the listener at line 5; choose another\n"
	     "f.conf:4: listen: a gateway without a mesh listener serves nobody; add { port = "
	     "8443; "
	     "protocol = \"mesh\"; }\n");
	SAYS("version = 1; run_dir = \"/r\"; node = { id = \"e\"; role = \"edge\"; location = "
	     "\"l\"; mesh "
	     "= \"m\"; };",
	     "f.conf:1: dataplane.ports: is missing; write ( { name = ...; device = ...; addresses "
	     "= "
	     "[...]; } )\n"
	     "f.conf:1: listen: is missing; write ( { port = 443; protocol = \"https\"; } )\n");
}

static void an_error_is_one_line_whatever_the_value(void)
{
	SAYS(FILE_OF("cache = { memory = \"6\\n4\\x1b\"; };", "", ""),
	     "f.conf:8: cache.memory: \"6?4?\" has an unknown unit; write a size in quotes: "
	     "\"64MiB\" (B, KiB, MiB, GiB)\n");
}

static void libconfigs_traps_are_closed(void)
{
	SAYS("a = 4294967296;\n# 99999999999\nb = \"99999999999\"; /* 99999999999\n */ "
	     "c_99999999999 = 1;\n"
	     "  @include \"x\"\nd = -4294967297; e = 0xffffffffff; f = 99999999999L;",
	     "f.conf:1: number: 4294967296 is too large; sizes and times are texts: \"4GiB\", "
	     "\"30s\"\n"
	     "f.conf:5: @include: is not allowed; a node has one file\n"
	     "f.conf:6: number: -4294967297 is too large; sizes and times are texts: \"4GiB\", "
	     "\"30s\"\n"
	     "f.conf:6: number: 0xffffffffff is too large; sizes and times are texts: \"4GiB\", "
	     "\"30s\"\n"
	     "f.conf:6: number: 99999999999 is too large; sizes and times are texts: \"4GiB\", "
	     "\"30s\"\n");
	SAYS("version = 1;\nversion = 1;", "f.conf:2: file: duplicate setting name; look at this "
					   "line and for a missing ; , or \" before "
					   "it\n");
	SAYS("version = 1;\nnode = {\n id = \"x;\n",
	     "f.conf:4: file: syntax error; look at this line and for a missing ; , or \" before "
	     "it\n");
}

// load_text writes bytes to a file and returns what conf_load says, to be freed.
static char *load_text(const char *text, size_t bytes)
{
	char path[] = "/tmp/millrace-conf-XXXXXX";
	char *said = NULL;
	size_t said_bytes;
	int fd = mkstemp(path);
	CU_ASSERT_EQUAL(write(fd, text, bytes), (ssize_t)bytes);
	close(fd);
	FILE *out = open_memstream(&said, &said_bytes);
	conf_load(path, &conf, out);
	fclose(out);
	unlink(path);
	memmove(said, said + strlen(path), strlen(said + strlen(path)) + 1);
	return said;
}

static void files_that_are_no_text_are_refused(void)
{
	char *said = load_text("version = 1;\0\n", 14);
	CU_ASSERT_STRING_EQUAL(said,
			       ":0: file: is no text of at most 1048576 bytes; it must be one\n");
	free(said);
	char *large = malloc(CONF_FILE_BYTES + 1);
	memset(large, ' ', CONF_FILE_BYTES + 1);
	said = load_text(large, CONF_FILE_BYTES + 1);
	CU_ASSERT_STRING_EQUAL(said,
			       ":0: file: is no text of at most 1048576 bytes; it must be one\n");
	free(said);
	free(large);
	char text[256] = {0};
	FILE *out = fmemopen(text, sizeof(text), "w");
	CU_ASSERT_EQUAL(conf_load("/nowhere/x.conf", &conf, out), 1);
	CU_ASSERT_EQUAL(conf_load("/tmp", &conf, out), 1);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		text, "/nowhere/x.conf:0: file: No such file or directory; give the path of "
		      "the node's configuration\n"
		      "/tmp:0: file: cannot be read; it must be a readable file\n");
}

// printed returns what print writes, to be freed.
static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	print(out);
	fclose(out);
	return text;
}

static void the_defaults_are_a_file_that_misses_only_what_must_be_given(void)
{
	unsigned count;
	char *defaults = printed(conf_print_defaults);
	char *said = errors_of(defaults, &count);
	CU_ASSERT_EQUAL(count, 6);
	for (const char *at = said; *at; at = strchr(at, '\n') + 1) {
		const char *end = strchr(at, '\n');
		CU_ASSERT_PTR_NOT_NULL(memmem(at, (size_t)(end - at), "is missing", 10));
	}
	free(said);
	free(defaults);
}

static void the_reference_names_every_key(void)
{
	char *text = printed(conf_print_reference);
#define TOP(name, ...) CU_ASSERT_PTR_NOT_NULL(strstr(text, #name "\n\t"));
#define SECTION(...)
#define END(...)
#define TOP_LIST(name, ...) CU_ASSERT_PTR_NOT_NULL(strstr(text, #name "[]\n\t"));
#define KEY(section, name, ...)                                                                    \
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n" #section "." #name "\n\t"));
#define LIST(section, name, ...) CU_ASSERT_PTR_NOT_NULL(strstr(text, #section "." #name "[]\n\t"));
#include "conf.def"
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "tcp.delayed_ack\n\thow long an acknowledgement may wait\n\ta "
			     "time in quotes: \"30s\" (ms, s, m, h, d); 0s to 500ms; default "
			     "40ms; a change needs a restart\n"));
	free(text);
}

#define L4(services) FILE_OF("l4 = { port_last = 2000; services = ( " services " ); };", "", "")
#define L4_DNS       "address = \"198.51.100.1\"; port = 53; protocol = \"udp\"; "

static void l4_services_are_read_and_their_mistakes_told(void)
{
	unsigned count;
	char *said = errors_of(L4("{ " L4_DNS "endpoints = [\"192.0.2.9:53\", "
				  "\"192.0.2.8:5353 weight 3\"]; }"),
			       &count);
	CU_ASSERT_STRING_EQUAL(said, "");
	free(said);
	CU_ASSERT_EQUAL_FATAL(conf.l4.services_count, 1);
	const struct conf_l4_service *one = &conf.l4.services[0];
	CU_ASSERT_EQUAL(one->protocol, CONF_TRANSPORT_UDP);
	CU_ASSERT_EQUAL(one->port, 53);
	CU_ASSERT(addr_is_zero(&one->source));
	CU_ASSERT_EQUAL(one->endpoints.count, 2);
	CU_ASSERT_EQUAL(one->endpoints.weights[0], 1);
	CU_ASSERT_EQUAL(one->endpoints.weights[1], 3);
	CU_ASSERT_EQUAL(one->endpoints.at[1].port, 5353);
	CU_ASSERT_EQUAL(conf.l4.port_last, 2000);
	SAYS(L4("{ " L4_DNS "endpoints = [\"192.0.2.9\"]; }"),
	     "f.conf:8: l4.services[0].endpoints: \"192.0.2.9\" is no endpoint (weights are 0 to "
	     "100); write endpoints: [\"192.0.2.1:53\", \"[2001:db8::1]:53 weight 2\"]\n");
	SAYS(L4("{ " L4_DNS "endpoints = [\"192.0.2.9:53 weight 101\"]; }"),
	     "f.conf:8: l4.services[0].endpoints: \"192.0.2.9:53 weight 101\" is no endpoint "
	     "(weights are 0 to 100); write endpoints: [\"192.0.2.1:53\", "
	     "\"[2001:db8::1]:53 weight 2\"]\n");
	SAYS(L4("{ " L4_DNS "endpoints = []; }"),
	     "f.conf:8: l4.services[0].endpoints: is empty; write endpoints: [\"192.0.2.1:53\", "
	     "\"[2001:db8::1]:53 weight 2\"]\n");
	SAYS(L4("{ " L4_DNS "endpoints = [\"198.51.100.1:54\", \"[2001:db8::9]:53\"]; }"),
	     "f.conf:8: l4.services: endpoint 198.51.100.1:54 is an address of ours; a packet to "
	     "ourselves never leaves, give another machine's\n"
	     "f.conf:8: l4.services: endpoint [2001:db8::9]:53 is of the other family than "
	     "address; give one of the same\n");
	SAYS(L4("{ " L4_DNS "source = \"192.0.2.77\"; endpoints = [\"192.0.2.9:53\"]; }"),
	     "f.conf:8: l4.services: address and source must be on our ports; give them to one of "
	     "dataplane.ports\n");
	SAYS(L4("{ " L4_DNS "source = \"2001:db8::1\"; endpoints = [\"192.0.2.9:53\"]; }"),
	     "f.conf:8: l4.services: source is of the other family than address; give one of the "
	     "same\n");
	SAYS(L4("{ " L4_DNS "endpoints = [\"192.0.2.9:53\"]; },"
		"{ " L4_DNS "endpoints = [\"192.0.2.8:53\"]; }"),
	     "f.conf:8: l4.services: port 53 is taken by the service at line 8; choose another\n");
	SAYS(L4("{ address = \"198.51.100.1\"; port = 443; protocol = \"tcp\"; "
		"endpoints = [\"192.0.2.9:53\"]; }"),
	     "f.conf:8: l4.services: port 443 is taken by a listener; choose another, or give the "
	     "listener an address of its own\n");
	SAYS(FILE_OF("l4 = { port_last = 20000; services = ( { " L4_DNS
		     "endpoints = [\"192.0.2.9:53\"]; } ); };",
		     "", ""),
	     "f.conf:8: l4.port_first: to l4.port_last overlaps with tcp.port_first to "
	     "tcp.port_last; choose ranges apart\n");
	SAYS(FILE_OF("l4 = { port_first = 3000; port_last = 2000; services = ( { " L4_DNS
		     "endpoints = [\"192.0.2.9:53\"]; } ); };",
		     "", ""),
	     "f.conf:8: l4.port_first: is above l4.port_last; choose a lower one\n");
}

#define ADAPTS(device, more)                                                                       \
	"version = 1; run_dir = \"/r\"; node = { id = \"e\"; role = \"edge\"; location = \"l\";\n" \
	"mesh = \"m\"; }; listen = ( { port = 443; protocol = \"https\"; } );\n"                   \
	"dataplane = { ports = ( { name = \"p\"; addresses = [\"192.0.2.1/24\"];\n"                \
	"device = \"" device "\"; adaptive_rx = true; " more " } ); };"
#define ADAPTS_NOT                                                                                 \
	"f.conf:3: dataplane.ports[0].adaptive_rx: is for net_af_xdp with iface=; write device = " \
	"\"net_af_xdp0,iface=NAME\", or leave it out\n"

static void adaptive_rx_is_for_the_drivers_xdp_of_an_interface(void)
{
	char iface[CONF_IFACE_BYTES];
	SAYS(ADAPTS("net_af_xdp0,start_queue=0,iface=eth0,queue_count=1", ""), "");
	CU_ASSERT_TRUE(conf.dataplane.ports[0].is_adaptive_rx);
	CU_ASSERT_FALSE(conf.dataplane.ports[0].is_napi_batch);
	CU_ASSERT_EQUAL(conf.dataplane.ports[0].adaptive_rx_rate, 20000);
	CU_ASSERT_TRUE(conf_port_iface(&conf.dataplane.ports[0], iface));
	CU_ASSERT_STRING_EQUAL(iface, "eth0");
	SAYS(ADAPTS("net_af_xdp0,iface=fifteen-letters", "adaptive_rx_rate = 2;"), "");
	SAYS(ADAPTS("net_tap0,iface=mr0", ""), ADAPTS_NOT);
	SAYS(ADAPTS("0000:01:00.0", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0,iface=", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0,iface=../mem", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0,iface=..", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0,iface=sixteen-letters-", ""), ADAPTS_NOT);
	SAYS(ADAPTS("net_af_xdp0,iface=eth0", "generic_xdp = true;"),
	     "f.conf:3: dataplane.ports[0].adaptive_rx: does nothing under generic_xdp; leave one "
	     "of them out\n");
	SAYS(ADAPTS("net_af_xdp0,iface=eth0", "napi_batch = true;"), "");
	CU_ASSERT_TRUE(conf.dataplane.ports[0].is_napi_batch);
	SAYS(ADAPTS("net_af_xdp0,iface=eth0", "generic_xdp = true; napi_batch = true;"),
	     "f.conf:3: dataplane.ports[0].adaptive_rx: does nothing under generic_xdp; leave one "
	     "of them out\n"
	     "f.conf:3: dataplane.ports[0].napi_batch: does nothing under generic_xdp; leave one "
	     "of them out\n");
	SAYS(ADAPTS("net_af_xdp0,iface=eth0", "adaptive_rx_rate = 1;"),
	     "f.conf:4: dataplane.ports[0].adaptive_rx_rate: 1 is too small; choose 2 to "
	     "1000000000\n");
}

UNIT_MAIN("conf", {"the shipped examples load", the_shipped_examples_load},
	  {"values reach their members", values_reach_their_members},
	  {"a value of the wrong type is told", a_value_of_the_wrong_type_is_told},
	  {"numbers out of range are told with the range",
	   numbers_out_of_range_are_told_with_the_range},
	  {"texts that are no value are told how to write one",
	   texts_that_are_no_value_are_told_how_to_write_one},
	  {"addresses are read strictly", addresses_are_read_strictly},
	  {"an unknown key is told with the nearest known one",
	   an_unknown_key_is_told_with_the_nearest_known_one},
	  {"all errors are told at once", all_errors_are_told_at_once},
	  {"keys that contradict each other are told", keys_that_contradict_each_other_are_told},
	  {"an error is one line whatever the value", an_error_is_one_line_whatever_the_value},
	  {"libconfig's traps are closed", libconfigs_traps_are_closed},
	  {"files that are no text are refused", files_that_are_no_text_are_refused},
	  {"the defaults are a file that misses only what must be given",
	   the_defaults_are_a_file_that_misses_only_what_must_be_given},
	  {"the reference names every key", the_reference_names_every_key},
	  {"L4 services are read, and their mistakes told",
	   l4_services_are_read_and_their_mistakes_told},
	  {"adaptive_rx is for the driver's XDP of an interface",
	   adaptive_rx_is_for_the_drivers_xdp_of_an_interface})
