// SPDX-License-Identifier: Apache-2.0
// From a libconfig file to struct conf, by the tables of conf_table.h. libconfig parses; every rule
// is ours. Its traps, closed here: a number beyond 32 bits silently becomes another one (refused
// before it is parsed), @include opens any file (refused), a NUL ends the text (refused).
#include "conf.h"

#include "conf_check.h"
#include "conf_value.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 192u
#define TEXT_BYTES 2048u

// One group of the file (or nothing, when setting is NULL) and where its keys go.
struct group {
	const config_setting_t *setting;
	const char *path;            // for errors: "", "tcp", "dataplane.ports[0]"
	const char *section;         // of the keys
	const struct conf_key *keys; // those of other sections among them are passed over
	unsigned key_count;
	uint8_t *base; // offsets are from here
};

static void full_name(const char *path, const char *name, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s%s%s", path, *path ? "." : "", name);
}

static unsigned line_of(const config_setting_t *setting)
{
	unsigned line = setting ? config_setting_source_line(setting) : 0;
	return line ? line : 1; // the root has none
}

static const char *type_of(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP: return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64: return "a number";
	case CONFIG_TYPE_FLOAT: return "a fraction";
	case CONFIG_TYPE_STRING: return "a text";
	case CONFIG_TYPE_BOOL: return "a claim (true or false)";
	case CONFIG_TYPE_ARRAY: return "an array";
	default: return "a list";
	}
}

// elements_text joins the texts of an array with commas. False when one is no text or all are too
// long.
static bool elements_text(const config_setting_t *setting, char text[TEXT_BYTES])
{
	size_t used = 0;
	text[0] = 0;
	for (int i = 0; i < config_setting_length(setting); i++) {
		const char *one = config_setting_get_string_elem(setting, i);
		if (!one || !*one || used + strlen(one) + 2 > TEXT_BYTES)
			return false;
		used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s%s", i ? "," : "", one);
	}
	return true;
}

// setting_text turns a setting of the right type for key into text. False when the type is another.
static bool setting_text(const struct conf_key *key, const config_setting_t *setting,
			 char text[TEXT_BYTES])
{
	int type = config_setting_type(setting);
	bool is_number = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
	switch (key->type) {
	case CONF_TYPE_COUNT_:
		snprintf(text, TEXT_BYTES, "%lld", config_setting_get_int64(setting));
		return is_number;
	case CONF_TYPE_BOOL:
		snprintf(text, TEXT_BYTES, "%s",
			 config_setting_get_bool(setting) ? "true" : "false");
		return type == CONFIG_TYPE_BOOL;
	case CONF_TYPE_PREFIXES:
	case CONF_TYPE_ENDPOINTS:
		return (type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST) &&
		       elements_text(setting, text);
	default:
		if (type != CONFIG_TYPE_STRING)
			return false;
		snprintf(text, TEXT_BYTES, "%s", config_setting_get_string(setting));
		return true;
	}
}

static void read_key(struct conf_errors *errors, const struct group *group,
		     const struct conf_key *key, const config_setting_t *setting)
{
	char path[PATH_BYTES], text[TEXT_BYTES], fault[CONF_FAULT_BYTES];
	full_name(group->path, key->name, path);
	if (!setting_text(key, setting, text))
		conf_errors_add(errors, line_of(setting), path, "is %s; write %s", type_of(setting),
				conf_type_text(key->type));
	else if (!conf_value_parse(key, text, group->base + key->offset, fault))
		conf_errors_add(errors, line_of(setting), path, "%s", fault);
}

static void take_default(struct conf_errors *errors, const struct group *group,
			 const struct conf_key *key)
{
	char path[PATH_BYTES], fault[CONF_FAULT_BYTES];
	full_name(group->path, key->name, path);
	if (!key->fallback)
		conf_errors_add(errors, line_of(group->setting), path, "is missing; write %s (%s)",
				conf_type_text(key->type), key->text);
	else if (!conf_value_parse(key, key->fallback, group->base + key->offset, fault))
		conf_errors_add(errors, 0, path, "default: %s", fault);
}

static const struct conf_key *find_key(const struct group *group, const char *name)
{
	for (unsigned i = 0; i < group->key_count; i++)
		if (strcmp(group->keys[i].section, group->section) == 0 &&
		    strcmp(group->keys[i].name, name) == 0)
			return &group->keys[i];
	return NULL;
}

static const struct conf_list *find_list(const char *section, const char *name)
{
	for (unsigned i = 0; i < conf_list_count; i++)
		if (strcmp(conf_lists[i].section, section) == 0 &&
		    strcmp(conf_lists[i].name, name) == 0)
			return &conf_lists[i];
	return NULL;
}

static bool is_section(const char *name)
{
	for (unsigned i = 0; i < conf_section_count; i++)
		if (strcmp(conf_sections[i].name, name) == 0)
			return true;
	return false;
}

// edits is the Levenshtein distance of two short names.
static unsigned edits(const char *a, const char *b)
{
	unsigned row[CONF_NAME_BYTES + 1];
	size_t width = strlen(b);
	if (width > CONF_NAME_BYTES || strlen(a) > CONF_NAME_BYTES)
		return CONF_NAME_BYTES;
	for (unsigned i = 0; i <= width; i++)
		row[i] = i;
	for (; *a; a++) {
		unsigned corner = row[0]++;
		for (size_t i = 0; i < width; i++) {
			unsigned cost = corner + (*a != b[i]);
			corner = row[i + 1];
			if (cost > row[i] + 1)
				cost = row[i] + 1;
			row[i + 1] = cost < corner + 1 ? cost : corner + 1;
		}
	}
	return row[width];
}

// The nearest known name so far.
struct nearest {
	const char *wanted;
	char found[PATH_BYTES];
	unsigned distance;
};

static void consider(struct nearest *nearest, const char *path, const char *name)
{
	unsigned distance = edits(nearest->wanted, name);
	if (distance >= nearest->distance)
		return;
	nearest->distance = distance;
	full_name(path, name, nearest->found);
}

// refuse_unknown reports a key that no line of conf.def has, with the nearest that one has.
static void refuse_unknown(struct conf_errors *errors, const struct group *group,
			   const config_setting_t *setting)
{
	const char *name = config_setting_name(setting);
	struct nearest nearest = {.wanted = name, .distance = 2 + (unsigned)strlen(name) / 4};
	char path[PATH_BYTES];
	full_name(group->path, name, path);
	for (unsigned i = 0; i < group->key_count; i++)
		if (strcmp(group->keys[i].section, group->section) == 0)
			consider(&nearest, group->path, group->keys[i].name);
	bool is_item = group->keys != conf_keys;
	for (unsigned i = 0; !is_item && i < conf_list_count; i++)
		if (strcmp(conf_lists[i].section, group->section) == 0)
			consider(&nearest, group->path, conf_lists[i].name);
	for (unsigned i = 0; !*group->section && !is_item && i < conf_section_count; i++)
		consider(&nearest, "", conf_sections[i].name);
	// The same name in another group is a better guess than a similar one in this.
	for (unsigned i = 0; nearest.distance > 0 && i < conf_key_count; i++)
		if (strcmp(conf_keys[i].name, name) == 0)
			consider(&nearest, conf_keys[i].section, name);
	if (nearest.found[0])
		conf_errors_add(errors, line_of(setting), path, "is unknown; did you mean %s?",
				nearest.found);
	else
		conf_errors_add(errors, line_of(setting), path,
				"is unknown; --reference lists every key");
}

static void read_list(struct conf_errors *errors, const struct group *group,
		      const struct conf_list *list, const config_setting_t *setting);

// read_group reads every setting of the group, then takes the defaults of keys that were not there.
static void read_group(struct conf_errors *errors, const struct group *group)
{
	bool seen[CONF_KEYS] = {false};
	bool is_item = group->keys != conf_keys;
	int length = group->setting ? config_setting_length(group->setting) : 0;
	for (int i = 0; i < length; i++) {
		const config_setting_t *setting =
			config_setting_get_elem(group->setting, (unsigned)i);
		const char *name = config_setting_name(setting);
		const struct conf_key *key = find_key(group, name);
		const struct conf_list *list = is_item ? NULL : find_list(group->section, name);
		if (key) {
			seen[key - group->keys] = true;
			read_key(errors, group, key, setting);
		} else if (list) {
			read_list(errors, group, list, setting);
		} else if (*group->path || !is_section(name)) {
			refuse_unknown(errors, group, setting);
		}
	}
	for (unsigned i = 0; i < group->key_count; i++)
		if (!seen[i] && strcmp(group->keys[i].section, group->section) == 0)
			take_default(errors, group, &group->keys[i]);
}

static void read_item(struct conf_errors *errors, const struct group *item,
		      const struct conf_list *list)
{
	unsigned line = line_of(item->setting);
	if (config_setting_type(item->setting) != CONFIG_TYPE_GROUP) {
		conf_errors_add(errors, line, item->path, "is %s; write { ... }",
				type_of(item->setting));
		return;
	}
	memcpy(item->base + list->line_offset, &line, sizeof(line));
	read_group(errors, item);
}

static void read_list(struct conf_errors *errors, const struct group *group,
		      const struct conf_list *list, const config_setting_t *setting)
{
	char path[PATH_BYTES], item_path[PATH_BYTES + 16];
	full_name(group->path, list->name, path);
	if (config_setting_type(setting) != CONFIG_TYPE_LIST) {
		conf_errors_add(errors, line_of(setting), path, "is %s; write ( { ... }, { ... } )",
				type_of(setting));
		return;
	}
	uint32_t count = (uint32_t)config_setting_length(setting);
	if (count > list->most) {
		conf_errors_add(errors, line_of(setting), path, "has %u elements; give at most %u",
				count, list->most);
		return;
	}
	memcpy(group->base + list->count_offset, &count, sizeof(count));
	for (uint32_t i = 0; i < count; i++) {
		snprintf(item_path, sizeof(item_path), "%s[%u]", path, i);
		struct group item = {
			.setting = config_setting_get_elem(setting, i),
			.path = item_path,
			.section = "",
			.keys = list->fields,
			.key_count = list->field_count,
			.base = group->base + list->offset + i * list->item_bytes,
		};
		read_item(errors, &item, list);
	}
}

static void read_all(struct conf_errors *errors, const config_t *config, struct conf *conf)
{
	struct group top = {
		config_root_setting(config), "", "", conf_keys, conf_key_count, (uint8_t *)conf};
	read_group(errors, &top);
	for (unsigned i = 0; i < conf_section_count; i++) {
		struct group section = top;
		section.path = section.section = conf_sections[i].name;
		section.setting = config_setting_get_member(top.setting, section.section);
		if (section.setting && config_setting_type(section.setting) != CONFIG_TYPE_GROUP) {
			conf_errors_add(errors, line_of(section.setting), section.path,
					"is %s; write %s = { ... };", type_of(section.setting),
					section.path);
			continue;
		}
		read_group(errors, &section);
	}
}

// skip_quiet returns the first character that is not inside a text or comment, counting lines.
static const char *skip_quiet(const char *at, unsigned *line)
{
	const char *end = NULL;
	if (*at == '#' || strncmp(at, "//", 2) == 0)
		return at + strcspn(at, "\n");
	if (strncmp(at, "/*", 2) == 0) {
		end = strstr(at + 2, "*/");
		end = end ? end + 2 : at + strlen(at);
	} else if (*at == '"') {
		for (end = at + 1; *end && *end != '"'; end++)
			end += *end == '\\' && end[1];
		end += *end == '"';
	} else {
		return at;
	}
	for (; at < end; at++)
		*line += *at == '\n';
	return end;
}

// scan finds what libconfig would read as something else than was written.
static void scan(struct conf_errors *errors, const char *text)
{
	unsigned line = 1;
	bool is_start = true; // of a line
	for (const char *at = text; *at;) {
		const char *next = skip_quiet(at, &line);
		if (next != at) {
			at = next;
			is_start = false;
			continue;
		}
		size_t word = strspn(at, "-0123456789abcdefABCDEFxX");
		if (is_start && strncmp(at, "@include", 8) == 0)
			conf_errors_add(errors, line, "@include",
					"is not allowed; a node has one file");
		const char *digits = at + (*at == '-');
		if (*digits >= '0' && *digits <= '9' && strtoull(digits, NULL, 0) > INT32_MAX)
			conf_errors_add(
				errors, line, "number",
				"%.*s is too large; sizes and times are texts: \"4GiB\", \"30s\"",
				(int)(word < 32 ? word : 32), at);
		line += *at == '\n';
		is_start = *at == '\n' || (is_start && (*at == ' ' || *at == '\t' || *at == '\r'));
		// A word is passed over whole, so that digits inside a name are no number.
		size_t skip = strspn(
			at, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-*");
		at += skip ? skip : 1;
		is_start = is_start && !skip;
	}
}

unsigned conf_parse(const char *text, const char *name, struct conf *conf, FILE *out)
{
	struct conf_errors errors = {.out = out, .name = name};
	memset(conf, 0, sizeof(*conf));
	scan(&errors, text);
	if (errors.count)
		return errors.count;
	config_t config;
	config_init(&config);
	if (config_read_string(&config, text) != CONFIG_TRUE) {
		conf_errors_add(&errors, (unsigned)config_error_line(&config), "file",
				"%s; look at this line and for a missing ; , or \" before it",
				config_error_text(&config));
	} else {
		read_all(&errors, &config, conf);
		if (errors.count == 0)
			conf_check(conf, &config, &errors);
	}
	config_destroy(&config);
	return errors.count;
}

// read_file returns the file's text, to be freed, or NULL after an error was reported.
static char *read_file(struct conf_errors *errors)
{
	FILE *file = fopen(errors->name, "re");
	if (!file) {
		conf_errors_add(errors, 0, "file", "%s; give the path of the node's configuration",
				strerror(errno));
		return NULL;
	}
	char *text = malloc(CONF_FILE_BYTES + 1);
	size_t bytes = text ? fread(text, 1, CONF_FILE_BYTES + 1, file) : 0;
	bool has_failed = !text || ferror(file);
	fclose(file);
	if (has_failed) {
		conf_errors_add(errors, 0, "file", "cannot be read; it must be a readable file");
	} else if (bytes > CONF_FILE_BYTES || memchr(text, 0, bytes)) {
		conf_errors_add(errors, 0, "file", "is no text of at most %u bytes; it must be one",
				CONF_FILE_BYTES);
	} else {
		text[bytes] = 0;
		return text;
	}
	free(text);
	return NULL;
}

unsigned conf_load(const char *path, struct conf *conf, FILE *out)
{
	struct conf_errors errors = {.out = out, .name = path};
	char *text = read_file(&errors);
	if (!text)
		return errors.count;
	unsigned count = conf_parse(text, path, conf, out);
	free(text);
	return count;
}
