/* Whatever stands in the files of a folder of keys, it is loaded or refused with a reason. The input is what `active`
 * says, a NUL, and a key. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "delivery/key_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void write_file(const char *folder, const char *name, struct str content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a.test/%s", folder, name);
    FILE *file = fopen(path, "w");
    invariant(file, "a file can be written");
    fwrite(content.at, 1, content.length, file);
    fclose(file);
    chmod(path, 0600);
}

static const char *test_folder(void)
{
    static char folder[] = "/tmp/postern-fuzz-XXXXXX";
    static bool is_made;
    char path[128];
    if (is_made)
        return folder;
    is_made = true;
    invariant(mkdtemp(folder), "a folder can be made");
    snprintf(path, sizeof path, "%s/a.test", folder);
    mkdir(path, 0700);
    return folder;
}

static void publish(const struct signing_key *key, void *arg)
{
    invariant(signing_key_record(key, arg).length > 0, "a key has a record");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct err err = {0};
    size_t count;
    struct str rest = {(const char *)bytes, length};
    const char *folder = test_folder();
    struct arena *arena = arena_new();
    write_file(folder, "active", str_cut(&rest, '\0'));
    write_file(folder, "x.pem", rest);
    struct key_ring *ring = key_ring_load(folder, &err);
    invariant(ring || (err.code < 0 && err.text[0]), "a reason");
    if (ring) {
        key_ring_each(ring, publish, arena);
        key_ring_find(ring, STR("a.test"), &count);
    }
    key_ring_release(ring);
    arena_free(arena);
    return 0;
}
