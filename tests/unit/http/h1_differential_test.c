// SPDX-License-Identifier: Apache-2.0
// Our parser against another one over seeded mutations of good messages, by the oracle that the
// differential fuzzer uses too.
#include "h1_alike.h"

#include "check.h"
#include "random.h"
#include "unit.h"

static const struct seed {
	const char *text;
	bool is_request;
} seeds[] = {
	{"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nA: b\r\nC: d e\r\n\r\n", true},
	{"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nABCDE", true},
	{"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "3;a=b\r\nABC\r\n2\r\nDE\r\n0\r\nT: u\r\n\r\n",
	 true},
	{"PUT http://a.example/x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", true},
	{"DELETE /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nABCDE", false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nABCDE\r\n0\r\n\r\n", false},
};
static const char *const pieces[] = {"\r\n",
				     "\n",
				     "\r",
				     " ",
				     "\t",
				     ":",
				     "0",
				     "5",
				     ",",
				     ";",
				     "\x01",
				     "chunked",
				     "Content-Length: 5\r\n",
				     "Transfer-Encoding: chunked\r\n",
				     "Host: b\r\n",
				     "\r\n ",
				     "\xff",
				     "/",
				     "HTTP/1.1"};

static size_t mutate(struct random_source *random, char *text, size_t bytes, size_t room)
{
	unsigned count = random_below(random, 3);
	for (unsigned i = 0; i <= count; i++) {
		size_t at = random_below(random, (uint32_t)bytes);
		const char *piece = pieces[random_below(random, ARRAY_LEN(pieces))];
		size_t piece_bytes = random_below(random, 3) ? strlen(piece) : 0;
		size_t cut = piece_bytes ? random_below(random, 2) : 1;
		if (bytes + piece_bytes >= room || bytes <= 1)
			break;
		memmove(text + at + piece_bytes, text + at + cut, bytes - at - cut);
		memcpy(text + at, piece, piece_bytes);
		bytes += piece_bytes - cut;
	}
	return bytes;
}

static void what_we_accept_the_other_parser_understands_alike(void)
{
	struct random_source random;
	unsigned counts[H1_DIFFERENT + 1] = {0};
	random_init(&random, (struct siphash_key){{1, 2}});
	for (unsigned i = 0; i < 60000; i++) {
		char text[1024];
		const struct seed *seed = &seeds[i % ARRAY_LEN(seeds)];
		memcpy(text, seed->text, strlen(seed->text));
		size_t bytes = mutate(&random, text, strlen(seed->text), sizeof(text));
		const char *why = "";
		enum h1_verdict verdict =
			h1_alike_judge(slice_of(text, bytes), seed->is_request, &why);
		if (verdict == H1_DIFFERENT)
			printf("# %u differs in %s: %.*s\n", i, why, (int)bytes, text);
		counts[verdict]++;
	}
	printf("# %u alike, %u refused by us, %u not decided\n", counts[H1_ALIKE],
	       counts[H1_REFUSED], counts[H1_UNDECIDED]);
	CU_ASSERT(counts[H1_DIFFERENT] == 0);
	CU_ASSERT(counts[H1_ALIKE] > 5000 && counts[H1_REFUSED] > 5000);
}

UNIT_MAIN("h1_differential", {"what we accept the other parser understands alike",
			      what_we_accept_the_other_parser_understands_alike})
