// SPDX-License-Identifier: Apache-2.0
// Numbers are written as printf writes them, in no more bytes than that.
#include "decimal.h"

#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void check(uint64_t number)
{
	char wanted[32], text[32];
	int bytes = snprintf(wanted, sizeof(wanted), "%" PRIu64 "#", number);
	memset(text, '#', sizeof(text));
	CU_ASSERT_EQUAL(decimal_write(text, number) - text, bytes - 1);
	CU_ASSERT_NSTRING_EQUAL(text, wanted, bytes);
}

static void a_number_is_written_as_printf_does(void)
{
	for (uint64_t power = 1, i = 0; i < DECIMAL_BYTES_MAX; i++, power *= 10) {
		check(power - 1);
		check(power);
		check(power + power / 2);
	}
	check(UINT64_MAX);
}

UNIT_MAIN("decimal", {"a number is written as printf does", a_number_is_written_as_printf_does})
