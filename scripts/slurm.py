"""A throw-away SLURM on one machine, for tests: two pretended nodes of 4 CPUs and 2 GPUs each, with accounting.

    python scripts/slurm.py up      # prints the path of env.sh last; source it, then sbatch, srun and sacct work
    python scripts/slurm.py node 1  # starts slurmd of node n1 again after it was killed
    python scripts/slurm.py down    # ends all its processes, those of its jobs included, and deletes its folder

Nothing of it is worth keeping, so it is never stopped gently: what is half dead is killed and made anew. It wants Linux
and root, but neither systemd nor cgroups; `up` installs Debian's packages where apt-get is. Exit codes: 1, a daemon did
not come up; 2, a mistake of the caller's; 3, the machine lacks something. Each comes with one sentence.
"""

import argparse
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slurm_packages import SEARCHED, LackingError, install

TEMPLATES = Path(__file__).with_name("slurm_files")
PORT = 27400  # below the ports that systems give out, above Lightning's own for jobs of several tasks (15000 to 24999)
NODES = ("n1", "n2")
GIVE_UP_SECONDS = 60.0
SERVERS = {"munged", "mariadbd", "slurmdbd", "slurmctld"}
PROGRAMS = SERVERS | {"slurmscriptd", "slurmd", "slurmstepd", "srun"}


@dataclass(frozen=True)
class Cluster:
    """A SLURM, up or not.

    Args:
        folder: holds all its files, sockets included: hence a short path, and one without blanks.
        port: first of four TCP ports: those of slurmctld, slurmdbd, and slurmd of n1 and n2.

    Raises:
        ValueError: if one of them cannot be used.
    """

    folder: Path
    port: int

    def __post_init__(self) -> None:
        folder = self.folder
        if not re.fullmatch(r"/[\w./-]{1,79}", str(folder), re.ASCII):
            raise ValueError(f"--folder wants at most 80 letters, digits and ./_-, got {str(folder)!r}; name another")
        if not 1024 <= self.port <= 65000:
            raise ValueError(f"--port wants a number from 1024 to 65000, got {self.port}; the default is {PORT}")
        with suppress(FileNotFoundError, NotADirectoryError):
            if "(scripts/slurm.py)" in (folder / "slurm.conf").read_text():
                return
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ValueError(f"--folder {folder} holds something else than this script's SLURM; name another folder")

    @property
    def environment(self) -> dict[str, str]:
        """Of its daemons, which are known by SLURM_CONF, and of clients."""
        places = {"SLURM_CONF": f"{self.folder}/slurm.conf", "MYSQL_UNIX_PORT": f"{self.folder}/database.socket"}
        return {"PATH": SEARCHED, "LANG": "C.UTF-8", "HOME": "/root", **places}

    def processes(self) -> dict[int, str]:
        """Returns program by number of its living processes: its daemons, and all that runs in its jobs."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                program = (path / "comm").read_text().strip()
                variables = (path / "environ").read_bytes().split(b"\0")  # a zombie has none
                in_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
                if f"SLURM_CONF={self.folder}/slurm.conf".encode() in variables and (in_job or program in PROGRAMS):
                    found[int(path.name)] = program
        return found

    def run(self, *words: str, stdin: str = "") -> None:
        """Runs a command to its end, or until it is in the background; raises RuntimeError if it fails."""
        path = self.folder / "log" / "commands.log"  # not the caller's output, which a daemon would hold open
        with path.open("a") as log:
            ended = subprocess.run(
                words, input=stdin, text=True, stdout=log, stderr=log, timeout=GIVE_UP_SECONDS,
                cwd="/", env=self.environment, start_new_session=True, check=False,
            )  # fmt: skip
        if ended.returncode:
            last = "".join(path.read_text().splitlines()[-1:])
            raise RuntimeError(f"{words[0]} ended with exit code {ended.returncode} ({last}); see {path}")

    def said(self, *words: str) -> str:
        """Returns what a client prints; nothing if it fails or takes long."""
        with suppress(subprocess.TimeoutExpired):
            ended = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=10, check=False)
            return "" if ended.returncode else ended.stdout
        return ""

    def accounts(self) -> bool:
        """Tells whether slurmdbd answers and knows this SLURM."""
        return "calrun" in self.said("sacctmgr", "--noheader", "list", "cluster")

    def is_up(self, *nodes: str) -> bool:
        """Tells whether its servers answer and nodes take jobs."""
        processes = self.processes()
        if not set(processes.values()) >= SERVERS or not all(self.slurmd(node) in processes for node in nodes):
            return False
        lines = self.said("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %t").splitlines()
        states = dict(line.split() for line in lines)
        return all(states.get(node) in ("idle", "mix", "alloc") for node in nodes) and self.accounts()

    def slurmd(self, node: str) -> int:
        """Returns the process number that slurmd of a node wrote; 0 if none did."""
        with suppress(OSError, ValueError):
            return int((self.folder / f"slurmd.{node}.pid").read_text())
        return 0

    def start_database(self) -> None:
        """Makes an empty database and starts its server, to which only its socket leads."""
        options = ("--no-defaults", "--user=root", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M")
        words = (
            "mariadbd",
            *options,
            f"--datadir={self.folder}/database",
            f"--log-error={self.folder}/log/mariadbd.log",
        )
        tables = sorted(Path("/usr/share").glob("m*/m*_system_tables*.sql"))  # the tables, then their rows
        script = "create database mysql;\nuse mysql;\n" + "".join(path.read_text() for path in tables)
        self.run(*words, "--bootstrap", stdin=script)
        subprocess.Popen(
            [*words, f"--socket={self.folder}/database.socket", "--skip-networking", "--skip-grant-tables"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", env=self.environment, start_new_session=True,
        )  # fmt: skip
        wait((self.folder / "database.socket").exists, f"mariadbd did not come up; see {self.folder}/log/mariadbd.log")

    def start(self) -> None:
        """Starts all daemons, in a folder that has their files."""
        places = {"key-file": "munge/key", "socket": "munge/socket", "seed-file": "munge/seed", "pid-file": "munge/pid"}
        options = (f"--{name}={self.folder}/{place}" for name, place in places.items())
        self.run("munged", "--force", f"--log-file={self.folder}/log/munged.log", *options)
        self.start_database()
        self.run("slurmdbd")
        add = ("sacctmgr", "--immediate", "add", "cluster", "calrun")
        wait(lambda: bool(self.said(*add)) or self.accounts(), f"slurmdbd does not answer; see {self.folder}/log")
        self.run("slurmctld", "-c")
        wait(lambda: "is UP" in self.said("scontrol", "ping"), f"slurmctld does not answer; see {self.folder}/log")
        for node in NODES:
            self.run("slurmd", "-N", node)
        wait(lambda: self.is_up(*NODES), f"the nodes did not come up; see {self.folder}/log")

    def kill(self) -> None:
        """Ends all its processes, also those that a job's killed slurmstepd has left behind."""

        def none_left() -> bool:
            for number in (found := self.processes()):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            return not found

        wait(none_left, f"processes of the SLURM in {self.folder} could not be killed")

    def write(self, texts: dict[str, str]) -> None:
        """Makes the folder anew, with its configuration."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("log", "munge", "state", "database", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        # slurm.conf first: it says whose the folder is
        for name, text in {"slurm.conf": "", **texts, "munge/key": secrets.token_hex(512)}.items():
            (self.folder / name).touch(0o600 if name in ("munge/key", "slurmdbd.conf") else 0o644)
            (self.folder / name).write_text(text)
        with (self.folder / "slurm.conf").open("a") as file:  # submitit would take results of an equal id for its own
            file.write(f"FirstJobId={10_000_000 + int(time.time()) % 50_000_000}\n")


def up(cluster: Cluster) -> None:
    """Brings SLURM up unless it is, and with the configuration of now."""
    install()
    address = own_address()
    texts = configuration(cluster, address)
    path = cluster.folder / "slurm.conf"
    if path.exists() and path.read_text().startswith(texts["slurm.conf"]) and cluster.is_up(*NODES):
        print("SLURM is already up", file=sys.stderr)
    else:
        cluster.kill()
        ports = range(cluster.port, cluster.port + 4)
        if not happens(lambda: are_free(ports, address), 2.0):  # what was killed just now may hold them for an instant
            raise ValueError(f"--port {ports[0]}: one of {ports[0]} to {ports[-1]} is taken on {address}; name another")
        cluster.write(texts)
        try:
            cluster.start()
        except BaseException:
            cluster.kill()
            raise
        print("SLURM is up: nodes n1 and n2", file=sys.stderr)
    print(cluster.folder / "env.sh")


def start_node(cluster: Cluster, node: str) -> None:
    """Starts slurmd of a node unless it lives, and waits until the node takes jobs."""
    processes = cluster.processes()
    if not set(processes.values()) >= SERVERS:
        raise ValueError(f"no SLURM is up in {cluster.folder}; bring it up first: python scripts/slurm.py up")
    if processes.get(cluster.slurmd(node)) != "slurmd":
        cluster.run("slurmd", "-N", node)
    wait(lambda: cluster.is_up(node), f"node {node} did not come up; see {cluster.folder}/log")


def down(cluster: Cluster) -> None:
    """Ends SLURM and deletes its folder."""
    cluster.kill()
    shutil.rmtree(cluster.folder, ignore_errors=True)


def configuration(cluster: Cluster, address: str) -> dict[str, str]:
    """Returns text by name of the files that SLURM reads."""
    host, port = socket.gethostname().split(".")[0], cluster.port
    texts = {path.name: path.read_text() for path in TEMPLATES.iterdir()}
    values = {"folder": cluster.folder, "host": host, "address": address, "port": port, "dbd_port": port + 1}
    return {name: text.format(**values, node_ports=f"{port + 2}-{port + 3}") for name, text in texts.items()}


def own_address() -> str:
    """Returns the address of this host's name, which SLURM's daemons listen on; raises LackingError if it has none."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        raise LackingError(f"this host's name, {socket.gethostname()}, has no address; add it to /etc/hosts") from error


def are_free(ports: range, address: str) -> bool:
    """Tells whether no program listens on these ports."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def wait(condition: Callable[[], bool], complaint: str) -> None:
    """Waits until a condition holds; raises RuntimeError with the complaint if it never does."""
    if not happens(condition, GIVE_UP_SECONDS):
        raise RuntimeError(complaint)


def happens(condition: Callable[[], bool], seconds: float) -> bool:
    """Tells whether a condition holds before the time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def asked() -> argparse.Namespace:
    """Returns what the command line asks for: command, number, folder, port."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("up", "down", "node"))
    parser.add_argument("number", nargs="?", type=int, choices=(1, 2), help="of the node, after `node`")
    parser.add_argument("--folder", type=Path, help="of all its files; <temporary folder>/calrun-slurm-PORT by default")
    parser.add_argument("--port", type=int, default=PORT, help=f"first of four TCP ports; {PORT} by default")
    words = parser.parse_args()
    if (words.command == "node") != (words.number is not None):
        parser.error("`node` wants the number of a node, 1 or 2, and no other command does")
    return words


def main() -> None:
    """Does what the command line asks for, while no other process does."""
    words = asked()
    try:
        folder = words.folder or Path(tempfile.gettempdir()) / f"calrun-slurm-{words.port}"
        cluster = Cluster(folder.resolve(), words.port)
        if sys.platform != "linux" or os.geteuid() != 0:
            raise LackingError("a SLURM for tests wants root on Linux; run this as root")
        os.umask(0o022)
        with Path("/run/calrun-slurm.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if words.command == "node":
                start_node(cluster, f"n{words.number}")
            else:
                {"up": up, "down": down}[words.command](cluster)
    except (ValueError, LackingError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        code = {ValueError: 2, LackingError: 3}.get(type(error), 1)
        print(f"slurm.py: {error}", file=sys.stderr)
        raise SystemExit(code) from None


if __name__ == "__main__":
    main()
