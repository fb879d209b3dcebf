// SPDX-License-Identifier: Apache-2.0
// conf.def as tables; see conf_table.h.
#include "conf_table.h"

// CONF_PLACE_<type>(name) is the name of the member that CONF_MEMBER_<type>(name) declares.
#define CONF_PLACE_NAME(name)       name
#define CONF_PLACE_TEXT(name)       name
#define CONF_PLACE_PATH(name)       name
#define CONF_PLACE_COUNT(name)      name
#define CONF_PLACE_SIZE(name)       name##_bytes
#define CONF_PLACE_TIME(name)       name##_ms
#define CONF_PLACE_BOOL(name)       is_##name
#define CONF_PLACE_CORES(name)      name
#define CONF_PLACE_ADDR(name)       name
#define CONF_PLACE_PREFIX(name)     name
#define CONF_PLACE_PREFIXES(name)   name
#define CONF_PLACE_ENDPOINTS(name)  name
#define CONF_PLACE_TRANSPORT(name)  name
#define CONF_PLACE_MAC(name)        name
#define CONF_PLACE_ROLE(name)       name
#define CONF_PLACE_IDLE(name)       name
#define CONF_PLACE_HUGEPAGES(name)  name
#define CONF_PLACE_ECN(name)        name
#define CONF_PLACE_PROTOCOL(name)   name
#define CONF_PLACE_CONGESTION(name) name
#define CONF_PLACE_STORE(name)      name

#define CONF_TYPE_COUNT CONF_TYPE_COUNT_

#define ITEM(item) static const struct conf_key item##_fields[] = {
#define FIELD(item, name, type, min, max, fallback, text)                                          \
	{"",                                                                                       \
	 #name,                                                                                    \
	 CONF_TYPE_##type,                                                                         \
	 min,                                                                                      \
	 max,                                                                                      \
	 fallback,                                                                                 \
	 "",                                                                                       \
	 offsetof(struct conf_##item, CONF_PLACE_##type(name)),                                    \
	 text},
#define END_ITEM(item)                                                                             \
	}                                                                                          \
	;
#include "conf.def"

#define SECTION(name, text)
#define END(name)
#define LIST(section, name, item, most, when, text)
#define TOP_LIST(name, item, most, when, text)
#define TOP(name, type, min, max, fallback, when, text)                                            \
	{"",                                                                                       \
	 #name,                                                                                    \
	 CONF_TYPE_##type,                                                                         \
	 min,                                                                                      \
	 max,                                                                                      \
	 fallback,                                                                                 \
	 #when,                                                                                    \
	 offsetof(struct conf, CONF_PLACE_##type(name)),                                           \
	 text},
#define KEY(section, name, type, min, max, fallback, when, text)                                   \
	{#section,                                                                                 \
	 #name,                                                                                    \
	 CONF_TYPE_##type,                                                                         \
	 min,                                                                                      \
	 max,                                                                                      \
	 fallback,                                                                                 \
	 #when,                                                                                    \
	 offsetof(struct conf, section.CONF_PLACE_##type(name)),                                   \
	 text},
const struct conf_key conf_keys[] = {
#include "conf.def"
};
const unsigned conf_key_count = sizeof(conf_keys) / sizeof(conf_keys[0]);

#define LIST_ROW(section, place, name, item, most, text)                                           \
	{section,                                                                                  \
	 #name,                                                                                    \
	 #item,                                                                                    \
	 item##_fields,                                                                            \
	 sizeof(item##_fields) / sizeof(item##_fields[0]),                                         \
	 most,                                                                                     \
	 sizeof(struct conf_##item),                                                               \
	 offsetof(struct conf_##item, line),                                                       \
	 offsetof(struct conf, place),                                                             \
	 offsetof(struct conf, place##_count),                                                     \
	 text},
#define SECTION(name, text)
#define END(name)
#define KEY(section, name, type, min, max, fallback, when, text)
#define TOP(name, type, min, max, fallback, when, text)
#define LIST(section, name, item, most, when, text)                                                \
	LIST_ROW(#section, section.name, name, item, most, text)
#define TOP_LIST(name, item, most, when, text) LIST_ROW("", name, name, item, most, text)
const struct conf_list conf_lists[] = {
#include "conf.def"
};
const unsigned conf_list_count = sizeof(conf_lists) / sizeof(conf_lists[0]);

#define SECTION(name, text) {#name, text},
#define END(name)
#define KEY(section, name, type, min, max, fallback, when, text)
#define TOP(name, type, min, max, fallback, when, text)
#define LIST(section, name, item, most, when, text)
#define TOP_LIST(name, item, most, when, text)
const struct conf_section conf_sections[] = {
#include "conf.def"
};
const unsigned conf_section_count = sizeof(conf_sections) / sizeof(conf_sections[0]);

#define CHOICE(name)             static const char *const name##_words[] = {
#define WORD(choice, word, text) text,
#define END_CHOICE                                                                                 \
	NULL                                                                                       \
	}                                                                                          \
	;
#include "conf.def"

const char *const *conf_choice_words(enum conf_type type)
{
	switch (type) {
	case CONF_TYPE_ROLE: return role_words;
	case CONF_TYPE_IDLE: return idle_words;
	case CONF_TYPE_HUGEPAGES: return hugepages_words;
	case CONF_TYPE_ECN: return ecn_words;
	case CONF_TYPE_PROTOCOL: return protocol_words;
	case CONF_TYPE_TRANSPORT: return transport_words;
	case CONF_TYPE_CONGESTION: return congestion_words;
	case CONF_TYPE_STORE: return store_words;
	default: return NULL;
	}
}

const char *conf_role_name(enum conf_role role)
{
	return role_words[role];
}

const char *conf_type_text(enum conf_type type)
{
	switch (type) {
	case CONF_TYPE_NAME: return "a name in quotes: lower case letters, digits, - and .";
	case CONF_TYPE_TEXT: return "a text in quotes";
	case CONF_TYPE_PATH: return "a path in quotes";
	case CONF_TYPE_COUNT: return "a number without quotes";
	case CONF_TYPE_SIZE: return "a size in quotes: \"64MiB\" (B, KiB, MiB, GiB)";
	case CONF_TYPE_TIME: return "a time in quotes: \"30s\" (ms, s, m, h, d)";
	case CONF_TYPE_BOOL: return "true or false";
	case CONF_TYPE_CORES: return "core numbers in quotes: \"0-1,3\"";
	case CONF_TYPE_ADDR: return "an address in quotes: \"192.0.2.1\", \"2001:db8::1\"";
	case CONF_TYPE_PREFIX: return "a prefix in quotes: \"192.0.2.0/24\", \"2001:db8::/32\"";
	case CONF_TYPE_PREFIXES: return "prefixes: [\"192.0.2.1/24\", \"2001:db8::1/64\"]";
	case CONF_TYPE_ENDPOINTS:
		return "endpoints: [\"192.0.2.1:53\", \"[2001:db8::1]:53 weight 2\"]";
	case CONF_TYPE_MAC: return "an Ethernet address in quotes: \"02:00:00:00:00:01\"";
	default: return "one of the words, in quotes";
	}
}
