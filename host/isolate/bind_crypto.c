/* Hashes, random bytes and the comparison that takes the same time for any two texts: what the module crypto
 * stands on. OpenSSL's own random generator is not used: it wants files and more of the kernel than the
 * sandbox gives; and its configuration file is never read. */
#include <errno.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bind.h"
#include "convert.h"
#include "text.h"

#define RANDOM_BYTES_MAX 65536

static const EVP_MD *check_hash(lua_State *lua)
{
    static const char *const names[] = {"md5", "sha1", "sha256", "sha512", NULL};
    static const EVP_MD *(*const hashes[])(void) = {EVP_md5, EVP_sha1, EVP_sha256,
                                                    EVP_sha512};
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    return hashes[luaL_checkoption(lua, 1, NULL, names)]();
}

/* native.digest(hash, bytes): raw bytes */
static int digest(lua_State *lua)
{
    const EVP_MD *hash = check_hash(lua);
    unsigned char result[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    struct str bytes;
    bytes.at = luaL_checklstring(lua, 2, &bytes.length);
    if (EVP_Digest(bytes.at, bytes.length, result, &length, hash, NULL) != 1)
        return luaL_error(lua, "not enough memory");
    lua_pushlstring(lua, (const char *)result, length);
    return 1;
}

/* native.hmac(hash, key, bytes): raw bytes */
static int hmac(lua_State *lua)
{
    const EVP_MD *hash = check_hash(lua);
    unsigned char result[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    struct str key, bytes;
    key.at = luaL_checklstring(lua, 2, &key.length);
    bytes.at = luaL_checklstring(lua, 3, &bytes.length);
    if (key.length > INT_MAX ||
        !HMAC(hash, key.at, (int)key.length, (const unsigned char *)bytes.at, bytes.length,
              result, &length))
        return luaL_error(lua, "not enough memory");
    lua_pushlstring(lua, (const char *)result, length);
    return 1;
}

/* native.random(count): that many random bytes */
static int random_bytes(lua_State *lua)
{
    lua_Number wanted = luaL_checknumber(lua, 1);
    if (!(wanted >= 0 && wanted <= RANDOM_BYTES_MAX && wanted == (int)wanted))
        return raise_error(lua, "crypto.random: the count must be 0 to %d",
                           RANDOM_BYTES_MAX);
    struct text out;
    text_begin(&out, lua);
    text_reserve(&out, (size_t)wanted);
    while (out.length < (size_t)wanted) {
        ssize_t got = getrandom(out.at + out.length, (size_t)wanted - out.length, 0);
        if (got < 0 && errno != EINTR)
            return luaL_error(lua, "no random numbers");
        text_extend(&out, got > 0 ? (size_t)got : 0);
    }
    text_push(&out);
    return 1;
}

/* native.equal(a, b): the time tells at most whether the lengths are the same. */
static int equal(lua_State *lua)
{
    struct str a, b;
    a.at = luaL_checklstring(lua, 1, &a.length);
    b.at = luaL_checklstring(lua, 2, &b.length);
    lua_pushboolean(lua, a.length == b.length && CRYPTO_memcmp(a.at, b.at, a.length) == 0);
    return 1;
}

void bind_crypto_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"digest", digest}, {"hmac", hmac}, {"random", random_bytes},
        {"equal", equal},   {NULL, NULL},
    };
    luaL_register(lua, NULL, natives);
}
