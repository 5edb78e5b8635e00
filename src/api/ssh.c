/* The Lua module rshell.ssh.raw: sessions and channels, each call one step; policy (who is trusted, what is tried) is in Lua. */
#include "api/ssh.h"

#include <errno.h>
#include <lauxlib.h>
#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/ssh_lua.h"
#include "base/err.h"
#include "loop/job.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "ssh/auth.h"
#include "ssh/channel.h"
#include "ssh/session.h"
#include "sys/stream.h"

#define SESSION "rshell.ssh.Session"
#define CHANNEL "rshell.ssh.Channel"
#define KEY "rshell.ssh.Key"

typedef struct lsession {
    rs_ssh *s; /* NULL once closed */
} lsession;

/* Its session's object is user value 1, so that it lives as long. */
typedef struct lchannel {
    rs_ssh_channel *c;
} lchannel;

typedef struct lkey {
    ssh_key key;
} lkey;

static rs_ssh *check_session(lua_State *L, int i)
{
    lsession *ls = luaL_checkudata(L, i, SESSION);
    if (!ls->s)
        rs_error_raise(L, RS_ECLOSED, "the SSH session");
    return ls->s;
}

static rs_ssh_channel *check_channel(lua_State *L, int i)
{
    lchannel *lc = luaL_checkudata(L, i, CHANNEL);
    if (!lc->c)
        rs_error_raise(L, RS_ECLOSED, "the SSH channel");
    return lc->c;
}

/* nil, text, NAME: libssh's own words where it has some. */
static int fail(lua_State *L, lsession *ls, int err)
{
    const char *text = ls && ls->s ? rs_ssh_broken(ls->s) : "";
    if (ls && ls->s && !*text && err == RS_EPROTO)
        text = rs_ssh_refusal(ls->s);
    rs_error_edge(L, err);
    if (*text) {
        lua_pushstring(L, text);
        lua_replace(L, -3);
    }
    return 3;
}

rs_ssh *rs_lssh_check(lua_State *L, int i)
{
    return check_session(L, i);
}

int rs_lssh_fail(lua_State *L, int i, int err)
{
    return fail(L, luaL_checkudata(L, i, SESSION), err);
}

/* ---- sessions ---- */

static const char *text_field(lua_State *L, int i, const char *key)
{
    const char *s = lua_getfield(L, i, key) == LUA_TNIL ? NULL : luaL_checkstring(L, -1);
    lua_pop(L, 1);
    return s;
}

static unsigned long long number_field(lua_State *L, int i, const char *key)
{
    lua_getfield(L, i, key);
    lua_Integer n = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return n > 0 ? (unsigned long long)n : 0;
}

/* new(stream, {user=, host=, ciphers=, kex=, macs=, hostkeys=, compression=, rekey_bytes=, rekey_seconds=}): takes the stream's
 * socket. */
static int l_new(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    rs_ssh_options o = {
        .user = text_field(L, 2, "user"),
        .host = text_field(L, 2, "host"),
        .ciphers = text_field(L, 2, "ciphers"),
        .kex = text_field(L, 2, "kex"),
        .macs = text_field(L, 2, "macs"),
        .hostkeys = text_field(L, 2, "hostkeys"),
        .rekey_bytes = number_field(L, 2, "rekey_bytes"),
        .rekey_seconds = (unsigned)number_field(L, 2, "rekey_seconds"),
    };
    lua_getfield(L, 2, "compression");
    o.compression = lua_toboolean(L, -1);
    lsession *ls = lua_newuserdatauv(L, sizeof *ls, 0);
    ls->s = NULL;
    luaL_setmetatable(L, SESSION);
    int fd = rs_lstream_take_fd(L, 1);
    int err = fd < 0 ? fd : rs_ssh_new(rs_task_loop(L), fd, &o, &ls->s);
    if (err)
        return rs_error_edge(L, err);
    return 1;
}

/* Something that a task waits for; on its stack, with the session below it. */
typedef struct lstep {
    union {
        rs_ssh_attempt attempt;
        rs_ssh_request request;
        rs_ssh_step step;
    };
    lsession *ls;
    rs_wait *wait;
} lstep;

static lstep *push_step(lua_State *L, int session)
{
    session = lua_absindex(L, session);
    lstep *p = lua_newuserdatauv(L, sizeof *p, 0);
    memset(p, 0, sizeof *p);
    p->ls = luaL_checkudata(L, session, SESSION);
    return p;
}

static int step_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lstep *p = (lstep *)ctx;
    if (p->wait->status)
        return fail(L, p->ls, p->wait->status);
    lua_pushboolean(L, 1);
    return 1;
}

static int run_step(lua_State *L, lstep *p, rs_ssh_step *step, lua_KFunction over)
{
    rs_task_check(L);
    rs_ssh_run(p->ls->s, step);
    p->wait = &step->wait;
    return rs_task_wait(L, p->wait, (lua_KContext)p, over);
}

static int l_handshake(lua_State *L)
{
    check_session(L, 1);
    lstep *p = push_step(L, 1);
    p->step.try = rs_ssh_handshake;
    p->step.name = "the handshake";
    return run_step(L, p, &p->step, step_over);
}

static int ping_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_ssh_step *step = (rs_ssh_step *)ctx;
    int err = step->wait.status;
    free(step);
    if (err)
        return rs_lssh_fail(L, 1, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* session:ping(): one round trip */
static int l_ping(lua_State *L)
{
    rs_ssh *s = check_session(L, 1);
    rs_task_check(L);
    rs_ssh_step *step = rs_ssh_ping(s);
    if (!step)
        return luaL_error(L, "not enough memory");
    return rs_task_wait(L, &step->wait, (lua_KContext)step, ping_over);
}

/* session:banner(): "SSH-2.0-OpenSSH_9.2p1 Debian-2" */
static int l_banner(lua_State *L)
{
    const char *banner = ssh_get_serverbanner(rs_ssh_raw(check_session(L, 1)));
    lua_pushstring(L, banner ? banner : "");
    return 1;
}

/* session:places(): how many channels for programs are open, and are being opened */
static int l_places(lua_State *L)
{
    const rs_ssh_places *p = rs_ssh_places_of(check_session(L, 1));
    lua_pushinteger(L, p->open);
    lua_pushinteger(L, p->opening);
    return 2;
}

/* session:await_room(n): until fewer than n are */
static int l_await_room(lua_State *L)
{
    check_session(L, 1);
    lstep *p = push_step(L, 1);
    p->request.a = (int)luaL_checkinteger(L, 2);
    p->request.step.try = rs_ssh_await_room;
    return run_step(L, p, &p->request.step, step_over);
}

/* session:silence(): seconds since anything came in */
static int l_silence(lua_State *L)
{
    unsigned long long heard = rs_ssh_last_heard(check_session(L, 1));
    lua_pushnumber(L, (double)(rs_loop_now() - heard) / 1e9);
    return 1;
}

/* session:host_key(): type, base64 */
static int l_host_key(lua_State *L)
{
    const char *type;
    char *base64;
    int err = rs_ssh_host_key(check_session(L, 1), &type, &base64);
    if (err)
        return rs_error_edge(L, err);
    lua_pushstring(L, type);
    lua_pushstring(L, base64);
    free(base64);
    return 2;
}

static void set_name(lua_State *L, const char *field, const char *name)
{
    lua_pushstring(L, name);
    lua_setfield(L, -2, field);
}

/* session:algorithms(): {server=, kex=, cipher=, mac=}, what the two sides have agreed on */
static int l_algorithms(lua_State *L)
{
    ssh_session raw = rs_ssh_raw(check_session(L, 1));
    lua_createtable(L, 0, 4);
    set_name(L, "server", ssh_get_serverbanner(raw));
    set_name(L, "kex", ssh_get_kex_algo(raw));
    set_name(L, "cipher", ssh_get_cipher_in(raw));
    set_name(L, "mac", ssh_get_hmac_in(raw));
    return 1;
}

static const char *const verdicts[] = {"denied", "accepted", "partial", "asks"};

static int attempt_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lstep *p = (lstep *)ctx;
    if (p->wait->status)
        return fail(L, p->ls, p->wait->status);
    lua_pushstring(L, verdicts[p->attempt.verdict]);
    return 1;
}

/* session:auth("none" | "password", text | "offer", key | "key", key | "ask"): "accepted", "denied", "partial" or "asks" */
static int l_auth(lua_State *L)
{
    static const char *const names[] = {"none", "password", "offer", "key", "ask", NULL};
    static int (*const tries[])(rs_ssh *, rs_ssh_step *) = {
        rs_ssh_auth_none, rs_ssh_auth_password, rs_ssh_auth_offer, rs_ssh_auth_key, rs_ssh_auth_ask,
    };
    static const char *const steps[] = {"no method", "a password", "a key's offer", "a key's signature", "answers"};
    check_session(L, 1);
    int how = luaL_checkoption(L, 2, NULL, names);
    lstep *p = push_step(L, 1);
    if (how == 1)
        p->attempt.password = luaL_checkstring(L, 3);
    if (how == 2 || how == 3)
        p->attempt.key = ((lkey *)luaL_checkudata(L, 3, KEY))->key;
    p->attempt.step.try = tries[how];
    p->attempt.step.name = steps[how];
    return run_step(L, p, &p->attempt.step, attempt_over);
}

/* session:methods(): what the server would accept */
static int l_methods(lua_State *L)
{
    char methods[256];
    rs_ssh_auth_methods(check_session(L, 1), methods, sizeof methods);
    lua_pushstring(L, methods);
    return 1;
}

/* session:questions(): name, instruction, array of {prompt=, echo=} */
static int l_questions(lua_State *L)
{
    ssh_session raw = rs_ssh_raw(check_session(L, 1));
    int n = ssh_userauth_kbdint_getnprompts(raw);
    lua_pushstring(L, ssh_userauth_kbdint_getname(raw));
    lua_pushstring(L, ssh_userauth_kbdint_getinstruction(raw));
    lua_newtable(L);
    for (int i = 0; i < n; i++) {
        char echo = 0;
        const char *prompt = ssh_userauth_kbdint_getprompt(raw, (unsigned)i, &echo);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, prompt);
        lua_setfield(L, -2, "prompt");
        lua_pushboolean(L, echo);
        lua_setfield(L, -2, "echo");
        lua_rawseti(L, -2, i + 1);
    }
    return 3;
}

/* session:answer(i, text) */
static int l_answer(lua_State *L)
{
    ssh_session raw = rs_ssh_raw(check_session(L, 1));
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && i <= ssh_userauth_kbdint_getnprompts(raw), 2, "no such question");
    lua_pushboolean(L, ssh_userauth_kbdint_setanswer(raw, (unsigned)i - 1, luaL_checkstring(L, 3)) == 0);
    return 1;
}

/* ---- the agent: libssh talks to it on a worker, over a socket that we serve ---- */

typedef struct agent_job {
    rs_ssh *s;
    int fd;
    rs_ssh_verdict verdict;
} agent_job;

static void agent_run(void *job)
{
    agent_job *j = job;
    j->verdict = rs_ssh_auth_agent_blocking(j->s, j->fd);
    rs_ssh_leave_thread();
}

static int agent_finish(lua_State *L, void *job)
{
    agent_job *j = job;
    lua_pushstring(L, verdicts[j->verdict]);
    return 1;
}

/* The worker has returned: the loop has the session again. */
static void agent_drop(void *job)
{
    agent_job *j = job;
    rs_ssh_suspend(j->s, false);
    rs_ssh_unhold(j->s);
    free(j);
}

/* session:auth_agent(stream): the stream's other end is who answers for the agent. */
static int l_auth_agent(lua_State *L)
{
    static const rs_job_class class = {agent_run, agent_finish, agent_drop};
    rs_ssh *s = check_session(L, 1);
    agent_job *j = malloc(sizeof *j);
    if (!j)
        return luaL_error(L, "not enough memory");
    int fd = rs_lstream_take_fd(L, 2);
    if (fd < 0) {
        free(j);
        return rs_error_edge(L, fd);
    }
    *j = (agent_job){.s = s, .fd = fd};
    rs_ssh_hold(s);
    rs_ssh_suspend(s, true);
    return rs_job_run(L, &class, j);
}

static int l_session_close(lua_State *L)
{
    lsession *ls = luaL_checkudata(L, 1, SESSION);
    rs_ssh *s = ls->s;
    ls->s = NULL;
    rs_ssh_free(s);
    return 0;
}

/* session:broken(): why, or nil */
static int l_broken(lua_State *L)
{
    lsession *ls = luaL_checkudata(L, 1, SESSION);
    const char *why = ls->s ? rs_ssh_broken(ls->s) : "closed";
    if (*why)
        lua_pushstring(L, why);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- keys ---- */

typedef struct key_job {
    char *path, *passphrase;
    ssh_key key;
    int rc;
} key_job;

static void key_run(void *job)
{
    key_job *j = job;
    j->rc = ssh_pki_import_privkey_file(j->path, j->passphrase, NULL, NULL, &j->key);
    rs_ssh_leave_thread();
}

static lkey *push_key(lua_State *L)
{
    lkey *k = lua_newuserdatauv(L, sizeof *k, 0);
    k->key = NULL;
    luaL_setmetatable(L, KEY);
    return k;
}

static int key_finish(lua_State *L, void *job)
{
    key_job *j = job;
    if (j->rc != SSH_OK)
        return rs_error_edge(L, j->rc == SSH_EOF ? -ENOENT : -EACCES);
    push_key(L)->key = j->key;
    j->key = NULL;
    return 1;
}

static void key_drop(void *job)
{
    key_job *j = job;
    ssh_key_free(j->key);
    if (j->passphrase)
        explicit_bzero(j->passphrase, strlen(j->passphrase));
    free(j->passphrase);
    free(j->path);
    free(j);
}

/* load_key(path, passphrase): on a worker, since decrypting takes time. nil, text, "EACCES" when the passphrase is wrong. */
static int l_load_key(lua_State *L)
{
    static const rs_job_class class = {key_run, key_finish, key_drop};
    const char *path = luaL_checkstring(L, 1), *passphrase = luaL_optstring(L, 2, "");
    key_job *j = calloc(1, sizeof *j);
    if (!j || !(j->path = strdup(path)) || !(j->passphrase = strdup(passphrase))) {
        if (j)
            key_drop(j);
        return luaL_error(L, "not enough memory");
    }
    return rs_job_run(L, &class, j);
}

/* public_key(type, base64): one to offer; nil, text, NAME for what is no key */
static int l_public_key(lua_State *L)
{
    enum ssh_keytypes_e type = ssh_key_type_from_name(luaL_checkstring(L, 1));
    const char *base64 = luaL_checkstring(L, 2);
    lkey *k = push_key(L);
    if (ssh_pki_import_pubkey_base64(base64, type, &k->key) != SSH_OK)
        return rs_error_edge(L, RS_EPARSE);
    return 1;
}

static int l_key_public(lua_State *L)
{
    lkey *k = luaL_checkudata(L, 1, KEY);
    char *base64 = NULL;
    if (ssh_pki_export_pubkey_base64(k->key, &base64) != SSH_OK)
        return rs_error_edge(L, RS_EPROTO);
    lua_pushstring(L, rs_ssh_key_type(k->key));
    lua_pushstring(L, base64);
    ssh_string_free_char(base64);
    return 2;
}

static int l_key_gc(lua_State *L)
{
    lkey *k = luaL_checkudata(L, 1, KEY);
    ssh_key_free(k->key);
    k->key = NULL;
    return 0;
}

/* ---- channels ---- */

/* Stack: the session, its arguments up to 4, the channel. */
static int open_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_ssh_request *r = (rs_ssh_request *)ctx;
    int err = r->step.wait.status;
    rs_ssh_request_free(r);
    lua_settop(L, 5);
    return err ? rs_lssh_fail(L, 1, err) : 1;
}

/* session:open("session" | "tcp" | "unix", where, port): a channel */
static int l_open(lua_State *L)
{
    static const char *const names[] = {"session", "tcp", "unix", NULL};
    rs_ssh *s = check_session(L, 1);
    int kind = luaL_checkoption(L, 2, "session", names);
    const char *where = kind ? luaL_checkstring(L, 3) : "";
    int port = (int)luaL_optinteger(L, 4, 0);
    rs_task_check(L);
    lua_settop(L, 4);
    lchannel *lc = lua_newuserdatauv(L, sizeof *lc, 1);
    lc->c = NULL;
    luaL_setmetatable(L, CHANNEL);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 5, 1);
    lc->c = rs_ssh_channel_new(s, kind == 0);
    if (!lc->c)
        return rs_error_edge(L, RS_ECLOSED);
    rs_ssh_request *r = rs_ssh_open(s, lc->c, (enum rs_ssh_to)kind, where, port);
    if (!r)
        return luaL_error(L, "not enough memory");
    return rs_task_wait(L, &r->step.wait, (lua_KContext)r, open_over);
}

/* channel:request("exec" | "subsystem" | "pty" | "env", text, value or rows, cols): true */
static int l_request(lua_State *L)
{
    static const char *const names[] = {"exec", "subsystem", "pty", "env", NULL};
    static int (*const tries[])(rs_ssh *, rs_ssh_step *) = {rs_ssh_exec, rs_ssh_subsystem, rs_ssh_pty, rs_ssh_setenv};
    rs_ssh_channel *c = check_channel(L, 1);
    int kind = luaL_checkoption(L, 2, NULL, names);
    rs_ssh_request r = {.channel = c, .text = luaL_checkstring(L, 3)};
    if (kind == 2) {
        r.a = (int)luaL_checkinteger(L, 4);
        r.b = (int)luaL_checkinteger(L, 5);
    } else if (kind == 3) {
        r.value = luaL_checkstring(L, 4);
    }
    lua_getiuservalue(L, 1, 1);
    lstep *p = push_step(L, -1);
    if (!p->ls->s)
        return rs_error_edge(L, RS_ECLOSED);
    p->request = r;
    p->request.step.try = tries[kind];
    p->request.step.name = names[kind];
    return run_step(L, p, &p->request.step, step_over);
}

/* A program whose output is dropped goes on; it doesn't when its output is closed. */
static int push_stream(lua_State *L, rs_stream *s, bool output)
{
    if (!s)
        return rs_error_edge(L, RS_ECLOSED);
    rs_lstream_push(L, s);
    if (output)
        rs_lstream_drain(L, -1);
    return 1;
}

/* channel:stream("in" | "out" | "err" | "both", host): once each; host is for its errors */
static int l_stream(lua_State *L)
{
    static const char *const names[] = {"in", "out", "err", "both", NULL};
    static rs_stream *(*const open[])(rs_ssh_channel *) = {
        rs_ssh_channel_in,
        rs_ssh_channel_out,
        rs_ssh_channel_err,
        rs_ssh_channel_both,
    };
    rs_ssh_channel *c = check_channel(L, 1);
    int which = luaL_checkoption(L, 2, NULL, names);
    lua_settop(L, 3);
    int n = push_stream(L, open[which](c), which == 1 || which == 2);
    if (n == 1)
        rs_lstream_set_host(L, -1, 3);
    return n;
}

static int push_exit(lua_State *L, rs_ssh_exit e)
{
    lua_createtable(L, 0, 1);
    if (!e.ended) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "unread");
    } else if (e.signal[0]) {
        lua_pushstring(L, e.signal);
        lua_setfield(L, -2, "signal");
    } else if (e.code >= 0) {
        lua_pushinteger(L, e.code);
        lua_setfield(L, -2, "code");
    }
    return 1;
}

static int exit_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_wait *w = (rs_wait *)ctx;
    if (w->status)
        return rs_error_edge(L, w->status);
    return push_exit(L, rs_ssh_channel_exit(check_channel(L, 1)));
}

/* channel:wait([seconds]): {code=} or {signal=}, {} where the server said neither; nil, text, "ETIMEOUT"; once, while it runs,
 * {unread=true}: it has printed something for a stream that was closed. */
static int l_wait(lua_State *L)
{
    rs_ssh_channel *c = check_channel(L, 1);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    int err = rs_ssh_channel_await_exit(c, w);
    if (err)
        return rs_error_raise(L, err, "another task waits for this channel");
    return rs_task_wait_for(L, w, seconds, (lua_KContext)w, exit_over);
}

/* channel:unread(): whether something of that kind came since the last call */
static int l_unread(lua_State *L)
{
    lua_pushboolean(L, rs_ssh_channel_unread(check_channel(L, 1)));
    return 1;
}

/* channel:exit(): as wait, or false while it runs */
static int l_exit(lua_State *L)
{
    rs_ssh_exit e = rs_ssh_channel_exit(check_channel(L, 1));
    if (e.ended)
        return push_exit(L, e);
    lua_pushboolean(L, 0);
    return 1;
}

static int done(lua_State *L, int err)
{
    if (err)
        return rs_error_edge(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_signal(lua_State *L)
{
    return done(L, rs_ssh_channel_signal(check_channel(L, 1), luaL_checkstring(L, 2)));
}

static int l_resize(lua_State *L)
{
    rs_ssh_channel *c = check_channel(L, 1);
    return done(L, rs_ssh_channel_resize(c, (int)luaL_checkinteger(L, 2), (int)luaL_checkinteger(L, 3)));
}

static int l_channel_close(lua_State *L)
{
    lchannel *lc = luaL_checkudata(L, 1, CHANNEL);
    rs_ssh_channel *c = lc->c;
    lc->c = NULL;
    if (c) {
        rs_ssh_channel_close(c);
        rs_ssh_channel_put(c);
    }
    return 0;
}

/* A channel that was dropped goes on while somebody holds one of its streams. */
static int l_channel_gc(lua_State *L)
{
    lchannel *lc = luaL_checkudata(L, 1, CHANNEL);
    rs_ssh_channel_put(lc->c);
    lc->c = NULL;
    return 0;
}

/* ---- the module ---- */

/* pair(): two streams, each the other's other end */
static int l_pair(lua_State *L)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return rs_error_edge(L, -errno);
    rs_lstream_push_fd(L, fds[0], false);
    rs_lstream_push_fd(L, fds[1], false);
    return 2;
}

/* drain(stream): what comes after it was dropped, but not closed, is read and thrown away. */
static int l_drain(lua_State *L)
{
    rs_lstream_drain(L, 1);
    return 0;
}

/* of_host(stream, host): what goes wrong with it names the host. Gives the stream. */
static int l_of_host(lua_State *L)
{
    lua_settop(L, 2);
    rs_lstream_set_host(L, 1, 2);
    lua_settop(L, 1);
    return 1;
}

static const luaL_Reg session_methods[] = {
    {"handshake", l_handshake},     {"ping", l_ping},
    {"silence", l_silence},         {"banner", l_banner},
    {"places", l_places},           {"await_room", l_await_room},
    {"host_key", l_host_key},       {"auth", l_auth},
    {"methods", l_methods},         {"algorithms", l_algorithms},
    {"questions", l_questions},     {"answer", l_answer},
    {"auth_agent", l_auth_agent},   {"open", l_open},
    {"listen", rs_lforward_listen}, {"broken", l_broken},
    {"close", l_session_close},     {"__gc", l_session_close},
    {"__close", l_session_close},   {NULL, NULL},
};

static const luaL_Reg channel_methods[] = {
    {"request", l_request}, {"stream", l_stream},         {"wait", l_wait},     {"unread", l_unread},
    {"exit", l_exit},       {"signal", l_signal},         {"resize", l_resize}, {"close", l_channel_close},
    {"__gc", l_channel_gc}, {"__close", l_channel_close}, {NULL, NULL},
};

static const luaL_Reg key_methods[] = {{"public", l_key_public}, {"__gc", l_key_gc}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"new", l_new},         {"pair", l_pair},         {"drain", l_drain},
    {"of_host", l_of_host}, {"load_key", l_load_key}, {"public_key", l_public_key},
    {NULL, NULL},
};

static void register_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int luaopen_rs_ssh(lua_State *L)
{
    register_class(L, SESSION, session_methods);
    register_class(L, CHANNEL, channel_methods);
    register_class(L, KEY, key_methods);
    rs_lforward_register(L);
    luaL_newlib(L, functions);
    return 1;
}
