#include "smtp/pace.h"

#define WINDOW_MS ((uint64_t)60 * 1000)

void smtp_pace_start(struct smtp_pace *pace, const struct smtp_options *options,
                     uint64_t now_ms)
{
    *pace = (struct smtp_pace){
        .end_ms = now_ms + options->message_timeout_ms,
        .block_timeout_ms = options->data_timeout_ms,
        .rate_min = options->data_rate_min,
    };
    smtp_pace_resume(pace, now_ms);
}

void smtp_pace_resume(struct smtp_pace *pace, uint64_t now_ms)
{
    pace->window_ms = now_ms;
    pace->window_bytes = 0;
}

uint64_t smtp_pace_deadline(const struct smtp_pace *pace, uint64_t now_ms)
{
    uint64_t block_ms = now_ms + pace->block_timeout_ms;
    return block_ms < pace->end_ms ? block_ms : pace->end_ms;
}

bool smtp_pace_add(struct smtp_pace *pace, size_t bytes, uint64_t now_ms)
{
    pace->window_bytes += bytes;
    uint64_t elapsed_ms = now_ms - pace->window_ms;
    if (elapsed_ms < WINDOW_MS)
        return now_ms < pace->end_ms;
    bool is_fast_enough = pace->window_bytes * 1000 >= pace->rate_min * elapsed_ms;
    smtp_pace_resume(pace, now_ms);
    return is_fast_enough && now_ms < pace->end_ms;
}
