/* The secrets of this installation, from which everything that only Postern may have written is recognised: SRS
 * addresses, hop fields, ledger keys. A file with one secret in hexadecimal a line, the present one first; older
 * ones still verify, so that a rotation breaks nothing that is under way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define SECRET_BYTES     32
#define SECRET_MAC_BYTES 32 /* HMAC-SHA-256 */
#define SECRETS_MAX      8

struct secret;

/* Reads the file; when there is none, makes it (mode 0600, on stable storage, without a race between processes that
 * start together). NULL with the reason: what is malformed, by line; a file that others can read or its group can
 * change. Blocks. */
struct secret *secret_open(const char *path, struct err *err);
/* NULL is ignored. */
void secret_free(struct secret *secret);
/* Puts a new secret in front of the file, which keeps owner and mode, and drops those past SECRETS_MAX. Who has
 * the file open keeps what it read. Blocks. */
int secret_rotate(const char *path, struct err *err);

/* What the MACs are for: the same text has another MAC for another purpose. */
enum secret_purpose { SECRET_SRS, SECRET_HOP, SECRET_LEDGER };

size_t secret_count(const struct secret *secret);
/* The MAC of `text` by the n-th secret; 0 is the present one. On any thread. */
void secret_mac(const struct secret *secret, size_t n, enum secret_purpose purpose,
                struct str text, unsigned char mac[SECRET_MAC_BYTES]);

/* A MAC as other people's programs carry it about: its first `length` base32 digits, five bits each, by the
 * present secret. */
#define SECRET_TAG_DIGITS_MAX (SECRET_MAC_BYTES * 8 / 5)
void secret_tag(const struct secret *secret, enum secret_purpose purpose, struct str text,
                char *tag, size_t length);
/* Whether `tag` is that of `text` by any of the secrets, without regard to case. The time it takes does not tell
 * how much of it was right. */
bool secret_tag_verify(const struct secret *secret, enum secret_purpose purpose,
                       struct str text, struct str tag);
