#include "terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "buffer.h"
#include "escape.h"
#include "fd.h"

/* Documentation/admin-guide/devices.txt: 4 virtual consoles and serial lines, 5 /dev/console, 136-143 UNIX98 pty slaves,
 * 204 and 229 other serial and hypervisor consoles. */
static bool is_terminal(unsigned device_major) {
        return device_major == 4 || device_major == 5 || (device_major >= 136 && device_major <= 143) || device_major == 204 ||
               device_major == 229;
}

static int open_checked(int devices, const char *name, int flags) {
        struct open_how how = {
                .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
                /* /dev/pts is a mount of its own */
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_close_ int fd = (int)syscall(SYS_openat2, devices, name, &how, sizeof(how));
        struct stat stat;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISCHR(stat.st_mode) || !is_terminal(major(stat.st_rdev)))
                return -ENOTTY;
        return TAKE_FD(fd);
}

/* Opening alone does something to many devices (a watchdog starts, a tape winds back), and the name is from utmp. */
static int open_terminal(int devices, const char *name) {
        _cleanup_close_ int place = open_checked(devices, name, O_PATH);

        return place < 0 ? place : open_checked(devices, name, O_WRONLY | O_NONBLOCK | O_NOCTTY);
}

/* Each line must be what escape.h lets through: nothing else reaches a terminal, whoever asks. */
static int make_text(struct bytes text, struct buffer *ret) {
        buffer_append_string(ret, "\r\n\a");
        while (text.size > 0) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size);

                if (!escape_is_clean(line))
                        return -EINVAL;
                buffer_append_bytes(ret, line);
                buffer_append_string(ret, "\r\n");
                text.data += line.size + (end ? 1 : 0);
                text.size -= line.size + (end ? 1 : 0);
        }
        return buffer_error(ret);
}

int terminals_write(struct bytes names, struct bytes text) {
        _cleanup_buffer_ struct buffer ready = BUFFER_NULL;
        _cleanup_close_ int devices = -1;
        int written = 0, r;
        size_t at = 0;

        if (names.size == 0 || names.data[names.size - 1] != '\0')
                return -EINVAL;
        r = make_text(text, &ready);
        if (r < 0)
                return r;
        devices = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (devices < 0)
                return -errno;
        while (at < names.size) {
                const char *name = (const char *)names.data + at;
                _cleanup_close_ int fd = open_terminal(devices, name);

                if (fd >= 0 && write(fd, ready.data, ready.size) > 0)
                        written++;
                at += strlen(name) + 1;
        }
        return written;
}
