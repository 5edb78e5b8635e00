#include "loop/wait.h"

#include <stddef.h>

void rs_wait_init(rs_wait *w, void (*abandon)(rs_wait *w), void *op)
{
    *w = (rs_wait){.abandon = abandon, .op = op};
}

void rs_wait_done(rs_wait *w, int status)
{
    if (w->done)
        return;
    w->done = true;
    w->status = status;
    if (w->wake)
        w->wake(w);
}

void rs_wait_abandon(rs_wait *w)
{
    if (w->done)
        return;
    w->done = true;
    w->wake = NULL;
    if (w->abandon)
        w->abandon(w);
}
