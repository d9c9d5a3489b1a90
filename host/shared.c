#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mail/message.h"

struct shared *shared_map(int fd, struct err *err)
{
    void *page =
        mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        return page;
    err_set(err, -errno, "cannot map the hosts' shared memory: %s", strerror(errno));
    return NULL;
}

/* Sealed: a broken host cannot take the memory away from under the others. */
static int open_memory(struct err *err)
{
    int fd = memfd_create("postern-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, sizeof(struct shared)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    err_set(err, -errno, "no shared memory for the hosts: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return err->code;
}

struct shared *shared_new(unsigned host_count, int *fd, struct err *err)
{
    int memory = open_memory(err);
    if (memory < 0)
        return NULL;
    struct shared *shared = shared_map(memory, err);
    if (shared) {
        shared->host_count = host_count;
        shared->service_pid = getpid();
        shared->started_at = unix_now_ms();
    }
    if (shared && fd)
        *fd = memory;
    else
        close(memory);
    return shared;
}

void shared_unmap(struct shared *shared)
{
    if (shared)
        munmap(shared, sizeof *shared);
}

void shared_place_clear(const struct shared_place *place)
{
    struct shared_host *slot = &place->shared->hosts[place->host];
    for (size_t i = 0; i < SHARED_ROLLOUTS_MAX; i++)
        atomic_store(&slot->rollouts[i].key, 0);
    atomic_store(&slot->tests.state, 0);
}

uint64_t shared_event_count(const struct shared *shared, enum status_event event)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SHARED_HOSTS_MAX; i++)
        sum += atomic_load_explicit(&shared->hosts[i].events[event], memory_order_relaxed);
    return sum;
}
