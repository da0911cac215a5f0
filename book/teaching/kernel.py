"""The kernel in which submissions are graded: Python's own, with limits, rules about files, and guarded checks.

Started by `sandbox.py` as a script, so that nothing of the book needs to be importable. What it has to refuse it writes
into a file of notes. A cell that begins with ``#check: <token>`` is a check: before it runs, what student's code may
have replaced in torch or in Python is put back, and what came of it is sent out together with the token.
"""

from __future__ import annotations

import builtins
import copy
import itertools
import json
import math
import os
import resource
import sys
from pathlib import Path

HOME = Path.home()
GIGABYTE = 1 << 30
REFUSED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
PROCESSES = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.killpg",
)
PATHS = {  # audit event -> which of its arguments are paths that it changes; None: the event only reads
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "shutil.rmtree": (0,),
}


def limit_resources(memory: float) -> None:
    """At most ``memory`` gigabytes, 100 MB a file, 256 processes, no core dump."""
    limits = {
        "RLIMIT_DATA": int(memory * GIGABYTE),
        "RLIMIT_FSIZE": GIGABYTE // 10,
        "RLIMIT_NPROC": 256,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (ValueError, OSError):  # macOS knows no limit of memory; the time limit holds there
            continue


class Rules:
    """An audit hook: refuses, and notes, the network and files outside of ``readable`` and of the student's home."""

    def __init__(self, readable: list[str], notes: Path, isolated: bool) -> None:
        self.readable = tuple(os.path.realpath(path) for path in (*readable, "/proc", "/dev"))
        self.writable = (
            os.path.realpath(HOME),
            os.path.realpath("/tmp") if isolated else os.path.realpath(HOME),
            "/dev",
        )
        self.notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.isolated, self.seen, self.pid = isolated, set(), os.getpid()

    def __call__(self, event: str, args: tuple) -> None:
        if event == "open":
            self.check_open(*args)
        elif event in PATHS:
            for index in PATHS[event]:
                self.check_path(args[index], self.writable, "changes")
        elif event in ("os.listdir", "os.scandir"):
            self.check_path(args[0] or ".", self.readable + self.writable, "lists")
        elif event in REFUSED:
            self.refuse("reaches for the network")
        elif event in PROCESSES and not self.isolated and not (event == "os.kill" and args[0] == self.pid):
            self.refuse("starts or signals a process")

    def check_open(self, path, mode, flags) -> None:
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        allowed = self.writable if writes else self.readable + self.writable
        self.check_path(path, allowed, "writes to" if writes else "reads")

    def check_path(self, path, allowed: tuple[str, ...], verb: str) -> None:
        if isinstance(path, int) or path is None:
            return
        real = os.path.realpath(os.fsdecode(path))
        if not any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in allowed):
            self.refuse(f"{verb} {real[:200]}")

    def refuse(self, what: str) -> None:
        self.note(what)
        raise PermissionError(f"not allowed while grading: this notebook {what}")

    def note(self, what: str) -> None:
        if what not in self.seen and len(self.seen) < 20:
            self.seen.add(what)
            os.write(self.notes, f"{json.dumps(what)}\n".encode())

    def note_replaced(self, names: list[str]) -> None:
        if names:
            self.note(f"replaces {', '.join(names[:5])}")


class Guard:
    """What checks rely on, as it was before any cell ran."""

    def __init__(self) -> None:
        import torch
        from torch import nn

        owners = [builtins, copy, itertools, math, torch, torch.Tensor, torch.nn.functional, torch.testing, nn]
        owners += [value for value in vars(nn).values() if isinstance(value, type)]
        self.torch = torch
        self.owners = [(owner, {name: vars(owner)[name] for name in self.relied_on(owner)}) for owner in owners]

    def relied_on(self, owner) -> list[str]:
        """The names of ``owner`` that nobody but student's code replaces; IPython and torch replace some themselves."""
        passing = {"builtins": {"input", "exit", "quit", "_", "__debug__"}, "torch": {"manual_seed"}}
        return [name for name in vars(owner) if name not in passing.get(owner.__name__, ())]

    def changed(self):
        """What was replaced since: owner, name, original."""
        for owner, originals in self.owners:
            now = vars(owner)
            yield from ((owner, name, value) for name, value in originals.items() if now.get(name) is not value)

    def restore(self, namespace: dict) -> list[str]:
        """Put everything back, and take names of Python's own functions out of ``namespace``; returns what it was."""
        replaced = []
        for owner, name, value in list(self.changed()):
            setattr(owner, name, value)
            replaced.append(f"{owner.__name__}.{name}")
        for name in [name for name in namespace if name in vars(builtins) and not name.startswith("_")]:
            del namespace[name]
        self.torch.set_grad_enabled(True)
        self.torch.set_default_dtype(self.torch.float32)
        self.torch.set_default_device(None)
        return replaced


def grading_shell(rules: Rules):
    """IPython's shell for kernels, with checks."""
    from ipykernel.zmqshell import ZMQInteractiveShell

    guard = Guard()

    class GradingShell(ZMQInteractiveShell):
        async def run_cell_async(self, raw_cell, *args, **kwargs):
            if not raw_cell.startswith("#check: "):
                return await super().run_cell_async(raw_cell, *args, **kwargs)
            first, _, source = raw_cell.partition("\n")
            kwargs.update(store_history=False, transformed_cell=self.transform_cell(source))
            rules.note_replaced(guard.restore(self.user_ns))
            result = await super().run_cell_async(source, **kwargs)
            replaced = guard.restore(self.user_ns)
            rules.note_replaced(replaced)
            report = {"token": first.removeprefix("#check: "), "passed": result.success and not replaced}
            error = result.error_before_exec or result.error_in_exec
            report["error"] = f"{type(error).__name__}: {error}"[:400] if error else ""
            report["in_check"] = raised_by(error, source)
            self.display_pub.publish({"application/x-check": json.dumps(report)})
            return result

    return GradingShell


def raised_by(error: BaseException | None, source: str) -> bool:
    """Whether the check itself raised ``error``, not the code that it called."""
    trace = error.__traceback__ if error else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name == "<module>"


def main() -> None:
    """``kernel.py NOTES READABLE… -- memory isolated -f connection_file``"""
    notes, *rest = sys.argv[1:]
    cut = rest.index("--")
    readable, (memory, isolated, *arguments) = rest[:cut], rest[cut + 1 :]
    limit_resources(float(memory))
    rules = Rules(readable, Path(notes), isolated == "yes")

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.kernel_class.shell_class = grading_shell(rules)
    app.initialize(["--IPKernelApp.capture_fd_output=False", *arguments])
    sys.addaudithook(rules)
    app.start()


if __name__ == "__main__":
    main()
