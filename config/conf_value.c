// SPDX-License-Identifier: Apache-2.0
// Texts to values; see conf_value.h. Every refusal says why and how to write it instead.
#include "conf_value.h"

#include <stdarg.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}, {NULL, 0}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
					 {"s", 1000},     {"ms", 1},      {NULL, 0}};

// refuse writes the fault and returns false.
__attribute__((format(printf, 2, 3))) static bool refuse(char *fault, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault, CONF_FAULT_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

// read_number reads decimal digits, at least one; *text then stands behind them. False when there
// are none or the number is beyond 2^60.
static bool read_number(const char **text, uint64_t *value)
{
	const char *start = *text;
	*value = 0;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		*value = *value * 10 + (uint64_t)(**text - '0');
		if (*value >> 60)
			return false;
	}
	return *text != start;
}

// amount writes value with the largest unit that divides it.
static void amount(uint64_t value, const struct unit *units, char *out, size_t bytes)
{
	const struct unit *unit = units;
	const struct unit *best = NULL;
	for (; unit->suffix; unit++)
		if (value % unit->factor == 0 && (!best || unit->factor > best->factor))
			best = unit;
	if (value == 0)
		snprintf(out, bytes, "0%s", units == size_units ? "B" : "s");
	else
		snprintf(out, bytes, "%llu%s", (unsigned long long)(value / best->factor),
			 best->suffix);
}

void conf_value_range(const struct conf_key *key, char out[CONF_FAULT_BYTES])
{
	char least[64], most[64];
	const struct unit *units = key->type == CONF_TYPE_SIZE ? size_units : time_units;
	out[0] = 0;
	switch (key->type) {
	case CONF_TYPE_COUNT_:
		snprintf(out, CONF_FAULT_BYTES, "%llu to %llu", (unsigned long long)key->min,
			 (unsigned long long)key->max);
		break;
	case CONF_TYPE_SIZE:
	case CONF_TYPE_TIME:
		amount(key->min, units, least, sizeof(least));
		amount(key->max, units, most, sizeof(most));
		snprintf(out, CONF_FAULT_BYTES, "%s to %s", least, most);
		break;
	case CONF_TYPE_NAME:
	case CONF_TYPE_TEXT:
	case CONF_TYPE_PATH:
		snprintf(out, CONF_FAULT_BYTES, "%llu to %llu characters",
			 (unsigned long long)key->min, (unsigned long long)key->max);
		break;
	default: break;
	}
}

static bool check_range(const struct conf_key *key, uint64_t value, const char *text, char *fault)
{
	char range[CONF_FAULT_BYTES];
	if (value >= key->min && value <= key->max)
		return true;
	conf_value_range(key, range);
	return refuse(fault, "%.64s is too %s; choose %.100s", text,
		      value < key->min ? "small" : "large", range);
}

static bool parse_count(const struct conf_key *key, const char *text, void *at, char *fault)
{
	const char *rest = text;
	uint64_t value;
	if (!read_number(&rest, &value) || *rest)
		return refuse(fault, "%.64s is no count; write %s", text,
			      conf_type_text(key->type));
	if (!check_range(key, value, text, fault))
		return false;
	*(uint32_t *)at = (uint32_t)value;
	return true;
}

// parse_amount reads a number and its unit.
static bool parse_amount(const struct conf_key *key, const char *text, void *at, char *fault)
{
	const struct unit *unit = key->type == CONF_TYPE_SIZE ? size_units : time_units;
	const char *rest = text;
	uint64_t value;
	if (!read_number(&rest, &value))
		return refuse(fault, "\"%.64s\" is no number with a unit; write %s", text,
			      conf_type_text(key->type));
	while (unit->suffix && strcmp(unit->suffix, rest) != 0)
		unit++;
	if (!unit->suffix)
		return refuse(fault, "\"%.64s\" has %s unit; write %s", text,
			      *rest ? "an unknown" : "no", conf_type_text(key->type));
	if (value > UINT64_MAX / unit->factor)
		value = UINT64_MAX;
	else
		value *= unit->factor;
	if (!check_range(key, value, text, fault))
		return false;
	*(uint64_t *)at = value;
	return true;
}

static bool parse_bool(const struct conf_key *key, const char *text, void *at, char *fault)
{
	bool is_true = strcmp(text, "true") == 0;
	if (!is_true && strcmp(text, "false") != 0)
		return refuse(fault, "%.64s is no claim; write %s", text,
			      conf_type_text(key->type));
	*(bool *)at = is_true;
	return true;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool parse_text(const struct conf_key *key, const char *text, void *at, char *fault)
{
	size_t length = strlen(text);
	char range[CONF_FAULT_BYTES];
	conf_value_range(key, range);
	if (length < key->min)
		return length ? refuse(fault, "\"%.64s\" is too short; give %s", text, range)
			      : refuse(fault, "is empty; give %s", range);
	if (length > key->max)
		return refuse(fault, "\"%.32s...\" is too long; give %s", text, range);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			return refuse(fault, "holds a control character; write %s",
				      conf_type_text(key->type));
		if (key->type == CONF_TYPE_NAME && !is_name_character(text[i]))
			return refuse(fault, "\"%.64s\" holds '%c'; write %s", text, text[i],
				      conf_type_text(key->type));
	}
	memcpy(at, text, length + 1);
	return true;
}

// add_core adds one core; false when it is there already, or there is no room.
static bool add_core(struct conf_cores *cores, uint64_t core)
{
	if (cores->count == CONF_CORES_MAX)
		return false;
	for (uint32_t i = 0; i < cores->count; i++)
		if (cores->at[i] == core)
			return false;
	cores->at[cores->count++] = (uint16_t)core;
	return true;
}

static bool parse_cores(const struct conf_key *key, const char *text, void *at, char *fault)
{
	struct conf_cores cores = {0};
	const char *rest = text;
	bool is_good;
	if (key->min == 0 && !*text) {
		*(struct conf_cores *)at = cores;
		return true;
	}
	do {
		uint64_t first, last;
		is_good = read_number(&rest, &first);
		last = first;
		if (is_good && *rest == '-') {
			rest++;
			is_good = read_number(&rest, &last);
		}
		is_good = is_good && first <= last && last < 1024 && (*rest == ',' || *rest == 0);
		for (uint64_t core = first; is_good && core <= last; core++)
			if (!add_core(&cores, core))
				return refuse(fault,
					      "\"%.64s\" names a core twice or more than %u cores; "
					      "name each of at most %u once",
					      text, CONF_CORES_MAX, CONF_CORES_MAX);
	} while (is_good && *rest++ == ',');
	if (!is_good)
		return refuse(fault, "\"%.64s\" is no list of cores; write %s", text,
			      conf_type_text(key->type));
	*(struct conf_cores *)at = cores;
	return true;
}

static bool parse_addr(const struct conf_key *key, const char *text, void *at, char *fault)
{
	struct addr addr = {0};
	if (strcmp(text, "*") != 0 && addr_parse(text, &addr) != 0)
		return refuse(fault, "\"%.64s\" is no address; write %s", text,
			      conf_type_text(key->type));
	*(struct addr *)at = addr;
	return true;
}

static bool parse_prefix(const struct conf_key *key, const char *text, void *at, char *fault)
{
	if (prefix_parse(text, at) != 0)
		return refuse(fault, "\"%.64s\" is no prefix; write %s", text,
			      conf_type_text(key->type));
	return true;
}

// parse_prefixes reads prefixes with commas between them.
static bool parse_prefixes(const struct conf_key *key, const char *text, void *at, char *fault)
{
	struct conf_prefixes prefixes = {0};
	while (*text) {
		char one[ADDR_TEXT_BYTES] = {0};
		size_t length = strcspn(text, ",");
		snprintf(one, sizeof(one), "%.*s",
			 (int)(length < sizeof(one) ? length : sizeof(one)), text);
		if (prefixes.count == CONF_PREFIXES_MAX)
			return refuse(fault, "holds more than %u addresses; give fewer",
				      CONF_PREFIXES_MAX);
		if (!strchr(one, '/') || prefix_parse(one, &prefixes.at[prefixes.count]) != 0)
			return refuse(fault,
				      "\"%.64s\" is no address with its prefix length; write %s",
				      one, conf_type_text(key->type));
		prefixes.count++;
		text += length + (text[length] == ',');
	}
	if (prefixes.count < key->min)
		return refuse(fault, "is empty; write %s", conf_type_text(key->type));
	*(struct conf_prefixes *)at = prefixes;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// parse_weighted reads "ADDR:PORT" or "ADDR:PORT weight N".
static bool parse_weighted(const char *text, size_t length, struct conf_endpoints *endpoints)
{
	static const char word[] = " weight ";
	char one[ADDR_TEXT_BYTES + sizeof(word) + 4];
	uint64_t weight = 1;
	if (length >= sizeof(one))
		return false;
	memcpy(one, text, length);
	one[length] = 0;
	char *at = strstr(one, word);
	if (at) {
		const char *rest = at + sizeof(word) - 1;
		*at = 0;
		if (!read_number(&rest, &weight) || *rest || weight > CONF_WEIGHT_MAX)
			return false;
	}
	endpoints->weights[endpoints->count] = (uint16_t)weight;
	return endpoint_addr_parse(one, &endpoints->at[endpoints->count]) == 0;
}

// parse_endpoints reads endpoints with commas between them.
static bool parse_endpoints(const struct conf_key *key, const char *text, void *at, char *fault)
{
	struct conf_endpoints endpoints = {0};
	while (*text) {
		size_t length = strcspn(text, ",");
		if (endpoints.count == CONF_ENDPOINTS_MAX)
			return refuse(fault, "holds more than %u endpoints; give fewer",
				      CONF_ENDPOINTS_MAX);
		if (!parse_weighted(text, length, &endpoints))
			return refuse(fault,
				      "\"%.*s\" is no endpoint (weights are 0 to %u); write %s",
				      (int)(length < 64 ? length : 64), text, CONF_WEIGHT_MAX,
				      conf_type_text(key->type));
		endpoints.count++;
		text += length + (text[length] == ',');
	}
	if (endpoints.count < key->min)
		return refuse(fault, "is empty; write %s", conf_type_text(key->type));
	*(struct conf_endpoints *)at = endpoints;
	return true;
}

static bool parse_mac(const struct conf_key *key, const char *text, void *at, char *fault)
{
	struct conf_mac mac = {.is_set = *text != 0};
	bool is_good = !*text || strlen(text) == 17;
	for (unsigned i = 0; is_good && *text && i < 6; i++) {
		int high = hex(text[3 * i]);
		int low = hex(text[3 * i + 1]);
		is_good = high >= 0 && low >= 0 && (i == 5 || text[3 * i + 2] == ':');
		if (is_good)
			mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (!is_good || (mac.bytes[0] & 1))
		return refuse(fault, "\"%.64s\" is no Ethernet address of one machine; write %s",
			      text, conf_type_text(key->type));
	*(struct conf_mac *)at = mac;
	return true;
}

static bool parse_choice(const struct conf_key *key, const char *text, void *at, char *fault)
{
	const char *const *words = conf_choice_words(key->type);
	char known[128] = "";
	for (unsigned i = 0; words[i]; i++) {
		size_t used = strlen(known);
		if (strcmp(words[i], text) == 0) {
			memcpy(at, &i, sizeof(i));
			return true;
		}
		snprintf(known + used, sizeof(known) - used, "%s\"%s\"", i ? ", " : "", words[i]);
	}
	return refuse(fault, "\"%.64s\" is not known; choose %s", text, known);
}

bool conf_value_parse(const struct conf_key *key, const char *text, void *at,
		      char fault[CONF_FAULT_BYTES])
{
	switch (key->type) {
	case CONF_TYPE_NAME:
	case CONF_TYPE_TEXT:
	case CONF_TYPE_PATH: return parse_text(key, text, at, fault);
	case CONF_TYPE_COUNT_: return parse_count(key, text, at, fault);
	case CONF_TYPE_SIZE:
	case CONF_TYPE_TIME: return parse_amount(key, text, at, fault);
	case CONF_TYPE_BOOL: return parse_bool(key, text, at, fault);
	case CONF_TYPE_CORES: return parse_cores(key, text, at, fault);
	case CONF_TYPE_ADDR: return parse_addr(key, text, at, fault);
	case CONF_TYPE_PREFIX: return parse_prefix(key, text, at, fault);
	case CONF_TYPE_PREFIXES: return parse_prefixes(key, text, at, fault);
	case CONF_TYPE_ENDPOINTS: return parse_endpoints(key, text, at, fault);
	case CONF_TYPE_MAC: return parse_mac(key, text, at, fault);
	default: return parse_choice(key, text, at, fault);
	}
}
