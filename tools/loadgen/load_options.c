// SPDX-License-Identifier: Apache-2.0
// The command line; see load_options.h.
#include "load_options.h"

#include "check.h"

#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CONNS_A_MEBIBYTE 8192u // of TCP's table, which is in DPDK's memory: 128 bytes each

static const char help[] =
	"loadgen: HTTP load by millrace's own stack, over a DPDK port\n"
	"\n"
	"  loadgen --port DEVICE --address PREFIX --to ADDR:PORT --host NAME [options] [REQUEST "
	"...]\n"
	"\n"
	"REQUEST is '[WEIGHT] METHOD TARGET [status=N] [bytes=N] [body=FILE] [upload=N]'.\n"
	"\n"
	"  --port DEVICE         net_memif0,role=client,socket=/run/x.sock; or any other of DPDK\n"
	"  --address PREFIX      ours, up to 8 times; connections take turns over them\n"
	"  --gateway ADDR        next hop to what is not on the link\n"
	"  --mtu BYTES           largest IP packet (1500)\n"
	"  --to ADDR:PORT        whom to ask, up to 8 times\n"
	"  --host NAME           SNI and authority\n"
	"  --ca FILE             refuse servers that these certificates do not vouch for\n"
	"  --http 1|2            version (1)\n"
	"  --plain               without TLS\n"
	"  --mix FILE            more REQUESTs, one a line\n"
	"  --connections N       at once (1)\n"
	"  --streams N           requests at once on each (1; HTTP/2)\n"
	"  --opening N           handshakes at once (64)\n"
	"  --per-connection N    a new connection for every N requests; 0: only its handshake\n"
	"  --resume              new connections resume by the tickets of earlier ones\n"
	"  --resume-one          all but the first resume by one ticket: cheap to open many\n"
	"  --rate N              open loop: pieces of work a second, latency from the due time\n"
	"  --poisson             the same at random moments\n"
	"  --handshake-share F   of the requests of a --rate, each on a new connection (0 to 1)\n"
	"  --count N             pieces of work: requests, or connections with --per-connection\n"
	"  --seconds S           of measuring (5, or until --count is done)\n"
	"  --warmup S            before it (0)\n"
	"  --hold S              keep all connections open and idle for S seconds, after a "
	"REQUEST\n"
	"                        each when one is given\n"
	"  --sample N            after --hold ask so many of them, at random, once more\n"
	"  --seed N              of whatever is drawn (1)\n"
	"  --poll                never sleep\n"
	"  --serve               runs one after another on one port: each line of standard input "
	"is\n"
	"                        one's further words, tabs between; no more connections than here\n"
	"  --run-dir DIR         where DPDK puts its sockets\n"
	"\n"
	"Prints one JSON object. On standard error: `measuring` and `measured`, when it is.\n";

__attribute__((format(printf, 1, 2))) _Noreturn static void fail(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fputs("loadgen: ", stderr);
	vfprintf(stderr, format, list);
	fputs("; see --help\n", stderr);
	va_end(list);
	exit(2);
}

static double number_of(const char *name, const char *text, double max)
{
	char *end;
	double number = strtod(text, &end);
	if (end == text || *end || !(number >= 0) || number > max)
		fail("--%s: %s is not a number from 0 to %.0f", name, text, max);
	return number;
}

static void add_request(struct load_options *options, const char *text)
{
	const char *wrong = load_mix_add(&options->mix, text);
	if (wrong)
		fail("%s: %s", text, wrong);
}

static void add_mix(struct load_options *options, const char *path)
{
	uint32_t line;
	const char *wrong = load_mix_add_file(&options->mix, path, &line);
	if (wrong)
		fail("%s:%u: %s", path, line, wrong);
}

static void add_address(struct load_options *options, const char *text)
{
	struct prefix prefix;
	if (options->address_count == LOAD_ADDRESSES_MAX)
		fail("--address: at most %u", LOAD_ADDRESSES_MAX);
	if (prefix_parse(text, &prefix) != 0)
		fail("--address: %s is no address with a prefix length", text);
	options->addresses[options->address_count] = text;
	options->sources[options->address_count++] = prefix.addr;
}

static void add_target(struct load_options *options, const char *text)
{
	if (options->target_count == LOAD_TARGETS_MAX)
		fail("--to: at most %u", LOAD_TARGETS_MAX);
	if (endpoint_addr_parse(text, &options->targets[options->target_count++]) != 0)
		fail("--to: %s is no ADDR:PORT", text);
}

enum word {
	PORT = 1,
	ADDRESS,
	GATEWAY,
	MTU,
	TO,
	HOST,
	CA,
	HTTP,
	PLAIN,
	MIX,
	CONNECTIONS,
	STREAMS,
	OPENING,
	PER_CONNECTION,
	RESUME,
	RESUME_ONE,
	RATE,
	POISSON,
	HANDSHAKE_SHARE,
	COUNT,
	SECONDS,
	WARMUP,
	HOLD,
	SAMPLE,
	SEED,
	POLL,
	SERVE,
	RUN_DIR,
	HELP,
};

static const struct option table[] = {
	{"port", required_argument, NULL, PORT},
	{"address", required_argument, NULL, ADDRESS},
	{"gateway", required_argument, NULL, GATEWAY},
	{"mtu", required_argument, NULL, MTU},
	{"to", required_argument, NULL, TO},
	{"host", required_argument, NULL, HOST},
	{"ca", required_argument, NULL, CA},
	{"http", required_argument, NULL, HTTP},
	{"plain", no_argument, NULL, PLAIN},
	{"mix", required_argument, NULL, MIX},
	{"connections", required_argument, NULL, CONNECTIONS},
	{"streams", required_argument, NULL, STREAMS},
	{"opening", required_argument, NULL, OPENING},
	{"per-connection", required_argument, NULL, PER_CONNECTION},
	{"resume", no_argument, NULL, RESUME},
	{"resume-one", no_argument, NULL, RESUME_ONE},
	{"rate", required_argument, NULL, RATE},
	{"poisson", no_argument, NULL, POISSON},
	{"handshake-share", required_argument, NULL, HANDSHAKE_SHARE},
	{"count", required_argument, NULL, COUNT},
	{"seconds", required_argument, NULL, SECONDS},
	{"warmup", required_argument, NULL, WARMUP},
	{"hold", required_argument, NULL, HOLD},
	{"sample", required_argument, NULL, SAMPLE},
	{"seed", required_argument, NULL, SEED},
	{"poll", no_argument, NULL, POLL},
	{"serve", no_argument, NULL, SERVE},
	{"run-dir", required_argument, NULL, RUN_DIR},
	{"help", no_argument, NULL, HELP},
	{0},
};

// read_number takes the options that are numbers. False: option is none of them.
static bool read_number(struct load_options *options, int option, const char *name)
{
	switch (option) {
	case MTU: options->mtu = (uint32_t)number_of(name, optarg, 9000); break;
	case HTTP: options->http = (uint32_t)number_of(name, optarg, 2); break;
	case CONNECTIONS: options->connections = (uint32_t)number_of(name, optarg, 4194304); break;
	case STREAMS: options->streams = (uint32_t)number_of(name, optarg, 10000); break;
	case OPENING: options->opening = (uint32_t)number_of(name, optarg, 65536); break;
	case PER_CONNECTION:
		options->per_connection = (uint64_t)number_of(name, optarg, 1e15);
		break;
	case RATE: options->rate = number_of(name, optarg, 1e9); break;
	case HANDSHAKE_SHARE: options->fresh_share = number_of(name, optarg, 1); break;
	case COUNT: options->count = (uint64_t)number_of(name, optarg, 1e15); break;
	case SECONDS: options->seconds = number_of(name, optarg, 1e6); break;
	case WARMUP: options->warmup_s = number_of(name, optarg, 1e6); break;
	case HOLD: options->hold_s = number_of(name, optarg, 1e6); break;
	case SAMPLE: options->sample = (uint32_t)number_of(name, optarg, 4194304); break;
	case SEED: options->seed = (uint64_t)number_of(name, optarg, 1e15); break;
	default: return false;
	}
	return true;
}

static void read_other(struct load_options *options, int option)
{
	switch (option) {
	case PORT: options->device = optarg; break;
	case ADDRESS: add_address(options, optarg); break;
	case GATEWAY: options->gateway = optarg; break;
	case TO: add_target(options, optarg); break;
	case HOST: options->host = optarg; break;
	case CA: options->ca = optarg; break;
	case PLAIN: options->is_plain = true; break;
	case MIX: add_mix(options, optarg); break;
	case RESUME: options->is_resuming = true; break;
	case RESUME_ONE: options->is_resuming_one = true; break;
	case POISSON: options->is_poisson = true; break;
	case POLL: options->is_polling = true; break;
	case SERVE: options->is_serving = true; break;
	case RUN_DIR: options->run_dir = optarg; break;
	case HELP: fputs(help, stdout); exit(0);
	default: fail("the command line is wrong");
	}
}

static void check(struct load_options *options)
{
	if (!options->device || !options->address_count)
		fail("--port and --address are wanted");
	if (!options->is_serving && (!options->target_count || !options->host))
		fail("--to and --host are wanted");
	if (options->hold_s > 0)
		options->per_connection = options->mix.count > 0;
	if (options->per_connection > 0 && options->mix.count == 0 && !options->is_serving)
		fail("a REQUEST or --mix is wanted");
	if (options->http < 1 || options->http > 2)
		fail("--http is 1 or 2");
	if (options->http == 1)
		options->streams = 1;
	if (!options->connections || !options->streams || !options->opening)
		fail("--connections, --streams and --opening are at least 1");
	if (options->is_resuming && options->is_resuming_one)
		fail("--resume or --resume-one");
	if (options->is_plain &&
	    (options->is_resuming || options->is_resuming_one || options->http == 2))
		fail("--plain is HTTP/1.1 without tickets");
	if (options->hold_s > 0 && options->rate > 0)
		fail("--hold has no --rate");
	if (options->sample > 0 && (options->hold_s == 0 || options->mix.count == 0))
		fail("--sample is of a --hold with a REQUEST");
	if (options->fresh_share > 0 && (options->rate == 0 || options->count != LOAD_FOR_EVER ||
					 options->per_connection != LOAD_FOR_EVER))
		fail("--handshake-share is of a --rate, without --count and --per-connection");
	if (options->seconds == 0)
		options->seconds = options->count == LOAD_FOR_EVER ? 5 : 1e6;
}

void load_options_read(int argc, char **argv, struct load_options *options)
{
	*options = (struct load_options){.http = 1,
					 .mtu = 1500,
					 .connections = 1,
					 .streams = 1,
					 .opening = 64,
					 .per_connection = LOAD_FOR_EVER,
					 .count = LOAD_FOR_EVER,
					 .seed = 1};
	int at = 0;
	optind = 0; // there may have been another command line
	for (int option; (option = getopt_long(argc, argv, "", table, &at)) != -1;)
		if (!read_number(options, option, table[at].name))
			read_other(options, option);
	for (int i = optind; i < argc; i++)
		add_request(options, argv[i]);
	check(options);
}

uint32_t load_options_places(const struct load_options *options)
{
	return options->connections + (options->fresh_share > 0 ? options->opening : 0);
}

static uint32_t at_least(uint64_t number, uint32_t least)
{
	return (uint32_t)MAX(number, (uint64_t)least);
}

static void write_addresses(FILE *out, const struct load_options *options)
{
	const char *comma = "";
	for (uint32_t i = 0; i < options->address_count; i++) {
		fprintf(out, "%s\"%s\"", comma, options->addresses[i]);
		comma = ", ";
	}
}

// first_core is one that we may run on: EAL wants its name.
static unsigned first_core(void)
{
	cpu_set_t allowed;
	unsigned core = 0;
	CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	while (!CPU_ISSET(core, &allowed))
		core++;
	return core;
}

// write_conf tells our stack how large to be: what waits to be sent is small, what arrives is not.
static void write_conf(FILE *out, const struct load_options *options)
{
	const char *all = options->gateway && strchr(options->gateway, ':') ? "::/0" : "0.0.0.0/0";
	uint32_t conns = load_options_places(options);
	fprintf(out, "version = 1; run_dir = \"%s\";\n", options->run_dir);
	fputs("node = { id = \"loadgen\"; role = \"sidecar\"; location = \"loadgen\"; "
	      "mesh = \"loadgen.test\"; };\n",
	      out);
	fputs("listen = ( { port = 8443; protocol = \"mesh\"; } );\n", out);
	fprintf(out,
		"dataplane = { memory = \"%uMiB\"; mbufs = 32768; record_buffers = 2048; "
		"small_buffers = 16384; ",
		384 + conns / CONNS_A_MEBIBYTE);
	fprintf(out, "hugepages = \"never\"; idle = \"%s\"; cores = \"%u\"; ",
		options->is_polling ? "poll" : "sleep", first_core());
	const uint8_t *own = options->sources[0].bytes + 12; // the same station in the next run
	fprintf(out, "ports = ( { name = \"load0\"; mac = \"02:6c:%02x:%02x:%02x:%02x\"; ", own[0],
		own[1], own[2], own[3]);
	fprintf(out, "device = \"%s\"; mtu = %u; addresses = [ ", options->device, options->mtu);
	write_addresses(out, options);
	fputs(" ]; } ); ", out);
	if (options->gateway)
		fprintf(out, "routes = ( { to = \"%s\"; via = \"%s\"; } ); ", all,
			options->gateway);
	fputs("};\n", out);
	fprintf(out,
		"tcp = { connections = %u; time_wait = 131072; time_wait_life = \"1s\"; "
		"port_first = 1024; keepalive_idle = \"0s\"; orphans = 0; };\n",
		at_least(conns + conns / 4, 4096));
	fprintf(out, "tls = { handshakes = %u; };\n", at_least(options->opening, 512));
	fprintf(out, "http = { connections = %u; };\n", at_least(conns, 8));
}

struct conf *load_options_conf(const struct load_options *options)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	struct conf *conf = calloc(1, sizeof(*conf));
	CHECK(out && conf);
	write_conf(out, options);
	CHECK(fclose(out) == 0);
	if (conf_parse(text, "loadgen", conf, stderr) != 0)
		exit(2);
	free(text);
	return conf;
}
