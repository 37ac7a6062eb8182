#!/usr/bin/env python3
"""soak.py - real activity of all kinds beside a daemon that is killed, stopped, reloaded and struck at random, against an oracle that
knows what was staged. Missed, doubled and false must be 0; descriptors and memory stay flat.

NEPHRONIX_PREFIX: the copy under test. NEPHRONIX_INJECT: inject.so. NEPHRONIX_SOAK: seconds. NEPHRONIX_SEED: printed."""
import collections, datetime, errno, json, mmap, os, random, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

from instance import Run, Trouble, seed

seconds = int(os.environ.get("NEPHRONIX_SOAK", "60"))
OLD_FILES = 6000                # each changes once
PAUSE = 6                       # seconds between two faults, on average
BETWEEN = 0.5                   # seconds from an act to its event
MARGIN = 2.0                    # seconds round a fault in which what passes may have been seen by nobody

MORE = """[Nephronix]
Interval=500ms
Reconcile=5s
EventBuffer=16M
[Log]
MaxSize=200000
SegmentSize=1M
MaxUse=2G
[Watch "boot"]
Detail=full
[Watch "processes"]
Enabled=yes
Detail=full
[Watch "connections"]
Enabled=yes
Detail=full
"""


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Soak(Run):
    def __init__(self, folder):
        super().__init__(folder)
        self.random = random.Random(seed)
        self.programs = folder + "/programs"
        os.makedirs(self.programs)
        for i in range(OLD_FILES):
            with open("%s/old-%d" % (self.tree, i), "w") as file:
                file.write("before\n")
        with open(folder + "/nephronix.conf", "a") as file:
            file.write(MORE)
        self.windows = []               # [from, to] in which somebody was not watching
        self.passed = []                # (when, what, key): what lives only for a moment
        self.faults_made = collections.Counter()
        self.canaries = 0
        self.enough = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    # ---- activity ----

    def files(self, luck):
        number = old = 0
        while not self.enough and old < OLD_FILES - 3:
            act = luck.random()
            if act < 0.4:
                self.staged.append(("file-created", "new-%d" % number))
                os.close(os.open("%s/new-%d" % (self.tree, number), os.O_WRONLY | os.O_CREAT))
                number += 1
            elif act < 0.7:
                self.staged.append(("file-modified", "old-%d" % old))
                self.write("old-%d" % old, "after")
                old += 1
            elif act < 0.85:
                self.staged.append(("file-deleted", "old-%d" % old))
                os.unlink("%s/old-%d" % (self.tree, old))
                old += 1
            else:
                self.staged.append(("file-modified", "old-%d" % old))
                os.chmod("%s/old-%d" % (self.tree, old), 0o600)
                old += 1
            time.sleep(luck.expovariate(1 / 0.12))

    def processes(self, luck):
        number = 0
        while not self.enough:
            path = "%s/p-%d" % (self.programs, number)
            number += 1
            shutil.copy("/bin/true", path)
            self.passed.append((time.time(), "process", path))
            subprocess.run([path])
            os.unlink(path)
            time.sleep(luck.expovariate(1 / 0.3))

    def connections(self, luck):
        while not self.enough:
            with socket.create_connection(("127.0.0.1", self.port)) as client:
                self.passed.append((time.time(), "connection", client.getsockname()[1]))
                self.listener.accept()[0].close()
            time.sleep(luck.expovariate(1 / 0.4))

    # What has been told when this has, happened before it. A new one each time: the first may find the ring full, which is said, but
    # then nothing says that all else has been read.
    def canary(self):
        path = "%s/canary-%d-%d" % (self.programs, sum(self.faults_made.values()), self.canaries)
        self.canaries += 1
        shutil.copy("/bin/true", path)
        subprocess.run([path])
        os.unlink(path)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.stands_at_the_end(path.encode()):
                return True
            time.sleep(0.2)
        return False

    # In what was written last: an hour's ledger takes longer to read than what is looked for takes to come.
    def stands_at_the_end(self, text):
        return any(text in data for data in self.segments(-3))

    # ---- faults ----

    def observer(self):
        asked = subprocess.run(["pgrep", "-P", str(self.process.pid), "-x", "nephronixd"], capture_output=True, text=True)
        pids = asked.stdout.split()
        return int(pids[0]) if pids else None

    def plan(self, times, how):
        with open(self.folder + "/shared", "r+b") as file, mmap.mmap(file.fileno(), 4096) as page:
            count = struct.unpack_from("Q", page, 0)[0]
            struct.pack_into("QQQ", page, 16, count + self.random.randrange(1, 20), times, how)

    def fault(self):
        kind = self.random.choice(("kill observer", "kill guard", "stop a while", "end", "reload", "error", "strike"))
        observer = self.observer()
        began = time.time()
        self.faults_made[kind] += 1
        try:
            if kind == "kill observer" and observer:
                os.kill(observer, signal.SIGKILL)
            elif kind == "kill guard":
                self.process.kill()
                self.process.wait()
            elif kind == "stop a while" and observer:
                os.kill(observer, signal.SIGSTOP)
                time.sleep(self.random.uniform(0.2, 3))
                os.kill(observer, signal.SIGCONT)
                self.wait("what happened meanwhile is told", self.canary)
                return # nothing may be lost by that
            elif kind == "end":
                self.stop()
            elif kind == "reload":
                self.process.send_signal(signal.SIGHUP)
            elif kind == "error":
                self.plan(self.random.choice((3, 30)), self.random.choice((errno.ENOSPC, errno.EIO)))
                time.sleep(2)
                self.plan(0, 0)
            elif kind == "strike":
                self.plan(1, 0)
                time.sleep(1)
                self.plan(0, 0)
        except ProcessLookupError:
            pass
        self.windows.append([began - MARGIN, 0])
        if kind == "reload":
            time.sleep(0.5)
        self.wait("it watches again after: " + kind, self.watches)
        # What could not be kept it tries again after a while, and says how much of what passed until then is lost.
        self.wait("and notes what it sees", self.canary)
        self.windows[-1][1] = time.time() + MARGIN

    def watches(self):
        return self.ready() and self.observer() is not None

    # ---- what it costs ----

    def roles(self):
        return [self.process.pid] + [pid for pid in [self.observer()] if pid]

    def size(self):
        descriptors = proportional = 0
        for pid in self.roles():
            try:
                descriptors += len(os.listdir("/proc/%d/fd" % pid))
                with open("/proc/%d/smaps_rollup" % pid) as file:
                    proportional += int(next(line for line in file if line.startswith("Pss:")).split()[1])
            except (OSError, StopIteration):
                pass
        return descriptors, proportional

    # ---- the judgement ----

    def unwatched(self, moment):
        return any(since <= moment <= until for since, until in self.windows)

    def judge(self):
        faults, told, passing = self.faults(), collections.Counter(), collections.Counter()
        connections = collections.Counter()
        last = 0
        for line in self.lines():
            event = json.loads(line)
            action = event["event"]["action"]
            # What it says itself that nobody saw, and did not say more of meanwhile: a reload ends the observer when that has time for it.
            unwatched = event.get("nephronix", {}).get("unwatched")
            if unwatched:
                self.windows.append([max(seconds_of(unwatched["since"]), last) - BETWEEN, seconds_of(unwatched["until"]) + MARGIN])
            last = max(last, seconds_of(event["@timestamp"]))
            path = event.get("file", {}).get("path", "")
            if path.startswith(self.tree + "/"):
                told[action, os.path.basename(path)] += event.get("nephronix", {}).get("count", 1)
            program = event.get("process", {}).get("executable", "")
            if action in ("process-executed", "process-exited") and program.startswith(self.programs):
                passing[action, program] += 1
            ports = (event.get("source", {}).get("port"), event.get("destination", {}).get("port"))
            if self.port in ports and action in ("connection-established", "connection-closed"):
                connections[action, ports[0] if ports[1] == self.port else ports[1]] += 1
        false = [what for what in told if what not in set(self.staged)]
        faults += ["false: %s %s" % what for what in false]
        missed = judged = 0
        uses = collections.Counter((kind, key) for _, kind, key in self.passed) # a port may be given again
        for moment, kind, key in self.passed:
            counts = [passing[action, key] for action in ("process-executed", "process-exited")] if kind == "process" else \
                     [connections[action, key] for action in ("connection-established", "connection-closed")]
            most = uses[kind, key] * (1 if kind == "process" else 2)
            if any(n > most for n in counts):
                faults.append("doubled: %s %s: %s" % (kind, key, counts))
            if self.unwatched(moment):
                continue
            judged += 1
            if any(n < 1 for n in counts):
                missed += 1
                faults.append("missed: %s %s at %.3f: %s" % (kind, key, moment, counts))
        print("# staged: %d changes of files, %d processes and connections, %d of those while it was watching; missed %d of these" %
              (len(self.staged), len(self.passed), judged, missed))
        return faults


def say(text, faults):
    print(("not ok - " if faults else "ok - ") + text)
    for fault in faults[:30]:
        print("#   " + fault)
    sys.stdout.flush()


def main():
    folder = tempfile.mkdtemp(prefix="nephronix-soak-")
    os.chmod(folder, 0o755)
    print("# NEPHRONIX_SEED=%d NEPHRONIX_SOAK=%d" % (seed, seconds))
    soak = Soak(folder)
    sizes = []
    try:
        soak.inject()
        soak.start()
        soak.wait("it is ready", soak.watches)
        time.sleep(2)
        threads = [threading.Thread(target=work, args=(random.Random(seed + i),), daemon=True)
                   for i, work in enumerate((soak.files, soak.processes, soak.connections))]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(soak.random.expovariate(1 / PAUSE))
            sizes.append(soak.size())
            soak.fault()
        soak.enough = True
        for thread in threads:
            thread.join()
        soak.wait("all that was staged is told", soak.all_told)
        time.sleep(2)
        sizes.append(soak.size())
        soak.stop()
        print("# faults: %s" % ", ".join("%d %s" % (n, kind) for kind, n in sorted(soak.faults_made.items())))
        say("missed 0, doubled 0, false 0", soak.judge())
        first, last = sizes[:len(sizes) // 2], sizes[len(sizes) // 2:]
        most = [max(size[i] for size in part) for part in (first, last) for i in (0, 1)]
        print("# descriptors and KiB (PSS), most of the first half and of the second: %d %d, %d %d" % tuple(most))
        # A few for each process of the host: others come and go.
        say("descriptors stay flat", [] if most[2] <= most[0] * 1.5 + 50 else ["%d, then %d" % (most[0], most[2])])
        say("memory stays flat", [] if most[3] <= most[1] * 1.5 + 2048 else ["%d, then %d KiB" % (most[1], most[3])])
    except Trouble as trouble:
        say("it goes on to its end", [str(trouble)])
    finally:
        soak.enough = True
        soak.kill()
        if not os.environ.get("NEPHRONIX_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
