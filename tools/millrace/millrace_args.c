// SPDX-License-Identifier: Apache-2.0
// The command line: one table row a command and option, from which help and request are made.
#include "millrace_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_type {
	OPTION_TEXT,
	OPTION_LIST, // repeated, or separated by commas
	OPTION_EACH, // repeated, each taken whole
	OPTION_TIME_US,
	OPTION_TIME_S,
	OPTION_FLAG,
	OPTION_NOT, // a flag that says false
};

struct option_row {
	const char *option; // NULL: a plain argument
	const char *field;  // of the request
	enum option_type type;
	bool is_required;
	const char *help;
};

struct command_row {
	const char *words; // as typed
	const char *name;  // of the request
	const char *help;
	struct option_row options[8];
};

static const struct command_row commands[] = {
	{"service set",
	 "service-set",
	 "make or change a service",
	 {{NULL, "name", OPTION_TEXT, true, "NAME"},
	  {"--host", "hosts", OPTION_LIST, false,
	   "HOST       a name, '*.name' or '*'; may be repeated"},
	  {"--path", "path", OPTION_TEXT, false, "PREFIX     paths it serves (default /)"},
	  {"--to", "to", OPTION_LIST, false, "ADDR:PORT[,...]  its instances there; replaces them"},
	  {"--location", "location", OPTION_TEXT, false,
	   "LOC    where they run (default: this node's)"},
	  {"--node", "node", OPTION_TEXT, false, "NODE       the sidecar in front of them"},
	  {"--protocol", "protocol", OPTION_TEXT, false,
	   "http1|h2c  what they speak (default http1)"}}},
	{"service list", "service-list", "services, their routes and instances", {{0}}},
	{"service remove",
	 "service-remove",
	 "forget a service, or one instance of it",
	 {{NULL, "name", OPTION_TEXT, true, "NAME"},
	  {NULL, "address", OPTION_TEXT, false, "ADDR:PORT"}}},
	{"service drain",
	 "service-drain",
	 "send one instance no new requests",
	 {{NULL, "name", OPTION_TEXT, true, "NAME"},
	  {NULL, "address", OPTION_TEXT, true, "ADDR:PORT"},
	  {"--off", "drain", OPTION_NOT, false, "        back again"}}},
	{"service unhealthy",
	 "service-unhealthy",
	 "use one instance only when no other is left",
	 {{NULL, "name", OPTION_TEXT, true, "NAME"},
	  {NULL, "address", OPTION_TEXT, true, "ADDR:PORT"},
	  {"--off", "unhealthy", OPTION_NOT, false, "        it is healthy again"}}},
	{"policy set",
	 "policy-set",
	 "what edges do for a service; replaces what was set before",
	 {{NULL, "name", OPTION_TEXT, true, "SERVICE"},
	  {"--rule", "rules", OPTION_EACH, true, "KEY=VALUE  may be repeated, see README"}}},
	{"policy show",
	 "policy-show",
	 "the rules of a service",
	 {{NULL, "name", OPTION_TEXT, true, "SERVICE"}}},
	{"policy remove",
	 "policy-remove",
	 "forget the rules of a service",
	 {{NULL, "name", OPTION_TEXT, true, "SERVICE"}}},
	{"location set",
	 "location-set",
	 "make or change a location",
	 {{NULL, "name", OPTION_TEXT, true, "NAME"},
	  {"--cost", "cost_us", OPTION_TIME_US, false, "TIME       round trip to it: 12ms"},
	  {"--drain", "drain", OPTION_FLAG, false, "           send it no new requests"},
	  {"--no-drain", "drain", OPTION_NOT, false, ""}}},
	{"location list", "location-list", "locations", {{0}}},
	{"node list", "node-list", "nodes that registered", {{0}}},
	{"node token",
	 "node-token",
	 "a one-time token that admits a node (ask the CA's control)",
	 {{NULL, "node", OPTION_TEXT, true, "NODE"},
	  {"--role", "role", OPTION_TEXT, true, "ROLE       edge, gateway or sidecar"},
	  {"--location", "location", OPTION_TEXT, true, "LOC    where the node stands"},
	  {"--life", "life_s", OPTION_TIME_S, false,
	   "TIME       how long it may be used (default 24h)"}}},
	{"node drain",
	 "node-drain",
	 "take a node out of service gently",
	 {{NULL, "node", OPTION_TEXT, true, "NODE"},
	  {"--off", "drain", OPTION_NOT, false, "        back again"}}},
	{"node remove",
	 "node-remove",
	 "forget a node; its identity is not renewed",
	 {{NULL, "node", OPTION_TEXT, true, "NODE"}}},
	{"trust rotate", "trust-rotate", "replace the mesh's CA (ask the CA's control)", {{0}}},
	{"status", "status", "this node: data plane, identity, rows", {{0}}},
	{"routes", "routes", "what the data plane of this node was told", {{0}}},
	{"purge",
	 "purge",
	 "forget cached responses; ends when no worker of any edge uses them any more",
	 {{NULL, "url", OPTION_TEXT, false, "URL"},
	  {"--prefix", "prefix", OPTION_TEXT, false, "URL      all below a directory: ends in '/'"},
	  {"--tag", "tag", OPTION_TEXT, false,
	   "TAG         all with this Surrogate-Key or Cache-Tag"},
	  {"--service", "service", OPTION_TEXT, false, "NAME    all of a service"},
	  {"--all", "all", OPTION_FLAG, false, "           everything"},
	  {"--soft", "soft", OPTION_FLAG, false, "          stale from now on, not forgotten"}}},
	{"why",
	 "why",
	 "how a request would travel from this node",
	 {{NULL, "host", OPTION_TEXT, true, "HOST"}, {NULL, "path", OPTION_TEXT, false, "PATH"}}},
	{"counters",
	 "counters",
	 "counters of the data plane",
	 {{NULL, "telemetry", OPTION_TEXT, false, "TELEMETRY-COMMAND"}}},
	{"announce",
	 "announce",
	 "tell the link that this node has its addresses: after a takeover",
	 {{NULL, "address", OPTION_TEXT, false, "ADDRESS"}}},
	{"flows",
	 "flows",
	 "TCP connections of the data plane, as ss -ti",
	 {{"--host", "host", OPTION_TEXT, false, "ADDR[/BITS] either end"},
	  {"--port", "port", OPTION_TEXT, false, "N          either end"},
	  {"--state", "state", OPTION_TEXT, false, "NAME      established, time-wait ..."},
	  {"--worker", "worker", OPTION_TEXT, false, "N        of this worker"},
	  {"--sort", "sort", OPTION_TEXT, false, "FIELD      largest first: a name of --json"},
	  {"--limit", "limit", OPTION_TEXT, false, "N         at most (default 100, 0: all)"}}},
	{"capture",
	 "capture",
	 "frames of the data plane into a pcapng file, until a bound or Ctrl-C",
	 {{"-w", "file", OPTION_TEXT, true, "FILE            '-' is standard output"},
	  {"--flow", "flow", OPTION_TEXT, false, "A:P-B:P    between these two, either way"},
	  {"--host", "host", OPTION_TEXT, false, "ADDR[/BITS] either end"},
	  {"--port", "port", OPTION_TEXT, false, "N          either end"},
	  {"--seconds", "seconds", OPTION_TEXT, false, "N       at most (default 60)"},
	  {"--packets", "packets", OPTION_TEXT, false, "N       at most (default 1000000)"},
	  {"--bytes", "bytes", OPTION_TEXT, false, "N         of the file (default 268435456)"},
	  {"--snap", "snap", OPTION_TEXT, false, "N          bytes of a frame (default 2048)"}}},
	{"top",
	 "top",
	 "what the data plane does, every second",
	 {{"--count", "count", OPTION_TEXT, false, "N         end after N rounds"}}},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define OPTION_COUNT  (sizeof(commands[0].options) / sizeof(commands[0].options[0]))

static void print_command(FILE *out, const struct command_row *command)
{
	fprintf(out, "  millrace %s", command->words);
	for (size_t i = 0; i < OPTION_COUNT && command->options[i].field; i++)
		if (!command->options[i].option)
			fprintf(out, command->options[i].is_required ? " %s" : " [%s]",
				command->options[i].help);
	fprintf(out, "  -  %s\n", command->help);
	for (size_t i = 0; i < OPTION_COUNT && command->options[i].field; i++)
		if (command->options[i].option)
			fprintf(out, "      %s %s%s\n", command->options[i].option,
				command->options[i].help,
				command->options[i].is_required ? " (needed)" : "");
}

static void print_help(FILE *out)
{
	fputs("millrace - the operator's tool of a millrace node\n\n"
	      "  millrace [--socket PATH | --conf FILE] [--json] COMMAND\n\n"
	      "--socket is <run_dir>/control.sock; --conf takes run_dir from a node's "
	      "configuration.\n"
	      "Without both: $MILLRACE_SOCKET, else the only /run/millrace/*/control.sock.\n\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		print_command(out, &commands[i]);
}

// match returns how many words of the command line are the command's, 0 when they are not.
static int match(const struct command_row *command, int count, char **words)
{
	char text[128];
	snprintf(text, sizeof(text), "%s", command->words);
	char *second = strchr(text, ' ');
	if (second)
		*second++ = 0;
	if (count < 1 || strcmp(words[0], text) != 0)
		return 0;
	if (!second)
		return 1;
	return count >= 2 && strcmp(words[1], second) == 0 ? 2 : 0;
}

// read_time reads "12ms", "3s", "2h" in microseconds; -1 when it is no time.
static json_int_t read_time(const char *text)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {{"us", 1},   {"ms", 1e3},   {"s", 1e6},
		     {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
	char *end;
	double value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end != text && value >= 0 && value < 1e9 && strcmp(end, units[i].unit) == 0)
			return (json_int_t)(value * units[i].us);
	return -1;
}

static void append_one(json_t *request, const char *field, const char *value)
{
	json_t *list = json_object_get(request, field);
	if (!list) {
		list = json_array();
		json_object_set_new(request, field, list);
	}
	json_array_append_new(list, json_string(value));
}

static void append_list(json_t *request, const char *field, const char *value)
{
	json_t *list = json_object_get(request, field);
	if (!list) {
		list = json_array();
		json_object_set_new(request, field, list);
	}
	while (*value) {
		size_t bytes = strcspn(value, ",");
		json_array_append_new(list, json_stringn(value, bytes));
		value += bytes + (value[bytes] == ',');
	}
}

// set_option puts one option into the request. False: told.
static bool set_option(json_t *request, const struct option_row *option, const char *value)
{
	json_int_t us = 0;
	switch (option->type) {
	case OPTION_TEXT: json_object_set_new(request, option->field, json_string(value)); break;
	case OPTION_LIST: append_list(request, option->field, value); break;
	case OPTION_EACH: append_one(request, option->field, value); break;
	case OPTION_FLAG: json_object_set_new(request, option->field, json_true()); break;
	case OPTION_NOT: json_object_set_new(request, option->field, json_false()); break;
	case OPTION_TIME_US:
	case OPTION_TIME_S:
		us = read_time(value);
		if (us < 0) {
			fprintf(stderr,
				"millrace: %s %s: a time with its unit is wanted: 12ms, 3s, 2h\n",
				option->option, value);
			return false;
		}
		json_object_set_new(
			request, option->field,
			json_integer(option->type == OPTION_TIME_S ? us / 1000000 : us));
	}
	return true;
}

static const struct option_row *find_option(const struct command_row *command, const char *word)
{
	for (size_t i = 0; i < OPTION_COUNT && command->options[i].field; i++)
		if (command->options[i].option && strcmp(command->options[i].option, word) == 0)
			return &command->options[i];
	return NULL;
}

// next_argument returns the first plain argument that is not set yet.
static const struct option_row *next_argument(const struct command_row *command, json_t *request)
{
	for (size_t i = 0; i < OPTION_COUNT && command->options[i].field; i++)
		if (!command->options[i].option &&
		    !json_object_get(request, command->options[i].field))
			return &command->options[i];
	return NULL;
}

// read_word takes one word, and the value behind it; *used is how many. False: told.
static bool read_word(const struct command_row *command, json_t *request, int left, char **words,
		      int *used)
{
	bool is_option = words[0][0] == '-';
	const struct option_row *option =
		is_option ? find_option(command, words[0]) : next_argument(command, request);
	*used = 1;
	if (!option) {
		fprintf(stderr, "millrace %s: what is '%s'?\n", command->words, words[0]);
		print_command(stderr, command);
		return false;
	}
	bool is_alone = !is_option || option->type == OPTION_FLAG || option->type == OPTION_NOT;
	if (!is_alone && left < 2) {
		fprintf(stderr, "millrace %s: %s needs a value\n", command->words, words[0]);
		return false;
	}
	*used = is_alone ? 1 : 2;
	return set_option(request, option, words[is_alone ? 0 : 1]);
}

static bool has_all(const struct command_row *command, const json_t *request)
{
	for (size_t i = 0; i < OPTION_COUNT && command->options[i].field; i++) {
		const struct option_row *option = &command->options[i];
		if (!option->is_required || json_object_get(request, option->field))
			continue;
		fprintf(stderr, "millrace %s: %s is missing\n", command->words,
			option->option ? option->option : option->help);
		print_command(stderr, command);
		return false;
	}
	return true;
}

// take_global takes options that stand anywhere; what is left stays in words. False: told.
static bool take_globals(int *count, char **words, struct millrace_args *args, bool *is_help)
{
	int kept = 0;
	for (int i = 0; i < *count; i++) {
		const char **value = strcmp(words[i], "--socket") == 0 ? &args->socket
				     : strcmp(words[i], "--conf") == 0 ? &args->conf
								       : NULL;
		if (value && i + 1 == *count) {
			fprintf(stderr, "millrace: %s needs a path\n", words[i]);
			return false;
		}
		if (value)
			*value = words[++i];
		else if (strcmp(words[i], "--json") == 0)
			args->is_json = true;
		else if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
			*is_help = true;
		else
			words[kept++] = words[i];
	}
	*count = kept;
	return true;
}

static bool fail_unknown(int count, char **words)
{
	if (count)
		fprintf(stderr, "millrace: no command '%s%s%s'; millrace --help lists them\n",
			words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
	else
		print_help(stderr);
	return false;
}

static bool read_command(const struct command_row *command, int count, char **words,
			 struct millrace_args *args)
{
	args->name = command->name;
	args->request = json_pack("{s:s}", "command", command->name);
	for (int used; count > 0; count -= used, words += used)
		if (!read_word(command, args->request, count, words, &used))
			return false;
	args->argument = json_string_value(json_object_get(
		args->request, strcmp(command->name, "top") == 0 ? "count" : "telemetry"));
	return has_all(command, args->request);
}

bool millrace_args_parse(int argc, char **argv, struct millrace_args *args, int *status)
{
	int count = argc - 1;
	char **words = argv + 1;
	bool is_help = false;
	*args = (struct millrace_args){0};
	*status = 2;
	if (!take_globals(&count, words, args, &is_help))
		return false;
	if (is_help && count == 0) {
		print_help(stdout);
		*status = 0;
		return false;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		int used = match(&commands[i], count, words);
		if (used && is_help) {
			print_command(stdout, &commands[i]);
			*status = 0;
			return false;
		}
		if (used)
			return read_command(&commands[i], count - used, words + used, args);
	}
	return fail_unknown(count, words);
}
