/* The content reader: the first byte tells DATA or BDAT, the second how the rest is cut. Cut or whole, the
 * verdict is the same, and what is kept has only CRLF line ends. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "smtp/content.h"

#define BYTES_MAX      4000
#define LINE_BYTES_MAX 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum smtp_content_step read_cut(struct smtp_content *content, struct str input,
                                       size_t piece_bytes, size_t *total)
{
    enum smtp_content_step step = SMTP_CONTENT_MORE;
    *total = 0;
    while (step == SMTP_CONTENT_MORE && *total < input.length) {
        size_t left = input.length - *total;
        size_t taken;
        struct str piece = str_part(input, *total, left < piece_bytes ? left : piece_bytes);
        step = smtp_content_feed(content, piece, &taken);
        *total += taken;
    }
    return step;
}

static void check_line_ends(struct str bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        if (bytes.at[i] == '\n')
            invariant(i > 0 && bytes.at[i - 1] == '\r', "fuzz: a bare LF was kept");
        if (bytes.at[i] == '\r')
            invariant(i + 1 < bytes.length && bytes.at[i + 1] == '\n',
                      "fuzz: a bare CR was kept");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct smtp_content whole, cut;
    size_t whole_taken, cut_taken;
    struct str input = {(const char *)data + 2, size - 2};
    smtp_content_open(&whole, data[0] & 1, BYTES_MAX, LINE_BYTES_MAX);
    smtp_content_open(&cut, data[0] & 1, BYTES_MAX, LINE_BYTES_MAX);
    enum smtp_content_step step = read_cut(&whole, input, size, &whole_taken);
    invariant(read_cut(&cut, input, data[1] + 1U, &cut_taken) == step,
              "fuzz: two verdicts");
    if (step != SMTP_CONTENT_BARE_NEWLINE) {
        struct str bytes = buf_view(&whole.bytes);
        invariant(whole_taken == cut_taken && !whole.fault == !cut.fault &&
                      whole.is_8bit == cut.is_8bit && whole.state == cut.state,
                  "fuzz: two ends");
        invariant(str_equal(bytes, buf_view(&cut.bytes)), "fuzz: two contents");
        if (step == SMTP_CONTENT_END || smtp_content_finish(&whole))
            check_line_ends(buf_view(&whole.bytes));
    }
    smtp_content_close(&whole);
    smtp_content_close(&cut);
    return 0;
}
