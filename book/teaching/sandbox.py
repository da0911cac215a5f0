"""Runs a notebook in a kernel of its own, kept away from the machine: no network, a home of its own, limits.

On Linux the kernel runs in namespaces (`sandbox.sh`): there is no network, there are no other processes, and of the
machine's files only Python, the packages and `d2ltorch` exist, read only. Where the system has no namespaces for users,
Python refuses what it can see (`kernel.py`), and the report says so.
"""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

HERE = Path(__file__).parent
UNSHARE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--net",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
)
CHECK = "application/x-check"
TEXT_LIMIT = 200_000  # characters of output kept for a cell


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell_seconds: float = 60
    seconds: float = 300
    gigabytes: float = 3


@dataclass
class Outcome:
    """What came of the checks, by cell, and what a lecturer should know."""

    passed: dict[str, bool] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # what to tell the student about a check that failed
    notes: list[str] = field(default_factory=list)


def readable() -> list[str]:
    """What the kernel needs to see: Python, the environments' packages, the libraries that they load, and d2ltorch."""
    purelib = Path(sysconfig.get_path("purelib"))
    paths = [sys.prefix, sys.base_prefix, Path(sys.executable).resolve().parents[1], *site.getsitepackages()]
    beside = (
        [Path(line) for line in (purelib / "book.pth").read_text().split()] if (purelib / "book.pth").is_file() else []
    )
    paths += [path for path in beside if path.name == "site-packages"] + [
        HERE.parents[1] / "d2ltorch",
        HERE / "kernel.py",
    ]
    system = ["/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime"]
    return list(dict.fromkeys(str(path) for path in [*system, *paths] if Path(path).exists()))


@functools.cache
def isolation() -> str:
    """``""`` if the system can put a kernel into namespaces; otherwise why it cannot, in a line."""
    if not all(shutil.which(tool) for tool in ("unshare", "setpriv", "pivot_root", "mount")):
        return "no unshare, setpriv and pivot_root on this system"
    with tempfile.TemporaryDirectory() as exchange:
        trial = [*UNSHARE, "sh", str(HERE / "sandbox.sh"), exchange, *readable(), "--", sys.executable, "-c", "pass"]
        done = subprocess.run(trial, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"unshare: {(done.stderr.strip().splitlines() or ['failed'])[-1]}"


class Kernel(AsyncKernelManager):
    """A kernel in the sandbox; ``exchange`` is the folder that both sides see."""

    exchange: Path
    memory = 3.0

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command that starts it."""
        isolated = not isolation()
        home = "/home/student" if isolated else str(self.exchange / "home")
        environment = {
            "HOME": home,
            "TMPDIR": home,
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        prefix = [*UNSHARE, "sh", str(HERE / "sandbox.sh"), str(self.exchange), *readable(), "--"] if isolated else []
        settings = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        script = [sys.executable, str(HERE / "kernel.py"), str(self.exchange / "notes.txt"), *readable(), "--"]
        limits = [str(self.memory), "yes" if isolated else "no", "-f", "{connection_file}"]
        return KernelSpec(
            argv=[*prefix, *settings, *script, *limits],
            display_name="grading",
            language="python",
            interrupt_mode="message",
        )


class Client(NotebookClient):
    """Runs cells; keeps no more output than a page holds, and remembers which cells took too long."""

    slow: list[str]

    async def _async_handle_timeout(self, timeout, cell=None):
        self.slow.append(cell.metadata.get("nbgrader", {}).get("grade_id") or "a cell of its author")
        return await super()._async_handle_timeout(timeout, cell)

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream" and sum(len(output.get("text", "")) for output in cell.outputs) > TEXT_LIMIT:
            return None
        return super().process_message(msg, cell, cell_index)


async def _watch(manager: Kernel, limits: Limits, notes: list[str]) -> None:
    """Ends the kernel when its processes take too much memory together or become too many."""
    while True:
        await asyncio.sleep(0.5)
        try:
            family = psutil.Process(manager.provisioner.pid).children(recursive=True)
            size = sum(process.memory_info().rss for process in family)
        except (psutil.Error, AttributeError, TypeError):
            continue
        if size > limits.gigabytes * 1.2 * 2**30 or len(family) > 100:
            notes.append(f"stopped: {len(family)} processes with {size / 2**30:.1f} GB")
            await manager.shutdown_kernel(now=True)
            return


async def _run_cells(client: Client, notebook: NotebookNode, checks: list[str], outcome: Outcome) -> None:
    """Every cell in order; ``outcome`` learns what the checks said."""
    for index, cell in enumerate(notebook.cells):
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name not in checks:
            await client.async_execute_cell(cell, index)
            continue
        source, token = cell.source, secrets.token_hex(16)
        cell.source = f"#check: {token}\n{source}"
        try:
            await client.async_execute_cell(cell, index)
        finally:
            cell.source = source
            _judge(cell, name, token, outcome)


def _judge(cell: NotebookNode, name: str, token: str, outcome: Outcome) -> None:
    """Whether the check's report arrived and says that it passed; leaves an error in the cell where it did not."""
    reports = [_parsed(output.data[CHECK]) for output in cell.outputs if CHECK in output.get("data", {})]
    reports = [report for report in reports if isinstance(report, dict) and report.get("token") == token]
    cell.outputs = [output for output in cell.outputs if CHECK not in output.get("data", {})]
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"  # nbgrader takes points off for stderr: a progress bar is no mistake
        elif output.output_type == "execute_result":
            output.update(new_output("display_data", output.data))  # nor is a value a share of the points
    report = reports[0] if len(reports) == 1 else None
    if len(reports) > 1:
        outcome.notes.append(f"forges the report of {name}")
    outcome.passed[name] = bool(report and report["passed"])
    if outcome.passed[name]:
        cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
        return
    if report is None:
        outcome.errors[name] = "did not run to its end"
    elif report["error"]:
        outcome.errors[name] = report["error"] if report["in_check"] else report["error"].split(":")[0]
    else:
        outcome.errors[name] = "something that the check relies on was replaced"
    if not any(output.output_type == "error" for output in cell.outputs):
        cell.outputs.append(new_output("error", ename="CheckFailed", evalue=outcome.errors[name], traceback=[]))


def _parsed(text: object) -> object:
    """What ``text`` holds as JSON; None for anything else, for it comes from where student's code runs."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


async def _execute(notebook: NotebookNode, checks: list[str], limits: Limits, exchange: Path) -> Outcome:
    manager = Kernel(transport="ipc", connection_file=str(exchange / "kernel.json"))
    manager.exchange, manager.memory = exchange, limits.gigabytes
    timeout = {"ename": "TimeLimit", "evalue": f"stopped after {limits.cell_seconds:g} seconds", "traceback": []}
    client = Client(
        notebook,
        km=manager,
        timeout=limits.cell_seconds,
        startup_timeout=180,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=timeout,
    )
    client.slow = []
    outcome, quiet = Outcome(), subprocess.DEVNULL
    async with client.async_setup_kernel(cwd=str(exchange / "home"), stdout=quiet, stderr=quiet):
        began = time.monotonic()
        watch = asyncio.create_task(_watch(manager, limits, outcome.notes))
        try:
            await asyncio.wait_for(_run_cells(client, notebook, checks, outcome), limits.seconds)
        except (DeadKernelError, TimeoutError):  # nbclient makes the first of the second
            too_long = time.monotonic() - began >= limits.seconds
            ended = "its kernel ended before the notebook did: exit(), a crash, or the limit of memory"
            outcome.notes.append(f"stopped after {limits.seconds:g} seconds in all" if too_long else ended)
        finally:
            watch.cancel()
            outcome.notes += [f"stopped after {limits.cell_seconds:g} seconds: {name}" for name in client.slow]
            await manager.shutdown_kernel(now=True)
    return outcome


def execute(notebook: NotebookNode, checks: list[str], limits: Limits | None = None) -> Outcome:
    """Run ``notebook`` from top to bottom; outputs are stored in it, and the cells named in ``checks`` are judged.

    A check that is not reached has failed. Raises nothing for what a notebook does.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="grading") as folder:
        exchange = Path(folder)
        (exchange / "home").mkdir()
        outcome = asyncio.run(_execute(notebook, checks, limits, exchange))
        if (exchange / "notes.txt").is_file():
            lines = (exchange / "notes.txt").read_text(errors="replace")[:5000].splitlines()
            outcome.notes += [note for note in map(_parsed, lines) if isinstance(note, str)]
    return fail_the_rest(notebook, checks, outcome)


def fail_the_rest(notebook: NotebookNode, checks: list[str], outcome: Outcome) -> Outcome:
    """Every check that ``outcome`` knows nothing of was not reached, and has failed."""
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in checks and name not in outcome.passed:
            _judge(cell, name, "", outcome)
    return outcome
