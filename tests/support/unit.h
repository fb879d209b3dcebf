// SPDX-License-Identifier: Apache-2.0
// A unit test program: CUnit runs the cases, TAP lines tell what passed. A case's name is a
// sentence.
//
//   static void window_is_never_shrunk(void) { CU_ASSERT_EQUAL(...); }
//   UNIT_MAIN("tcp_rcv", {"window is never shrunk", window_is_never_shrunk}, ...)
#pragma once

#include <CUnit/CUnit.h>

#include <stdio.h>

struct unit_case {
	const char *sentence;
	void (*run)(void);
};

// unit_print_failure tells each failed assertion as a TAP comment.
static inline void unit_print_failure(const CU_pFailureRecord failure)
{
	for (CU_pFailureRecord f = failure; f; f = f->pNext)
		printf("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
}

// unit_on_test_done prints the TAP line of one case.
static inline void unit_on_test_done(const CU_pTest test, const CU_pSuite,
				     const CU_pFailureRecord failure)
{
	static int number;
	printf("%s %d - %s\n", failure ? "not ok" : "ok", ++number, test->pName);
	unit_print_failure(failure);
	fflush(stdout);
}

// unit_run runs count cases as suite name; returns the process's exit code.
static inline int unit_run(const char *name, const struct unit_case *cases, size_t count)
{
	printf("TAP version 13\n1..%zu\n", count);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 99;
	CU_pSuite suite = CU_add_suite(name, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		CU_add_test(suite, cases[i].sentence, cases[i].run);
	CU_set_test_complete_handler(unit_on_test_done);
	CU_run_all_tests();
	unsigned failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}

#define UNIT_MAIN(name, ...)                                                                       \
	int main(void)                                                                             \
	{                                                                                          \
		static const struct unit_case cases[] = {__VA_ARGS__};                             \
		return unit_run(name, cases, sizeof(cases) / sizeof(cases[0]));                    \
	}
