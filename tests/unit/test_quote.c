#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/quote.h"

static void assert_quoted(const char *word, size_t n, const char *want)
{
    rs_buf b;
    rs_buf_init(&b, 0);
    assert_int_equal(rs_quote_word(&b, word, n), 0);
    assert_int_equal(rs_buf_len(&b), strlen(want));
    assert_memory_equal(rs_buf_data(&b), want, strlen(want));
    rs_buf_fini(&b);
}

static void test_words(void **state)
{
    static const struct {
        const char *word, *quoted;
    } cases[] = {
        {"", "''"},
        {"ls", "ls"},
        {"-la", "-la"},
        {"/usr/bin/x-1.2_3+4,5:6@7%8", "/usr/bin/x-1.2_3+4,5:6@7%8"},
        {"--color=auto", "--color=auto"},
        {"A=b", "'A=b'"},
        {"_9+=b", "'_9+=b'"},
        {"9A=b", "9A=b"},
        {"=b", "=b"},
        {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},
        {"'", "''\\'''"},
        {"$HOME", "'$HOME'"},
        {"~", "'~'"},
        {"*", "'*'"},
        {"a\nb", "'a\nb'"},
        {"if", "'if'"},
        {"iff", "iff"},
        {"time", "'time'"},
        {"{", "'{'"},
        {"!", "'!'"},
        {"gr\xc3\xbcn", "'gr\xc3\xbcn'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_quoted(cases[i].word, strlen(cases[i].word), cases[i].quoted);
}

static void test_nul_is_refused(void **state)
{
    rs_buf b;
    rs_buf_init(&b, 0);
    assert_int_equal(rs_quote_word(&b, "a\0b", 3), RS_EUSAGE);
    assert_int_equal(rs_buf_len(&b), 0);
    rs_buf_fini(&b);
}

static void test_limit_leaves_nothing(void **state)
{
    for (size_t max = 1; max < 10; max++) {
        rs_buf b;
        rs_buf_init(&b, max);
        assert_int_equal(rs_quote_word(&b, "a b'c", 5), RS_ELIMIT);
        assert_int_equal(rs_buf_len(&b), 0);
        rs_buf_fini(&b);
    }
}

/* Words as "<a><b>". */
struct words {
    rs_buf text;
    int refuse_after; /* words, -1 for never */
};

static int add(void *user, const char *word, size_t n)
{
    struct words *w = user;
    if (w->refuse_after-- == 0)
        return RS_ECANCELLED;
    rs_buf_add_char(&w->text, '<');
    rs_buf_add(&w->text, word, n);
    return rs_buf_add_char(&w->text, '>');
}

static void test_split(void **state)
{
    static const struct {
        const char *text, *words;
        size_t where; /* words NULL: of the error */
    } cases[] = {
        {"", "", 0},
        {"  \t\n ", "", 0},
        {"ls", "<ls>", 0},
        {" ls  -l\t/x\ny", "<ls><-l></x><y>", 0},
        {"''", "<>", 0},
        {"\"\"", "<>", 0},
        {"a''b\"\"c", "<abc>", 0},
        {"'a b' \"c d\"", "<a b><c d>", 0},
        {"'a\\b'", "<a\\b>", 0},
        {"a\\ b", "<a b>", 0},
        {"\\\\ \\' \\\"", "<\\><'><\">", 0},
        {"\"\\$ \\` \\\" \\\\ \\a\"", "<$ ` \" \\ \\a>", 0},
        {"\"a'b\"", "<a'b>", 0},
        {"'a\"b'", "<a\"b>", 0},
        {"a\\\nb", "<ab>", 0},
        {"a \\\n b", "<a><b>", 0},
        {"\\\n", "", 0},
        {"\"a\\\nb\"", "<ab>", 0},
        {"'a\\\nb'", "<a\\\nb>", 0},
        {"a # b\nc", "<a><c>", 0},
        {"#a", "", 0},
        {"a#b '#'", "<a#b><#>", 0},
        {"$x `y` ;&|<>()*?[~", "<$x><`y`><;&|<>()*?[~>", 0},
        {"\"$x\"", "<$x>", 0},
        {"a\rb", "<a\rb>", 0},
        {"a 'b", NULL, 2},
        {"a x\"b", NULL, 3},
        {"a x\"b\\\"", NULL, 3},
        {"a x\"b\\", NULL, 3},
        {"ab\\", NULL, 2},
        {"'", NULL, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct words w = {.refuse_after = -1};
        size_t where = 12345;
        rs_buf_init(&w.text, 0);
        int err = rs_quote_split(cases[i].text, strlen(cases[i].text), add, &w, &where);
        if (cases[i].words) {
            assert_int_equal(err, 0);
            rs_buf_add_char(&w.text, '\0');
            assert_string_equal(rs_buf_data(&w.text), cases[i].words);
        } else {
            assert_int_equal(err, RS_EPARSE);
            assert_int_equal(where, cases[i].where);
        }
        rs_buf_fini(&w.text);
    }
}

static void test_split_stops(void **state)
{
    struct words w = {.refuse_after = 2};
    rs_buf_init(&w.text, 0);
    assert_int_equal(rs_quote_split("a b c d", 7, add, &w, NULL), RS_ECANCELLED);
    assert_int_equal(rs_buf_len(&w.text), 6);
    rs_buf_fini(&w.text);
}

/* Every prefix of a tangled line either splits or is an error; none reads past its end (the sanitizer looks on). */
static void test_split_truncated(void **state)
{
    static const char line[] = "a 'b c' \"d\\\"e\" f\\ g # h\n i\\\nj '' \"\"k'l'\\";
    for (size_t n = 0; n < sizeof line; n++) {
        char *cut = malloc(n > 0 ? n : 1);
        struct words w = {.refuse_after = -1};
        memcpy(cut, line, n);
        rs_buf_init(&w.text, 0);
        int err = rs_quote_split(cut, n, add, &w, NULL);
        assert_true(err == 0 || err == RS_EPARSE);
        rs_buf_fini(&w.text);
        free(cut);
    }
}

/* Random words, quoted, given to a real shell and to rs_quote_split; both must find the words. */
enum { WORDS = 60 };

static size_t random_word(uint64_t *seed, char *out, size_t room)
{
    static const char spicy[] = "'\"\\$`!#&*()[]{};<>?|~ \t\n\r=%-aif";
    size_t n = unit_random(seed) % room;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = unit_random(seed);
        out[i] = r % 4 ? spicy[(r >> 8) % (sizeof spicy - 1)] : (char)(1 + (r >> 8) % 255);
    }
    return n;
}

static void line_of(uint64_t *seed, rs_buf *line, rs_buf *want)
{
    for (int i = 0; i < WORDS; i++) {
        char word[40];
        size_t n = random_word(seed, word, sizeof word);
        rs_buf_add_char(line, ' ');
        assert_int_equal(rs_quote_word(line, word, n), 0);
        rs_buf_add(want, word, n);
        rs_buf_add_char(want, '\0');
    }
}

static int add_with_nul(void *user, const char *word, size_t n)
{
    rs_buf_add(user, word, n);
    return rs_buf_add_char(user, '\0');
}

static void read_command(const char *shell, const char *script, rs_buf *out)
{
    int fds[2];
    char chunk[4096];
    ssize_t n;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execlp(shell, shell, "-c", script, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    while ((n = read(fds[0], chunk, sizeof chunk)) > 0)
        rs_buf_add(out, chunk, (size_t)n);
    close(fds[0]);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void assert_same(const rs_buf *a, const rs_buf *b)
{
    assert_int_equal(rs_buf_len(a), rs_buf_len(b));
    assert_memory_equal(rs_buf_data(a), rs_buf_data(b), rs_buf_len(b));
}

static void test_random_words_by_split(void **state)
{
    uint64_t seed = 2;
    for (int i = 0; i < 500; i++) {
        rs_buf line, want, got;
        rs_buf_init(&line, 0);
        rs_buf_init(&want, 0);
        rs_buf_init(&got, 0);
        line_of(&seed, &line, &want);
        assert_int_equal(rs_quote_split(rs_buf_data(&line), rs_buf_len(&line), add_with_nul, &got, NULL), 0);
        assert_same(&got, &want);
        rs_buf_fini(&line);
        rs_buf_fini(&want);
        rs_buf_fini(&got);
    }
}

static void through(const char *shell, const rs_buf *words, const rs_buf *want)
{
    rs_buf line, got;
    rs_buf_init(&line, 0);
    rs_buf_init(&got, 0);
    rs_buf_add_str(&line, "printf '%s\\0'");
    rs_buf_add(&line, rs_buf_data(words), rs_buf_len(words));
    rs_buf_add_char(&line, '\0');
    read_command(shell, rs_buf_data(&line), &got);
    assert_same(&got, want);
    rs_buf_fini(&line);
    rs_buf_fini(&got);
}

static void test_random_words_by_sh(void **state)
{
    uint64_t seed = 3;
    for (int i = 0; i < 40; i++) {
        rs_buf line, want;
        rs_buf_init(&line, 0);
        rs_buf_init(&want, 0);
        line_of(&seed, &line, &want);
        through("sh", &line, &want);
        rs_buf_fini(&line);
        rs_buf_fini(&want);
    }
}

static void test_every_byte_by_sh(void **state)
{
    rs_buf line, want;
    rs_buf_init(&line, 0);
    rs_buf_init(&want, 0);
    for (int c = 1; c < 256; c++) {
        const char words[3][3] = {{(char)c}, {'x', (char)c, 'y'}, {'\'', (char)c, '"'}};
        for (int i = 0; i < 3; i++) {
            size_t n = i == 0 ? 1 : 3;
            rs_buf_add_char(&line, ' ');
            assert_int_equal(rs_quote_word(&line, words[i], n), 0);
            rs_buf_add(&want, words[i], n);
            rs_buf_add_char(&want, '\0');
        }
    }
    through("sh", &line, &want);
    rs_buf_fini(&line);
    rs_buf_fini(&want);
}

/* Where a command begins, sh takes some words for grammar or for an assignment; quoted ones it looks for in PATH. */
static void test_first_word_by_sh(void **state)
{
    static const char *const words[] = {"if", "while", "do", "{", "}", "!", "A=b", "a+=b", "case", "for", "function"};
    for (size_t i = 0; i < COUNT(words); i++) {
        rs_buf line, got;
        rs_buf_init(&line, 0);
        rs_buf_init(&got, 0);
        rs_quote_word(&line, words[i], strlen(words[i]));
        rs_buf_add_str(&line, " 2>/dev/null; echo $?");
        rs_buf_add_char(&line, '\0');
        read_command("sh", rs_buf_data(&line), &got);
        assert_int_equal(rs_buf_len(&got), 4);
        assert_memory_equal(rs_buf_data(&got), "127\n", 4);
        rs_buf_fini(&line);
        rs_buf_fini(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_limit_leaves_nothing),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_stops),
        cmocka_unit_test(test_split_truncated),
        cmocka_unit_test(test_random_words_by_split),
        cmocka_unit_test(test_random_words_by_sh),
        cmocka_unit_test(test_every_byte_by_sh),
        cmocka_unit_test(test_first_word_by_sh),
    };
    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
