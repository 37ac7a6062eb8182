#include "banner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "blake2b.h"
#include "escape.h"
#include "fd.h"
#include "host.h"
#include "timestamp.h"
#include "uuid.h"

enum { ID_FILE_MAX = 256 };

static void append_addresses(struct buffer *buffer) {
        struct ifaddrs *list, *at;

        if (getifaddrs(&list) < 0)
                return;
        for (at = list; at; at = at->ifa_next) {
                char text[INET6_ADDRSTRLEN];
                const void *address;

                if (!at->ifa_addr || (at->ifa_flags & IFF_LOOPBACK))
                        continue;
                if (at->ifa_addr->sa_family == AF_INET)
                        address = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
                else if (at->ifa_addr->sa_family == AF_INET6)
                        address = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;
                else
                        continue;
                if (inet_ntop(at->ifa_addr->sa_family, address, text, sizeof(text)))
                        buffer_printf(buffer, " %s", text);
        }
        freeifaddrs(list);
}

int banner_program_digest(struct buffer *buffer) {
        _cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        uint8_t digest[BLAKE2B_SIZE];
        int r;

        if (fd < 0)
                return -errno;
        r = blake2b_file(fd, digest);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sizeof(digest); i++)
                buffer_printf(buffer, "%02x", digest[i]);
        return buffer_error(buffer);
}

int banner_append(struct buffer *buffer, const char *version) {
        struct timespec now;
        struct utsname name;
        int r;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        buffer_printf(buffer, "Nephronix %s - host change monitor\n", version);
        timestamp_classic(buffer, &now);
        buffer_append_string(buffer, "\nrunning on ");
        if (uname(&name) == 0)
                escape_append(buffer, bytes_of_string(name.nodename));
        append_addresses(buffer);
        buffer_append_string(buffer, "\nBLAKE2 of self: ");
        r = banner_program_digest(buffer);
        buffer_append_byte(buffer, '\n');
        return r < 0 ? r : buffer_error(buffer);
}

static char *first_line(const struct host *host, const char *path) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t length = 0;

        if (host_read(host, path, ID_FILE_MAX, &text) < 0)
                return strdup("");
        while (length < text.size && text.data[length] > ' ' && text.data[length] < 0x7f)
                length++;
        return strndup(length ? (const char *)text.data : "", length);
}

int banner_host(const char *root, char **ret_name, char **ret_machine_id, char **ret_boot_id) {
        struct host host = HOST_NULL;
        _cleanup_free_ char *name = NULL, *machine_id = NULL, *boot_id = NULL;
        struct utsname uts;
        int r;

        r = host_open(&host, root);
        if (r < 0)
                return r;
        name = host.live && uname(&uts) == 0 ? strdup(uts.nodename) : first_line(&host, "etc/hostname");
        machine_id = first_line(&host, "etc/machine-id");
        boot_id = first_line(&host, "proc/sys/kernel/random/boot_id");
        host_close(&host);
        if (!name || !machine_id || !boot_id)
                return -ENOMEM;
        *ret_name = TAKE_PTR(name);
        *ret_machine_id = TAKE_PTR(machine_id);
        *ret_boot_id = TAKE_PTR(boot_id);
        return 0;
}
