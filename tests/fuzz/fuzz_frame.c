/* Frames that come in pieces: whatever the bytes are and wherever they are cut, the same frames come out. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "wire/frame.h"

/* Drops all frames at the front, and adds them to `out`, headers included. Says what is next, 0 or RS_EPROTO. */
static int take(rs_buf *in, rs_buf *out)
{
    rs_frame f;
    int got;
    while ((got = rs_frame_peek(in, &f)) == 1) {
        char header[RS_FRAME_HEADER];
        rs_frame_put(header, &f);
        CHECK(f.length <= RS_FRAME_MAX);
        CHECK(*rs_frame_name(f.type) != '?');
        CHECK(memcmp(header, rs_buf_data(in), sizeof header) == 0);
        rs_buf_add(out, header, sizeof header);
        rs_buf_add(out, f.payload, f.length);
        rs_frame_drop(in, &f);
    }
    CHECK(got == 0 || got == RS_EPROTO);
    return got;
}

static void complain(const rs_buf *in, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return;
    rs_frame_complain(in, text, size + 1);
    CHECK(strlen(text) <= size);
    free(text);
}

/* The first byte says how long the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    rs_buf whole, piece, one, other;
    int end, last = 0;
    if (n == 0)
        return 0;
    size_t step = data[0] + 1u;
    rs_buf_init(&whole, 0);
    rs_buf_init(&piece, 0);
    rs_buf_init(&one, 0);
    rs_buf_init(&other, 0);
    rs_buf_add(&whole, data + 1, n - 1);
    end = take(&whole, &one);
    for (size_t at = 1; at < n && last == 0; at += step) {
        rs_buf_add(&piece, data + at, n - at < step ? n - at : step);
        last = take(&piece, &other);
    }
    CHECK(end == last);
    CHECK(rs_buf_len(&one) == rs_buf_len(&other));
    CHECK(memcmp(rs_buf_data(&one), rs_buf_data(&other), rs_buf_len(&one)) == 0);
    CHECK(rs_buf_len(&one) <= n - 1 && memcmp(rs_buf_data(&one), data + 1, rs_buf_len(&one)) == 0);
    if (end < 0)
        complain(&whole, data[0]);
    rs_buf_fini(&whole);
    rs_buf_fini(&piece);
    rs_buf_fini(&one);
    rs_buf_fini(&other);
    return 0;
}
