#include "favours.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "channel.h"
#include "fd.h"
#include "new-file.h"

const char *const favours_rpm_folders[] = { "/var/lib/rpm", "/usr/lib/sysimage/rpm", NULL };

static const char *const rpm_databases[] = { "rpmdb.sqlite", "Packages.db", "Packages", NULL };

int favours_send(int socket, const struct message *message, int fd) {
        _cleanup_buffer_ struct buffer datagram = BUFFER_NULL;
        int r;

        if (socket < 0)
                return -ENOTCONN;
        r = message_encode(&datagram, message);
        if (r == 0)
                r = buffer_error(&datagram);
        return r < 0 ? r : channel_send(socket, buffer_bytes(&datagram), fd);
}

static int ask_wall(struct favours *favours, struct bytes terminals, struct bytes text) {
        struct favours_channel *channel = container_of(favours, struct favours_channel, favours);
        struct message message = { .type = MESSAGE_WALL, .texts = { terminals, text } };

        return favours_send(channel->socket, &message, -1);
}

/* Bytes that whoever gets them can rely on to stay as they are. */
static int seal(int memory, struct bytes bytes) {
        int r = write_all(memory, bytes);

        if (r < 0)
                return r;
        if (lseek(memory, 0, SEEK_SET) < 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return 0;
}

static int ask_hook(struct favours *favours, const char *hook, uint64_t time_limit_ns, struct bytes json) {
        struct favours_channel *channel = container_of(favours, struct favours_channel, favours);
        struct message message = {
                .type = MESSAGE_HOOK,
                .id = ++channel->next_id,
                .number = time_limit_ns,
                .texts = { bytes_of_string(hook) },
        };
        _cleanup_close_ int memory = memfd_create("nephronix-events", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r = memory < 0 ? -errno : seal(memory, json);

        return r < 0 ? r : favours_send(channel->socket, &message, memory);
}

static const char *find_rpm_folder(const struct host *host) {
        for (size_t i = 0; favours_rpm_folders[i]; i++)
                for (size_t k = 0; rpm_databases[k]; k++) {
                        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
                        _cleanup_close_ int fd = -1;

                        buffer_printf(&path, "%s/%s", favours_rpm_folders[i], rpm_databases[k]);
                        fd = host_openat(host, buffer_string(&path), O_PATH);
                        if (fd >= 0)
                                return favours_rpm_folders[i];
                }
        return NULL;
}

static int ask_rpm_database(struct host_helper *helper, int *ret_fd) {
        struct favours_channel *channel = container_of(helper, struct favours_channel, helper);
        struct message message = { .type = MESSAGE_PACKAGE_DATABASE };
        const char *folder;
        int r;

        if (channel->answer >= 0) {
                *ret_fd = TAKE_FD(channel->answer);
                return 0;
        }
        if (channel->answer_error) {
                r = channel->answer_error;
                channel->answer_error = 0;
                return r;
        }
        if (channel->asked)
                return -EAGAIN;
        if (channel->socket < 0)
                return -EOPNOTSUPP;
        folder = find_rpm_folder(channel->host);
        if (!folder)
                return -ENOENT;
        message.id = ++channel->next_id;
        message.texts[0] = bytes_of_string(folder);
        r = favours_send(channel->socket, &message, -1);
        if (r < 0)
                return r;
        channel->asked = true;
        return -EAGAIN;
}

static int ask_rpm_files(struct host_helper *helper, struct bytes paths) {
        struct favours_channel *channel = container_of(helper, struct favours_channel, helper);
        struct message message = { .type = MESSAGE_PACKAGE_FILES };
        _cleanup_close_ int memory = -1;
        const char *folder;
        int r;

        if (channel->files.asked || channel->files.answer >= 0)
                return -EAGAIN;
        if (channel->socket < 0)
                return -EOPNOTSUPP;
        folder = find_rpm_folder(channel->host);
        if (!folder)
                return -ENOENT;
        memory = memfd_create("nephronix-paths", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        r = memory < 0 ? -errno : seal(memory, paths);
        if (r < 0)
                return r;
        message.id = ++channel->next_id;
        message.texts[0] = bytes_of_string(folder);
        r = favours_send(channel->socket, &message, memory);
        if (r < 0)
                return r;
        channel->files.asked = true;
        channel->files.error = 0;
        return 0;
}

static int take_rpm_files_answer(struct host_helper *helper, int *ret_fd) {
        struct favours_channel *channel = container_of(helper, struct favours_channel, helper);

        if (channel->files.answer >= 0) {
                *ret_fd = TAKE_FD(channel->files.answer);
                return 0;
        }
        return channel->files.asked ? -EAGAIN : channel->files.error ? channel->files.error : -ENODATA;
}

void favours_init(struct favours_channel *channel, int socket, const struct host *host) {
        *channel = (struct favours_channel){
                .favours = { .wall = ask_wall, .hook = ask_hook },
                .helper = {
                        .rpm_database = ask_rpm_database,
                        .rpm_files = ask_rpm_files,
                        .rpm_files_answer = take_rpm_files_answer,
                },
                .socket = socket,
                .host = host,
                .answer = -1,
                .files.answer = -1,
        };
}

void favours_done(struct favours_channel *channel) {
        channel->answer = fd_close(channel->answer);
        channel->files.answer = fd_close(channel->files.answer);
        free(channel->why);
}

/* 0, or why there is no answer. */
static int answer_error(int status, int fd) {
        if (fd >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return -EOPNOTSUPP; /* no nephronix-pkgdb: built without librpm */
        return WIFSIGNALED(status) ? -ETIMEDOUT : -EIO;
}

void favours_package_files(struct favours_channel *channel, const struct message *message, int fd) {
        channel->files.asked = false;
        channel->files.answer = fd_close(channel->files.answer);
        channel->files.error = answer_error((int)message->number, fd);
        if (channel->files.error == 0)
                channel->files.answer = fd;
        else
                (void)fd_close(fd);
}

void favours_package_database(struct favours_channel *channel, const struct message *message, int fd) {
        int status = (int)message->number;

        free(channel->why);
        channel->helper.why = channel->why = NULL;
        channel->asked = false;
        channel->answer = fd_close(channel->answer);
        channel->answer_error = answer_error(status, fd);
        if (channel->answer_error == 0) {
                channel->answer = fd;
                return;
        }
        (void)fd_close(fd);
        /* Its first line; the others are its way there. */
        if (message->texts[0].size)
                channel->why = strndup((const char *)message->texts[0].data, message->texts[0].size);
        if (channel->why)
                channel->why[strcspn(channel->why, "\n")] = '\0';
        channel->helper.why = channel->why;
}
