// SPDX-License-Identifier: Apache-2.0
// What the tests of tls share; see tls_rig.h.
#include "tls_rig.h"

#include "check.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *text)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	CHECK(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static char *pem_of(X509 *certificate, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (certificate)
		PEM_write_bio_X509(bio, certificate);
	else
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	long bytes = BIO_get_mem_data(bio, &text);
	char *copy = strndup(text, (size_t)bytes);
	BIO_free(bio);
	return copy;
}

static EVP_PKEY *make_key(const struct rig_wish *wish)
{
	const char *type = wish->key ? wish->key : "P-256";
	if (strcmp(type, "RSA") == 0)
		return EVP_RSA_gen(2048);
	return type[0] == 'P' ? EVP_EC_gen(type) : EVP_PKEY_Q_keygen(NULL, NULL, type);
}

struct rig_pair rig_issue(struct rig_wish wish)
{
	static long serial;
	struct rig_pair pair = {.certificate = X509_new(), .key = make_key(&wish)};
	X509 *x = pair.certificate;
	X509 *issuer = wish.issuer ? wish.issuer->certificate : x;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	ASN1_TIME_set(X509_getm_notBefore(x), wish.from_s ? wish.from_s : RIG_WALL_S - 3600);
	ASN1_TIME_set(X509_getm_notAfter(x), wish.to_s ? wish.to_s : RIG_WALL_S + 3600);
	char name[32];
	snprintf(name, sizeof(name), "%s %ld", wish.is_ca ? "CA" : "leaf", serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_set_pubkey(x, pair.key);
	add_extension(x, issuer, NID_basic_constraints,
		      wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_extension(x, issuer, NID_key_usage,
		      wish.is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	if (wish.names)
		add_extension(x, issuer, NID_subject_alt_name, wish.names);
	if (wish.usage)
		add_extension(x, issuer, NID_ext_key_usage, wish.usage);
	EVP_PKEY *signer = wish.issuer ? wish.issuer->key : pair.key;
	CHECK(X509_sign(x, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256()));
	pair.chain_pem = pem_of(x, NULL);
	pair.key_pem = pem_of(NULL, pair.key);
	return pair;
}

void rig_pair_free(struct rig_pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
	free(pair->chain_pem);
	free(pair->key_pem);
	*pair = (struct rig_pair){0};
}

static void on_session(void *user, struct ssl_session_st *session)
{
	struct rig *rig = ((struct rig_end *)user)->rig;
	tls_session_free(rig->session);
	rig->session = session;
	rig->session_count++;
}

static bool on_cert_wanted(void *user, const char *server_name)
{
	struct rig *rig = user;
	rig->wanted_count++;
	snprintf(rig->wanted, sizeof(rig->wanted), "%s", server_name);
	return !rig->cannot_ask;
}

bool rig_is_own(void)
{
	return !getenv("RIG_LIBSSL");
}

static bool on_job(void *user, struct tls_job *job)
{
	struct rig *rig = user;
	if (rig->job_count >= MIN(rig->job_room, ARRAY_LEN(rig->jobs)))
		return false;
	rig->jobs[rig->job_count++] = job;
	return true;
}

static void init(struct rig *rig, struct tls_limits limits, bool has_jobs)
{
	*rig = (struct rig){0};
	rig->memory = aligned_alloc(64, buf_pool_bytes(64, 64));
	CHECK(rig->memory && buf_pool_init(&rig->bufs, rig->memory, 0, 64, 64) == 0);
	struct tls_callbacks callbacks = {on_cert_wanted, rig, on_session,
					  has_jobs ? on_job : NULL};
	limits.is_own_handshake = has_jobs || rig_is_own();
	rig->tls = tls_new(&limits, &callbacks, &rig->bufs, &rig->counters);
	CHECK(rig->tls);
	tls_set_time(rig->tls, 1000000, RIG_WALL_S);
}

void rig_init(struct rig *rig, struct tls_limits limits)
{
	init(rig, limits, false);
}

static const struct tls_limits usual = {.conn_count = 16,
					.handshakes_at_once = 8,
					.handshake_timeout_ms = 10000,
					.certificate_count = 16,
					.cert_wait_count = 4,
					.cert_wait_ms = 3000,
					.is_tls12_allowed = true,
					.job_count = 4,
					.job_time_ms = 50};

void rig_init_usual(struct rig *rig)
{
	init(rig, usual, false);
}

void rig_init_jobs(struct rig *rig)
{
	init(rig, usual, true);
	rig->job_room = ARRAY_LEN(rig->jobs);
}

void rig_fini(struct rig *rig)
{
	CHECK(tls_conn_count(rig->tls) == 0);
	CHECK(buf_pool_in_use(&rig->bufs) == 0);
	tls_session_free(rig->session);
	tls_free_all(rig->tls);
	buf_pool_fini(&rig->bufs);
	free(rig->memory);
}

uint64_t rig_count(const struct rig *rig, enum counter counter)
{
	return rig->counters.value[counter];
}

static const char *apply(struct rig *rig, enum record_type type, const void *payload, size_t bytes)
{
	struct record_header header = {RECORD_MAGIC, RECORD_VERSION, (uint8_t)type, (uint32_t)bytes,
				       1};
	const char *wrong = record_check(&header, payload);
	CHECK(!wrong);
	struct record record = {type, 1, (uint32_t)bytes, payload};
	return tls_apply(rig->tls, &record, 1000000);
}

static const char *apply_pair(struct rig *rig, enum record_type type, void *head, size_t head_bytes,
			      const struct rig_pair *pair)
{
	size_t chain_bytes = strlen(pair->chain_pem);
	size_t key_bytes = strlen(pair->key_pem);
	uint8_t *all = malloc(head_bytes + chain_bytes + key_bytes);
	memcpy(all, head, head_bytes);
	memcpy(all + head_bytes, pair->chain_pem, chain_bytes);
	memcpy(all + head_bytes + chain_bytes, pair->key_pem, key_bytes);
	const char *wrong = apply(rig, type, all, head_bytes + chain_bytes + key_bytes);
	free(all);
	return wrong;
}

const char *rig_apply_cert(struct rig *rig, uint32_t id, bool is_default,
			   const struct rig_pair *pair)
{
	struct record_cert row = {id, is_default, (uint32_t)strlen(pair->chain_pem),
				  (uint32_t)strlen(pair->key_pem)};
	return apply_pair(rig, RECORD_CERT, &row, sizeof(row), pair);
}

const char *rig_apply_identity(struct rig *rig, uint32_t id, const char *name,
			       const struct rig_pair *pair)
{
	struct record_identity row = {.id = id,
				      .chain_bytes = (uint32_t)strlen(pair->chain_pem),
				      .key_bytes = (uint32_t)strlen(pair->key_pem)};
	snprintf(row.name, sizeof(row.name), "%s", name);
	return apply_pair(rig, RECORD_IDENTITY, &row, sizeof(row), pair);
}

const char *rig_apply_trust(struct rig *rig, uint64_t epoch, const struct rig_pair *ca)
{
	struct record_trust row = {.epoch = epoch, .bundle_bytes = (uint32_t)strlen(ca->chain_pem)};
	snprintf(row.mesh, sizeof(row.mesh), RIG_MESH);
	struct rig_pair bundle = {.chain_pem = ca->chain_pem, .key_pem = (char *)""};
	return apply_pair(rig, RECORD_TRUST, &row, sizeof(row), &bundle);
}

void rig_apply_absent(struct rig *rig, const char *host, uint32_t lifetime_ms)
{
	struct record_cert_absent row = {.lifetime_ms = lifetime_ms};
	snprintf(row.host, sizeof(row.host), "%s", host);
	const char *wrong = apply(rig, RECORD_CERT_ABSENT, &row, sizeof(row));
	CHECK(!wrong);
}

void rig_apply_ticket_key(struct rig *rig, uint64_t id)
{
	struct record_ticket_key row = {.id = id};
	memset(row.name, (int)id, sizeof(row.name));
	memset(row.aes_key, (int)id + 1, sizeof(row.aes_key));
	memset(row.mac_key, (int)id + 2, sizeof(row.mac_key));
	const char *wrong = apply(rig, RECORD_TICKET_KEY, &row, sizeof(row));
	CHECK(!wrong);
}

struct rig *rig_site(void)
{
	static struct rig rig;
	if (rig.tls)
		return &rig;
	struct rig_pair pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	rig_init_usual(&rig);
	const char *wrong = rig_apply_cert(&rig, 1, true, &pair);
	CHECK(!wrong);
	rig_pair_free(&pair);
	return &rig;
}

void rig_remove(struct rig *rig, enum record_type type, uint64_t id)
{
	struct record_remove row = {.type = type, .id = id};
	const char *wrong = apply(rig, RECORD_REMOVE, &row, sizeof(row));
	CHECK(!wrong);
}

static void on_send(void *user, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct rig_end *end = user;
	end->event_count++;
	end->out = realloc(end->out, end->out_end + bytes);
	memcpy(end->out + end->out_end, buf->data + offset, bytes);
	end->out_end += bytes;
	buf_unref(buf);
}

static void on_ready(void *user, const struct tls_info *info)
{
	struct rig_end *end = user;
	end->event_count++;
	end->ready_count++;
	end->info = *info;
}

static size_t on_plaintext(void *user, struct slice bytes)
{
	struct rig_end *end = user;
	size_t run = MIN(bytes.bytes, end->take_max);
	end->event_count++;
	if (end->is_deaf)
		return run;
	end->plain = realloc(end->plain, end->plain_bytes + run + 1);
	memcpy(end->plain + end->plain_bytes, bytes.at, run);
	end->plain_bytes += run;
	return run;
}

static void on_closed(void *user, enum counter reason)
{
	struct rig_end *end = user;
	end->event_count++;
	end->closed_count++;
	end->reason = reason;
}

static const struct tls_events events = {on_send, on_ready, on_plaintext, on_closed};

void rig_accept(struct rig_end *end, struct rig *rig, struct tls_accept accept)
{
	*end = (struct rig_end){.rig = rig, .take_max = SIZE_MAX};
	accept.events = &events;
	accept.user = end;
	end->conn = tls_accept_new(rig->tls, &accept);
}

void rig_connect(struct rig_end *end, struct rig *rig, struct tls_connect connect)
{
	*end = (struct rig_end){.rig = rig, .take_max = SIZE_MAX};
	connect.events = &events;
	connect.user = end;
	end->conn = tls_connect_new(rig->tls, &connect);
}

void rig_client(struct rig_end *end, struct rig *rig, struct tls_client client)
{
	*end = (struct rig_end){.rig = rig, .take_max = SIZE_MAX};
	client.events = &events;
	client.user = end;
	end->conn = tls_client_new(rig->tls, &client);
}

void rig_end_free(struct rig_end *end)
{
	if (end->conn)
		tls_free(end->conn);
	free(end->out);
	free(end->plain);
	*end = (struct rig_end){0};
}

size_t rig_receive(struct rig_end *end, const void *bytes, size_t count, size_t chunk)
{
	uint8_t *copy = malloc(count + 1); // tls_receive may write into it
	size_t taken = 0;
	memcpy(copy, bytes, count);
	while (taken < count) {
		size_t run = MIN(chunk, count - taken);
		size_t n = tls_receive(end->conn, copy + taken, run);
		CHECK(n <= run);
		taken += n;
		if (n < run)
			break;
	}
	free(copy);
	return taken;
}

int rig_write(struct rig_end *end, const void *bytes, uint32_t count)
{
	struct buf *buf = buf_new(&end->rig->bufs,
				  TLS_RECORD_HEAD + TLS_NONCE_ROOM + count + TLS_RECORD_TAIL);
	uint32_t offset = 0;
	uint32_t wire_bytes = 0;
	CHECK(buf);
	memcpy(buf->data + TLS_RECORD_HEAD + TLS_NONCE_ROOM, bytes, count);
	int error = tls_seal(end->conn, buf, count, &offset, &wire_bytes);
	if (error) {
		buf_unref(buf);
		return error;
	}
	on_send(end, buf, offset, wire_bytes);
	return 0;
}

void rig_peer_init(struct rig_peer *peer, bool is_server, int version)
{
	*peer = (struct rig_peer){
		.ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method())};
	SSL_CTX_set_min_proto_version(peer->ctx, version);
	SSL_CTX_set_max_proto_version(peer->ctx, version);
	SSL_CTX_set_verify(peer->ctx, SSL_VERIFY_NONE, NULL);
}

void rig_peer_certify(struct rig_peer *peer, const struct rig_pair *pair)
{
	CHECK(SSL_CTX_use_certificate(peer->ctx, pair->certificate));
	CHECK(SSL_CTX_use_PrivateKey(peer->ctx, pair->key));
}

// on_peer_keylog notes the client's secrets.
static void on_peer_keylog(const SSL *ssl, const char *line)
{
	struct rig_peer *peer = SSL_get_app_data(ssl);
	uint8_t *secret = NULL;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		secret = peer->secret;
	else if (strncmp(line, "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", 32) == 0)
		secret = peer->handshake_secret;
	const char *hex = strrchr(line, ' ') + 1;
	for (size_t i = 0; secret && i < sizeof(peer->secret) && hex[2 * i]; i++)
		sscanf(hex + 2 * i, "%2hhx", &secret[i]);
}

void rig_peer_start(struct rig_peer *peer, const char *server_name)
{
	rig_peer_resume(peer, server_name, NULL);
}

void rig_peer_resume(struct rig_peer *peer, const char *server_name, SSL_SESSION *session)
{
	SSL_CTX_set_keylog_callback(peer->ctx, on_peer_keylog);
	peer->ssl = SSL_new(peer->ctx);
	SSL_set_app_data(peer->ssl, peer);
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	if (SSL_CTX_get_ssl_method(peer->ctx) == TLS_server_method())
		SSL_set_accept_state(peer->ssl);
	else
		SSL_set_connect_state(peer->ssl);
	if (server_name)
		SSL_set_tlsext_host_name(peer->ssl, server_name);
	if (session)
		SSL_set_session(peer->ssl, session);
	peer->last = SSL_do_handshake(peer->ssl);
}

void rig_peer_free(struct rig_peer *peer)
{
	SSL_free(peer->ssl);
	SSL_CTX_free(peer->ctx);
	*peer = (struct rig_peer){0};
}

// expand is HKDF-Expand-Label by OpenSSL's own KDF: not the code under test.
static void expand(const uint8_t *secret, const char *label, uint8_t *out, size_t bytes)
{
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(hkdf);
	char info[32];
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	size_t label_bytes = strlen(label);
	int info_bytes = 3 + 6 + (int)label_bytes + 1;
	info[0] = 0;
	info[1] = (char)bytes;
	info[2] = (char)(6 + label_bytes);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_bytes);
	info[9 + label_bytes] = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, 32),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)info_bytes),
		OSSL_PARAM_construct_end(),
	};
	CHECK(EVP_KDF_derive(ctx, out, bytes, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(hkdf);
}

void rig_forger_init(struct rig_forger *forger, const struct rig_peer *peer)
{
	*forger = (struct rig_forger){0};
	expand(peer->secret, "key", forger->key, sizeof(forger->key));
	expand(peer->secret, "iv", forger->iv, sizeof(forger->iv));
}

size_t rig_forge(struct rig_forger *forger, struct rig_end *end, uint8_t type, struct slice bytes,
		 size_t pad)
{
	size_t inner = bytes.bytes + 1 + pad;
	uint8_t *record = calloc(1, 5 + inner + 16);
	uint8_t nonce[12];
	uint16_t length = (uint16_t)(inner + 16);
	int done = 0;
	memcpy(record, (uint8_t[]){23, 3, 3, (uint8_t)(length >> 8), (uint8_t)length}, 5);
	if (bytes.bytes)
		memcpy(record + 5, bytes.at, bytes.bytes);
	record[5 + bytes.bytes] = type;
	memcpy(nonce, forger->iv, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(forger->sequence >> (8 * i));
	forger->sequence++;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, forger->key, nonce);
	EVP_EncryptUpdate(ctx, NULL, &done, record, 5);
	EVP_EncryptUpdate(ctx, record + 5, &done, record + 5, (int)inner);
	EVP_EncryptFinal_ex(ctx, record + 5 + done, &done);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 5 + inner);
	EVP_CIPHER_CTX_free(ctx);
	size_t taken = rig_receive(end, record, 5 + inner + 16, SIZE_MAX);
	free(record);
	return taken;
}

static bool pump_to_peer(struct rig_end *end, struct rig_peer *peer, size_t chunk)
{
	size_t left = end->out_end - end->out_start;
	if (left == 0)
		return false;
	size_t run = MIN(chunk, left);
	BIO_write(peer->in, end->out + end->out_start, (int)run);
	end->out_start += run;
	if (!SSL_is_init_finished(peer->ssl))
		peer->last = SSL_do_handshake(peer->ssl);
	return true;
}

static bool pump_from_peer(struct rig_end *end, struct rig_peer *peer, size_t chunk)
{
	char *at = NULL;
	long left = BIO_get_mem_data(peer->out, &at);
	if (left <= 0 || !end->conn)
		return false;
	size_t taken = rig_receive(end, at, (size_t)left, chunk);
	char *sink = malloc(taken + 1);
	if (taken > 0)
		BIO_read(peer->out, sink, (int)taken);
	free(sink);
	return taken > 0;
}

void rig_pump(struct rig_end *end, struct rig_peer *peer, size_t chunk)
{
	bool is_moving = true;
	for (unsigned i = 0; is_moving && i < 1000000; i++) {
		is_moving = pump_to_peer(end, peer, chunk);
		is_moving |= pump_from_peer(end, peer, chunk);
	}
	CHECK(!is_moving);
}

static bool pump_one(struct rig_end *from, struct rig_end *to)
{
	size_t left = from->out_end - from->out_start;
	if (left == 0 || !to->conn)
		return false;
	size_t taken = rig_receive(to, from->out + from->out_start, left, SIZE_MAX);
	from->out_start += taken;
	return taken > 0;
}

void rig_pump_both(struct rig_end *a, struct rig_end *b)
{
	bool is_moving = true;
	for (unsigned i = 0; is_moving && i < 1000; i++) {
		is_moving = pump_one(a, b);
		is_moving |= pump_one(b, a);
	}
	CHECK(!is_moving);
}
