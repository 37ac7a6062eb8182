/* pkgdb.c - nephronix-pkgdb ROOT DBPATH [files]: reads the rpm database in ROOT/DBPATH once, hands it over as text in the form
 * of dpkg's status file, and ends; with "files", what it says of the paths on standard input (a file, each path ended by NUL) in
 * the form of provenance/rpm-files.h. The answer is in a sealed memfd, sent with the byte 'R' over the connected socket 3:
 * whoever receives it has all of it. On failure nothing is sent, one line on stderr says why, and the status is 1.
 *
 * A program of its own because librpm takes megabytes, handles signals, reads macros that can run commands, and parses
 * a file that may be damaged: all of that stays in here, without privilege, without a network, without another program. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>

#include "buffer.h"
#include "confinement.h"
#include "rpm-files.h"

enum {
        ANSWER_FD = 3,
        PATIENCE_SECONDS = 120,         /* a lock on the database that nobody gives back ends us, not the asker */
        FLUSH_SIZE = 64 * 1024,
        TEXT_MAX = 256 * 1024 * 1024,   /* the reader takes no more */
};

/* A file that makes a folder an rpm database, and the %_db_backend that reads it (NULL: its name depends on the librpm,
 * which finds out by itself). */
static const struct database {
        const char *file, *backend;
} databases[] = {
        { "rpmdb.sqlite", "sqlite" },
        { "Packages.db", "ndb" },
        { "Packages", NULL },
};

/* What librpm complained of first. */
struct complaint {
        rpmlogLvl gravest;      /* from this level on */
        bool made;
        char text[512];
};

static void append_plain(struct buffer *buffer, const char *text) {
        for (const char *c = text; *c; c++)
                buffer_append_byte(buffer, (uint8_t)*c < 0x20 || *c == 0x7f ? ' ' : (uint8_t)*c);
}

static int fail(const char *folder, const char *why) {
        struct buffer line = BUFFER_NULL;

        buffer_append_string(&line, "nephronix-pkgdb: ");
        append_plain(&line, folder);
        buffer_append_string(&line, ": ");
        append_plain(&line, why);
        while (line.size && line.data[line.size - 1] == ' ') /* librpm ends its messages with a newline */
                line.size--;
        buffer_append_byte(&line, '\n');
        (void)!write(STDERR_FILENO, line.data, line.size);
        buffer_done(&line);
        return EXIT_FAILURE;
}

/* Any complaint means that the answer would not be all of the truth. */
static int note(rpmlogRec record, rpmlogCallbackData data) {
        struct complaint *complaint = data;

        if (rpmlogRecPriority(record) <= complaint->gravest && !complaint->made) {
                complaint->made = true;
                (void)snprintf(complaint->text, sizeof(complaint->text), "%s", rpmlogRecMessage(record));
        }
        return 0; /* and librpm prints nothing */
}

/* Finds the folder without leaving the root by a symbolic link, and its name for librpm, which takes no descriptor. */
static int locate(const char *root, const char *path, char ret[PATH_MAX], bool ret_has[ELEMENTS(databases)]) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int root_fd, fd, r = 0;
        char link[64];
        ssize_t size;

        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
        if (fd < 0) {
                r = -errno;
                goto finish;
        }
        r = -ENOENT;
        for (size_t i = 0; i < ELEMENTS(databases); i++)
                if (faccessat(fd, databases[i].file, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
                        ret_has[i] = true;
                        r = 0;
                }
        if (r < 0)
                goto finish;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        size = readlink(link, ret, PATH_MAX);
        if (size < 0)
                r = -errno;
        else if (size >= PATH_MAX)
                r = -ENAMETOOLONG;
        else
                ret[size] = '\0';

finish:
        if (fd >= 0)
                (void)close(fd);
        (void)close(root_fd);
        return r;
}

static void append_field(struct buffer *buffer, const char *name, const char *value) {
        if (!value)
                return;
        buffer_append_string(buffer, name);
        buffer_append_string(buffer, ": ");
        append_plain(buffer, value);
        buffer_append_byte(buffer, '\n');
}

static void append_label(struct buffer *label, Header header) {
        const char *version = headerGetString(header, RPMTAG_VERSION);
        const char *release = headerGetString(header, RPMTAG_RELEASE);

        if (headerIsEntry(header, RPMTAG_EPOCH))
                buffer_printf(label, "%llu:", (unsigned long long)headerGetNumber(header, RPMTAG_EPOCH));
        buffer_append_string(label, version ? version : "");
        if (release)
                buffer_printf(label, "-%s", release);
}

static void append_package(struct buffer *buffer, Header header) {
        struct buffer label = BUFFER_NULL;

        append_label(&label, header);
        if (buffer_error(&label) < 0)
                buffer->failed = true;

        append_field(buffer, "Package", headerGetString(header, RPMTAG_NAME));
        append_field(buffer, "Status", "install ok installed");
        append_field(buffer, "Architecture", headerGetString(header, RPMTAG_ARCH));
        append_field(buffer, "Version", buffer_string(&label));
        append_field(buffer, "Description", headerGetString(header, RPMTAG_SUMMARY));
        buffer_append_byte(buffer, '\n');
        buffer_done(&label);
}

static int flush(int fd, struct buffer *buffer, size_t *total) {
        size_t done = 0;
        int r = buffer_error(buffer);

        if (r < 0)
                return r;
        *total += buffer->size;
        if (*total > TEXT_MAX)
                return -EFBIG;
        while (done < buffer->size) {
                ssize_t n = write(fd, buffer->data + done, buffer->size - done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        done += (size_t)n;
        }
        buffer_clear(buffer);
        return 0;
}

/* librpm catches these while a database is open and only makes a note: but whoever ends us means it. */
static void restore_signals(void) {
        static const int caught[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE };

        for (size_t i = 0; i < ELEMENTS(caught); i++)
                (void)signal(caught[i], SIG_DFL);
}

/* What one package says of a path. */
static void append_file(struct buffer *buffer, uint32_t number, const char *path, Header header) {
        rpmfiles files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_KEEPHEADER);
        struct buffer label = BUFFER_NULL;
        const unsigned char *digest;
        size_t digest_size = 0;
        int place, digest_kind = 0;

        place = files ? rpmfilesFindFN(files, path) : -1;
        /* What another package took over, or was left out at installation, is not its file. */
        if (place < 0 || rpmfilesFState(files, place) != RPMFILE_STATE_NORMAL)
                goto finish;
        append_label(&label, header);
        /* Of all else librpm says zeros. */
        digest = S_ISREG(rpmfilesFMode(files, place)) ? rpmfilesFDigest(files, place, &digest_kind, &digest_size) : NULL;
        rpm_files_append(buffer, &(struct rpm_file){
                .number = number,
                .mode = rpmfilesFMode(files, place),
                .flags = (uint32_t)rpmfilesFFlags(files, place),
                .digest_kind = (uint32_t)digest_kind,
                .texts = {
                        [RPM_FILE_PACKAGE] = bytes_of_string(headerGetString(header, RPMTAG_NAME)),
                        [RPM_FILE_VERSION] = bytes_of_string(buffer_string(&label)),
                        [RPM_FILE_ARCHITECTURE] = bytes_of_string(headerGetString(header, RPMTAG_ARCH)),
                        [RPM_FILE_USER] = bytes_of_string(rpmfilesFUser(files, place)),
                        [RPM_FILE_GROUP] = bytes_of_string(rpmfilesFGroup(files, place)),
                        [RPM_FILE_TARGET] = bytes_of_string(rpmfilesFLink(files, place)),
                        [RPM_FILE_CAPABILITIES] = bytes_of_string(rpmfilesFCaps(files, place)),
                        [RPM_FILE_DIGEST] = bytes_of(digest, digest ? digest_size : 0),
                },
        });
        if (buffer_error(&label) < 0)
                buffer->failed = true;

finish:
        (void)rpmfilesFree(files);
        buffer_done(&label);
}

static int read_question(struct buffer *question) {
        struct stat status;

        if (fstat(STDIN_FILENO, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > RPM_FILES_QUESTION_MAX)
                return -EBADMSG;
        if (!buffer_room(question, (size_t)status.st_size))
                return -ENOMEM;
        while (question->size < (size_t)status.st_size) {
                ssize_t n = pread(STDIN_FILENO, question->data + question->size, (size_t)status.st_size - question->size,
                                  (off_t)question->size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
                if (n > 0)
                        question->size += (size_t)n;
        }
        return 0;
}

static int write_files(int fd, rpmts ts, struct complaint *complaint) {
        struct buffer question = BUFFER_NULL, answer = BUFFER_NULL;
        struct bytes rest, path;
        uint32_t number = 0;
        size_t total = 0;
        int r = read_question(&question);

        rpm_files_begin(&answer);
        rest = buffer_bytes(&question);
        while (r == 0 && !complaint->made && rpm_files_question_next(&rest, &path)) {
                const char *name = (const char *)path.data; /* ends in NUL */
                rpmdbMatchIterator iterator = rpmtsInitIterator(ts, RPMDBI_INSTFILENAMES, name, 0);
                Header header;

                while ((header = rpmdbNextIterator(iterator)))
                        append_file(&answer, number, name, header);
                (void)rpmdbFreeIterator(iterator);
                if (++number > RPM_FILES_PATHS_MAX)
                        r = -E2BIG;
                if (r == 0 && answer.size >= FLUSH_SIZE)
                        r = flush(fd, &answer, &total);
        }
        if (r == 0 && rest.size)
                r = complaint->made ? 1 : -EBADMSG;
        rpm_files_end(&answer, number);
        if (r == 0)
                r = flush(fd, &answer, &total);
        buffer_done(&question);
        buffer_done(&answer);
        return r;
}

static int write_packages(int fd, rpmts ts, struct complaint *complaint) {
        rpmdbMatchIterator iterator = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
        struct buffer text = BUFFER_NULL;
        size_t total = 0;
        Header header;
        int r = 0;

        while (r == 0 && !complaint->made && (header = rpmdbNextIterator(iterator))) {
                append_package(&text, header);
                if (text.size >= FLUSH_SIZE)
                        r = flush(fd, &text, &total);
        }
        if (r == 0)
                r = flush(fd, &text, &total);
        (void)rpmdbFreeIterator(iterator);
        buffer_done(&text);
        return r;
}

/* 0, a negative errno, or 1: see the complaint. */
static int write_answer(int fd, bool files, struct complaint *complaint) {
        rpmts ts = rpmtsCreate();
        int r;

        if (!ts)
                return -ENOMEM;
        /* Digests find damage. Signatures would cost a keyring and say nothing about what is installed. */
        (void)rpmtsSetVSFlags(ts, rpmtsVSFlags(ts) | RPMVSF_MASK_NOSIGNATURES);
        if (rpmtsOpenDB(ts, O_RDONLY) != 0) {
                r = complaint->made ? 1 : -EIO;
                goto finish;
        }
        complaint->gravest = RPMLOG_ERR;
        restore_signals();
        r = files ? write_files(fd, ts, complaint) : write_packages(fd, ts, complaint);
        if (r == 0 && complaint->made)
                r = 1;

finish:
        (void)rpmtsFree(ts);
        /* Closing may complain as well; then it was not sound. */
        return r == 0 && complaint->made ? 1 : r;
}

static int send_answer(int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        char letter = 'R';
        struct iovec part = { .iov_base = &letter, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        ssize_t n;

        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
        do
                n = sendmsg(ANSWER_FD, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* Where several kinds lie side by side (an old one left behind), the configured one is the database. */
static const char *choose_backend(const bool has[ELEMENTS(databases)]) {
        char *configured = rpmExpand("%{?_db_backend}", NULL);
        const char *backend = NULL;

        for (size_t i = ELEMENTS(databases); i > 0; i--)
                if (has[i - 1])
                        backend = databases[i - 1].backend;
        for (size_t i = 0; i < ELEMENTS(databases) && configured; i++)
                if (has[i] && databases[i].backend && strcmp(databases[i].backend, configured) == 0)
                        backend = databases[i].backend;
        free(configured);
        return backend;
}

/* librpm finds macros and settings by the environment (HOME, RPM_CONFIGDIR), and translates by it: not wanted. */
static int prepare(const char *path, const bool has[ELEMENTS(databases)], struct complaint *complaint) {
        const char *backend;

        if (clearenv() != 0 || setenv("HOME", "/nonexistent", 1) < 0 || setenv("PATH", "/usr/sbin:/usr/bin", 1) < 0)
                return -ENOMEM;
        if (rpmReadConfigFiles(NULL, NULL) != 0)
                return -EIO;
        backend = choose_backend(has);
        if (backend) {
                /* For a backend that it was built without, librpm only warns and then finds no package, or makes a new
                 * database beside the old one. */
                complaint->gravest = RPMLOG_WARNING;
                if (rpmPushMacro(NULL, "_db_backend", NULL, backend, RMIL_CMDLINE) != 0)
                        return -EIO;
        }
        return rpmPushMacro(NULL, "_dbpath", NULL, path, RMIL_CMDLINE) == 0 ? 0 : -EIO;
}

int main(int argc, char **argv) {
        static struct complaint complaint = { .gravest = RPMLOG_ERR };
        bool has[ELEMENTS(databases)] = { false };
        char path[PATH_MAX] = "";
        struct buffer weaker = BUFFER_NULL; /* of no interest here: the observer tells of the same */
        struct stat answer;
        int fd, r;

        if (argc != 3 && !(argc == 4 && strcmp(argv[3], "files") == 0)) {
                static const char usage[] = "usage: nephronix-pkgdb ROOT DBPATH [files]\n";

                (void)!write(STDERR_FILENO, usage, sizeof(usage) - 1);
                return 2;
        }
        if (fstat(ANSWER_FD, &answer) < 0 || !S_ISSOCK(answer.st_mode))
                return fail(argv[2], "descriptor 3 is no socket to answer on");
        (void)fcntl(ANSWER_FD, F_SETFD, FD_CLOEXEC);
        (void)alarm(PATIENCE_SECONDS);
        (void)rpmlogSetCallback(note, &complaint);

        r = locate(argv[1], argv[2], path, has);
        if (r < 0)
                return fail(argv[2], r == -ENOENT ? "no rpm database there" : strerror(-r));
        if (strchr(path, '%')) /* it becomes the body of a macro: %(...) would run a command */
                return fail(path, "a folder with '%' in its name is not opened");
        r = confinement_pkgdb(path, CONFINEMENT_DEFAULT, &weaker);
        buffer_done(&weaker);
        if (r < 0)
                return fail(path, "privileges cannot be given up");
        r = prepare(path, has, &complaint);
        if (r < 0)
                return fail(path, complaint.made ? complaint.text : "librpm cannot be set up");
        fd = memfd_create("nephronix-packages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return fail(path, strerror(errno));
        r = write_answer(fd, argc == 4, &complaint);
        if (r == 0)
                r = send_answer(fd);
        if (r != 0)
                return fail(path, r > 0 ? complaint.text : strerror(-r));
        return EXIT_SUCCESS;
}
