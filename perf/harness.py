"""What perf/compare and perf/memory share: servers that are started, asked and always ended.

Only the standard library. A server is zumic when its file name begins with "zumic"; anything
else is taken for redis-server or a server with its options.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "perf" / "out"
START_SECONDS_MAX = 20
SERVER_CORE, LOAD_CORE = "0", "1"

_running = []


def fail(text):
    """Ends the script with a message; servers are ended on the way out."""
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def _stop_all(*_):
    while _running:
        _running[-1].stop()


def _on_signal(number, _frame):
    _stop_all()
    sys.exit(128 + number)


def install_cleanup():
    """Ends every server started here when the script ends, however it ends."""
    atexit.register(_stop_all)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)


def find_binary(path, what):
    """The program's full path, or a clear end."""
    found = shutil.which(str(path))
    if not found:
        fail(f"{what} not found: {path}")
    return os.path.abspath(found)


def build(*names):
    """Builds release binaries of this repository and returns their paths."""
    words = ["cargo", "build", "--release", "--package", "zumic-server"]
    for name in names:
        words += ["--bin", name]
    if subprocess.run(words, cwd=ROOT).returncode != 0:
        fail("the release build failed")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return [str(ROOT / target / "release" / name) for name in names]


def pin(core):
    """The words that pin a command to a core; none on a machine with one core."""
    if len(os.sched_getaffinity(0)) < 2 or not shutil.which("taskset"):
        return []
    return ["taskset", "--cpu-list", core]


class Server:
    """A server process on a free port of 127.0.0.1, in a directory of its own."""

    # A server that saves or writes its log out before it ends takes as long as the disk does.
    stop_seconds_max = 60

    def __init__(self, binary, threads=1, core=SERVER_CORE, options=(), parent=None):
        self.binary = binary
        self.options = list(options)
        self.place = (threads, core)
        self.is_zumic = Path(binary).name.startswith("zumic")
        self.name = "zumic" if self.is_zumic else Path(binary).name
        self.directory = tempfile.mkdtemp(prefix="zumic-perf-", dir=parent)
        self.process = None
        _running.append(self)
        # A free port may be taken by somebody else before the server binds it.
        for attempt in range(3):
            if self._start(threads, core):
                return
        log = (Path(self.directory) / "log").read_text(errors="replace")
        fail(f"{binary} did not start; its last words:\n{log[-2000:]}")

    def _start(self, threads, core):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._spawn(threads, core)
        if self._answers(START_SECONDS_MAX):
            return True
        self._end_process()
        return False

    def _spawn(self, threads, core):
        words = pin(core) + [self.binary, "--port", str(self.port), "--bind", "127.0.0.1"]
        if self.is_zumic:
            words += ["--threads", str(threads)]
        else:
            words += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        words += self.options
        with open(Path(self.directory) / "log", "wb") as log:
            self.process = subprocess.Popen(
                words, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _answers(self, seconds_max):
        """Waits until the server serves; one that loads its data says so and does not."""
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.ask("PING", loading="LOADING") == "PONG":
                    return True
            except OSError:
                pass
            time.sleep(0.005)
        return False

    def restart(self, seconds_max, kill=False):
        """Ends the process, starts it again on its directory, and times that until it serves."""
        if kill:
            self.process.kill()
            self.process.wait()
        self._end_process()
        began = time.monotonic()
        self._spawn(*self.place)
        if not self._answers(seconds_max):
            log = (Path(self.directory) / "log").read_text(errors="replace")
            fail(f"{self.binary} did not come back; its last words:\n{log[-2000:]}")
        return time.monotonic() - began

    @property
    def pid(self):
        return self.process.pid

    def ask_long(self, word, seconds_max):
        """One command that takes long."""
        return self.ask(word, seconds_max=seconds_max)

    def ask(self, *words, loading=None, seconds_max=30):
        """Sends one command and returns its simple, integer or bulk reply as text; `loading` for
        a server that still loads its data, if given."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds_max) as link:
            link.sendall(request.encode())
            stream = link.makefile("rb")
            head = stream.readline().decode().rstrip("\r\n")
            if head.startswith("$"):
                return stream.read(int(head[1:])).decode()
            if loading is not None and head.startswith("-LOADING"):
                return loading
            if head.startswith("-"):
                fail(f"{self.name} answered {words[0]} with {head}")
            return head[1:]

    def info(self, field):
        """A field of INFO, as text; None if the server has no such field."""
        for line in self.ask("INFO").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value
        return None

    def memory_bytes(self, field):
        """VmRSS or VmHWM of the process."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        fail(f"/proc/{self.pid}/status has no {field}")

    def _end_process(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(self.stop_seconds_max)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        """Ends the process and removes its directory; does nothing the second time."""
        if self in _running:
            _running.remove(self)
        self._end_process()
        shutil.rmtree(self.directory, ignore_errors=True)


def _first_line(words):
    try:
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (result.stdout.splitlines() or ["unknown"])[0]


def machine():
    """Processor, cores, kernel and memory in one line."""
    processor = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = os.uname().release
    return f"{processor}, {os.cpu_count()} cores, {gib:.0f} GiB, Linux {kernel}"


def commit():
    """The commit measured, marked when the tree has changes."""
    head = _first_line(["git", "rev-parse", "--short=12", "HEAD"])
    changed = _first_line(["git", "status", "--porcelain", "--untracked-files=no"])
    return head if changed == "unknown" else f"{head} with changes"


def version(binary):
    """What the program says it is."""
    return _first_line([binary, "--version"])
