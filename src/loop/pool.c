#include "loop/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

/* What is needed of a stack is known; the limit for programs (ulimit -s) may be less, or more than there is (ulimit -v). */
enum { MAX_THREADS = 64, STACK = 512 * 1024 };

typedef struct queue {
    rs_pool_work *first, **last;
} queue;

/* Work goes from `queued` through a worker to `over`, and from there to its owner on the loop's thread. */
struct rs_pool {
    uv_async_t *async; /* freed by its close callback; keeps the loop alive while work is under way */
    pthread_mutex_t lock;
    pthread_cond_t news; /* there is something to do, or it is the end */
    queue queued, over;
    uv_thread_t threads[MAX_THREADS];
    int n, idle;
    int waiting; /* in `queued` */
    int running; /* not yet told to be done; the loop's thread only */
    bool end;
};

static void queue_init(queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_add(queue *q, rs_pool_work *w)
{
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
}

static rs_pool_work *queue_take(queue *q)
{
    rs_pool_work *w = q->first;
    q->first = w->next;
    if (!q->first)
        q->last = &q->first;
    return w;
}

static bool queue_remove(queue *q, const rs_pool_work *w)
{
    rs_pool_work **at = &q->first;
    while (*at && *at != w)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = w->next;
    if (!w->next)
        q->last = at;
    return true;
}

static void worker(void *arg)
{
    struct rs_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->queued.first && !p->end) {
            p->idle++;
            pthread_cond_wait(&p->news, &p->lock);
            p->idle--;
        }
        if (p->end)
            break;
        rs_pool_work *w = queue_take(&p->queued);
        p->waiting--;
        pthread_mutex_unlock(&p->lock);
        w->run(w);
        pthread_mutex_lock(&p->lock);
        queue_add(&p->over, w);
        uv_async_send(p->async);
    }
    pthread_mutex_unlock(&p->lock);
}

static void less_running(struct rs_pool *p)
{
    if (--p->running == 0)
        uv_unref((uv_handle_t *)p->async);
}

static void on_over(uv_async_t *h)
{
    struct rs_pool *p = h->data;
    queue over;
    pthread_mutex_lock(&p->lock);
    over = p->over;
    queue_init(&p->over);
    pthread_mutex_unlock(&p->lock);
    while (over.first) {
        rs_pool_work *w = queue_take(&over);
        less_running(p);
        w->done(w);
    }
}

/* Signals are for the loop's thread: a handler of ours stops the Lua code that runs there. */
static int add_thread(struct rs_pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    static const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK};
    int err = uv_thread_create_ex(&p->threads[p->n], &options, worker, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!err)
        p->n++;
    return err;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static int pool_new(rs_loop *l, struct rs_pool **out)
{
    struct rs_pool *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->async = calloc(1, sizeof *p->async);
    int err = p->async ? uv_async_init(rs_loop_uv(l), p->async, on_over) : -ENOMEM;
    if (err) {
        free(p->async);
        free(p);
        return err;
    }
    p->async->data = p;
    uv_unref((uv_handle_t *)p->async);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->news, NULL);
    queue_init(&p->queued);
    queue_init(&p->over);
    *out = p;
    return 0;
}

int rs_pool_run(rs_loop *l, rs_pool_work *w)
{
    struct rs_pool **at = rs_loop_pool(l), *p;
    int err = *at ? 0 : pool_new(l, at);
    if (err)
        return err;
    p = *at;
    pthread_mutex_lock(&p->lock);
    if (p->waiting >= p->idle && p->n < MAX_THREADS)
        err = add_thread(p);
    if (err && p->n > 0) /* those that there are will do */
        err = 0;
    if (!err) {
        queue_add(&p->queued, w);
        p->waiting++;
        pthread_cond_signal(&p->news);
    }
    pthread_mutex_unlock(&p->lock);
    if (!err && p->running++ == 0)
        uv_ref((uv_handle_t *)p->async);
    return err;
}

bool rs_pool_cancel(rs_loop *l, rs_pool_work *w)
{
    struct rs_pool *p = *rs_loop_pool(l);
    pthread_mutex_lock(&p->lock);
    bool removed = queue_remove(&p->queued, w);
    p->waiting -= removed;
    pthread_mutex_unlock(&p->lock);
    if (removed)
        less_running(p);
    return removed;
}

bool rs_pool_free(struct rs_pool *p)
{
    if (!p)
        return true;
    if (p->running > 0)
        return false;
    pthread_mutex_lock(&p->lock);
    p->end = true;
    pthread_cond_broadcast(&p->news);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++)
        uv_thread_join(&p->threads[i]);
    pthread_cond_destroy(&p->news);
    pthread_mutex_destroy(&p->lock);
    uv_close((uv_handle_t *)p->async, free_handle);
    free(p);
    return true;
}
