#include "loop/task_event.h"

#include <lauxlib.h>

#include "base/err.h"
#include "loop/task.h"

#define EVENT "rshell.Event"

/* Who waits; lives on the stack of the waiting call. */
typedef struct event_waiter {
    rs_wait wait;
    struct event_waiter *next, **at; /* at is NULL once it was woken */
} event_waiter;

typedef struct event {
    event_waiter *waiters;
} event;

static void leave(event_waiter *e)
{
    if (!e->at)
        return;
    *e->at = e->next;
    if (e->next)
        e->next->at = e->at;
    e->at = NULL;
}

static void abandon(rs_wait *w)
{
    leave(w->op);
}

static int woken(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    event_waiter *e = (event_waiter *)ctx;
    lua_pushboolean(L, e->wait.status != RS_ETIMEOUT);
    return 1;
}

/* event:wait([seconds]): until the next notify; false when its time is over first. */
static int l_wait(lua_State *L)
{
    event *ev = luaL_checkudata(L, 1, EVENT);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    event_waiter *e = lua_newuserdatauv(L, sizeof *e, 0);
    rs_wait_init(&e->wait, abandon, e);
    e->next = ev->waiters;
    e->at = &ev->waiters;
    if (e->next)
        e->next->at = &e->next;
    ev->waiters = e;
    return rs_task_wait_for(L, &e->wait, seconds, (lua_KContext)e, woken);
}

/* event:notify(): wakes all who wait now. */
static int l_notify(lua_State *L)
{
    event *ev = luaL_checkudata(L, 1, EVENT);
    while (ev->waiters) {
        event_waiter *e = ev->waiters;
        leave(e);
        rs_wait_done(&e->wait, 0);
    }
    return 0;
}

static const luaL_Reg methods[] = {{"wait", l_wait}, {"notify", l_notify}, {NULL, NULL}};

int rs_event_new(lua_State *L)
{
    event *ev = lua_newuserdatauv(L, sizeof *ev, 0);
    ev->waiters = NULL;
    if (luaL_newmetatable(L, EVENT)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    return 1;
}
