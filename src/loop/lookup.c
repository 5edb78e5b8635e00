#include "loop/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "loop/pool.h"

#ifndef AI_IDN
#define AI_IDN 0
#endif

struct rs_lookup {
    rs_pool_work work; /* first: the pool's callbacks find the lookup by it */
    rs_loop *loop;
    rs_wait wait;
    char *name;
    char service[16];
    struct addrinfo *found;
    int status;   /* what the wait is done with */
    bool running; /* the pool has it */
    bool dropped; /* freed when the pool lets go */
};

static void lookup_free(rs_lookup *k)
{
    if (k->found)
        freeaddrinfo(k->found);
    free(k->name);
    free(k);
}

/* As our errors have it: libuv's numbers. */
static int translate(int err)
{
    switch (err) {
    case 0: return 0;
    case EAI_AGAIN: return UV_EAI_AGAIN;
    case EAI_BADFLAGS: return UV_EAI_BADFLAGS;
    case EAI_FAIL: return UV_EAI_FAIL;
    case EAI_FAMILY: return UV_EAI_FAMILY;
    case EAI_MEMORY: return UV_EAI_MEMORY;
    case EAI_OVERFLOW: return UV_EAI_OVERFLOW;
    case EAI_SERVICE: return UV_EAI_SERVICE;
    case EAI_SOCKTYPE: return UV_EAI_SOCKTYPE;
    case EAI_SYSTEM: return errno ? -errno : UV_EAI_FAIL;
#ifdef EAI_NODATA
    case EAI_NODATA: return UV_EAI_NODATA;
#endif
    default: return UV_EAI_NONAME;
    }
}

static int ask(rs_lookup *k, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    k->found = NULL;
    return translate(getaddrinfo(k->name, k->service, &hints, &k->found));
}

static void run(rs_pool_work *w)
{
    rs_lookup *k = (rs_lookup *)w;
    k->status = ask(k, AI_IDN);
}

static void answered(rs_pool_work *w)
{
    rs_lookup *k = (rs_lookup *)w;
    k->running = false;
    if (k->dropped)
        lookup_free(k);
    else
        rs_wait_done(&k->wait, k->status);
}

static int start(rs_lookup *k)
{
    if (ask(k, AI_NUMERICHOST) == 0) { /* an address: nothing that could block */
        rs_wait_done(&k->wait, 0);
        return 0;
    }
    k->work = (rs_pool_work){.run = run, .done = answered};
    int err = rs_pool_run(k->loop, &k->work);
    k->running = err == 0;
    return err;
}

/* Helps where no worker has begun with it. */
static void abandon(rs_wait *w)
{
    rs_lookup *k = w->op;
    if (k->running)
        k->running = !rs_pool_cancel(k->loop, &k->work);
}

int rs_lookup_start(rs_loop *l, const char *name, int port, rs_lookup **out)
{
    rs_lookup *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->loop = l;
    k->name = strdup(name);
    snprintf(k->service, sizeof k->service, "%d", port);
    rs_wait_init(&k->wait, abandon, k);
    int err = k->name ? start(k) : -ENOMEM;
    if (err) {
        lookup_free(k);
        return err;
    }
    *out = k;
    return 0;
}

rs_wait *rs_lookup_wait(rs_lookup *k)
{
    return &k->wait;
}

const struct addrinfo *rs_lookup_found(const rs_lookup *k)
{
    return k->found;
}

void rs_lookup_free(rs_lookup *k)
{
    if (!k)
        return;
    abandon(&k->wait);
    if (k->running)
        k->dropped = true;
    else
        lookup_free(k);
}
