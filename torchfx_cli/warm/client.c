/* The caller's side of a warm call without an interpreter: what client.py, place.py, caller.py and handover.py do there.

   client PYTHON [ARGUMENT]...     the arguments of torchfx

   PYTHON is the interpreter that runs torchfx; this file lies in the folder of the package it runs. In every case of
   doubt it is what this process becomes. Should this file and those disagree about who may do a call, none is handed
   over: a warm process compares all that it is told with what it knows of itself. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

#ifndef ANSWER_MS
#define ANSWER_MS 50
#endif
enum { TURN_MS = 10000, MAX_DESCRIPTORS = 248, ASIDE = 400, LIMITS = 16, LONGEST = 70 };
static const uint32_t AGAIN = 0xffffffff;
static const char *const ALWAYS_COLD[] = {"warm", "watch", "bench"}, *const OFF[] = {"0", "off", "no"};
static const char *const READ_ONCE[] = {
    "PYTHON", "LD_", "LC_", "LANG", "OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "BLIS_", "NPY_", "NUMPY_", "CUDA",
    "NVIDIA_", "TORCH_", "PYTORCH_", "MALLOC_", "GLIBC_", "TORCHFX_KERNEL", "TORCHFX_LIBSNDFILE"};
static const char *const STATUS[] = {
    "Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
static const char *const LINKS[] = {
    "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", "root"};
static const int ENDING[] = {SIGINT, SIGTERM, SIGHUP}, OTHERS[] = {SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT};

/* The program drops the current folder from the places that modules come from: `-c` puts it there, a script does not.
   Where a warm process was asked in vain, it is not asked again. */
#define PROGRAM "import sys; sys.path[:1] == [''] and sys.path.pop(0); from torchfx_cli.__main__ import "
static const char START[] = PROGRAM "main; main()", ALONE[] = PROGRAM "alone; alone()";

extern char **environ;
static char **arguments; /* PYTHON and those behind it */
static int connection = -1;

static void cold(const char *program) {
    size_t count = 0;
    while (arguments[count]) count++;
    char **line = calloc(count + 3, sizeof *line);
    if (line) {
        line[0] = arguments[0], line[1] = "-c", line[2] = (char *)program;
        memcpy(line + 3, arguments + 1, (count - 1) * sizeof *line);
        execv(line[0], line);
    }
    fprintf(stderr, "torchfx: error: %s: %s\n", arguments[0], strerror(errno));
    exit(127);
}

/* A text that grows. */
static char *text;
static size_t length, room;

static void add(const void *bytes, size_t count) {
    if (length + count > room && !(text = realloc(text, room = 2 * (length + count)))) cold(START);
    memcpy(text + length, bytes, count);
    length += count;
}

static void add_line(const char *line) { /* of several, which \n separates */
    if (length) add("\n", 1);
    add(line, strlen(line));
}

static void add_number(long long number) {
    char digits[32];
    add(digits, (size_t)sprintf(digits, "%s%lld", text[length - 1] ? " " : "", number));
}

static int begins_with(const char *line, const char *const *starts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strncmp(line, starts[i], strlen(starts[i]))) return 1;
    return 0;
}

static int is_among(const char *word, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(word, words[i])) return 1;
    return 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* A file of /proc about this process, in a room of its own. */
static char *about(const char *name) {
    char path[64], *found = malloc(1 << 16);
    sprintf(path, "/proc/self/%s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t part = 1;
    while (found && file >= 0 && size < (1 << 16) - 1 && (part = read(file, found + size, (1 << 16) - 1 - size)) > 0)
        size += (size_t)part;
    if (!found || file < 0 || part) cold(START);
    close(file);
    found[size] = 0;
    return found;
}

/* place.identity */
static void add_identity(const char *folder) {
    struct stat program;
    if (stat(arguments[0], &program)) cold(START);
    char line[PATH_MAX];
    add_line(folder);
    add_line(arguments[0]);
    sprintf(line, "%lld %lld %lld %lld", (long long)program.st_dev, (long long)program.st_ino,
            (long long)program.st_size, program.st_mtim.tv_sec * 1000000000LL + program.st_mtim.tv_nsec);
    add_line(line);
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **known = calloc(count + 1, sizeof *known);
    if (!known) cold(START);
    for (size_t i = 0; i < count; i++)
        if (begins_with(environ[i], READ_ONCE, COUNT(READ_ONCE)) && strchr(environ[i], '=')) known[kept++] = environ[i];
    if (!getenv("OPENBLAS_NUM_THREADS")) known[kept++] = "OPENBLAS_NUM_THREADS=1";
    qsort(known, kept, sizeof *known, by_bytes);
    for (size_t i = 0; i < kept; i++) add_line(known[i]);
    char *status = about("status");
    for (char *found = strtok(status, "\n"); found; found = strtok(NULL, "\n"))
        if (begins_with(found, STATUS, COUNT(STATUS))) add_line(found);
    add_line(about("cgroup"));
    for (size_t i = 0; i < COUNT(LINKS); i++) {
        char path[64];
        sprintf(path, "/proc/self/%s", LINKS[i]);
        ssize_t size = readlink(path, line, sizeof line - 1);
        if (size < 0) cold(START);
        line[size] = 0;
        add_line(line);
    }
}

static uint32_t crc32(const char *bytes, size_t count) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static int belongs_to_user(const char *path, mode_t forbidden) {
    struct stat found;
    return !lstat(path, &found) && S_ISDIR(found.st_mode) && found.st_uid == geteuid() && !(found.st_mode & forbidden);
}

/* place.address, behind which somebody of this user answers */
static void connect_to(uint32_t crc) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!runtime || *runtime != '/' || strlen(runtime) > LONGEST || !belongs_to_user(runtime, 0)) runtime = "/tmp";
    int end = sprintf(address.sun_path, "%s/torchfx-%u", runtime, geteuid());
    if (!belongs_to_user(address.sun_path, 077)) cold(START);
    sprintf(address.sun_path + end, "/%08x", crc);
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {ANSWER_MS / 1000, ANSWER_MS % 1000 * 1000};
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(connection, (struct sockaddr *)&address, sizeof address)) cold(START);
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.uid != geteuid()) cold(START);
}

/* The next byte of the other end; 0 where it does not come in time. */
static char heard(int patience_ms) {
    struct pollfd waits = {.fd = connection, .events = POLLIN};
    char byte = 0;
    return poll(&waits, 1, patience_ms) == 1 && recv(connection, &byte, 1, 0) == 1 ? byte : 0;
}

static int is_ignored(int number) {
    struct sigaction action;
    return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

static void handle(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    if (!is_ignored(number)) sigaction(number, &action, NULL);
}

/* caller.taken: behind the identity; returns how many descriptors are passed */
static int add_process(int *descriptors) {
    int count = 0;
    DIR *listing = opendir("/proc/self/fd");
    if (!listing) cold(ALONE);
    for (struct dirent *entry; (entry = readdir(listing));) {
        int number = atoi(entry->d_name), flags = *entry->d_name == '.' ? -1 : fcntl(number, F_GETFD);
        if (flags < 0 || flags & FD_CLOEXEC) continue;
        if (count == MAX_DESCRIPTORS || number >= ASIDE) cold(ALONE);
        descriptors[count++] = number;
    }
    closedir(listing);
    mode_t mask = umask(077);
    umask(mask);
    add("", 1), add_number(mask);
    add("", 1), add_number(getpriority(PRIO_PROCESS, 0));
    add("", 1);
    for (int i = 0; i < count; i++) add_number(descriptors[i]);
    add("", 1);
    for (int i = 0; i < LIMITS; i++) {
        struct rlimit limit;
        if (getrlimit(i, &limit)) cold(ALONE);
        add_number((long long)limit.rlim_cur), add_number((long long)limit.rlim_max);
    }
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors)) cold(ALONE);
    add("", 1);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &processors)) add_number(i);
    add("", 1);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (is_ignored(number)) add_number(number);
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    add("", 1);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(&blocked, number) == 1) add_number(number);
    int words = 0;
    while (arguments[1 + words]) words++;
    add("", 1), add_number(words);
    for (int i = 1; i <= words; i++) add("", 1), add(arguments[i], strlen(arguments[i]));
    for (char **entry = environ; *entry; entry++)
        if (strchr(*entry, '=')) add("", 1), add(*entry, strlen(*entry));
    descriptors[count] = open(".", O_PATH | O_CLOEXEC);
    if (descriptors[count] < 0) cold(ALONE);
    return count + 1;
}

static int send_request(int *descriptors, int count) {
    char control[CMSG_SPACE((MAX_DESCRIPTORS + 1) * sizeof(int))] = {0};
    uint8_t header[8];
    for (int i = 0; i < 8; i++) header[i] = (uint8_t)((uint64_t)length >> 8 * i);
    struct iovec first = {.iov_base = header, .iov_len = sizeof header};
    struct msghdr message = {.msg_iov = &first, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET, rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(rights), descriptors, (size_t)count * sizeof(int));
    if (sendmsg(connection, &message, MSG_NOSIGNAL) != sizeof header) return 0;
    for (size_t sent = 0; sent < length;) {
        ssize_t part = send(connection, text + sent, length - sent, MSG_NOSIGNAL);
        if (part <= 0) return 0;
        sent += (size_t)part;
    }
    return 1;
}

static void end(int number) { /* while nothing has been done */
    static const char line[] = "torchfx: interrupted\n";
    ssize_t ignored = write(2, line, sizeof line - 1);
    (void)ignored;
    _exit(128 + number);
}

static void pass_on(int number) {
    int before = errno;
    char byte = (char)number;
    send(connection, &byte, 1, MSG_NOSIGNAL);
    errno = before;
}

static void stop(int number) {
    (void)number;
    pass_on(SIGSTOP);
    raise(SIGSTOP);
}

/* The status of the call, as of waitpid; a warm process that is gone was killed, and its calls with it. */
static uint32_t ended(void) {
    uint8_t status[4];
    ssize_t size;
    while ((size = recv(connection, status, sizeof status, MSG_WAITALL)) < 0 && errno == EINTR) {}
    if (size != sizeof status) return SIGKILL;
    return status[0] | status[1] << 8 | status[2] << 16 | (uint32_t)status[3] << 24;
}

int main(int count, char **words) {
    arguments = words + 1;
    char *slash = strrchr(words[0], '/');
    if (count < 2 || !slash) {
        fputs("usage: /FOLDER/client PYTHON [ARGUMENT]...\n", stderr);
        return 2;
    }
    const char *wanted = getenv("TORCHFX_WARM"), *warnings = getenv("PYTHONWARNINGS");
    if ((wanted && is_among(wanted, OFF, COUNT(OFF))) || (warnings && *warnings)) cold(START);
    if (arguments[1] && is_among(arguments[1], ALWAYS_COLD, COUNT(ALWAYS_COLD))) cold(START);
    *slash = 0;
    add_identity(words[0]);
    connect_to(crc32(text, length));
    if (heard(ANSWER_MS) != 'h') cold(ALONE);
    int descriptors[MAX_DESCRIPTORS + 1], passed = add_process(descriptors);
    for (size_t i = 0; i < COUNT(ENDING); i++) handle(ENDING[i], end);
    char answer = send_request(descriptors, passed) ? heard(ANSWER_MS) : 0;
    if (answer == 'w') answer = heard(TURN_MS);
    if (answer != 'y') cold(ALONE);
    close(descriptors[passed - 1]);
    for (size_t i = 0; i < COUNT(ENDING); i++) handle(ENDING[i], pass_on);
    for (size_t i = 0; i < COUNT(OTHERS); i++) handle(OTHERS[i], pass_on);
    handle(SIGTSTP, stop);
    pass_on(0);
    uint32_t status = ended();
    if (status == AGAIN) cold(ALONE);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}
