// SPDX-License-Identifier: Apache-2.0
// SipHash by known values: 2-4 of the paper (appendix A) and its empty message; 1-3 as CPython's
// hash of bytes has it (key 0), and of another implementation.
#include "siphash.h"
#include "unit.h"

#include <string.h>

static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

static void two_four_is_the_papers(void)
{
	uint8_t text[64];
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(siphash(&key, text, 15), 0xa129ca6149be45e5u);
	CU_ASSERT_EQUAL(siphash(&key, text, 0), 0x726fdb47dd0e0e31u);
	uint64_t word;
	memcpy(&word, text, sizeof(word));
	CU_ASSERT_EQUAL(siphash_word(&key, word), siphash(&key, text, sizeof(word)));
}

static void one_three_is_as_others_have_it(void)
{
	static const struct {
		size_t bytes;
		uint64_t hash;
	} known[] = {
		{0, 0xabac0158050fc4dcu},  {1, 0xc9f49bf37d57ca93u},  {8, 0x369095118d299a8eu},
		{15, 0xd320d86d2a519956u}, {36, 0x2cf508d3ada26206u}, {63, 0x9d199062b7bbb3a8u},
	};
	static const struct siphash_key zero = {{0, 0}};
	uint8_t text[64];
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CU_ASSERT_EQUAL(siphash13(&key, text, known[i].bytes), known[i].hash);
	CU_ASSERT_EQUAL(siphash13(&zero, "abcdefghij", 10), 0xf47c264806c40ff1u);
}

UNIT_MAIN("siphash", {"2-4 is the paper's", two_four_is_the_papers},
	  {"1-3 is as others have it", one_three_is_as_others_have_it})
