// SPDX-License-Identifier: Apache-2.0
// ICMP errors about segments we sent (RFC 5927): believed only when they quote a sequence number in
// flight. "Too big" lowers the segment size (tcp_mtu.c), hard errors end a connection attempt only.
#include "tcp_priv.h"

#include "bytes.h"

void tcp_icmp_error(void *user, const struct addr *local, const struct addr *remote,
		    const uint8_t *quoted, size_t quoted_bytes, bool is_hard, uint32_t mtu)
{
	struct tcp *tcp = user;
	struct bytes_reader header = bytes_read_from(quoted, quoted_bytes);
	struct tcp_tuple tuple = {.local = *local, .remote = *remote};
	tuple.local_port = bytes_u16(&header);
	tuple.remote_port = bytes_u16(&header);
	struct tcp_seq seq = seq_of(bytes_u32(&header));
	struct tcp_found found = {0};
	if (header.ok)
		found = tcp_table_find(tcp, &tuple);
	struct tcp_conn *conn = found.kind == TCP_KIND_CONN ? found.object : NULL;
	if (!conn || !seq_within(seq, (struct tcp_range){conn->una, conn->max})) {
		tcp_count(tcp, COUNTER_tcp_icmp_ignored);
		return;
	}
	if (is_hard && !mtu && conn->state == TCP_SYN_SENT)
		tcp_conn_end(conn, COUNTER_tcp_unreachable);
	else if (!mtu || conn->state < TCP_ESTABLISHED || !tcp_mtu_told(conn, mtu))
		tcp_count(tcp, COUNTER_tcp_icmp_ignored);
}
