// SPDX-License-Identifier: Apache-2.0
// TCP header and options from any bytes: never reads past them, and what it understood it writes
// back so that it reads the same again.
#include "check.h"
#include "tcp_segment.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct tcp_segment segment, again;
	uint8_t header[TCP_HEADER_MAX_BYTES];
	if (!tcp_segment_parse(data, bytes, &segment))
		return 0;
	CHECK(segment.header_bytes >= TCP_HEADER_BYTES && segment.header_bytes <= bytes);
	CHECK(segment.sack_count <= TCP_SACK_BLOCKS && segment.scale <= TCP_SCALE_MAX);
	if (TCP_HEADER_BYTES + tcp_segment_option_bytes(&segment) > TCP_HEADER_MAX_BYTES)
		return 0; // more options at once than our padding leaves room for
	uint8_t header_bytes = tcp_segment_write(&segment, header);
	CHECK(tcp_segment_parse(header, header_bytes, &again));
	CHECK(memcmp(&segment, &again, sizeof(segment)) == 0);
	return 0;
}
