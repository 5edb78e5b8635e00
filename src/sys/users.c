#include "sys/users.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "sys/host_getent.h"
#include "sys/users_db.h"
#include "sys/users_file.h"

/* What getent answered, also that it knows nothing: a folder full of files of one unknown owner asks once. A name and an
 * id are two answers. */
struct answer {
    struct answer *next;
    char *name; /* NULL: asked by id */
    uint32_t id;
    time_t until;
    size_t len;
    char line[]; /* empty: not found */
};

enum { BUCKETS = 256, KEEP_FOUND = 60, KEEP_MISSING = 5, MOST_ANSWERS = 8192 };

struct db {
    const char *database;
    rs_users_file file;
    pthread_mutex_t lock; /* of the answers; never held while something blocks */
    struct answer *answers[BUCKETS];
    size_t count;
};

static struct db users = {
    .database = "passwd",
    .file = RS_USERS_FILE("/etc/passwd"),
    .lock = PTHREAD_MUTEX_INITIALIZER,
};
static struct db groups = {
    .database = "group",
    .file = RS_USERS_FILE("/etc/group"),
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static size_t bucket_of(const char *name, uint32_t id)
{
    if (name)
        for (id = 5381; *name; name++)
            id = id * 33 + (unsigned char)*name;
    return id % BUCKETS;
}

static bool answers_to(const struct answer *a, const char *name, uint32_t id)
{
    return name ? a->name && strcmp(a->name, name) == 0 : !a->name && a->id == id;
}

static void drop_answer(struct db *db, struct answer **at)
{
    struct answer *a = *at;
    *at = a->next;
    db->count--;
    free(a->name);
    free(a);
}

static void drop_all(struct db *db)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (db->answers[i])
            drop_answer(db, &db->answers[i]);
}

static int use_text(const char *text, size_t len, const char *name, uint32_t id, rs_users_use *use, void *user)
{
    rs_users_line line;
    if (len == 0 || !rs_users_line_parse(text, len, &line))
        return RS_ENOTFOUND;
    /* getent takes a name of digits for an id. */
    if (name ? strlen(name) != line.name_len || memcmp(name, text, line.name_len) != 0 : line.id != id)
        return RS_ENOTFOUND;
    return use(user, &line);
}

/* 1 where nothing is known. */
static int from_answers(struct db *db, const char *name, uint32_t id, rs_users_use *use, void *user)
{
    int err = 1;
    pthread_mutex_lock(&db->lock);
    struct answer **at = &db->answers[bucket_of(name, id)];
    while (*at && !answers_to(*at, name, id))
        at = &(*at)->next;
    if (*at && (*at)->until < now_s())
        drop_answer(db, at);
    else if (*at)
        err = use_text((*at)->line, (*at)->len, name, id, use, user);
    pthread_mutex_unlock(&db->lock);
    return err;
}

/* Without memory nothing is kept, which is no failure. */
static void keep_answer(struct db *db, const char *name, uint32_t id, const char *line, size_t len)
{
    struct answer *a = malloc(sizeof *a + len);
    char *copy = name ? strdup(name) : NULL;
    if (!a || (name && !copy)) {
        free(a);
        free(copy);
        return;
    }
    *a = (struct answer){.name = copy, .id = id, .len = len, .until = now_s() + (len > 0 ? KEEP_FOUND : KEEP_MISSING)};
    memcpy(a->line, line, len);
    pthread_mutex_lock(&db->lock);
    if (db->count >= MOST_ANSWERS)
        drop_all(db);
    struct answer **bucket = &db->answers[bucket_of(name, id)];
    a->next = *bucket;
    *bucket = a;
    db->count++;
    pthread_mutex_unlock(&db->lock);
}

static int from_getent(struct db *db, const char *name, uint32_t id, rs_users_use *use, void *user)
{
    char digits[16];
    rs_buf out;
    rs_buf_init(&out, 1024 * 1024);
    snprintf(digits, sizeof digits, "%u", (unsigned)id);
    int err = rs_host_getent(db->database, name ? name : digits, &out);
    if (!err || err == RS_ENOTFOUND) {
        const char *line = rs_buf_data(&out);
        ptrdiff_t end = err ? 0 : rs_buf_find(&out, '\n', 0);
        size_t len = end >= 0 ? (size_t)end : rs_buf_len(&out);
        keep_answer(db, name, id, line, len);
        err = use_text(line, len, name, id, use, user);
    }
    rs_buf_fini(&out);
    return err == RS_ENOSYS ? RS_ENOTFOUND : err;
}

static int find(struct db *db, const char *name, uint32_t id, rs_users_use *use, void *user)
{
    int err = rs_users_file_find(&db->file, name, id, use, user);
    if (err != RS_ENOTFOUND)
        return err;
    err = from_answers(db, name, id, use, user);
    if (err <= 0)
        return err;
    return rs_host_getent_useful(db->database) ? from_getent(db, name, id, use, user) : RS_ENOTFOUND;
}

static int use_user(void *user, const rs_users_line *line)
{
    return rs_users_line_user(line, user) ? 0 : RS_ENOTFOUND;
}

static int use_group(void *user, const rs_users_line *line)
{
    return rs_users_line_group(line, user) ? 0 : RS_ENOTFOUND;
}

struct name {
    char *out;
    size_t room;
};

static int use_name(void *user, const rs_users_line *line)
{
    struct name *to = user;
    if (line->name_len >= to->room)
        return RS_ELIMIT;
    memcpy(to->out, line->text, line->name_len);
    to->out[line->name_len] = '\0';
    return 0;
}

static int name_of(struct db *db, uint32_t id, char *out, size_t n)
{
    struct name to = {out, n};
    int err = find(db, NULL, id, use_name, &to);
    if (err)
        snprintf(out, n, "%u", (unsigned)id);
    return err;
}

int rs_users_name(uid_t uid, char *out, size_t n)
{
    return name_of(&users, uid, out, n);
}

int rs_groups_name(gid_t gid, char *out, size_t n)
{
    return name_of(&groups, gid, out, n);
}

int rs_users_find(const char *name, rs_user *out)
{
    return find(&users, name, 0, use_user, out);
}

int rs_users_find_id(uid_t uid, rs_user *out)
{
    return find(&users, NULL, uid, use_user, out);
}

int rs_groups_find(const char *name, rs_group *out)
{
    return find(&groups, name, 0, use_group, out);
}

int rs_groups_find_id(gid_t gid, rs_group *out)
{
    return find(&groups, NULL, gid, use_group, out);
}

static int use_id(void *user, const rs_users_line *line)
{
    *(uint32_t *)user = line->id;
    return 0;
}

static int id_of(struct db *db, const char *text, uint32_t *out)
{
    uint64_t x = 0;
    int err = find(db, text, 0, use_id, out);
    if (err != RS_ENOTFOUND || !*text)
        return err;
    for (const char *s = text; *s; s++) {
        if (*s < '0' || *s > '9')
            return RS_ENOTFOUND;
        x = x * 10 + (uint64_t)(*s - '0');
        if (x >= UINT32_MAX)
            return RS_ENOTFOUND;
    }
    *out = (uint32_t)x;
    return 0;
}

int rs_users_id(const char *text, uid_t *out)
{
    uint32_t id;
    int err = id_of(&users, text, &id);
    if (!err)
        *out = id;
    return err;
}

int rs_groups_id(const char *text, gid_t *out)
{
    uint32_t id;
    int err = id_of(&groups, text, &id);
    if (!err)
        *out = id;
    return err;
}

int rs_users_each(rs_users_use *use, void *user)
{
    return rs_users_file_each(&users.file, use, user);
}

int rs_groups_each(rs_users_use *use, void *user)
{
    return rs_users_file_each(&groups.file, use, user);
}

int rs_groups_line(const char *name, uint32_t gid, rs_users_use *use, void *user)
{
    return find(&groups, name, gid, use, user);
}
