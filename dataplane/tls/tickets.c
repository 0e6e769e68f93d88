/* SPDX-License-Identifier: Apache-2.0
 * Keys of session tickets. Control is the one writer of a sequence lock; its words are atomics, so
 * a reader that loses the race has read well-defined rubbish. It does not wait for control: the
 * keys it has are good for another turn.
 *
 *	control: version odd -> fence -> words -> version even (TK1, release)
 *	worker:  version even (TK1, acquire) -> words -> fence -> version the same?
 *
 * Workers look once a turn at most, by one relaxed load of the version. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "dataplane/base/rng.h"
#include "dataplane/tls/tls_pvt.h"

#define WORDS (sizeof(struct ticket_set) / 8)
_Static_assert(sizeof(struct ticket_set) % 8 == 0, "copied by words");

struct tls_tickets {
	_Atomic uint64_t version;
	_Atomic uint64_t words[WORDS];
	struct ticket_set set; /* control's */
};

static void publish(struct tls_tickets *t)
{
	uint64_t v = atomic_load_explicit(&t->version, memory_order_relaxed);
	uint64_t words[WORDS];

	t->set.version = v + 2;
	memcpy(words, &t->set, sizeof(words));
	atomic_store_explicit(&t->version, v + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&t->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&t->version, v + 2, memory_order_release); /* TK1 */
	OPENSSL_cleanse(words, sizeof(words));
}

void tls_tickets_read(const struct tls_tickets *t, struct ticket_set *copy)
{
	uint64_t words[WORDS], v;

	if (t == NULL || atomic_load_explicit(&t->version, memory_order_relaxed) == copy->version)
		return;
	v = atomic_load_explicit(&t->version, memory_order_acquire); /* TK1 */
	if (v & 1)
		return;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&t->words[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&t->version, memory_order_relaxed) == v)
		memcpy(copy, words, sizeof(words));
	OPENSSL_cleanse(words, sizeof(words));
}

int tls_tickets_create(struct tls_tickets **out)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	*out = t;
	if (t == NULL)
		return -ENOMEM;
	tls_tickets_rotate(t);
	return 0;
}

void tls_tickets_destroy(struct tls_tickets *t)
{
	if (t == NULL)
		return;
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void tls_tickets_rotate(struct tls_tickets *t)
{
	struct ticket_set *s = &t->set;

	memmove(&s->keys[1], &s->keys[0], sizeof(s->keys) - sizeof(s->keys[0]));
	rng_secret(&s->keys[0], sizeof(s->keys[0]));
	if (s->cnt < TLS_TICKET_KEYS)
		s->cnt++;
	publish(t);
}

int tls_tickets_load(struct tls_tickets *t, const char *file, char *why)
{
	uint8_t buf[TLS_TICKET_KEYS * TLS_TICKET_KEY + 1];
	FILE *f = fopen(file, "rbe");
	size_t n;

	_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY, "the file's layout");
	if (f == NULL) {
		snprintf(why, 128, "%s", strerror(errno));
		return -EINVAL;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	if (n == 0 || n % TLS_TICKET_KEY != 0 || n > TLS_TICKET_KEYS * TLS_TICKET_KEY) {
		snprintf(why, 128, "has %zu%s bytes, not one to %d keys of %d bytes", n,
			n == sizeof(buf) ? " or more" : "", TLS_TICKET_KEYS, TLS_TICKET_KEY);
		OPENSSL_cleanse(buf, sizeof(buf));
		return -EINVAL;
	}
	memset(t->set.keys, 0, sizeof(t->set.keys));
	memcpy(t->set.keys, buf, n);
	t->set.cnt = (uint32_t)(n / TLS_TICKET_KEY);
	OPENSSL_cleanse(buf, sizeof(buf));
	publish(t);
	return 0;
}

static int use_key(const struct tls_lib *lib, const struct ticket_key *k, const unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(
				       OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end()};

	return EVP_CipherInit_ex2(cipher, lib->ticket_cipher, k->aes, iv, encrypt, NULL) == 1 &&
	       EVP_MAC_init(mac, k->hmac, sizeof(k->hmac), digest) == 1;
}

/* RFC 5077 4: encrypt then MAC. 2 asks OpenSSL for a new ticket, under the current key; in TLS 1.3
 * always, since clients use each but once (RFC 8446 C.4). */
int tls_ticket_cb(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_conn *t = SSL_get_app_data(ssl);
	const struct ticket_set *s = &t->w->tickets;
	const struct tls_lib *lib = t->w->lib;

	if (s->cnt == 0)
		return 0;
	if (encrypt) {
		if (RAND_bytes_ex(lib->ctx, iv, EVP_MAX_IV_LENGTH, 0) != 1)
			return -1;
		memcpy(name, s->keys[0].name, sizeof(s->keys[0].name));
		return use_key(lib, &s->keys[0], iv, cipher, mac, 1) ? 1 : -1;
	}
	for (uint32_t i = 0; i < s->cnt; i++) {
		if (CRYPTO_memcmp(name, s->keys[i].name, sizeof(s->keys[i].name)) != 0)
			continue;
		if (!use_key(lib, &s->keys[i], iv, cipher, mac, 0))
			return -1;
		return i == 0 && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
	}
	return 0;
}
