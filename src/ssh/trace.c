#include "ssh/trace.h"

#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trip.h"
#include "loop/loop.h"

struct rs_ssh_trace {
    char host[64];
    char sent[160]; /* names, separated by commas */
    const struct ssh_counter_struct *counter;
    unsigned long long began; /* 0 while no trip is under way */
    unsigned long long in;    /* what the counter said when something had come in */
    unsigned long long out;   /* and when the last round of events was over: what is sent in one is for the next trip */
    unsigned long long told_out;
    unsigned trips;
};

rs_ssh_trace *rs_ssh_trace_new(const struct ssh_counter_struct *counter, const char *host)
{
    rs_ssh_trace *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->host, sizeof t->host, "%s", host ? host : "?");
    t->counter = counter;
    return t;
}

void rs_ssh_trace_free(rs_ssh_trace *t)
{
    free(t);
}

/* What is said twice in a row is said once. A step without a name sends nothing. */
static void add(char *list, size_t size, const char *word)
{
    if (!word)
        return;
    size_t used = strlen(list), n = strlen(word);
    if (used >= n && strcmp(list + used - n, word) == 0 && (used == n || list[used - n - 1] == ' '))
        return;
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", word);
}

void rs_ssh_trace_sent(rs_ssh_trace *t, const char *what)
{
    if (!t || !what || !rs_trip_on())
        return;
    if (!t->began)
        t->began = rs_loop_now();
    add(t->sent, sizeof t->sent, what);
}

static void tell(rs_ssh_trace *t, const rs_ssh_step *steps)
{
    char awaited[160] = "";
    for (const rs_ssh_step *step = steps; step; step = step->next)
        add(awaited, sizeof awaited, step->name);
    double seconds = (double)(rs_loop_now() - t->began) / 1e9;
    rs_trip(t->host, ++t->trips, seconds, "sent %s (%llu B), awaited %s, got %llu B", t->sent, t->out - t->told_out,
            *awaited ? awaited : "output", (unsigned long long)t->counter->in_bytes - t->in);
    t->told_out = t->out;
    t->sent[0] = '\0';
    t->began = 0;
}

void rs_ssh_trace_got(rs_ssh_trace *t, const rs_ssh_step *steps)
{
    if (!t || t->counter->in_bytes == t->in)
        return;
    if (t->began)
        tell(t, steps);
    t->in = t->counter->in_bytes;
}

void rs_ssh_trace_pumped(rs_ssh_trace *t, const rs_ssh_step *steps)
{
    if (!t)
        return;
    if (t->counter->out_bytes > t->out && !t->began)
        rs_ssh_trace_sent(t, steps && steps->name ? steps->name : "replies");
    t->out = t->counter->out_bytes;
}
