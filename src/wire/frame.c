#include "wire/frame.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "wire/bytes.h"

enum { QUOTED = 60 };

/* Messages of values may go on in a next frame. What a side sends without being asked for it is short. */
static const struct {
    const char *name;
    uint32_t most;
    bool may_go_on;
} types[] = {
    /* clang-format off */
    [RS_FRAME_HELLO]   = {"HELLO",   RS_FRAME_MAX, true},
    [RS_FRAME_CALL]    = {"CALL",    RS_FRAME_MAX, true},
    [RS_FRAME_REPLY]   = {"REPLY",   RS_FRAME_MAX, true},
    [RS_FRAME_RAISE]   = {"RAISE",   RS_FRAME_MAX, true},
    [RS_FRAME_CANCEL]  = {"CANCEL",  0,            false},
    [RS_FRAME_RELEASE] = {"RELEASE", RS_FRAME_MAX, true},
    [RS_FRAME_DATA]    = {"DATA",    RS_FRAME_MAX, false},
    [RS_FRAME_CREDIT]  = {"CREDIT",  4,            false},
    [RS_FRAME_END]     = {"END",     31,           false},
    [RS_FRAME_STOP]    = {"STOP",    0,            false},
    [RS_FRAME_EVENT]   = {"EVENT",   RS_FRAME_MAX, true},
    [RS_FRAME_PING]    = {"PING",    64,           false},
    [RS_FRAME_PONG]    = {"PONG",    64,           false},
    [RS_FRAME_BYE]     = {"BYE",     RS_FRAME_MAX, true},
    [RS_FRAME_ROUTE]   = {"ROUTE",   0,            false},
    /* clang-format on */
};

static bool is_known(unsigned type)
{
    return type >= RS_FRAME_HELLO && type <= RS_FRAME_ROUTE;
}

const char *rs_frame_name(unsigned type)
{
    return is_known(type) ? types[type].name : "?";
}

void rs_frame_put(char header[RS_FRAME_HEADER], const rs_frame *f)
{
    rs_put32(header, f->length);
    header[4] = (char)f->type;
    header[5] = (char)f->flags;
    rs_put16(header + 6, f->context);
    rs_put32(header + 8, f->id);
}

/* As much of a header as is there may begin a frame. */
static bool is_plausible(const char *s, size_t n)
{
    char header[RS_FRAME_HEADER] = {0, 0, 0, 0, RS_FRAME_HELLO};
    memcpy(header, s, n < sizeof header ? n : sizeof header);
    unsigned char type = (unsigned char)header[4], flags = (unsigned char)header[5];
    return is_known(type) && rs_get32(header) <= types[type].most &&
           (flags & ~(types[type].may_go_on ? RS_FRAME_MORE : 0)) == 0;
}

int rs_frame_peek(const rs_buf *in, rs_frame *f)
{
    const char *s = rs_buf_data(in);
    size_t n = rs_buf_len(in);
    if (!is_plausible(s, n))
        return RS_EPROTO;
    if (n < RS_FRAME_HEADER)
        return 0;
    *f = (rs_frame){
        .length = rs_get32(s),
        .type = (uint8_t)s[4],
        .flags = (uint8_t)s[5],
        .context = rs_get16(s + 6),
        .id = rs_get32(s + 8),
        .payload = s + RS_FRAME_HEADER,
    };
    return n - RS_FRAME_HEADER >= f->length;
}

void rs_frame_drop(rs_buf *in, const rs_frame *f)
{
    rs_buf_consume(in, RS_FRAME_HEADER + (size_t)f->length);
}

/* At most 4 bytes and a NUL. */
static int escape(unsigned char c, char out[8])
{
    static const char from[] = "\n\r\t\"\\", to[] = "nrt\"\\";
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        return snprintf(out, 8, "\\%c", to[found - from]);
    return snprintf(out, 8, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
}

/* Text, an escape sequence of a terminal included: a frame begins with a zero. */
static bool is_text(const char *s, size_t n)
{
    return n > 0 && (strchr("\n\r\t\033", s[0]) ? s[0] != '\0' : (unsigned char)s[0] >= 0x20);
}

void rs_frame_complain(const rs_buf *in, char *text, size_t size)
{
    const char *s = rs_buf_data(in);
    size_t n = rs_buf_len(in);
    char quoted[4 * QUOTED + 8];
    int end = 0;
    for (size_t i = 0; i < n && i < QUOTED; i++)
        end += escape((unsigned char)s[i], quoted + end);
    quoted[end] = '\0';
    snprintf(text, size, "not the protocol: \"%s\"%s%s", quoted, n > QUOTED ? "..." : "",
             is_text(s, n) ? " (a start-up file over there may print this)" : "");
}
