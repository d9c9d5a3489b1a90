/* Values in memory over others that stay as they are: a key is taken up from below when it is first asked for, and from
 * then on only what is in memory counts. All that is in memory is asked for in one lane, in the order in which it was
 * asked: so a key is marked when its value is handed to the lane, not when it is there. */
#include <errno.h>

#include "internal.h"

static bool is_taken_up(struct store_kv *kv, struct str space, struct str key, bool mark)
{
    struct arena *arena = arena_new();
    char *name = arena_alloc(arena, space.length + 1 + key.length);
    memcpy(name, space.at, space.length);
    name[space.length] = '\0';
    if (key.length)
        memcpy(name + space.length + 1, key.at, key.length);
    struct str whole = {name, space.length + 1 + key.length};
    bool is_taken = mark ? table_set(kv->taken_up, whole, kv) != NULL
                         : table_get(kv->taken_up, whole) != NULL;
    arena_free(arena);
    return is_taken;
}

void store_kv_overlay_hide(struct store_kv *kv, struct str space, struct str key)
{
    if (kv->below)
        is_taken_up(kv, space, key, true);
}

/* Whether it has expired is asked again, by whoever sees it. */
int store_kv_overlay_take_up(struct store_kv *kv, struct str space, struct str key)
{
    if (!kv->below || is_taken_up(kv, space, key, false))
        return 0;
    struct store_kv_pair pair;
    struct arena *arena = arena_new();
    int result = store_kv_get(kv->below, space, key, 0, arena, &pair);
    if (result == 0 && !is_taken_up(kv, space, key, false))
        result = store_kv_put(kv, space, &pair);
    arena_free(arena);
    return result == -ENOENT ? 0 : result;
}

static int take_up_all(struct store_kv *kv, struct str space,
                       const struct store_kv_listing *listing)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < listing->count; i++)
        result = store_kv_overlay_take_up(kv, space, listing->pairs[i].key);
    return result;
}

static bool is_after(struct str a, struct str b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    return order > 0 || (order == 0 && a.length > b.length);
}

/* Takes up keys until those in memory are the first there are. */
int store_kv_overlay_list(struct store_kv *kv, struct str space,
                          struct store_kv_listing *listing, struct arena *arena)
{
    struct store_kv_listing below = *listing;
    bool is_enough = false;
    int result = 0;
    while (result == 0 && !is_enough) {
        result = store_kv_list(kv->below, space, &below, arena);
        if (result == 0)
            result = take_up_all(kv, space, &below);
        if (result == 0)
            result = store_kv_list_own(kv, space, listing, arena);
        if (below.count)
            below.after = below.pairs[below.count - 1].key;
        is_enough = below.is_complete ||
                    (listing->count == listing->limit &&
                     !is_after(listing->pairs[listing->count - 1].key, below.after));
    }
    listing->is_complete = listing->is_complete && below.is_complete;
    return result;
}
