#!/usr/bin/env python3
"""What somebody who is no friend of the reader gives to names: makes trees that stand for a host out of it, and checks what became
of it in every output.

hostile.py tree FOLDER            files with hostile names, one in a path of 4,000 bytes
hostile.py host ROOT [empty]      a host whose processes, packages, sessions, modules and kernel messages have such names, or none
hostile.py clean FILE...          no byte that moves a terminal, hides or forges: exit status 1 and what was found
hostile.py log FILE               the same, and each line begins as a line of the text log does
hostile.py ledger FILE            one JSON object a line, and clean
hostile.py told FILE PATH ACTION  the exact values of a field in the events with that action, one Python literal a line
hostile.py terminal FILE          makes a terminal, says its name below /dev, and keeps what is written to it
hostile.py run FOLDER             runs a program under each name, with it as its arguments, until it is killed
hostile.py names | texts | words | comms | commands  the exact bytes, one Python literal a line
"""
import base64
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tty

FORGED = (b"\n20260101-00:00:00 NEPHRONIX - 00000000-0000-4000-8000-000000000000 - "
          b"Changes to installed packages detected! Diff:")

# Without NUL; as texts they may hold '/', as names not.
TEXTS = [
    b"plain",
    b"a\nb",
    FORGED,
    b"\x1b[31mred\x1b[0m",
    b"\x1b]0;title\x07",
    b"\x1b]8;;http:back\x1b\\link\x1b]8;;\x1b\\",
    b"\x9b31m eight bits",
    "\u009b31m C1 in UTF-8".encode(),
    "\u202egnp.exe".encode(),
    "\u2066isolate\u2069".encode(),
    "zero\u200bwidth".encode(),
    "line\u2028separator\u2029paragraph".encode(),
    "tag\U000e0041\U000e0042".encode(),
    "\ufeffmark".encode(),
    b"\xff\xfe not UTF-8 \xc3(",
    b"overlong \xc0\xaf \xe0\x80\x80",
    b"surrogate \xed\xa0\x80",
    b"beyond \xf4\x90\x80\x80",
    b"cut \xe2\x82",
    b"\"quotes\" 'single' `reboot` $(reboot)",
    b"%s%n%x%d%99999999c",
    b"back\\slash \\n \\x41 \\u{202e}",
    b"swallow the next line \\",
    bytes(range(1, 32)) + b"\x7f",
    b"real\rfake",
    b"over\b\b\b\bwritten",
    b"  blanks  ",
    b"-rf",
    b"> 0000 forged diff line",
    b"---",
    b"180c180",
    b"\",\"event\":{\"sequence\":1},\"x\":\"",
    b"{\"message\":\"forged\"}",
    "größer, 大きい, 😀".encode(),
    b"\r\n\r\n",
    b"<script>alert(1)</script>",
]
LONG = b"long\x1b[5m" + b"x" * (4096 - 8)


def numbered(texts):
    return [b"%02d" % number + text for number, text in enumerate(texts)]


def names():
    return [text.replace(b"/", b"|") for text in numbered(TEXTS)] + [b"99" + b"\n" * 253]


def texts():
    return numbered(TEXTS) + [LONG]


def words():
    """Where a blank or a newline ends what is read."""
    return [re.sub(rb"[\s\0]", b"_", text) for text in numbered(TEXTS)]


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def tree(folder):
    folder = os.fsencode(folder)
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for name in names():
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    for number, target in enumerate(texts()[:-1]):
        os.symlink(target, b"link%02d" % number, dir_fd=here)
    # Deeper than any call takes in one path.
    component, path = b"deep\x1b[7m" + b"d" * 190, folder
    while len(path) + len(component) + 1 <= 4080:
        os.mkdir(component, dir_fd=here)
        below = os.open(component, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here, path = below, path + b"/" + component
    os.close(os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    os.close(here)


def process(root, pid, comm, command, exe, cgroup, inode):
    folder = f"{root}/proc/{pid}"
    write(f"{folder}/stat", b"%d (%s) S 1 %d %d 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %d 1000 10 0 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0"
          b" 0 0 0 0 0 0 0 0\n" % (pid, comm, pid, pid, 1000 + pid))
    write(f"{folder}/status", b"Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%d\nPid:\t%d\nPPid:\t1\nTracerPid:\t0\n"
          b"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n" % (comm.replace(b"\n", b"\\n"), pid, pid))
    write(f"{folder}/comm", comm + b"\n")
    write(f"{folder}/cmdline", command)
    write(f"{folder}/cgroup", b"0::/" + cgroup.replace(b"\n", b"\\n") + b"\n")
    os.symlink(exe, f"{folder}/exe")
    os.makedirs(f"{folder}/fd", exist_ok=True)
    os.symlink(b"socket:[%d]" % inode, f"{folder}/fd/3")


def utmp(line, user, host, pid):
    return struct.pack("<h2xi32s4s32s256shhiii4I20x", 7, pid, line, b"ts/0", user, host, 0, 0, 0, 1700000000, 0, 0, 0, 0, 0)


def terminal(name):
    reader, writer = pty.openpty()
    tty.setraw(writer)
    print(os.ttyname(writer).removeprefix("/dev/"), flush=True)
    with open(name, "wb", buffering=0) as file:
        while True:
            file.write(os.read(reader, 65536))


def run(folder):
    """Each under its name; the arguments are the name too."""
    children = []
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    for name in names():
        path = os.path.join(os.fsencode(folder), name)
        shutil.copy(b"/bin/sleep", path)
        os.chmod(path, 0o755)
        children.append(subprocess.Popen([name, b"600", b"0"], executable=path))
    print(len(children), flush=True)
    try:
        children[0].wait()
    finally:
        for child in children:
            child.kill()
            child.wait()


def host(root, empty):
    write(f"{root}/etc/hostname", b"victim\n")
    write(f"{root}/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n")
    write(f"{root}/proc/stat", b"cpu  0 0 0 0\nbtime 1700000000\n")
    write(f"{root}/proc/sys/kernel/random/boot_id", b"11111111-2222-4333-8444-555555555555\n")
    head = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    write(f"{root}/proc/net/tcp", head)
    write(f"{root}/proc/net/udp", head)
    write(f"{root}/proc/modules", b"")
    write(f"{root}/dev/kmsg", b"")
    write(f"{root}/var/lib/dpkg/status", b"")
    write(f"{root}/run/utmp", b"")
    os.makedirs(f"{root}/run/systemd/sessions", exist_ok=True)
    os.makedirs(f"{root}/sys/module", exist_ok=True)
    process(root, 1, b"init", b"/sbin/init\0", b"/sbin/init", b"init", 1)
    if empty:
        return
    status, kmsg, records, modules, sockets = b"", b"", b"", b"", head
    for number, text in enumerate(texts()):
        pid = 100 + number
        process(root, pid, text[:15], text + b"\0argument\0" + text, (b"/bin/" + text)[:4000], text[:200], 5000 + number)
        kmsg += b"4,%d,%d,-;module %s\n" % (number + 1, number, text.replace(b"\n", b"\\x0a"))
        sockets += (b"%4d: 0100007F:%04X 0100007F:%04X 01 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0\n"
                    % (number, 20000 + number, 30000 + number, 5000 + number))
    for number, word in enumerate(words()):
        status += b"Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: %s\nDescription: %s\n\n" % (
            word, word, word, texts()[number].replace(b"\n", b"_"))
        records += utmp(b"pts/%d" % (1000 + number), texts()[number][:32], texts()[number][:256], 100 + number)
        modules += b"%s 4096 0 - Live 0x0000000000000000\n" % word
        write(f"{root}/run/systemd/sessions/s{number}", b"UID=0\nUSER=%s\nCLASS=user\nSTATE=active\nREMOTE_HOST=%s\nLEADER=%d\n" % (
            b"".join(b"\\%03o" % byte for byte in texts()[number]), b"".join(b"\\%03o" % byte for byte in texts()[number]), 100 + number))
    write(f"{root}/var/lib/dpkg/status.next", status)
    os.rename(f"{root}/var/lib/dpkg/status.next", f"{root}/var/lib/dpkg/status")
    write(f"{root}/dev/kmsg", kmsg)
    write(f"{root}/run/utmp", records)
    write(f"{root}/proc/modules", modules)
    write(f"{root}/proc/net/tcp", sockets)


def unclean(data):
    """The first thing in it that is no plain text."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error}"
    found = re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]", text)
    return f"{found.group()!r} in {text[max(0, found.start() - 60):found.end() + 20]!r}" if found else None


def clean(files):
    problems = 0
    for name in files:
        with open(name, "rb") as file:
            problem = unclean(file.read())
        if problem:
            print(f"{name}: {problem}")
            problems += 1
    return problems == 0


def log(name):
    prefix = re.compile(rb"[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2} NEPHRONIX - ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) - ")
    problems = 0
    with open(name, "rb") as file:
        for line in file:
            match = prefix.match(line)
            if not match or match.group(1) == b"00000000-0000-4000-8000-000000000000" or not line.endswith(b"\n"):
                print(f"not a line of ours: {line[:200]!r}")
                problems += 1
    return clean([name]) and problems == 0


def events(name):
    with open(name, "rb") as file:
        for line in file:
            yield json.loads(line)


def ledger(name):
    for event in events(name):
        if not isinstance(event, dict) or not isinstance(event["event"]["sequence"], int):
            print(f"no event: {event!r}")
            return False
    return clean([name])


def exact(event, path):
    """The bytes of a value: from nephronix.raw where it could not stand as it was."""
    value = event
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    raw = event["nephronix"].get("raw", {}).get(path)
    if raw is not None:
        return base64.b64decode(raw, validate=True)
    return None if value is None else str(value).encode()


def told(name, path, action):
    values = {exact(event, path) for event in events(name) if event["event"]["action"] == action}
    show(value for value in values if value is not None)


def show(values):
    for value in sorted(values):
        print(repr(value))


LISTS = {
    "names": names,
    "texts": texts,
    "words": words,
    "comms": lambda: [text[:15] for text in texts()],
    "commands": lambda: [b" ".join((text, b"argument", text)) for text in texts()],
}


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "tree":
        tree(*arguments)
    elif command == "host":
        host(arguments[0], arguments[1:] == ["empty"])
    elif command == "terminal":
        terminal(*arguments)
    elif command == "run":
        run(*arguments)
    elif command == "told":
        told(*arguments)
    elif command in LISTS:
        show(set(LISTS[command]()))
    else:
        return {"clean": lambda: clean(arguments), "log": lambda: log(*arguments), "ledger": lambda: ledger(*arguments)}[command]()
    return True


sys.exit(0 if main() else 1)
