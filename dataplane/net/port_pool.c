// SPDX-License-Identifier: Apache-2.0
// Mempools of mbufs for ports; see port_ethdev.h. An AF_XDP device registers its pool's memory with
// the kernel and takes the pool for objects side by side. A mempool leaves gaps where one would lie
// across two pages, and what lies behind count objects' worth of bytes the kernel then refuses. So
// for AF_XDP an object fills a page: no gaps (and without hugepages no more memory either).
#include "port_ethdev.h"

#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#define PAGE_BYTES 4096u
#define POOL_CACHE 256u

// fill takes the memory of a page-sized pool; false when it is short or not in one piece.
static bool fill(struct rte_mempool *pool, uint32_t elt_bytes, uint16_t private_bytes)
{
	struct rte_pktmbuf_pool_private shape = {
		.mbuf_data_room_size =
			(uint16_t)(elt_bytes - sizeof(struct rte_mbuf) - private_bytes),
		.mbuf_priv_size = private_bytes,
	};
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0)
		return false;
	rte_pktmbuf_pool_init(pool, &shape);
	if (rte_mempool_populate_default(pool) < 0 || pool->nb_mem_chunks != 1)
		return false;
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return true;
}

static struct rte_mempool *new_paged(const char *name, uint32_t count, uint16_t private_bytes)
{
	struct rte_mempool_objsz size;
	rte_mempool_calc_obj_size(1, RTE_MEMPOOL_F_NO_SPREAD, &size);
	uint32_t elt_bytes = PAGE_BYTES - size.header_size;
	struct rte_mempool *pool = rte_mempool_create_empty(name, count, elt_bytes, POOL_CACHE,
							    sizeof(struct rte_pktmbuf_pool_private),
							    SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_SPREAD);
	if (pool && !fill(pool, elt_bytes, private_bytes)) {
		rte_mempool_free(pool);
		pool = NULL;
	}
	return pool;
}

struct rte_mempool *port_pool_new(const char *name, uint32_t count, uint16_t private_bytes,
				  bool is_for_af_xdp)
{
	if (is_for_af_xdp)
		return new_paged(name, count, private_bytes);
	return rte_pktmbuf_pool_create(name, count, POOL_CACHE, private_bytes,
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
}
