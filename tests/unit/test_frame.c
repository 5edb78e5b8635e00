#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "wire/frame.h"

static const char CALL[] = "\x00\x00\x00\x03\x02\x00\x01\x02\x00\x00\x00\x07\xa2hi";

enum { CALL_LENGTH = sizeof CALL - 1 };

static void test_put(void **state)
{
    char header[RS_FRAME_HEADER];
    rs_frame f = {.length = 0x010203, .type = RS_FRAME_DATA, .flags = 1, .context = 0xfffe, .id = 0xdeadbeef};
    rs_frame_put(header, &f);
    assert_memory_equal(header, "\x00\x01\x02\x03\x07\x01\xff\xfe\xde\xad\xbe\xef", RS_FRAME_HEADER);
}

/* A frame whose bytes come one by one, with the next one behind it. */
static void test_read_piecemeal(void **state)
{
    rs_buf in;
    rs_frame f;
    rs_buf_init(&in, 0);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 0; n < CALL_LENGTH; n++) {
            assert_int_equal(rs_frame_peek(&in, &f), 0);
            rs_buf_add_char(&in, CALL[n]);
        }
        rs_buf_add(&in, "\0\0", 2);
        assert_int_equal(rs_frame_peek(&in, &f), 1);
        assert_int_equal(f.type, RS_FRAME_CALL);
        assert_int_equal(f.flags, 0);
        assert_int_equal(f.context, 0x0102);
        assert_int_equal(f.id, 7);
        assert_int_equal(f.length, 3);
        assert_memory_equal(f.payload, "\xa2hi", 3);
        rs_frame_drop(&in, &f);
        assert_int_equal(rs_buf_len(&in), 2);
        assert_int_equal(rs_frame_peek(&in, &f), 0);
        rs_buf_consume(&in, 2);
    }
    rs_buf_fini(&in);
}

static void test_every_type(void **state)
{
    rs_frame f;
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned flags = 0; flags < 256; flags++) {
            char bytes[RS_FRAME_HEADER] = {0, 0, 0, 0, (char)type, (char)flags};
            bool known = type >= RS_FRAME_HELLO && type <= RS_FRAME_ROUTE;
            bool whole = type == RS_FRAME_CANCEL || type == RS_FRAME_DATA || type == RS_FRAME_CREDIT ||
                         type == RS_FRAME_END || type == RS_FRAME_STOP || type == RS_FRAME_PING ||
                         type == RS_FRAME_PONG || type == RS_FRAME_ROUTE;
            bool good = known && (flags == 0 || (flags == RS_FRAME_MORE && !whole));
            rs_buf in;
            rs_buf_init(&in, 0);
            rs_buf_add(&in, bytes, sizeof bytes);
            assert_int_equal(rs_frame_peek(&in, &f), good ? 1 : RS_EPROTO);
            rs_buf_fini(&in);
        }
        assert_string_not_equal(rs_frame_name(type), "");
    }
    assert_string_equal(rs_frame_name(RS_FRAME_CALL), "CALL");
    assert_string_equal(rs_frame_name(RS_FRAME_BYE), "BYE");
    assert_string_equal(rs_frame_name(0), "?");
    assert_string_equal(rs_frame_name(16), "?");
}

static void test_longest(void **state)
{
    rs_frame f;
    rs_buf in;
    rs_buf_init(&in, 0);
    rs_buf_add(&in, "\x00\x10\x00\x00\x07\x00\x00\x00\x00\x00\x00\x01", 12);
    assert_int_equal(rs_frame_peek(&in, &f), 0);
    assert_int_equal(f.length, RS_FRAME_MAX);
    rs_buf_clear(&in);
    rs_buf_add(&in, "\x00\x10\x00\x01", 4);
    assert_int_equal(rs_frame_peek(&in, &f), RS_EPROTO);
    rs_buf_fini(&in);
}

static void test_longest_of_each_type(void **state)
{
    static const uint32_t most[] = {
        [RS_FRAME_CANCEL] = 1, [RS_FRAME_CREDIT] = 5, [RS_FRAME_END] = 32,  [RS_FRAME_STOP] = 1,
        [RS_FRAME_PING] = 65,  [RS_FRAME_PONG] = 65,  [RS_FRAME_ROUTE] = 1,
    };
    for (unsigned type = RS_FRAME_HELLO; type <= RS_FRAME_ROUTE; type++) {
        uint32_t too_long = type < COUNT(most) && most[type] ? most[type] : RS_FRAME_MAX + 1;
        char header[RS_FRAME_HEADER];
        for (uint32_t length = too_long - 1; length <= too_long; length++) {
            rs_frame f = {.length = length, .type = (uint8_t)type}, got;
            rs_buf in;
            rs_frame_put(header, &f);
            rs_buf_init(&in, 0);
            rs_buf_add(&in, header, sizeof header);
            assert_int_equal(rs_frame_peek(&in, &got), length == too_long ? RS_EPROTO : length == 0);
            rs_buf_fini(&in);
        }
    }
}

static const struct {
    const char *name, *bytes;
    size_t n;
    const char *text;
} garbage[] = {
    {"text", "sh: not found\n", 14,
     "not the protocol: \"sh: not found\\n\" (a start-up file over there may print this)"},
    {"one letter", "W", 1, "not the protocol: \"W\" (a start-up file over there may print this)"},
    {"a terminal's sequence", "\033[1m\t\"\\", 7,
     "not the protocol: \"\\x1b[1m\\t\\\"\\\\\" (a start-up file over there may print this)"},
    {"UTF-8", "\xc3\xbc", 2, "not the protocol: \"\\xc3\\xbc\" (a start-up file over there may print this)"},
    {"a newline", "\n", 1, "not the protocol: \"\\n\" (a start-up file over there may print this)"},
    {"a bad length", "\0\xff\x7f", 3, "not the protocol: \"\\x00\\xff\\x7f\""},
    {"a bad type", "\0\0\0\1\x20", 5, "not the protocol: \"\\x00\\x00\\x00\\x01 \""},
    {"a long line", "0123456789012345678901234567890123456789012345678901234567890123456789", 70,
     "not the protocol: \"012345678901234567890123456789012345678901234567890123456789\"... "
     "(a start-up file over there may print this)"},
};

static void test_garbage(void **state)
{
    for (size_t i = 0; i < COUNT(garbage); i++) {
        char text[400];
        rs_frame f;
        rs_buf in;
        rs_buf_init(&in, 0);
        rs_buf_add(&in, garbage[i].bytes, garbage[i].n);
        assert_int_equal(rs_frame_peek(&in, &f), RS_EPROTO);
        rs_frame_complain(&in, text, sizeof text);
        assert_string_equal(text, garbage[i].text);
        rs_buf_fini(&in);
    }
}

/* As many bytes as a message can need, and never more than there is room for. */
static void test_complaint_fits(void **state)
{
    char bytes[500], text[400];
    rs_buf in;
    memset(bytes, 0xff, sizeof bytes);
    rs_buf_init(&in, 0);
    rs_buf_add(&in, bytes, sizeof bytes);
    for (size_t size = 1; size < sizeof text; size++) {
        char *exact = malloc(size);
        rs_frame_complain(&in, exact, size);
        assert_true(strlen(exact) < size);
        free(exact);
    }
    rs_frame_complain(&in, text, sizeof text);
    assert_non_null(strstr(text, "start-up file over there may print this)"));
    rs_buf_fini(&in);
}

/* A header with any bit flipped is refused, or is a frame of a length below the limit. */
static void test_bit_flips(void **state)
{
    for (size_t bit = 0; bit < CALL_LENGTH * 8; bit++) {
        char bytes[CALL_LENGTH];
        rs_frame f;
        rs_buf in;
        memcpy(bytes, CALL, CALL_LENGTH);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        rs_buf_init(&in, 0);
        rs_buf_add(&in, bytes, CALL_LENGTH);
        int got = rs_frame_peek(&in, &f);
        assert_true(got == 0 || got == 1 || got == RS_EPROTO);
        if (got == 1)
            assert_true(f.length + RS_FRAME_HEADER <= CALL_LENGTH);
        if (got == 0)
            assert_true(f.length <= RS_FRAME_MAX && f.length + RS_FRAME_HEADER > CALL_LENGTH);
        rs_buf_fini(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_read_piecemeal),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_longest_of_each_type),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_complaint_fits),
        cmocka_unit_test(test_bit_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
