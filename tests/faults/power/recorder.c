/* Preloaded into an engine and its git: writes down, in one order for all processes, what they do
   to files below POWER_ROOT, into POWER_LOG.

   An operation and its record happen under one lock, so the order of the log is the order of the
   operations. Descriptors are turned into names when they are used, for names change. Ways to copy
   that carry no data through this process (sendfile, copy_file_range, reflinks) are refused, as
   systems without them do; callers fall back to write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', RENAME = 'r', LINK = 'l',
       SYMLINK = 'y', UNLINK = 'u', MKDIR = 'm', RMDIR = 'd' };

struct head { uint8_t op; uint8_t pad[7]; uint64_t number; uint32_t first, second; uint64_t data; };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static pid_t log_pid;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int raw_open(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return real(path, flags, mode);
}

static ssize_t raw_write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return real(fd, data, size);
}

static void enter(void) {
    pthread_mutex_lock(&turn);
    if (log_fd < 0 || log_pid != getpid()) {
        const char *name = getenv("POWER_LOG");
        log_fd = name ? raw_open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
        log_pid = getpid();
    }
    if (log_fd >= 0) flock(log_fd, LOCK_EX);
}

static void leave(void) {
    int kept = errno;
    if (log_fd >= 0) flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&turn);
    errno = kept;
}

static int is_ours(const char *path) {
    const char *root = getenv("POWER_ROOT");
    return root && getenv("POWER_LOG") && path && !strncmp(path, root, strlen(root));
}

static void say(int op, const char *first, const char *second, uint64_t number,
                const void *data, size_t size) {
    if (log_fd < 0) return;
    int kept = errno;
    struct head head = { op, {0}, number, strlen(first), second ? strlen(second) : 0, size };
    size_t whole = sizeof head + head.first + head.second + size;
    char *record = malloc(whole), *at = record;
    if (!record) abort();
    at = mempcpy(at, &head, sizeof head);
    at = mempcpy(at, first, head.first);
    if (second) at = mempcpy(at, second, head.second);
    if (size) memcpy(at, data, size);
    if (raw_write(log_fd, record, whole) != (ssize_t)whole) abort();
    free(record);
    errno = kept;
}

/* The whole path of a name below a folder's descriptor; its last part may be a link. */
static const char *whole(int at, const char *path, char *into) {
    char folder[PATH_MAX];
    if (path[0] == '/') return strncpy(into, path, PATH_MAX - 1);
    if (at == AT_FDCWD) {
        if (!getcwd(folder, sizeof folder)) return NULL;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t size = readlink(link, folder, sizeof folder - 1);
        if (size < 0) return NULL;
        folder[size] = 0;
    }
    snprintf(into, PATH_MAX, "%s/%s", folder, path);
    return into;
}

static const char *name_of(int fd, char *into) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, into, PATH_MAX - 1);
    if (size < 0) return NULL;
    into[size] = 0;
    if (size > 10 && !strcmp(into + size - 10, " (deleted)")) return NULL;
    return is_ours(into) ? into : NULL;
}

static int opened(int at, const char *path, int flags, mode_t mode,
                  int (*real)(int, const char *, int, ...)) {
    char name[PATH_MAX] = {0};
    if (!(flags & (O_CREAT | O_TRUNC)) || !whole(at, path, name) || !is_ours(name))
        return real(at, path, flags, mode);
    enter();
    struct stat found;
    int was = fstatat(at, path, &found, 0) == 0;
    int fd = real(at, path, flags, mode);
    char target[PATH_MAX];
    if (fd >= 0 && name_of(fd, target)) {
        if (!was) say(CREATE, target, NULL, mode, NULL, 0);
        else if (flags & O_TRUNC) say(TRUNCATE, target, NULL, 0, NULL, 0);
    }
    leave();
    return fd;
}

#define MODE() mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { \
    va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int openat(int at, const char *path, int flags, ...) { REAL(openat); MODE(); return opened(at, path, flags, mode, real); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); MODE(); return opened(at, path, flags, mode, real); }
int open(const char *path, int flags, ...) { REAL(openat); MODE(); return opened(AT_FDCWD, path, flags, mode, real); }
int open64(const char *path, int flags, ...) { REAL(openat64); MODE(); return opened(AT_FDCWD, path, flags, mode, real); }
int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

ssize_t write(int fd, const void *data, size_t size) {
    char name[PATH_MAX];
    if (!getenv("POWER_LOG") || !name_of(fd, name)) return raw_write(fd, data, size);
    enter();
    ssize_t done = raw_write(fd, data, size);
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (done > 0 && name_of(fd, name)) say(WRITE, name, NULL, end - done, data, done);
    leave();
    return done;
}

static ssize_t pwritten(int fd, const void *data, size_t size, off_t at,
                        ssize_t (*real)(int, const void *, size_t, off_t)) {
    char name[PATH_MAX];
    if (!getenv("POWER_LOG") || !name_of(fd, name)) return real(fd, data, size, at);
    enter();
    ssize_t done = real(fd, data, size, at);
    if (done > 0 && name_of(fd, name)) say(WRITE, name, NULL, at, data, done);
    leave();
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { REAL(pwrite); return pwritten(fd, data, size, at, real); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { REAL(pwrite64); return pwritten(fd, data, size, at, real); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char name[PATH_MAX];
    REAL(writev);
    if (!getenv("POWER_LOG") || !name_of(fd, name)) return real(fd, parts, count);
    ssize_t sum = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return sum ? sum : -1;
        sum += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return sum;
}

#define ON_FD(name, args, call, op, number) \
    int name args { REAL(name); char path[PATH_MAX]; \
        if (!getenv("POWER_LOG") || !name_of(fd, path)) return call; \
        enter(); int done = call; \
        if (!done && name_of(fd, path)) say(op, path, NULL, number, NULL, 0); \
        leave(); return done; }
ON_FD(ftruncate, (int fd, off_t size), real(fd, size), TRUNCATE, size)
ON_FD(ftruncate64, (int fd, off64_t size), real(fd, size), TRUNCATE, size)
ON_FD(fsync, (int fd), real(fd), SYNC, 0)
ON_FD(fdatasync, (int fd), real(fd), SYNC, 0)

#define ON_NAME(name, args, call, at, path, op, number) \
    int name args { REAL(name); char full[PATH_MAX] = {0}; \
        if (!whole(at, path, full) || !is_ours(full)) return call; \
        enter(); int done = call; \
        if (!done) say(op, full, NULL, number, NULL, 0); \
        leave(); return done; }
ON_NAME(unlink, (const char *p), real(p), AT_FDCWD, p, UNLINK, 0)
ON_NAME(rmdir, (const char *p), real(p), AT_FDCWD, p, RMDIR, 0)
ON_NAME(remove, (const char *p), real(p), AT_FDCWD, p, UNLINK, 0)
ON_NAME(mkdir, (const char *p, mode_t mode), real(p, mode), AT_FDCWD, p, MKDIR, mode)
ON_NAME(mkdirat, (int at, const char *p, mode_t mode), real(at, p, mode), at, p, MKDIR, mode)
ON_NAME(unlinkat, (int at, const char *p, int flags), real(at, p, flags), at, p,
        flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0)

static int moved(int at1, const char *from, int at2, const char *to, int op, int done) {
    char first[PATH_MAX] = {0}, second[PATH_MAX] = {0};
    if (!done && whole(at1, from, first) && whole(at2, to, second) && is_ours(second))
        say(op, first, second, 0, NULL, 0);
    return done;
}
#define ON_TWO(name, args, call, at1, from, at2, to, op) \
    int name args { REAL(name); if (!getenv("POWER_LOG")) return call; \
        enter(); int done = moved(at1, from, at2, to, op, call); leave(); return done; }
ON_TWO(rename, (const char *a, const char *b), real(a, b), AT_FDCWD, a, AT_FDCWD, b, RENAME)
ON_TWO(renameat, (int x, const char *a, int y, const char *b), real(x, a, y, b), x, a, y, b, RENAME)
ON_TWO(link, (const char *a, const char *b), real(a, b), AT_FDCWD, a, AT_FDCWD, b, LINK)
ON_TWO(linkat, (int x, const char *a, int y, const char *b, int flags), real(x, a, y, b, flags), x, a, y, b, LINK)

int symlink(const char *target, const char *path) {
    REAL(symlink);
    char full[PATH_MAX] = {0};
    if (!whole(AT_FDCWD, path, full) || !is_ours(full)) return real(target, path);
    enter();
    int done = real(target, path);
    if (!done) say(SYMLINK, full, target, 0, NULL, 0);
    leave();
    return done;
}

ssize_t sendfile(int out, int in, off_t *at, size_t count) { errno = ENOSYS; return -1; }
ssize_t sendfile64(int out, int in, off64_t *at, size_t count) { errno = ENOSYS; return -1; }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned f) { errno = ENOSYS; return -1; }
