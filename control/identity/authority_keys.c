// SPDX-License-Identifier: Apache-2.0
// The CA's files: ca.pem, ca-key.pem, development-ca.pem, development-ca-key.pem, join-secret.
#include "authority_priv.h"

#include "keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// load_ca reads certificate and key; *is_absent when neither is there.
static bool load_ca(const struct authority *authority, const char *name, struct pki_ca *ca,
		    bool *is_absent)
{
	char cert_name[64];
	char key_name[64];
	snprintf(cert_name, sizeof(cert_name), "%s.pem", name);
	snprintf(key_name, sizeof(key_name), "%s-key.pem", name);
	char *cert = keyfile_read(authority->options.state_dir, cert_name);
	char *key = keyfile_read(authority->options.state_dir, key_name);
	*is_absent = !cert && !key;
	if (cert && key)
		*ca = (struct pki_ca){pki_key_read(key), pki_cert_read(cert)};
	keyfile_free(key);
	free(cert);
	return ca->key && ca->cert && pki_key_fits(ca->cert, ca->key);
}

static bool save_ca(const struct authority *authority, const char *name, const struct pki_ca *ca)
{
	char cert_name[64];
	char key_name[64];
	snprintf(cert_name, sizeof(cert_name), "%s.pem", name);
	snprintf(key_name, sizeof(key_name), "%s-key.pem", name);
	char *cert = pki_cert_text(ca->cert);
	char *key = pki_key_text(ca->key);
	// The key first: a certificate alone would look like a broken CA.
	bool is_done = cert && key &&
		       keyfile_write(authority->options.state_dir, key_name, key, 0600) &&
		       keyfile_write(authority->options.state_dir, cert_name, cert, 0644);
	keyfile_free(key);
	free(cert);
	return is_done;
}

// ready_ca loads a CA or makes it. Half a CA is an error: making another would lock everyone out.
static bool ready_ca(struct authority *authority, const char *name, struct pki_ca *ca,
		     const char *uri, uint64_t now_s)
{
	char title[128];
	bool is_absent;
	if (load_ca(authority, name, ca, &is_absent))
		return true;
	pki_ca_free(ca);
	if (!is_absent)
		return false;
	snprintf(title, sizeof(title), "millrace %s %s", uri ? "mesh" : "development",
		 authority->mesh);
	return pki_ca_new(ca, title, uri, now_s, AUTHORITY_CA_LIFE_S) &&
	       save_ca(authority, name, ca);
}

static bool ready_secret(struct authority *authority)
{
	char *text = keyfile_read(authority->options.state_dir, "join-secret");
	bool is_good = text && strlen(text) == sizeof(authority->secret) - 1;
	if (is_good)
		memcpy(authority->secret, text, sizeof(authority->secret));
	else if (!text)
		is_good = pki_random_hex(authority->secret, 32) &&
			  keyfile_write(authority->options.state_dir, "join-secret",
					authority->secret, 0600);
	keyfile_free(text);
	return is_good;
}

static void remove_file(const struct authority *authority, const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", authority->options.state_dir, name);
	unlink(path);
}

// mend_ca finishes what a process that was killed while a new CA took the place of the old one
// began: the new key is there beside the old certificate.
static void mend_ca(struct authority *authority)
{
	struct pki_ca ca = {0};
	struct pki_ca next = {0};
	bool is_absent;
	if (!load_ca(authority, "ca", &ca, &is_absent) && ca.key &&
	    load_ca(authority, "next-ca", &next, &is_absent) && pki_key_fits(next.cert, ca.key))
		save_ca(authority, "ca", &next);
	pki_ca_free(&ca);
	pki_ca_free(&next);
}

bool authority_next_make(struct authority *authority, uint64_t now_s)
{
	char uri[PKI_NAME_BYTES];
	if (authority->next_ca.cert)
		return true;
	snprintf(uri, sizeof(uri), "spiffe://%s", authority->mesh);
	remove_file(authority, "next-ca.pem"); // half a CA of a process that was killed
	remove_file(authority, "next-ca-key.pem");
	return ready_ca(authority, "next-ca", &authority->next_ca, uri, now_s);
}

bool authority_next_use(struct authority *authority)
{
	char *old = pki_cert_text(authority->mesh_ca.cert);
	// Killed after the new CA was kept, we find it as both: the old one is kept already.
	bool is_same = X509_cmp(authority->mesh_ca.cert, authority->next_ca.cert) == 0;
	bool is_kept = is_same || (old && keyfile_write(authority->options.state_dir, "old-ca.pem",
							old, 0644));
	free(old);
	if (!is_kept || !save_ca(authority, "ca", &authority->next_ca))
		return false;
	if (is_same) {
		pki_ca_free(&authority->mesh_ca);
	} else {
		EVP_PKEY_free(authority->mesh_ca.key);
		X509_free(authority->old_cert);
		authority->old_cert = authority->mesh_ca.cert;
	}
	authority->mesh_ca = authority->next_ca;
	authority->next_ca = (struct pki_ca){0};
	remove_file(authority, "next-ca.pem");
	remove_file(authority, "next-ca-key.pem");
	return true;
}

void authority_old_forget(struct authority *authority)
{
	X509_free(authority->old_cert);
	authority->old_cert = NULL;
	remove_file(authority, "old-ca.pem");
}

bool authority_keys_load(struct authority *authority, uint64_t now_s, char *error)
{
	char uri[PKI_NAME_BYTES];
	const char *what = NULL;
	snprintf(uri, sizeof(uri), "spiffe://%s", authority->mesh);
	mend_ca(authority);
	if (!ready_ca(authority, "ca", &authority->mesh_ca, uri, now_s))
		what = "ca.pem and ca-key.pem";
	else if (!ready_ca(authority, "development-ca", &authority->development_ca, NULL, now_s))
		what = "development-ca.pem and development-ca-key.pem";
	else if (!ready_secret(authority))
		what = "join-secret";
	bool is_absent;
	if (!load_ca(authority, "next-ca", &authority->next_ca, &is_absent))
		pki_ca_free(&authority->next_ca);
	char *old = keyfile_read(authority->options.state_dir, "old-ca.pem");
	authority->old_cert = old ? pki_cert_read(old) : NULL;
	free(old);
	if (what)
		snprintf(error, STORE_ERROR_BYTES,
			 "%.120s: %s can be neither read nor made; restore them or remove them",
			 authority->options.state_dir, what);
	return !what;
}
