#include "rpc/port.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/task.h"
#include "rpc/pipe.h"

enum {
    MAX_MESSAGE = 1088 * 1024 * 1024, /* a value of 1 GiB, and what is around it */
    LONG = 128 * 1024,                /* bytes that one of several frames has room for at first */
    KEPT = 2 * 1024 * 1024,           /* bytes at most that are put aside */
    PIECE = 64 * 1024,                /* bytes of a part that go in one frame */
    MANY = 8 * 1024 * 1024,           /* bytes of messages that nobody has taken; more waits on the link */
    BUCKETS = 64,
};

/* Those that wait for answers, the first one first: answers mostly come in the order of the calls. */
typedef struct bucket {
    rs_answer *first, *last;
} bucket;

struct rs_port {
    rs_link_user user;
    rs_pipes pipes;
    rs_message *first, **last;
    size_t bytes; /* in the queue */
    bool paused;
    rs_message *partial; /* of which frames are still to come; NULL for none */
    rs_wait *taker, *spare;
    uint64_t came; /* messages */
    bucket expected[BUCKETS];
    rs_message *answers, **last_answer; /* that have come and were not taken */
    struct rs_wait **waiters;           /* for room */
    size_t nwaiters, cwaiters;
    char why[256];
};

static rs_port *port_of(rs_link_user *u)
{
    return (rs_port *)((char *)u - offsetof(rs_port, user));
}

static void wake(rs_wait **who, int status)
{
    rs_wait *w = *who;
    *who = NULL;
    if (w)
        rs_wait_done(w, status);
}

/* A message has come, or RS_ECLOSED: none will. */
static void wake_taker(rs_port *p, int status)
{
    if (status || !p->taker)
        wake(&p->spare, status);
    wake(&p->taker, status);
}

/* ---- what the link tells ---- */

/* A cancel comes first: what stands before it may be a call that is answered at once and never ends. */
static void add_message(rs_port *p, rs_message *m)
{
    if (m->type == RS_FRAME_CANCEL && p->first) {
        m->next = p->first;
        p->first = m;
    } else {
        *p->last = m;
        p->last = &m->next;
    }
}

static bucket *bucket_of(rs_port *p, uint32_t id)
{
    return &p->expected[id % BUCKETS];
}

static rs_answer *find_answer(rs_port *p, uint32_t id)
{
    rs_answer *a = bucket_of(p, id)->first;
    while (a && a->id != id)
        a = a->next;
    return a;
}

static void forget_answer(rs_port *p, rs_answer *a)
{
    bucket *b = bucket_of(p, a->id);
    *(a->before ? &a->before->next : &b->first) = a->next;
    *(a->next ? &a->next->before : &b->last) = a->before;
}

/* An answer goes to who waits for it where that changes no order: the reader has taken all that came before, and tasks that
 * are woken run in the order in which they were woken, so that what comes next finds the answer taken. */
static bool give_answer(rs_port *p, rs_message *m)
{
    if (m->type != RS_FRAME_REPLY || p->first || !p->taker)
        return false;
    rs_answer *a = find_answer(p, m->id);
    if (!a || a->by_reader || rs_task_waits_in_place(&a->wait))
        return false;
    forget_answer(p, a);
    *p->last_answer = m;
    p->last_answer = &m->next;
    rs_wait_done(&a->wait, 0);
    return true;
}

/* Takes it. */
static void queue(rs_port *p, rs_message *m)
{
    m->number = ++p->came;
    if (give_answer(p, m))
        return;
    add_message(p, m);
    p->bytes += m->len + sizeof *m;
    if (p->bytes > MANY && !p->paused) {
        p->paused = true;
        rs_link_pause(p->user.link, true);
    }
    wake_taker(p, 0);
}

static const char *take_whole(rs_port *p, const rs_frame *f)
{
    rs_message *m = malloc(sizeof *m + f->length);
    if (!m)
        return "not enough memory";
    *m = (rs_message){.type = f->type, .id = f->id, .len = f->length};
    if (f->length)
        memcpy(m->data, f->payload, f->length);
    queue(p, m);
    return NULL;
}

static rs_message *kept; /* on the loop's thread */

void rs_message_free(rs_message *m)
{
    bool worth = m && m->room >= LONG && m->room <= KEPT;
    if (!worth || kept) {
        free(m);
        return;
    }
    kept = m;
}

static rs_message *take_kept(void)
{
    rs_message *m = kept;
    kept = NULL;
    return m;
}

/* Nobody knows how long it will be: its room is doubled. */
static bool make_room(rs_port *p, const rs_frame *f, size_t need)
{
    bool begins = !p->partial;
    rs_message *m = begins ? take_kept() : p->partial;
    size_t room = m ? m->room : LONG;
    while (room < need)
        room *= 2;
    rs_message *bigger = m && room == m->room ? m : realloc(m, sizeof *m + room);
    if (!bigger) {
        p->partial = m; /* who owns it now */
        return false;
    }
    if (begins)
        *bigger = (rs_message){.type = f->type, .id = f->id};
    p->partial = bigger;
    bigger->room = room;
    return true;
}

static const char *add_part(rs_port *p, const rs_frame *f)
{
    size_t len = p->partial ? p->partial->len : 0;
    if (len + f->length > MAX_MESSAGE)
        return "a message is too long";
    if (!make_room(p, f, len + f->length))
        return "not enough memory";
    if (f->length)
        memcpy(p->partial->data + len, f->payload, f->length);
    p->partial->len = len + f->length;
    return NULL;
}

/* The frames of one message follow each other, with others' between them, and whole messages that are urgent. */
static const char *take_message(rs_port *p, const rs_frame *f)
{
    bool more = f->flags & RS_FRAME_MORE;
    bool goes_on = p->partial && p->partial->type == f->type && p->partial->id == f->id;
    if (!goes_on && !more)
        return take_whole(p, f);
    if (!goes_on && p->partial)
        return "a message was broken off by another one";
    const char *wrong = add_part(p, f);
    if (wrong || more)
        return wrong;
    rs_message *m = p->partial;
    p->partial = NULL;
    queue(p, m);
    return NULL;
}

static bool is_of_stream(uint8_t type)
{
    return type == RS_FRAME_DATA || type == RS_FRAME_CREDIT || type == RS_FRAME_END || type == RS_FRAME_STOP;
}

static void on_frame(rs_link_user *u, const rs_frame *f)
{
    rs_port *p = port_of(u);
    const char *wrong = NULL;
    if (!is_of_stream(f->type))
        wrong = take_message(p, f);
    else if (rs_pipes_frame(&p->pipes, f))
        wrong = "a stream got more than it asked for";
    if (wrong)
        rs_link_break(u->link, wrong);
}

static rs_stream *on_sink(rs_link_user *u, const rs_frame *f)
{
    return rs_pipes_sink(&port_of(u)->pipes, f);
}

static void on_passed(rs_link_user *u, const rs_frame *f, size_t n)
{
    rs_pipes_passed(&port_of(u)->pipes, f->id, n);
}

static void on_room(rs_link_user *u)
{
    rs_port *p = port_of(u);
    for (size_t i = 0; i < p->nwaiters; i++) {
        if (p->waiters[i])
            rs_wait_done(p->waiters[i], 0);
    }
    p->nwaiters = 0;
    rs_pipes_tell(&p->pipes);
}

static void on_broken(rs_link_user *u)
{
    rs_port *p = port_of(u);
    memcpy(p->why, rs_link_why(u->link), sizeof p->why);
    on_room(u);
    wake_taker(p, RS_ECLOSED);
}

/* ---- life ---- */

rs_port *rs_port_new(rs_link *k, uint16_t context, bool controller)
{
    rs_port *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->last = &p->first;
    p->last_answer = &p->answers;
    p->user.frame = on_frame;
    p->user.room = on_room;
    p->user.broken = on_broken;
    p->user.sink = on_sink;
    p->user.passed = on_passed;
    rs_pipes_init(&p->pipes, &p->user, controller);
    rs_link_add(k, &p->user, context);
    return p;
}

/* The first context of a link ends with it; others one by one. */
static void leave(rs_port *p)
{
    rs_link *k = p->user.link;
    uint16_t context = p->user.context;
    if (k && context != 0) {
        (void)rs_link_send(k, RS_LANE_MESSAGE, RS_FRAME_BYE, context, 0, NULL, 0);
        rs_link_retire(k, context);
    }
    rs_link_del(&p->user);
}

static void free_messages(rs_message *m)
{
    for (rs_message *next; m; m = next) {
        next = m->next;
        rs_message_free(m);
    }
}

static void end_answers(rs_port *p)
{
    for (bucket *b = p->expected; b < p->expected + BUCKETS; b++) {
        for (rs_answer *a; (a = b->first);) {
            forget_answer(p, a);
            rs_wait_done(&a->wait, RS_ECLOSED);
        }
    }
}

void rs_port_free(rs_port *p)
{
    if (!p)
        return;
    if (p->paused && p->user.link)
        rs_link_pause(p->user.link, false);
    leave(p);
    on_room(&p->user);
    wake_taker(p, RS_ECLOSED);
    end_answers(p);
    rs_pipes_fini(&p->pipes);
    free_messages(p->first);
    free_messages(p->answers);
    rs_message_free(p->partial);
    free(p->waiters);
    free(p);
}

const char *rs_port_why(const rs_port *p)
{
    if (*p->why)
        return p->why;
    return p->user.link ? rs_link_why(p->user.link) : "closed";
}

/* ---- messages ---- */

int rs_port_send(rs_port *p, uint8_t type, uint32_t id, const void *data, size_t n)
{
    rs_lane lane = type == RS_FRAME_CANCEL ? RS_LANE_URGENT : RS_LANE_MESSAGE;
    return p->user.link ? rs_link_send(p->user.link, lane, type, p->user.context, id, data, n) : RS_ECLOSED;
}

/* In frames of its own, so that no byte is put together with others before. */
static int send_part(rs_port *p, rs_frame *f, const struct iovec *part, bool last)
{
    size_t left = part->iov_len;
    f->payload = part->iov_base;
    do {
        f->length = left < PIECE ? (uint32_t)left : PIECE;
        left -= f->length;
        f->flags = left > 0 || !last ? RS_FRAME_MORE : 0;
        int err = rs_link_forward(p->user.link, f);
        if (err)
            return err;
        f->payload += f->length;
    } while (left > 0);
    return 0;
}

int rs_port_send_parts(rs_port *p, uint8_t type, uint32_t id, const struct iovec *parts, int n)
{
    rs_frame f = {.type = type, .id = id, .context = p->user.context};
    int err = 0;
    if (n == 1 || !p->user.link)
        return rs_port_send(p, type, id, parts->iov_base, parts->iov_len);
    if (parts[n - 1].iov_len == 0)
        n--;
    for (int i = 0; i < n && !err; i++)
        err = send_part(p, &f, &parts[i], i == n - 1);
    return err;
}

bool rs_port_room(const rs_port *p)
{
    return !p->user.link || rs_link_room(p->user.link, RS_LANE_MESSAGE);
}

static void abandon_room(rs_wait *w)
{
    rs_port *p = w->op;
    for (size_t i = 0; i < p->nwaiters; i++)
        if (p->waiters[i] == w)
            p->waiters[i] = NULL;
}

void rs_port_await_room(rs_port *p, rs_wait *w)
{
    rs_wait_init(w, abandon_room, p);
    if (p->nwaiters == p->cwaiters) {
        size_t more = p->cwaiters ? 2 * p->cwaiters : 8;
        rs_wait **bigger = realloc(p->waiters, more * sizeof *bigger);
        if (!bigger) { /* then it tries again at once */
            w->done = true;
            return;
        }
        p->waiters = bigger;
        p->cwaiters = more;
    }
    p->waiters[p->nwaiters++] = w;
}

rs_message *rs_port_take(rs_port *p)
{
    rs_message *m = p->first;
    if (!m)
        return NULL;
    p->first = m->next;
    if (!p->first)
        p->last = &p->first;
    p->bytes -= m->len + sizeof *m;
    if (p->paused && p->bytes < MANY / 2) {
        p->paused = false;
        if (p->user.link)
            rs_link_pause(p->user.link, false);
    }
    return m;
}

static void abandon_answer(rs_wait *w)
{
    rs_answer *a = (rs_answer *)((char *)w - offsetof(rs_answer, wait));
    forget_answer(w->op, a);
}

void rs_port_expect(rs_port *p, rs_answer *a, uint32_t id, bool by_reader)
{
    bucket *b = bucket_of(p, id);
    rs_wait_init(&a->wait, abandon_answer, p);
    a->id = id;
    a->by_reader = by_reader;
    a->next = NULL;
    a->before = b->last;
    *(b->last ? &b->last->next : &b->first) = a;
    b->last = a;
}

void rs_port_answered(rs_port *p, uint32_t id)
{
    rs_answer *a = find_answer(p, id);
    if (!a)
        return;
    forget_answer(p, a);
    rs_wait_done(&a->wait, 0);
}

rs_message *rs_port_answer(rs_port *p, const rs_answer *a)
{
    rs_message **at = &p->answers;
    while (*at && (*at)->id != a->id)
        at = &(*at)->next;
    rs_message *m = *at;
    if (!m)
        return NULL;
    *at = m->next;
    if (!*at)
        p->last_answer = at;
    m->next = NULL;
    return m;
}

void rs_port_return(rs_port *p, rs_message *m)
{
    rs_message **at = &p->first;
    while (*at && (*at)->number < m->number)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
    if (!m->next)
        p->last = &m->next;
    p->bytes += m->len + sizeof *m;
    wake_taker(p, 0);
}

static void abandon_taker(rs_wait *w)
{
    rs_port *p = w->op;
    p->taker = NULL;
}

int rs_port_await(rs_port *p, rs_wait *w)
{
    if (p->taker)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_taker, p);
    p->taker = w;
    if (p->first)
        wake_taker(p, 0);
    else if (*rs_port_why(p))
        wake_taker(p, RS_ECLOSED);
    return 0;
}

static void abandon_spare(rs_wait *w)
{
    rs_port *p = w->op;
    p->spare = NULL;
}

bool rs_port_pending(const rs_port *p)
{
    return p->first != NULL;
}

void rs_port_call_spare(rs_port *p)
{
    if (p->first)
        wake(&p->spare, 0);
}

int rs_port_stand_by(rs_port *p, rs_wait *w)
{
    if (p->spare)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_spare, p);
    p->spare = w;
    return 0;
}

rs_stream *rs_port_open(rs_port *p, uint32_t *id)
{
    return rs_pipes_open(&p->pipes, id);
}

void rs_port_widen(rs_port *p, uint32_t id)
{
    rs_pipes_widen(&p->pipes, id);
}

void rs_port_fail(rs_port *p, uint32_t id, const char *name)
{
    rs_pipes_fail(&p->pipes, id, name);
}

rs_stream *rs_port_claim(rs_port *p, uint32_t id)
{
    return rs_pipes_claim(&p->pipes, id);
}
