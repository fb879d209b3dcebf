// SPDX-License-Identifier: Apache-2.0
// What this core is away from a task that never rests: other tasks, the kernel's tick, the host of
// a virtual machine. It reads the clock without end and notes each step of more than GAP_NS. A
// request comes at any moment, so what it waits for at least follows from them: it waits x or more
// with a probability of sum(gap - x) / time, over the gaps longer than x. Percentiles of that.
//
//   jitter SECONDS    of the core that it runs on (taskset); prints JSON, microseconds
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GAP_NS   1000u // less is the loop itself
#define GAPS_MAX 1000000u

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int longest_first(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;
	return (*a < *b) - (*a > *b);
}

// wait_us is what a share of all moments waits for at least; gaps are sorted.
static double wait_us(const uint64_t *gaps, uint32_t count, double share_ns)
{
	double sum = 0;
	for (uint32_t k = 0; k < count; k++) {
		sum += (double)gaps[k];
		double wait_ns = (sum - share_ns) / (k + 1);
		double next = k + 1 < count ? (double)gaps[k + 1] : 0;
		if (wait_ns >= next)
			return wait_ns / 1000;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static uint64_t gaps[GAPS_MAX];
	uint32_t count = 0;
	double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;
	if (seconds <= 0)
		errx(2, "jitter SECONDS");
	uint64_t begin = now_ns(), last = begin, end = begin + (uint64_t)(seconds * 1e9);
	double lost_ns = 0;
	while (last < end && count < GAPS_MAX) {
		uint64_t now = now_ns();
		if (now - last > GAP_NS) {
			gaps[count++] = now - last;
			lost_ns += (double)(now - last);
		}
		last = now;
	}
	double all_ns = (double)(last - begin);
	qsort(gaps, count, sizeof(*gaps), longest_first);
	printf("{\"lost\": %.6f, \"gaps_per_s\": %.0f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": "
	       "%.1f}\n",
	       lost_ns / all_ns, count / all_ns * 1e9, wait_us(gaps, count, all_ns * 0.01),
	       wait_us(gaps, count, all_ns * 0.001), count ? (double)gaps[0] / 1000 : 0.0);
	return 0;
}
