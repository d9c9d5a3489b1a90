/* Connecting: to one address, to the first of several that answers, to a local socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "listener.h"

#include "base/mem.h"

/* RFC 8305 section 5: Connection Attempt Delay. */
#define HEAD_START_MS 250

static void on_connect(uv_connect_t *connect, int status)
{
    stream_request_end(connect->data, status);
}

/* Waits for a request that has been started with `result`; on failure the stream is closed. */
static int finish_connect(struct net_stream *connecting, struct stream_request *request,
                          int result, uint64_t deadline_ms, struct net_stream **stream)
{
    if (result < 0)
        free(request);
    else
        result = stream_request_wait(request, deadline_ms);
    if (result == 0)
        result = stream_start(connecting);
    if (result == 0)
        *stream = connecting;
    else
        net_stream_close(connecting);
    return result;
}

int net_stream_connect(const struct net_address *peer, const struct net_address *local,
                       uint64_t deadline_ms, struct net_stream **stream)
{
    struct net_stream *connecting = stream_new_tcp();
    struct stream_request *request = stream_request_new(0);
    int result = 0;
    if (local)
        result = uv_tcp_bind(&connecting->uv.tcp, &local->socket.any, 0);
    if (result == 0)
        result = uv_tcp_connect(&request->uv.connect, &connecting->uv.tcp,
                                &peer->socket.any, on_connect);
    return finish_connect(connecting, request, result, deadline_ms, stream);
}

int net_stream_connect_local(const char *path, uint64_t deadline_ms,
                             struct net_stream **stream)
{
    struct net_stream *connecting = stream_new_local();
    struct stream_request *request = stream_request_new(0);
    uv_pipe_connect(&request->uv.connect, &connecting->uv.pipe, path, on_connect);
    return finish_connect(connecting, request, 0, deadline_ms, stream);
}

/* --- the first of several --- */

struct attempt {
    struct race *race;
    const struct net_address *peer;
    struct task *task; /* NULL until started */
    struct net_stream *stream;
    int result; /* 1 while it runs */
};

struct race {
    struct attempt *attempts;
    size_t count;
    size_t started;
    uint64_t deadline_ms;
    struct task_signal ended; /* an attempt has ended */
};

static int run_attempt(void *arg)
{
    struct attempt *attempt = arg;
    attempt->result = net_stream_connect(attempt->peer, NULL, attempt->race->deadline_ms,
                                         &attempt->stream);
    task_signal_raise(&attempt->race->ended);
    return 0;
}

static void start_next(struct race *race)
{
    struct attempt *attempt = &race->attempts[race->started++];
    attempt->result = 1;
    attempt->task = task_start("connect", run_attempt, attempt);
}

/* The first that is connected, or NULL; *running counts those that may yet be. */
static struct attempt *find_winner(const struct race *race, size_t *running)
{
    *running = 0;
    for (size_t i = 0; i < race->started; i++) {
        if (race->attempts[i].result == 0)
            return &race->attempts[i];
        *running += race->attempts[i].result > 0;
    }
    return NULL;
}

/* Runs the race: 0 with a winner, 1 when all have failed, or how the wait for them ended. */
static int run_race(struct race *race, struct attempt **winner)
{
    uint64_t head_start_ends_ms = 0;
    size_t running = 0, running_before = 0;
    while (!(*winner = find_winner(race, &running))) {
        bool has_more = race->started < race->count;
        if (!has_more && running == 0)
            return 1;
        bool is_due = running < running_before || task_now_ms() >= head_start_ends_ms;
        running_before = running;
        if (has_more && is_due) {
            start_next(race);
            running_before++;
            head_start_ends_ms = task_in_ms(HEAD_START_MS);
            has_more = race->started < race->count;
        }
        bool has_head_start = has_more && head_start_ends_ms < race->deadline_ms;
        int result = task_signal_wait(&race->ended, has_head_start ? head_start_ends_ms
                                                                   : race->deadline_ms);
        bool may_go_on = has_head_start && task_now_ms() >= head_start_ends_ms;
        if (result == -ECANCELED || (result == -ETIMEDOUT && !may_go_on))
            return result;
    }
    return 0;
}

/* Ends all attempts but the winner, which may be NULL. */
static void end_race(struct race *race, const struct attempt *winner)
{
    for (size_t i = 0; i < race->started; i++)
        task_cancel(race->attempts[i].task);
    for (size_t i = 0; i < race->started; i++) {
        struct attempt *attempt = &race->attempts[i];
        task_join(attempt->task);
        if (attempt != winner && attempt->result == 0)
            net_stream_close(attempt->stream);
    }
}

/* One clause for each address: "192.0.2.1:25: connection refused; [2001:db8::1]:25: timed out". */
static int explain(const struct race *race, int code, struct err *err)
{
    char text[sizeof err->text] = "";
    size_t length = 0;
    for (size_t i = 0; i < race->started && length < sizeof text; i++) {
        const struct attempt *attempt = &race->attempts[i];
        char address[NET_ADDRESS_TEXT_BYTES];
        bool gave_up = attempt->result == -ECANCELED;
        int added = snprintf(text + length, sizeof text - length, "%s%s: %s", i ? "; " : "",
                             net_address_text(attempt->peer, address),
                             uv_strerror(gave_up ? code : attempt->result));
        length += added > 0 ? (size_t)added : 0;
    }
    return err_set(err, code, "%s", text);
}

int net_stream_connect_first(const struct net_address peers[], size_t count,
                             uint64_t deadline_ms, struct net_stream **stream,
                             size_t *winner, struct err *err)
{
    if (count == 0)
        return err_set(err, -EINVAL, "there is no address to connect to");
    struct race race = {.attempts = mem_zero(count, sizeof *race.attempts),
                        .count = count,
                        .deadline_ms = deadline_ms};
    for (size_t i = 0; i < count; i++)
        race.attempts[i] = (struct attempt){.race = &race, .peer = &peers[i]};
    struct attempt *first = NULL;
    int result = run_race(&race, &first);
    end_race(&race, first);
    if (result == 0) {
        *stream = first->stream;
        if (winner)
            *winner = (size_t)(first - race.attempts);
    } else {
        result = explain(&race, result < 0 ? result : race.attempts[0].result, err);
    }
    free(race.attempts);
    return result;
}
