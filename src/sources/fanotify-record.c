#include "fanotify-record.h"

#include <errno.h>
#include <sys/fanotify.h>

enum {
        INFO_FID = 1, INFO_DFID_NAME = 2, INFO_DFID = 3, INFO_OLD_DFID_NAME = 10, INFO_NEW_DFID_NAME = 12,
        HANDLE_MAX = 128,
};

/* What fanotify(7) calls struct fanotify_event_info_fid: header, fsid, then struct file_handle and perhaps a name. */
struct info {
        uint8_t type, pad;
        uint16_t size;
        uint32_t filesystem[2];
        uint32_t handle_bytes;
        int32_t handle_type;            /* the handle's bytes follow */
};

static bool read_info(struct bytes bytes, struct fanotify_handle *ret, const char **ret_name) {
        struct info info;
        size_t at = sizeof(info);

        if (bytes.size < sizeof(info))
                return false;
        memcpy(&info, bytes.data, sizeof(info));
        if (info.handle_bytes > HANDLE_MAX || info.handle_bytes > bytes.size - at)
                return false;
        memcpy(&ret->filesystem, info.filesystem, sizeof(ret->filesystem));
        /* the type stands directly before the bytes: one run names the file */
        ret->id = bytes_of(bytes.data + at - sizeof(info.handle_type), sizeof(info.handle_type) + info.handle_bytes);
        at += info.handle_bytes;
        if (!ret_name)
                return true;
        if (!memchr(bytes.data + at, '\0', bytes.size - at))
                return false;
        *ret_name = (const char *)bytes.data + at;
        return true;
}

int fanotify_record_next(struct bytes *rest, struct fanotify_record *ret) {
        struct fanotify_event_metadata event;
        size_t at;

        if (rest->size == 0)
                return 0;
        if (rest->size < sizeof(event))
                return -EBADMSG;
        memcpy(&event, rest->data, sizeof(event));
        if (event.vers != FANOTIFY_METADATA_VERSION || event.event_len > rest->size || event.metadata_len < sizeof(event) ||
            event.metadata_len > event.event_len)
                return -EBADMSG;
        *ret = (struct fanotify_record){ .mask = event.mask, .pid = event.pid };
        for (at = event.metadata_len; at < event.event_len;) {
                struct fanotify_event_info_header header;
                struct bytes info;
                bool sound = true;

                if (event.event_len - at < sizeof(header))
                        return -EBADMSG;
                memcpy(&header, rest->data + at, sizeof(header));
                if (header.len < sizeof(header) || header.len > event.event_len - at)
                        return -EBADMSG;
                info = bytes_of(rest->data + at, header.len);
                switch (header.info_type) {
                case INFO_FID:
                        sound = read_info(info, &ret->object, NULL);
                        break;
                case INFO_DFID:
                        sound = read_info(info, &ret->directory, NULL);
                        break;
                case INFO_DFID_NAME:
                case INFO_NEW_DFID_NAME:
                        sound = read_info(info, &ret->directory, &ret->name);
                        break;
                case INFO_OLD_DFID_NAME:
                        sound = read_info(info, &ret->old_directory, &ret->old_name);
                        break;
                default: /* a newer kernel's */
                        break;
                }
                if (!sound)
                        return -EBADMSG;
                at += header.len;
        }
        *rest = bytes_of(rest->data + event.event_len, rest->size - event.event_len);
        return 1;
}
