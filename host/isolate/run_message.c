/* The bytes of a run's message: in its EMAIL frame, or in a memfd that came beside it. */
#include <sys/mman.h>
#include <unistd.h>

#include <lauxlib.h>

#include "channel.h"
#include "run.h"

#define RAW_BYTES_MAX ((uint64_t)1 << 32)

/* Takes over the memfd and looks whether it holds what was announced. */
void isolate_run_take_raw(struct run *run)
{
    run->raw_bytes =
        (size_t)value_get_count(run->email, "rawSize", RAW_BYTES_MAX, SIZE_MAX);
    run->raw_fd = run->isolate->received_fd;
    run->isolate->received_fd = -1;
    const struct value *raw = value_get(run->email, "raw");
    size_t length = SIZE_MAX - 1;
    if (raw && raw->kind == VALUE_STRING && run->raw_fd < 0)
        length = raw->string.length;
    else if (!raw && run->raw_fd >= 0)
        length = (size_t)lseek(run->raw_fd, 0, SEEK_END);
    if (length != run->raw_bytes)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a message is not as long as announced");
}

struct str isolate_run_raw_open(struct run *run, lua_State *lua)
{
    if (run->raw_fd < 0)
        return value_get_string(run->email, "raw", (struct str){0});
    if (!run->mapping) {
        void *mapping = mmap(NULL, run->raw_bytes, PROT_READ, MAP_SHARED, run->raw_fd, 0);
        if (mapping == MAP_FAILED)
            luaL_error(lua, "not enough memory");
        run->mapping = mapping;
    }
    return (struct str){run->mapping, run->raw_bytes};
}

void isolate_run_raw_close(struct run *run)
{
    if (run->mapping)
        munmap(run->mapping, run->raw_bytes);
    run->mapping = NULL;
}

/* A mapped message is mapped for a short time only: its header section is copied. */
const struct header *isolate_run_header(struct run *run, lua_State *lua)
{
    if (run->header)
        return run->header;
    struct str raw = isolate_run_raw_open(run, lua);
    run->header = arena_new_of(run->arena, struct header);
    header_parse(raw, run->arena, run->header);
    if (run->mapping) {
        struct str section = str_part(raw, 0, run->header->body_offset);
        header_parse(arena_str(run->arena, section), run->arena, run->header);
        isolate_run_raw_close(run);
    }
    return run->header;
}
