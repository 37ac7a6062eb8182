#!/usr/bin/env python3
"""standing.py MODE - runs nephronixd again and again, strikes at one of its writes each time, and looks whether every staged change
was told exactly once. Says "ok - ..." and "not ok - ..." as the system tests do.

    crash       SIGKILL before a write, sync, rename, ..., or after half of a write
    errors      a run of such calls answers ENOSPC, EIO, EROFS, or those that open EMFILE
    power       what was asked of the disk is written down; from it, what a power cut would have left at this point

NEPHRONIX_PREFIX: the copy under test. NEPHRONIX_INJECT: inject.so. NEPHRONIX_POINTS: how many points (0: all).
NEPHRONIX_SEED: what to choose and, in "power", what has reached the disk."""
import concurrent.futures, json, os, random, shutil, struct, sys, tempfile, time, uuid

from instance import Run, Trouble, seed

points_wanted = int(os.environ.get("NEPHRONIX_POINTS", "40"))


def whole_run(folder, doubled_is_fine=False, **plan):
    run = Run(folder)
    try:
        run.inject(**plan)
        run.start()
        # While nothing can be kept nothing is known yet: what is staged then would be taken for what was there.
        run.wait("it is ready", lambda: run.ready() and run.knows())
        run.act()
        run.wait("all that was staged is told", run.all_told)
        time.sleep(0.1)
        if run.gone():
            run.wait("it is ready again", run.ready)
        run.stop()
        # Struck while it stopped: what it left is told by the next one, when nothing fails any more.
        counted = run.counted()
        run.environment.pop("INJECT_AT", None)
        run.start()
        run.wait("it starts after all that", run.ready)
        run.stop()
        return counted, run.faults(doubled_is_fine), run
    except Trouble as trouble:
        return run.counted(), [str(trouble)], run
    finally:
        run.kill()


def choose(total):
    numbers = list(range(1, total + 1))
    if points_wanted and points_wanted < total:
        numbers = sorted(random.Random(seed).sample(numbers, points_wanted))
    return numbers


def say(text, faults):
    print(("not ok - " if faults else "ok - ") + text)
    for fault in faults[:20]:
        print("#   " + fault)
    sys.stdout.flush()


def strike_all(base, plans, label, doubled_is_fine=False):
    bad, struck = [], 0

    def one(index, plan):
        folder = "%s/%d" % (base, index)
        counted, faults, _ = whole_run(folder, doubled_is_fine, **plan)
        if not faults:
            shutil.rmtree(folder)
        return plan, counted, faults

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("NEPHRONIX_JOBS", "4"))) as pool:
        for plan, counted, faults in pool.map(lambda item: one(*item), enumerate(plans)):
            struck += counted[1] > 0
            bad += ["%s: %s" % (plan, fault) for fault in faults]
    say("%s: %d runs, %d of them struck: every change told once, nothing torn" % (label, len(plans), struck), bad)
    say("%s: most runs were struck" % label, [] if struck * 2 >= len(plans) else ["%d of %d" % (struck, len(plans))])


def count_points(base, **plan):
    (total, _), faults, run = whole_run(base + "/counted", **plan)
    say("without a strike: every change told once (%d calls)" % total, faults)
    return total, run


def crash(base):
    total, _ = count_points(base)
    strike_all(base, [dict(at=n, how="torn" if n % 2 else "kill") for n in choose(total)], "killed at a write")


def errors(base):
    total, _ = count_points(base)
    names = ["ENOSPC", "EIO", "EROFS", "EDQUOT"]
    strike_all(base, [dict(at=n, how=names[i % 4], times=(3, 40)[i // 4 % 2]) for i, n in enumerate(choose(total))], "a call fails",
               doubled_is_fine=True)
    total, _ = count_points(base + "/open", only="open")
    strike_all(base + "/open", [dict(at=n, how="EMFILE", times=5, only="open") for n in choose(total)], "no descriptor is left",
               doubled_is_fine=True)


# ---- a power cut ----

HEAD = struct.Struct("IIIIQQ")
WRITE, SYNC, RENAME, UNLINK, TRUNCATE, CREATE, FOLDER, OPEN = range(1, 9)


def read_records(path):
    with open(path, "rb") as file:
        data = file.read()
    records, at = [], 0
    while at < len(data):
        operation, path_size, data_size, durable, _, offset = HEAD.unpack_from(data, at)
        at += HEAD.size
        name = data[at:at + path_size].decode()
        content = data[at + path_size:at + path_size + data_size]
        at += path_size + data_size
        records.append((operation, name, offset, content, durable))
    return records


class File:
    def __init__(self):
        self.durable, self.waiting = b"", []

    @staticmethod
    def apply(data, change):
        kind, offset, content = change
        if kind == TRUNCATE:
            return data[:offset] + b"\0" * (offset - len(data))
        return data[:offset] + b"\0" * (offset - len(data)) + content + data[offset + len(content):]

    def sync(self):
        for change in self.waiting:
            self.durable = self.apply(self.durable, change)
        self.waiting = []

    # Of what was not synced each write may be there, in part, as zeros (its length but not its bytes), or not.
    def after_cut(self, luck):
        data = self.durable
        for kind, offset, content in self.waiting:
            fate = luck.choice(("there", "there", "part", "zeros", "not"))
            if fate == "not":
                continue
            if fate == "part" and kind == WRITE:
                content = content[:luck.randrange(len(content) + 1)]
            if fate == "zeros" and kind == WRITE:
                content = b"\0" * len(content)
            data = self.apply(data, (kind, offset, content))
        return data


# Names change in order, as journalling filesystems have it: what is there after the cut is a beginning of all changes of names, with
# at least those of a folder that was synced. A file that was synced has its name, as on ext4, xfs and btrfs.
class Disk:
    def __init__(self):
        self.names, self.durable_names, self.changes = {}, {}, []

    def do(self, operation, path, offset, content, durable):
        if path.endswith(" (deleted)"):
            return
        if operation == CREATE:
            self.change(lambda names, file=File(): names.__setitem__(path, file))
        elif operation == FOLDER:
            self.change(lambda names: names.__setitem__(path, None))
        elif operation == RENAME:
            target = content.decode()
            def rename(names):
                moved = {name: names.pop(name) for name in list(names) if name == path or name.startswith(path + "/")}
                for name, file in moved.items():
                    names[target + name[len(path):]] = file
            self.change(rename)
        elif operation == UNLINK:
            self.change(lambda names: names.pop(path, None))
        elif operation == SYNC:
            file = self.names.get(path)
            if file:
                file.sync()
            while self.changes:
                self.changes.pop(0)(self.durable_names)
        elif operation in (WRITE, TRUNCATE) and self.names.get(path):
            file = self.names[path]
            file.waiting.append((operation, offset, content))
            if durable:
                file.durable = File.apply(file.durable, file.waiting.pop())

    def change(self, change):
        change(self.names)
        self.changes.append(change)

    def after_cut(self, luck):
        names = dict(self.durable_names)
        for change in self.changes[:luck.randrange(len(self.changes) + 1)]:
            change(names)
        return {path: file.after_cut(luck) if file else None for path, file in names.items()}


def cut(base, index, at, records, recorded, acts):
    folder = "%s/cut-%d" % (base, index)
    luck = random.Random(seed * 1000003 + at)
    disk = Disk()
    for record in records[:at]:
        disk.do(*record)
    run = Run(folder)
    shutil.rmtree(folder + "/tree")
    shutil.copytree(recorded + "/tree", folder + "/tree", symlinks=True)
    # The baseline names paths: the same tree has to stand at the same place.
    with open(folder + "/nephronix.conf") as file:
        text = file.read()
    with open(folder + "/nephronix.conf", "w") as file:
        file.write(text.replace("Path=%s/tree" % folder, "Path=%s/tree" % recorded))
    run.tree = recorded + "/tree"
    run.boot = str(uuid.UUID(int=luck.getrandbits(128)))
    os.chmod(folder + "/nephronix.conf", 0o644)
    for path, content in sorted(disk.after_cut(luck).items()):
        place = path.replace(recorded + "/state", folder + "/state", 1)
        if content is None:
            os.makedirs(place, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)
        os.chmod(place, 0o640)
    for place, _, _ in os.walk(folder + "/state"):
        os.chmod(place, 0o750)
    known = run.knows()
    run.staged = acts if known else []
    faults = []
    try:
        run.start()
        run.wait("it starts after a power cut", run.ready)
        if known:
            run.wait("what was staged is told after a power cut", run.all_told)
        run.stop()
        damaged = [line for line in run.lines() if b'"action":"baseline-damaged"' in line]
        if damaged:
            faults.append("a power cut damages the baseline: %s" % json.loads(damaged[0])["message"])
        faults += run.faults(doubled_is_fine=True)
        doubled = sum(n - 1 for act, n in run.told().items() if n > 1 and act in acts)
    except Trouble as trouble:
        faults, doubled = [str(trouble)], 0
    finally:
        run.kill()
    if not faults:
        shutil.rmtree(folder)
    return at, faults, doubled


def power(base):
    total, run = count_points(base, record=base + "/record")
    records = read_records(base + "/record")
    numbers = choose(len(records))
    bad, doubled = [], 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("NEPHRONIX_JOBS", "4"))) as pool:
        for at, faults, twice in pool.map(lambda item: cut(base, item[0], item[1], records, run.folder, run.staged), enumerate(numbers)):
            bad += ["cut at %d: %s" % (at, fault) for fault in faults]
            doubled += twice
    say("the power is cut: %d times: every change is told, nothing torn" % len(numbers), bad)
    print("# %d changes were told twice after a power cut" % doubled)


def main():
    modes = {"crash": crash, "errors": errors, "power": power}
    if len(sys.argv) != 2 or sys.argv[1] not in modes:
        print(__doc__, file=sys.stderr)
        return 2
    print("# NEPHRONIX_SEED=%d NEPHRONIX_POINTS=%d" % (seed, points_wanted))
    base = tempfile.mkdtemp(prefix="nephronix-standing-")
    os.chmod(base, 0o755)
    try:
        modes[sys.argv[1]](base)
    finally:
        if not os.environ.get("NEPHRONIX_KEEP"):
            shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
