// SPDX-License-Identifier: Apache-2.0
// Public certificates from files; see certs.h.
#include "certs.h"

#include "keyfile.h"
#include "log.h"
#include "pki.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct pair {
	char *chain;
	char *key;
	struct timespec chain_time;
	struct timespec key_time;
};

struct certs {
	const struct conf *conf;
	struct pair *pairs;
	struct compile_cert *rows;
	uint32_t count;
};

static struct timespec time_of(const char *path)
{
	struct stat stat_of = {0};
	if (stat(path, &stat_of) != 0)
		return (struct timespec){0};
	return stat_of.st_mtim;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void pair_free(struct pair *pair)
{
	keyfile_free(pair->key);
	free(pair->chain);
	*pair = (struct pair){0};
}

// judge tells whether chain and key belong together. NULL, or why not.
static const char *judge(const struct pair *pair)
{
	X509 *cert = pki_cert_read(pair->chain);
	EVP_PKEY *key = pki_key_read(pair->key);
	const char *why = NULL;
	if (!cert)
		why = "the chain holds no PEM certificate";
	else if (!key)
		why = "the key is no PEM private key without a password";
	else if (!pki_key_fits(cert, key))
		why = "the key is not the certificate's";
	EVP_PKEY_free(key);
	X509_free(cert);
	return why;
}

// read_pair reads one pair. False: error says why, pair is empty.
static bool read_pair(const struct conf_certificate *conf, struct pair *pair,
		      char error[CERTS_ERROR_BYTES])
{
	*pair = (struct pair){.chain_time = time_of(conf->chain), .key_time = time_of(conf->key)};
	const char *path = conf->chain;
	pair->chain = keyfile_read(NULL, path);
	if (pair->chain) {
		path = conf->key;
		pair->key = keyfile_read(NULL, path);
	}
	const char *why = pair->key ? judge(pair) : strerror(errno);
	if (!why && !keyfile_is_private(conf->key))
		why = "others may read it: chmod 600";
	if (!why)
		return true;
	snprintf(error, CERTS_ERROR_BYTES, "certificate %.200s: %.200s", path, why);
	pair_free(pair);
	return false;
}

static void fill_rows(struct certs *certs)
{
	for (uint32_t i = 0; i < certs->count; i++)
		certs->rows[i] = (struct compile_cert){
			.chain = certs->pairs[i].chain,
			.key = certs->pairs[i].key,
			.is_default = certs->conf->certificates[i].is_default,
		};
}

struct certs *certs_open(const struct conf *conf, char error[CERTS_ERROR_BYTES])
{
	struct certs *certs = calloc(1, sizeof(*certs));
	uint32_t count = conf->certificates_count;
	snprintf(error, CERTS_ERROR_BYTES, "out of memory");
	if (!certs)
		return NULL;
	certs->conf = conf;
	certs->pairs = calloc(count + 1, sizeof(*certs->pairs));
	certs->rows = calloc(count + 1, sizeof(*certs->rows));
	bool is_good = certs->pairs && certs->rows;
	for (uint32_t i = 0; i < count && is_good; i++) {
		is_good = read_pair(&conf->certificates[i], &certs->pairs[i], error);
		certs->count += is_good;
	}
	if (!is_good) {
		certs_close(certs);
		return NULL;
	}
	fill_rows(certs);
	return certs;
}

void certs_close(struct certs *certs)
{
	if (!certs)
		return;
	for (uint32_t i = 0; i < certs->count; i++)
		pair_free(&certs->pairs[i]);
	free(certs->pairs);
	free(certs->rows);
	free(certs);
}

bool certs_reload(struct certs *certs)
{
	bool has_changed = false;
	for (uint32_t i = 0; i < certs->count; i++) {
		const struct conf_certificate *conf = &certs->conf->certificates[i];
		struct pair *pair = &certs->pairs[i];
		struct timespec chain_time = time_of(conf->chain);
		struct timespec key_time = time_of(conf->key);
		struct pair fresh;
		char error[CERTS_ERROR_BYTES];
		if (is_same_time(chain_time, pair->chain_time) &&
		    is_same_time(key_time, pair->key_time))
			continue;
		// Told once: a pair half written now is read when its other file changes.
		pair->chain_time = chain_time;
		pair->key_time = key_time;
		if (!read_pair(conf, &fresh, error)) {
			log_warning("%s; the old one stays", error);
			continue;
		}
		pair_free(pair);
		*pair = fresh;
		has_changed = true;
		log_info("certificate %s: read again", conf->chain);
	}
	if (has_changed)
		fill_rows(certs);
	return has_changed;
}

const struct compile_cert *certs_rows(const struct certs *certs, uint32_t *count)
{
	*count = certs->count;
	return certs->rows;
}
