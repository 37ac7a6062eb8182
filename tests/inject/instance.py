"""instance.py - a scratch nephronixd whose writes can be struck (inject.so), what is staged for it, and what it said of that."""
import collections, glob, gzip, json, os, re, signal, struct, subprocess, tempfile, time

prefix, library = os.environ["NEPHRONIX_PREFIX"], os.environ["NEPHRONIX_INJECT"]
seed = int(os.environ.get("NEPHRONIX_SEED", "0")) or int(time.time())
daemon, command = prefix + "/bin/nephronixd", prefix + "/bin/nephronix"
LIMIT = 120  # seconds in which a run has to come to its end: only so that a test cannot hang

CONFIGURATION = """[Nephronix]
StateDirectory={folder}/state/s
LogFile={folder}/state/nephronix.log
RunDirectory={folder}/run
Interval=30ms
Reconcile=1s
[Log]
MaxSize=6000
SegmentSize=12000
[Alert "wall"]
Enabled=no
[Watch "boot"]
Path=
Path={folder}/tree
"""
OTHERS = ["packages", "modules", "bpf", "kernel-messages", "connections", "users", "processes", "self", "persistence"]


class Trouble(Exception):
    pass


class Run:
    def __init__(self, folder):
        self.folder = folder
        self.state, self.tree = folder + "/state/s", folder + "/tree"
        self.staged = []
        self.process = None
        self.boot = None # of its own: what is started finds this boot id
        self.environment = dict(os.environ, LC_ALL="C.UTF-8")
        self.environment.pop("NOTIFY_SOCKET", None)
        for path in (folder, folder + "/state", self.tree):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        with open(folder + "/nephronix.conf", "w") as file:
            file.write(CONFIGURATION.format(folder=folder))
            for name in OTHERS:
                if name != "persistence" or has_persistence():
                    file.write('[Watch "%s"]\nEnabled=no\n' % name)
        os.chmod(folder + "/nephronix.conf", 0o644)
        for i in range(12):
            with open(self.tree + "/old-%d" % i, "w") as file:
                file.write("before\n" * 3)

    def inject(self, **plan):
        shared = self.folder + "/shared"
        with open(shared, "wb") as file:
            file.write(b"\0" * 4096)
        self.environment.update(LD_PRELOAD=library, INJECT_FOLDER=self.folder + "/state", INJECT_SHARED=shared)
        for name, value in plan.items():
            self.environment["INJECT_" + name.upper()] = str(value)

    def counted(self):
        with open(self.folder + "/shared", "rb") as file:
            return struct.unpack("QQ", file.read(16))

    def start(self):
        arguments = [daemon, "--config", self.folder + "/nephronix.conf", "--foreground"]
        if self.boot:
            with open(self.folder + "/boot_id", "w") as file:
                file.write(self.boot + "\n")
            arguments = ["unshare", "--mount", "sh", "-c",
                         'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', self.folder + "/boot_id"] + arguments
        self.process = subprocess.Popen(arguments, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder + "/stderr", "ab"), env=self.environment)

    def gone(self):
        return self.process.poll() is not None

    def ready(self):
        asked = subprocess.run([command, "--config", self.folder + "/nephronix.conf", "status", "--json"], capture_output=True)
        try:
            daemon_status = json.loads(asked.stdout)["daemon"]
            return daemon_status["guard_pid"] == self.process.pid and daemon_status["rounds"] >= 1
        except (ValueError, KeyError):
            return False

    def knows(self):
        return any(b'"baseline-created"' in line for line in self.lines())

    # A guard that was struck is started again by whoever started it: here by us.
    def wait(self, what, condition):
        end, starts = time.monotonic() + LIMIT, 0
        while time.monotonic() < end:
            if self.gone():
                starts += 1
                if starts > 20:
                    raise Trouble("it does not start any more (%s): %s" % (what, self.last_words()))
                time.sleep(0.05)
                self.start()
            if condition():
                return
            time.sleep(0.03)
        raise Trouble("never: %s; %s" % (what, self.last_words()))

    def last_words(self):
        with open(self.folder + "/stderr", errors="replace") as file:
            return " | ".join(file.read().splitlines()[-6:])

    def write(self, name, text):
        fd = os.open(self.tree + "/" + name, os.O_WRONLY | os.O_CREAT)
        os.write(fd, text.encode())
        os.close(fd)

    # What is staged once can be told once only: new files come to be at their place in one step, old ones change once.
    def act(self):
        for i in range(8):
            self.staged.append(("file-created", "new-%d" % i))
            os.close(os.open(self.tree + "/new-%d" % i, os.O_WRONLY | os.O_CREAT))
            time.sleep(0.02)
            self.staged.append(("file-modified", "old-%d" % i))
            self.write("old-%d" % i, "after %d" % i)
            time.sleep(0.02 if i % 3 else 0.1)
        for i in (8, 9):
            self.staged.append(("file-deleted", "old-%d" % i))
            os.unlink(self.tree + "/old-%d" % i)
        self.staged.append(("file-modified", "old-10"))
        os.chmod(self.tree + "/old-10", 0o4755)

    # The ledger's files from the first (the last but so many, if it is below 0).
    def segments(self, first=0):
        numbers = {re.search(r"events-(\d+)\.", path).group(1) for path in glob.glob(self.state + "/ledger/events-*.jsonl*")}
        for number in sorted(numbers)[first:]:
            plain = "%s/ledger/events-%s.jsonl" % (self.state, number)
            try:
                with open(plain, "rb") as file:
                    data = file.read()
            except FileNotFoundError: # it is packed, or was just now
                with gzip.open(plain + ".gz") as file:
                    data = file.read()
            yield data

    def lines(self):
        return [line for data in self.segments() for line in data.split(b"\n") if line]

    def told(self):
        told = collections.Counter()
        for line in self.lines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            path = event.get("file", {}).get("path")
            if path:
                told[event["event"]["action"], os.path.basename(path)] += 1
        return told

    def all_told(self):
        told = self.told()
        return all(told[act] for act in self.staged)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Trouble("it does not stop")

    def kill(self):
        if self.process and not self.gone():
            children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
            for pid in children + [str(self.process.pid)]:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()

    # All that is wrong, in words.
    def faults(self, doubled_is_fine=False):
        faults, sequences = [], []
        for line in self.lines():
            try:
                event = json.loads(line)
                sequences.append(event["event"]["sequence"])
                if event["event"]["action"] in ("baseline-rolled-back", "baseline-missing"):
                    faults.append("nobody touched the baseline: %s" % event["message"])
            except (ValueError, KeyError):
                faults.append("a line of the ledger is torn: %r" % line[:80])
        if sequences != list(range(1, len(sequences) + 1)):
            faults.append("the ledger's sequence is broken: %s" % sequences)
        told = self.told()
        for action, name in self.staged:
            if told[action, name] < 1 or (told[action, name] > 1 and not doubled_is_fine):
                faults.append("%s %s was told %d times in the ledger" % (action, name, told[action, name]))
        text = b""
        for path in sorted(glob.glob(self.state + "/archive/nephronix_*.log.gz")):
            with gzip.open(path) as file:
                text += file.read()
        with open(self.folder + "/state/nephronix.log", "rb") as file:
            text += file.read()
        for line in text.split(b"\n"):
            if line and not re.match(rb"\d{8}-\d\d:\d\d:\d\d NEPHRONIX - [0-9a-f-]{36} - ", line):
                faults.append("a line of the text log is torn: %r" % line[:80])
        words = {"file-created": b" was created", "file-deleted": b" was deleted", "file-modified": b": "}
        sentences = collections.Counter(re.findall(rb" - file (\S+?)( was created| was deleted|: )", text))
        for action, name in self.staged:
            n = sentences[(self.tree + "/" + name).encode(), words[action]]
            if n < 1 or (n > 1 and not doubled_is_fine):
                faults.append("%s %s stands %d times in the text log" % (action, name, n))
        if has_verify():
            verified = subprocess.run([command, "--config", self.folder + "/nephronix.conf", "verify"], capture_output=True, text=True)
            if verified.returncode != 0:
                faults.append("nephronix verify ends with %d: %s" % (verified.returncode, verified.stdout + verified.stderr))
        listed = subprocess.run(["b2sum", "-c", "--quiet", self.state + "/workspace/bootchk_current.dat"], capture_output=True, text=True)
        if listed.returncode != 0:
            faults.append("workspace/ does not say what is there: " + listed.stdout + listed.stderr)
        return faults


def asks(*arguments):
    asked = subprocess.run([command, *arguments], capture_output=True, text=True)
    return asked.stdout + asked.stderr


def has_verify():
    return re.search(r"\bverify\b", asks("--help")) is not None


def has_persistence():
    with tempfile.NamedTemporaryFile("w") as file:
        os.chmod(file.name, 0o600)
        file.write('[Watch "persistence"]\nEnabled=no\n')
        file.flush()
        return subprocess.run([daemon, "--config", file.name, "--check-config"], capture_output=True).returncode == 0


