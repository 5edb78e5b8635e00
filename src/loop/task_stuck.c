#include <assert.h>
#include <lauxlib.h>
#include <string.h>

#include "loop/task_state.h"

static const char deadlock[] =
    "this await can never end: the task waits for this one, or is suspended below a call that can't yield";
static const char too_deep[] = "waits inside calls that can't yield are nested too deeply (100 are possible)";
static const char in_finaliser[] = "can't wait in a finaliser (__gc)";
static_assert(RS_MAX_DEPTH == 100, "the text says 100");

/* ---- deadlocks ---- */

/* The tasks of which one must end before t can go on; NULL when something else can wake it: an event, a time limit, an
 * abort. */
static const await_block *awaited(const rs_task *t)
{
    if (!t->wait || !rs_task_must_go_on(t) || t->deadline || t->scopes)
        return NULL;
    return rs_task_awaited(t->wait);
}

static void visit(rs_task *t, rs_task **list, uint64_t search)
{
    if (t->seen == search)
        return;
    t->seen = search;
    t->to_visit = *list;
    *list = t;
}

/* Whether none of the tasks that t awaits, directly or through others, can go on while those that wait in place below `level`
 * are suspended, and t itself too. */
static bool hopeless(sched *s, rs_task *t, int level)
{
    rs_task *list = NULL;
    uint64_t search = ++s->search;
    for (visit(t, &list, search); list;) {
        rs_task *u = list;
        list = u->to_visit;
        if (u != t && u->in_place && u->level < level)
            continue;
        const await_block *a = awaited(u);
        if (!a)
            return false;
        for (int i = 0; i < a->n; i++)
            visit(a->nodes[i].target, &list, search);
    }
    return true;
}

/* t is about to wait: would it, or one that waits in place below it, wait for ever? One that waits in place can go on only
 * when all above it have ended. A task that nobody awaits closes no circle. */
static bool deadlocked(sched *s, rs_task *t, bool in_place)
{
    if (!awaited(t) || (!t->observers && !in_place))
        return false;
    for (int i = 0; t->observers && i < s->depth; i++)
        if (hopeless(s, s->in_place[i], i + 1))
            return true;
    return hopeless(s, t, in_place ? s->depth : 0);
}

/* ---- waits in place ---- */

/* The C stack grows downward everywhere we run. */
static bool stack_used_up(const sched *s)
{
    return s->stack - (char *)__builtin_frame_address(0) > (ptrdiff_t)s->stack_max;
}

bool rs_sched_is_deep(const sched *s)
{
    return s->depth >= RS_MAX_DEPTH || stack_used_up(s);
}

bool rs_task_finalising(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "n", &ar);
        if (ar.name && strcmp(ar.name, "__gc") == 0 && strcmp(ar.namewhat, "metamethod") == 0)
            return true;
    }
    return false;
}

const char *rs_task_refusal(lua_State *L, sched *s, bool in_place)
{
    if (in_place && rs_sched_is_deep(s))
        return too_deep;
    if (in_place && rs_task_finalising(L))
        return in_finaliser;
    return deadlocked(s, s->current, in_place) ? deadlock : NULL;
}
