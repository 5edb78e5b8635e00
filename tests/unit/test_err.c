#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <uv.h>

#include "base/err.h"

static void test_names(void **state)
{
    static const struct {
        int err;
        const char *name;
    } cases[] = {
        {0, "OK"},
        {-ENOENT, "ENOENT"},
        {-EAGAIN, "EAGAIN"},
        {-EHWPOISON, "EHWPOISON"},
        {-EPROTO, "EPROTO"},
        {-ENOSYS, "ENOSYS"},
        {RS_ECLOSED, "ECLOSED"},
        {RS_EPROTO, "EPROTOCOL"},
        {RS_ENOSYS, "EUNSUPPORTED"},
        {UV_EOF, "EOF"},
        {UV_EAI_NONAME, "EAI_NONAME"},
        {ENOENT, "E?"},
        {-999999, "E?"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rs_err_name(cases[i].err), cases[i].name);
}

/* A name must lead back to its number: errors cross the wire by name. */
static void test_names_lead_back(void **state)
{
    for (int err = -30000; err <= 0; err++)
        if (strcmp(rs_err_name(err), "E?") != 0)
            assert_int_equal(rs_err_from_name(rs_err_name(err)), err);
    assert_int_equal(rs_err_from_name("EWOULDBLOCK"), -EAGAIN);
    assert_int_equal(rs_err_from_name("EOPNOTSUPP"), -EOPNOTSUPP);
    assert_int_equal(rs_err_from_name("E?"), 0);
    assert_int_equal(rs_err_from_name(""), 0);
}

static void test_every_errno_has_a_name(void **state)
{
    for (int err = 1; err <= EHWPOISON; err++)
        if (strncmp(strerror(err), "Unknown error", 13) != 0)
            assert_string_not_equal(rs_err_name(-err), "E?");
}

static void test_libuv_codes(void **state)
{
#define SAME(code, text) assert_string_equal(rs_err_name(UV_##code), #code);
    UV_ERRNO_MAP(SAME)
#undef SAME
}

static void test_texts(void **state)
{
    static const struct {
        int err;
        const char *text;
    } cases[] = {
        {-ENOENT, "no such file or directory"},
        {-EACCES, "permission denied"},
        {RS_ECLOSED, "closed"},
        {RS_ETIMEOUT, "timed out"},
        {UV_EOF, "end of file"},
        {-4711, "unknown error -4711"},
        {5, "unknown error 5"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rs_err_text(cases[i].err), cases[i].text);
}

static void test_texts_are_words(void **state)
{
    for (int err = -30000; err <= 200; err++) {
        const char *text = rs_err_text(err);
        assert_true(strlen(text) > 3);
        assert_false(isupper((unsigned char)text[0]) && islower((unsigned char)text[1]));
        assert_null(strchr(text, '\n'));
    }
}

static void test_kinds(void **state)
{
    static const struct {
        int err;
        const char *kind;
    } cases[] = {
        {-ENOENT, "notfound"},
        {RS_ENOTFOUND, "notfound"},
        {-EPERM, "denied"},
        {-EROFS, "denied"},
        {-EEXIST, "exists"},
        {-ENOTEMPTY, "io"},
        {-ETIMEDOUT, "timeout"},
        {RS_ETIMEOUT, "timeout"},
        {-ECONNREFUSED, "connect"},
        {UV_EAI_NONAME, "connect"},
        {UV_EAI_PROTOCOL, "connect"},
        {-EHOSTUNREACH, "unreachable"},
        {-ENETUNREACH, "unreachable"},
        {RS_ECANCELLED, "cancelled"},
        {RS_ECLOSED, "closed"},
        {-EPIPE, "closed"},
        {-ECONNRESET, "closed"},
        {RS_EUSAGE, "usage"},
        {-EINVAL, "io"},
        {RS_EPARSE, "parse"},
        {RS_EPROTO, "protocol"},
        {RS_ELIMIT, "io"},
        {-EIO, "io"},
        {-4711, "io"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rs_err_kind(cases[i].err), cases[i].kind);
}

static void *ask_elsewhere(void *arg)
{
    return (void *)(strlen(rs_err_text(-EACCES)) > 0 ? arg : NULL);
}

static void test_text_survives_other_threads(void **state)
{
    pthread_t thread;
    int token;
    void *result = NULL;
    const char *text = rs_err_text(-ENOENT);
    assert_int_equal(pthread_create(&thread, NULL, ask_elsewhere, &token), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &token);
    assert_string_equal(text, "no such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_lead_back),
        cmocka_unit_test(test_every_errno_has_a_name),
        cmocka_unit_test(test_libuv_codes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_texts_are_words),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_text_survives_other_threads),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
