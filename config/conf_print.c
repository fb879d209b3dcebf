// SPDX-License-Identifier: Apache-2.0
// The defaults as a file and the reference as text, both from conf.def; see conf.h.
#include "conf_value.h"

#include <string.h>

static bool is_quoted(const struct conf_key *key)
{
	return key->type != CONF_TYPE_COUNT_ && key->type != CONF_TYPE_BOOL;
}

static void print_key(FILE *out, const struct conf_key *key, const char *indent)
{
	const char *quote = is_quoted(key) ? "\"" : "";
	if (key->type == CONF_TYPE_PREFIXES && key->fallback) // none, where none must be given
		fprintf(out, "%s%s = [%s];\n", indent, key->name, key->fallback);
	else if (key->fallback)
		fprintf(out, "%s%s = %s%s%s;\n", indent, key->name, quote, key->fallback, quote);
	else
		fprintf(out, "%s# %s = ...; must be given: %s\n", indent, key->name, key->text);
}

static void print_list(FILE *out, const struct conf_list *list, const char *indent)
{
	fprintf(out, "%s# %s = ( {", indent, list->name);
	for (unsigned i = 0; i < list->field_count; i++) {
		const struct conf_key *field = &list->fields[i];
		const char *quote = is_quoted(field) ? "\"" : "";
		if (field->fallback)
			fprintf(out, " %s = %s%s%s;", field->name, quote, field->fallback, quote);
		else
			fprintf(out, " %s = ...;", field->name);
	}
	fprintf(out, " } ); %s\n", list->text);
}

static void print_section(FILE *out, const char *section, const char *indent)
{
	for (unsigned i = 0; i < conf_key_count; i++)
		if (strcmp(conf_keys[i].section, section) == 0)
			print_key(out, &conf_keys[i], indent);
	for (unsigned i = 0; i < conf_list_count; i++)
		if (strcmp(conf_lists[i].section, section) == 0)
			print_list(out, &conf_lists[i], indent);
}

void conf_print_defaults(FILE *out)
{
	print_section(out, "", "");
	for (unsigned i = 0; i < conf_section_count; i++) {
		fprintf(out, "# %s\n%s = {\n", conf_sections[i].text, conf_sections[i].name);
		print_section(out, conf_sections[i].name, "\t");
		fprintf(out, "};\n");
	}
}

static void describe_key(FILE *out, const struct conf_key *key, const char *path)
{
	char range[CONF_FAULT_BYTES];
	const char *const *words = conf_choice_words(key->type);
	fprintf(out, "%s%s%s\n\t%s\n\t%s", path, *path ? "." : "", key->name, key->text,
		conf_type_text(key->type));
	for (unsigned i = 0; words && words[i]; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : ": ", words[i]);
	conf_value_range(key, range);
	if (*range)
		fprintf(out, "; %s", range);
	if (!key->fallback)
		fprintf(out, "; must be given");
	else
		fprintf(out, "; default %s", *key->fallback ? key->fallback : "\"\"");
	if (*key->when)
		fprintf(out, "; a change needs %s",
			strcmp(key->when, "LIVE") == 0 ? "nothing" : "a restart");
	fprintf(out, "\n");
}

static void describe_section(FILE *out, const char *section)
{
	char path[128];
	for (unsigned i = 0; i < conf_key_count; i++)
		if (strcmp(conf_keys[i].section, section) == 0)
			describe_key(out, &conf_keys[i], section);
	for (unsigned i = 0; i < conf_list_count; i++) {
		const struct conf_list *list = &conf_lists[i];
		if (strcmp(list->section, section) != 0)
			continue;
		snprintf(path, sizeof(path), "%s%s%s[]", section, *section ? "." : "", list->name);
		fprintf(out, "%s\n\t%s\n\ta list of at most %u groups\n", path, list->text,
			list->most);
		for (unsigned j = 0; j < list->field_count; j++)
			describe_key(out, &list->fields[j], path);
	}
}

void conf_print_reference(FILE *out)
{
	describe_section(out, "");
	for (unsigned i = 0; i < conf_section_count; i++) {
		fprintf(out, "\n%s: %s\n\n", conf_sections[i].name, conf_sections[i].text);
		describe_section(out, conf_sections[i].name);
	}
}
