#include "loop/job.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "loop/pool.h"
#include "loop/task.h"
#include "loop/task_error.h"

/* One piece of work. Two sides hold it: the pool until `run` has returned, and the ticket on the waiter's stack; the last that
 * lets go frees it. */
typedef struct work {
    rs_pool_work pool; /* first: the pool's callbacks find the work by it */
    const rs_job_class *class;
    void *job;
    rs_wait *wait; /* NULL once the waiter has given up */
    int holders;
} work;

typedef struct ticket {
    rs_wait wait; /* first: abandon finds the ticket by it */
    work *work;
} ticket;

static void let_go(work *k)
{
    if (--k->holders > 0)
        return;
    k->class->drop(k->job);
    free(k);
}

static void run(rs_pool_work *w)
{
    work *k = (work *)w;
    k->class->run(k->job);
}

static void ran(rs_pool_work *w)
{
    work *k = (work *)w;
    if (k->wait)
        rs_wait_done(k->wait, 0);
    k->wait = NULL;
    let_go(k);
}

/* The waiter gives up: the job is dropped when the pool has done with it. */
static void abandon(rs_wait *w)
{
    ticket *t = (ticket *)w;
    work *k = t->work;
    k->wait = NULL;
    t->work = NULL;
    let_go(k);
}

static int ticket_gc(lua_State *L)
{
    ticket *t = lua_touserdata(L, 1);
    if (t->work)
        let_go(t->work);
    t->work = NULL;
    return 0;
}

static int over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    ticket *t = (ticket *)ctx;
    if (t->wait.status)
        return rs_error_raise(L, t->wait.status, NULL);
    int n = t->work->class->finish(L, t->work->job);
    let_go(t->work); /* not only when the ticket is collected: what the job holds is wanted by the next one */
    t->work = NULL;
    return n;
}

/* The ticket owns the job from here on, also when something raises. */
static ticket *ticket_new(lua_State *L, work *k)
{
    ticket *t = lua_newuserdatauv(L, sizeof *t, 0);
    rs_wait_init(&t->wait, abandon, k);
    t->work = NULL;
    if (luaL_newmetatable(L, "rshell.Job")) {
        lua_pushcfunction(L, ticket_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return t;
}

int rs_job_run(lua_State *L, const rs_job_class *class, void *job)
{
    work *k = calloc(1, sizeof *k);
    if (!k) {
        class->drop(job);
        return luaL_error(L, "not enough memory");
    }
    *k = (work){.pool = {.run = run, .done = ran}, .class = class, .job = job, .holders = 1};
    ticket *t = ticket_new(L, k);
    t->work = k;
    rs_task_check(L);
    k->wait = &t->wait;
    k->holders++;
    int err = rs_pool_run(rs_task_loop(L), &k->pool);
    if (err) {
        k->holders--;
        return rs_error_raise(L, err, NULL);
    }
    return rs_task_wait(L, &t->wait, (lua_KContext)t, over);
}
