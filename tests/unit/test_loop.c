#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"
#include "loop/pool.h"
#include "loop/timer.h"
#include "loop/wait.h"

static char logged[200];

static void sink(void *user, rs_log_level level, const char *module, const char *text)
{
    snprintf(logged, sizeof logged, "%s %s", module, text);
}

static void test_life(void **state)
{
    rs_loop *l = NULL;
    assert_int_equal(rs_loop_new(&l), 0);
    assert_false(rs_loop_poll(l, false));
    assert_false(rs_loop_poll(l, true)); /* nothing can happen: no reason to sleep */
    assert_true(rs_loop_free(l));
    assert_true(rs_loop_free(NULL));
}

static void test_time_goes_on(void **state)
{
    uint64_t before = rs_loop_now();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = rs_loop_now();
        assert_true(now >= before);
        before = now;
    }
}

static void test_process_is_prepared(void **state)
{
    rs_loop *l = NULL;
    struct sigaction sa;
    assert_int_equal(rs_loop_new(&l), 0);
    sigaction(SIGPIPE, NULL, &sa);
    assert_true(sa.sa_handler == SIG_IGN);
    assert_true(rs_loop_free(l));
}

static void ignore(rs_timer *t)
{
}

static void test_polls_without_sleeping(void **state)
{
    rs_loop *l = NULL;
    rs_timer t = {0};
    uint64_t begin = rs_loop_now();
    assert_int_equal(rs_loop_new(&l), 0);
    assert_int_equal(rs_timer_start(l, &t, 1000, ignore), 0);
    for (int i = 0; i < 10; i++)
        assert_true(rs_loop_poll(l, false));
    rs_timer_stop(l, &t);
    assert_true(rs_loop_now() - begin < 30e9);
    assert_true(rs_loop_free(l));
}

typedef struct plan {
    rs_later later;
    int runs;
} plan;

static void count(rs_later *w)
{
    ((plan *)w)->runs++;
}

/* What was planned may be what the caller waits for: there is no sleep after it. */
static void test_planned(void **state)
{
    rs_loop *l = NULL;
    rs_timer t = {0};
    plan p = {.later.run = count};
    uint64_t begin = rs_loop_now();
    assert_int_equal(rs_loop_new(&l), 0);
    assert_int_equal(rs_timer_start(l, &t, 1000, ignore), 0);
    rs_loop_later(l, &p.later);
    rs_loop_later(l, &p.later);
    assert_true(rs_loop_poll(l, true));
    assert_int_equal(p.runs, 1);
    rs_loop_later(l, &p.later);
    rs_loop_do_later(l);
    rs_loop_do_later(l);
    assert_int_equal(p.runs, 2);
    rs_loop_later(l, &p.later);
    rs_loop_not_later(&p.later);
    assert_true(rs_loop_poll(l, false));
    assert_int_equal(p.runs, 2);
    rs_timer_stop(l, &t);
    assert_true(rs_loop_now() - begin < 30e9);
    assert_true(rs_loop_free(l));
}

/* It is told, and stays usable for whoever still points at it. */
static void test_forgotten_handle(void **state)
{
    static rs_loop *l; /* it leaks on purpose: reachable, so no leak checker complains */
    static uv_idle_t idle;
    assert_int_equal(rs_loop_new(&l), 0);
    uv_idle_init(rs_loop_uv(l), &idle);
    rs_log_set_sink(sink, NULL);
    assert_false(rs_loop_free(l));
    rs_log_set_sink(NULL, NULL);
    assert_string_equal(logged, "loop a idle handle was left open");
}

static int threads(void)
{
    char line[200];
    int n = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (n < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "Threads:", 8) == 0)
            n = (int)strtol(line + 8, NULL, 10);
    fclose(f);
    return n;
}

/* ---- the pool ---- */

typedef struct piece {
    rs_pool_work work; /* first */
    int ran, done;
    pthread_t thread;
    sem_t *gate; /* waited for, unless NULL */
} piece;

static void run_piece(rs_pool_work *w)
{
    piece *p = (piece *)w;
    p->thread = pthread_self();
    while (p->gate && sem_wait(p->gate))
        ;
    p->ran++;
}

static void piece_done(rs_pool_work *w)
{
    piece *p = (piece *)w;
    assert_int_equal(p->ran, 1);
    p->done++;
}

static void start_pieces(rs_loop *l, piece *p, size_t n, sem_t *gate)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (piece){.work = {.run = run_piece, .done = piece_done}, .gate = gate};
        assert_int_equal(rs_pool_run(l, &p[i].work), 0);
    }
}

static void test_pool(void **state)
{
    rs_loop *l = NULL;
    piece p[100];
    sem_t gate;
    int before = threads();
    sem_init(&gate, 0, 0);
    assert_int_equal(rs_loop_new(&l), 0);
    assert_int_equal(threads(), before);
    /* One after the other, one thread does. */
    for (int i = 0; i < 10; i++) {
        start_pieces(l, p, 1, NULL);
        while (rs_loop_poll(l, true))
            ;
        assert_int_equal(p[0].done, 1);
        assert_false(pthread_equal(p[0].thread, pthread_self()));
        while (p[0].ran != 1)
            ;
    }
    assert_true(threads() <= before + 2); /* the one may not have been idle again */
    /* What blocks gets threads of its own, up to 64; the rest waits. */
    start_pieces(l, p, COUNT(p), &gate);
    assert_int_equal(threads(), before + 64);
    assert_true(rs_loop_poll(l, false));
    for (size_t i = 0; i < COUNT(p); i++)
        sem_post(&gate);
    while (rs_loop_poll(l, true))
        ;
    for (size_t i = 0; i < COUNT(p); i++)
        assert_int_equal(p[i].done, 1);
    assert_true(rs_loop_free(l));
    assert_int_equal(threads(), before);
    sem_destroy(&gate);
}

static void test_pool_cancel(void **state)
{
    rs_loop *l = NULL;
    piece p[70];
    sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(rs_loop_new(&l), 0);
    start_pieces(l, p, COUNT(p), &gate);
    /* 64 were begun with as soon as their threads run. */
    assert_true(rs_pool_cancel(l, &p[69].work));
    assert_true(rs_pool_cancel(l, &p[67].work));
    assert_false(rs_pool_cancel(l, &p[69].work));
    for (size_t i = 0; i < COUNT(p); i++)
        sem_post(&gate);
    while (rs_loop_poll(l, true))
        ;
    assert_false(rs_pool_cancel(l, &p[0].work));
    for (size_t i = 0; i < COUNT(p); i++)
        assert_int_equal(p[i].done, i != 69 && i != 67);
    assert_true(rs_loop_free(l));
    sem_destroy(&gate);
}

/* Work that is stuck when the loop ends is left alone, with the loop. */
static void test_pool_stuck(void **state)
{
    static rs_loop *l;
    static piece p;
    static sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(rs_loop_new(&l), 0);
    start_pieces(l, &p, 1, &gate);
    assert_false(rs_loop_free(l));
    sem_post(&gate);
}

/* ---- waits ---- */

typedef struct watcher {
    int woken, abandoned;
} watcher;

static void on_wake(rs_wait *w)
{
    ((watcher *)w->waiter)->woken++;
}

static void on_abandon(rs_wait *w)
{
    ((watcher *)w->op)->abandoned++;
}

static void test_wait(void **state)
{
    static const struct {
        const char *steps; /* d: done, a: abandon */
        int woken, abandoned, status;
    } cases[] = {
        {"d", 1, 0, RS_ECLOSED},  {"dd", 1, 0, RS_ECLOSED},   {"a", 0, 1, 0}, {"aa", 0, 1, 0}, {"ad", 0, 1, 0},
        {"da", 1, 0, RS_ECLOSED}, {"daad", 1, 0, RS_ECLOSED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        watcher seen = {0};
        rs_wait w;
        rs_wait_init(&w, on_abandon, &seen);
        w.waiter = &seen;
        w.wake = on_wake;
        for (const char *s = cases[i].steps; *s; s++) {
            if (*s == 'd')
                rs_wait_done(&w, RS_ECLOSED);
            else
                rs_wait_abandon(&w);
        }
        assert_true(w.done);
        assert_int_equal(w.status, cases[i].status);
        assert_int_equal(seen.woken, cases[i].woken);
        assert_int_equal(seen.abandoned, cases[i].abandoned);
    }
}

static void test_wait_that_nobody_watches(void **state)
{
    rs_wait w;
    rs_wait_init(&w, NULL, NULL);
    rs_wait_done(&w, 0);
    assert_true(w.done);
    rs_wait_init(&w, NULL, NULL);
    rs_wait_abandon(&w);
    assert_true(w.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_time_goes_on),
        cmocka_unit_test(test_process_is_prepared),
        cmocka_unit_test(test_polls_without_sleeping),
        cmocka_unit_test(test_planned),
        cmocka_unit_test(test_forgotten_handle),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_pool_cancel),
        cmocka_unit_test(test_pool_stuck),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_that_nobody_watches),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
