#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "loop/timer.h"

enum { MANY = 5000 };
static const double FOREVER = 1000; /* seconds: who waits for it has hung */

static rs_loop *loop;

static int set_up(void **state)
{
    return rs_loop_new(&loop);
}

static int tear_down(void **state)
{
    return rs_loop_free(loop) ? 0 : -1;
}

/* A timer that notes when it fired and then may do something. */
typedef struct probe {
    rs_timer timer;
    void (*then)(struct probe *p);
    struct probe *other;
    uint64_t fired_at;
    int id;
    int fired;
} probe;

static int order[MANY + 100];
static int fired;

static void on_fire(rs_timer *t)
{
    probe *p = (probe *)t; /* its first member */
    assert_false(rs_timer_running(t));
    p->fired_at = rs_loop_now();
    assert_true(p->fired_at >= t->at);
    p->fired++;
    order[fired++] = p->id;
    if (p->then)
        p->then(p);
}

static void start(probe *p, double seconds)
{
    assert_int_equal(rs_timer_start(loop, &p->timer, seconds, on_fire), 0);
}

static void run(void)
{
    while (rs_loop_poll(loop, true))
        ;
}

static void assert_order(const int *ids, int n)
{
    assert_int_equal(fired, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(order[i], ids[i]);
    fired = 0;
}

static void test_order(void **state)
{
    static const struct {
        double seconds[6];
        int n;
        int order[6];
    } cases[] = {
        {{0}, 1, {0}},
        {{0.003, 0.002, 0.001}, 3, {2, 1, 0}},
        {{0.001, 0.002, 0.003}, 3, {0, 1, 2}},
        {{0.02, 0.005, 0.01, 0, 0.015}, 5, {3, 1, 2, 4, 0}},
        {{0.004, -1, 0.002}, 3, {1, 2, 0}},
        {{0.002, (double)-INFINITY, 0.001}, 3, {1, 2, 0}},
        {{0.002, (double)NAN, 0.001}, 3, {1, 2, 0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        probe p[6] = {0};
        for (int k = 0; k < cases[i].n; k++) {
            p[k].id = k;
            start(&p[k], cases[i].seconds[k]);
            assert_true(rs_timer_running(&p[k].timer));
        }
        run();
        assert_order(cases[i].order, cases[i].n);
    }
}

static void test_stop(void **state)
{
    probe p[3] = {{.id = 0}, {.id = 1}, {.id = 2}};
    rs_timer_stop(loop, &p[0].timer);
    for (int i = 0; i < 3; i++)
        start(&p[i], 0.001 * i);
    rs_timer_stop(loop, &p[1].timer);
    rs_timer_stop(loop, &p[1].timer);
    assert_false(rs_timer_running(&p[1].timer));
    run();
    assert_order((int[]){0, 2}, 2);
    assert_false(rs_loop_poll(loop, true)); /* nothing is left that could happen */
}

static void test_restart(void **state)
{
    probe p[2] = {{.id = 0}, {.id = 1}};
    start(&p[0], FOREVER);
    start(&p[1], 0.005);
    start(&p[0], 0.001);
    run();
    assert_order((int[]){0, 1}, 2);
}

/* ---- what a timer may do while it fires ---- */

static void stop_other(probe *p)
{
    rs_timer_stop(loop, &p->other->timer);
}

static void free_other(probe *p)
{
    stop_other(p);
    free(p->other);
}

static void free_self(probe *p)
{
    free(p);
}

static void start_other(probe *p)
{
    start(p->other, 0);
}

static void start_self(probe *p)
{
    if (p->fired < 3)
        start(p, 0);
}

static void start_self_for_ever(probe *p)
{
    start(p, FOREVER);
}

static void test_stops_another(void **state)
{
    probe b = {.id = 2}, a = {.id = 1, .then = stop_other, .other = &b};
    start(&a, 0);
    start(&b, 0); /* due in the same poll */
    run();
    assert_order((int[]){1}, 1);
    start(&a, 0.001);
    start(&b, FOREVER);
    run();
    assert_order((int[]){1}, 1);
}

static void test_frees(void **state)
{
    probe *b = calloc(1, sizeof *b), *self = calloc(1, sizeof *self);
    probe a = {.id = 1, .then = free_other, .other = b};
    *self = (probe){.id = 3, .then = free_self};
    start(&a, 0);
    start(b, 0.001);
    start(self, 0.002);
    run();
    assert_order((int[]){1, 3}, 2);
}

static void test_starts(void **state)
{
    probe b = {.id = 2}, a = {.id = 1, .then = start_other, .other = &b};
    start(&a, 0);
    run();
    assert_order((int[]){1, 2}, 2);
    probe again = {.id = 7, .then = start_self};
    start(&again, 0);
    run();
    assert_order((int[]){7, 7, 7}, 3);
    probe late = {.id = 8, .then = start_self_for_ever};
    start(&late, 0);
    assert_true(rs_loop_poll(loop, true));
    assert_order((int[]){8}, 1);
    assert_true(rs_timer_running(&late.timer));
    rs_timer_stop(loop, &late.timer);
    assert_false(rs_loop_poll(loop, true));
}

/* libuv runs timers before it sleeps; what they made ready must not wait until the next event. */
static void test_poll_ends_after_a_due_timer(void **state)
{
    probe due = {.id = 1}, late = {.id = 2};
    uint64_t begin = rs_loop_now();
    start(&late, FOREVER);
    start(&due, 0);
    while (rs_loop_now() == due.timer.at)
        ;
    assert_true(rs_loop_poll(loop, true));
    assert_order((int[]){1}, 1);
    assert_true(rs_loop_now() - begin < 30e9);
    rs_timer_stop(loop, &late.timer);
}

static void test_huge_times(void **state)
{
    static const double times[] = {1e9, 1e18, 1e300, INFINITY};
    probe p[COUNT(times)] = {0}, soon = {.id = 9};
    for (size_t i = 0; i < COUNT(times); i++)
        start(&p[i], times[i]);
    start(&soon, 0.001);
    assert_true(rs_loop_poll(loop, true));
    assert_order((int[]){9}, 1);
    for (size_t i = 0; i < COUNT(times); i++) {
        assert_true(rs_timer_running(&p[i].timer));
        rs_timer_stop(loop, &p[i].timer);
    }
}

/* Many, some of which are stopped or moved: the rest fire in order. */
static void test_many(void **state)
{
    static probe p[MANY];
    uint64_t seed = 1;
    int expected = 0;
    memset(p, 0, sizeof p);
    for (int i = 0; i < MANY; i++) {
        p[i].id = i;
        start(&p[i], (double)(unit_random(&seed) % 50000) / 1e6);
    }
    for (int i = 0; i < MANY; i++) {
        uint64_t what = unit_random(&seed) % 4;
        if (what == 0)
            rs_timer_stop(loop, &p[i].timer);
        else if (what == 1)
            start(&p[i], (double)(unit_random(&seed) % 50000) / 1e6);
        expected += what != 0;
    }
    run();
    assert_int_equal(fired, expected);
    for (int i = 1; i < fired; i++)
        assert_true(p[order[i - 1]].timer.at <= p[order[i]].timer.at);
    fired = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frees, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_starts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_ends_after_a_due_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_huge_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
