// SPDX-License-Identifier: Apache-2.0
// Public certificates from files: what is refused at start, what is read again while running.
#include "certs.h"
#include "control_fixture.h"
#include "keyfile.h"
#include "pki.h"

#include <sys/stat.h>

struct world {
	struct fixture f;
	struct conf conf;
	char error[CERTS_ERROR_BYTES];
};

// write_pair makes a certificate for host.
static void write_pair(struct world *w, const char *host)
{
	struct pki_ca ca;
	CU_ASSERT_FATAL(pki_ca_new(&ca, "test", NULL, 1800000000, 86400));
	EVP_PKEY *key = pki_key_new();
	X509 *cert = pki_issue(&ca, key, &(struct pki_leaf){NULL, host, 1800000000, 86400});
	char *chain_text = pki_cert_text(cert);
	char *key_text = pki_key_text(key);
	CU_ASSERT(keyfile_write(NULL, w->conf.certificates[0].chain, chain_text, 0644));
	CU_ASSERT(keyfile_write(NULL, w->conf.certificates[0].key, key_text, 0600));
	free(chain_text);
	free(key_text);
	X509_free(cert);
	EVP_PKEY_free(key);
	pki_ca_free(&ca);
}

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	fixture_open(&w->f);
	w->conf.certificates_count = 1;
	fixture_path(&w->f, "chain.pem", w->conf.certificates[0].chain);
	fixture_path(&w->f, "key.pem", w->conf.certificates[0].key);
	w->conf.certificates[0].is_default = true;
	write_pair(w, "shop.example");
}

static void world_close(struct world *w)
{
	fixture_close(&w->f);
}

static void a_pair_is_read_as_it_is(void)
{
	static struct world w;
	uint32_t count;
	world_open(&w);
	struct certs *certs = certs_open(&w.conf, w.error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(certs);
	const struct compile_cert *rows = certs_rows(certs, &count);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT(rows[0].is_default);
	CU_ASSERT_PTR_NOT_NULL(strstr(rows[0].key, "PRIVATE KEY"));
	CU_ASSERT(!certs_reload(certs));
	certs_close(certs);
	world_close(&w);
}

static void check_refused(struct world *w, const char *why)
{
	struct certs *certs = certs_open(&w->conf, w->error);
	CU_ASSERT_PTR_NULL(certs);
	if (!strstr(w->error, why))
		printf("# %s\n", w->error);
	CU_ASSERT_PTR_NOT_NULL(strstr(w->error, why));
}

static void a_pair_that_cannot_serve_is_refused_by_name(void)
{
	static struct world w;
	world_open(&w);
	CU_ASSERT_EQUAL(chmod(w.conf.certificates[0].key, 0644), 0);
	check_refused(&w, "others may read it");
	CU_ASSERT(keyfile_write(NULL, w.conf.certificates[0].key, "no key", 0600));
	check_refused(&w, "the key is no PEM private key");
	EVP_PKEY *other = pki_key_new();
	char *text = pki_key_text(other);
	CU_ASSERT(keyfile_write(NULL, w.conf.certificates[0].key, text, 0600));
	check_refused(&w, "the key is not the certificate's");
	free(text);
	EVP_PKEY_free(other);
	CU_ASSERT(keyfile_write(NULL, w.conf.certificates[0].chain, "nothing", 0644));
	check_refused(&w, "no PEM certificate");
	unlink(w.conf.certificates[0].chain);
	check_refused(&w, "No such file");
	world_close(&w);
}

static void a_new_pair_is_read_and_a_broken_one_keeps_the_old(void)
{
	static struct world w;
	uint32_t count;
	world_open(&w);
	struct certs *certs = certs_open(&w.conf, w.error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(certs);
	char *before = strdup(certs_rows(certs, &count)->chain);
	CU_ASSERT(keyfile_write(NULL, w.conf.certificates[0].chain, "half", 0644));
	CU_ASSERT(!certs_reload(certs));
	CU_ASSERT_STRING_EQUAL(certs_rows(certs, &count)->chain, before);
	write_pair(&w, "shop.example");
	CU_ASSERT(certs_reload(certs));
	CU_ASSERT_STRING_NOT_EQUAL(certs_rows(certs, &count)->chain, before);
	free(before);
	certs_close(certs);
	world_close(&w);
}

UNIT_MAIN("certs", {"a pair is read as it is", a_pair_is_read_as_it_is},
	  {"a pair that cannot serve is refused by name",
	   a_pair_that_cannot_serve_is_refused_by_name},
	  {"a new pair is read, and a broken one keeps the old",
	   a_new_pair_is_read_and_a_broken_one_keeps_the_old})
