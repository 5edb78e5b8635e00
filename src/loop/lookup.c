#include "loop/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct rs_lookup {
    uv_getaddrinfo_t req;
    rs_wait wait;
    struct addrinfo *found;
    bool running; /* the thread pool has it */
    bool dropped; /* freed when the thread pool lets go */
};

static void lookup_free(rs_lookup *k)
{
    uv_freeaddrinfo(k->found);
    free(k);
}

static void answered(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    rs_lookup *k = req->data;
    k->running = false;
    k->found = found;
    if (k->dropped)
        lookup_free(k);
    else
        rs_wait_done(&k->wait, status);
}

static int start(rs_loop *l, rs_lookup *k, const char *name, int port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(name, service, &hints, &k->found) == 0) { /* an address: nothing that could block */
        rs_wait_done(&k->wait, 0);
        return 0;
    }
    k->found = NULL;
    k->req.data = k;
    hints.ai_flags = AI_NUMERICSERV;
    rs_pool_begin();
    int err = uv_getaddrinfo(rs_loop_uv(l), &k->req, answered, name, service, &hints);
    rs_pool_end();
    k->running = err == 0;
    return err;
}

/* Helps where no worker has begun with it. */
static void abandon(rs_wait *w)
{
    rs_lookup *k = w->op;
    if (k->running)
        uv_cancel((uv_req_t *)&k->req);
}

int rs_lookup_start(rs_loop *l, const char *name, int port, rs_lookup **out)
{
    rs_lookup *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    rs_wait_init(&k->wait, abandon, k);
    int err = start(l, k, name, port);
    if (err) {
        free(k);
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
    if (!k->running) {
        lookup_free(k);
        return;
    }
    k->dropped = true;
    abandon(&k->wait);
}
