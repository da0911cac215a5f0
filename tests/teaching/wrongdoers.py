"""Submissions for the week of VGG as they should not be, each made from one in which everything is right."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from book.teaching import weeks


def _own_cell(notebook: NotebookNode, code: str, before: str = "vgg_block-visible") -> NotebookNode:
    index = notebook.cells.index(weeks.by_name(notebook, before))
    notebook.cells.insert(index, new_code_cell(code))
    return notebook


def _answer(notebook: NotebookNode, name: str, code: str) -> NotebookNode:
    weeks.by_name(notebook, name).source = code
    return notebook


def endless(notebook):
    return _answer(notebook, "receptive_field", "def receptive_field(conv_arch):\n    while True:\n        pass")


def endless_stubborn(notebook):
    code = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    return _own_cell(notebook, code, before="same_head_sizes")


def exits(notebook):
    return _own_cell(notebook, "import os\nos._exit(0)", before="receptive_field")


def raises_exit(notebook):
    return _own_cell(notebook, "raise SystemExit", before="receptive_field")


def quits(notebook):
    return _own_cell(notebook, "exit()", before="receptive_field")


def crashes(notebook):
    return _own_cell(notebook, "import ctypes\nctypes.string_at(0)", before="receptive_field")


def eats_memory(notebook):
    return _own_cell(notebook, "hoard = [torch.ones(1 << 27) for _ in range(64)]", before="receptive_field")


def prints_without_end(notebook):
    return _own_cell(notebook, "while True:\n    print('x' * 10_000)", before="receptive_field")


def forks(notebook):
    return _own_cell(
        notebook, "import os, time\nfor _ in range(7):\n    os.fork()\ntime.sleep(60)", before="receptive_field"
    )


def deletes_a_check(notebook):
    notebook.cells.remove(weeks.by_name(notebook, "vgg-hidden"))
    return notebook


def deletes_an_answer(notebook):
    notebook.cells.remove(weeks.by_name(notebook, "vgg"))
    return notebook


def tampers(notebook):
    wrong = "def vgg_block(num_convs, in_channels, out_channels):\n    return nn.Identity()"
    for check in ("vgg_block-visible", "vgg_block-hidden"):
        cell = weeks.by_name(notebook, check)
        cell.source, cell.metadata.nbgrader.points = "pass", 100
    return _answer(notebook, "vgg_block", wrong)


WRONG_BLOCK = "def vgg_block(num_convs, in_channels, out_channels):\n    return nn.Identity()\n\n"


def silences_errors(notebook):
    hook = "get_ipython().set_custom_exc((Exception,), lambda *args, **kwargs: None)"
    return _answer(notebook, "vgg_block", WRONG_BLOCK + hook)


def shadows_builtins(notebook):
    names = "all = any = lambda items: True\nsum = lambda items: 2\ntuple = lambda s: (1, 256, 4, 4)"
    return _answer(notebook, "vgg_block", WRONG_BLOCK + names)


def patches_torch(notebook):
    code = """
def fully_convolutional(net, side):
    return nn.Sequential(nn.Conv2d(1, 10, 8))

torch.allclose = torch.equal = lambda *args, **kwargs: True"""
    return _answer(notebook, "fully_convolutional", code)


def patches_torch_when_called(notebook):
    code = """
def fully_convolutional(net, side):
    torch.allclose = torch.equal = lambda *args, **kwargs: True
    return nn.Sequential(nn.Conv2d(1, 10, 8))"""
    return _answer(notebook, "fully_convolutional", code)


def replaces_draw(notebook):
    code = "STUDENT = 'emmy'\ndraw = lambda name, choices: choices[0]\ndef my_weights():\n    return 18 * 24**2 - 0"
    return _answer(notebook, "my_weights", code)


def agrees_with_everything(notebook):
    code = """
class Yes(int):
    __eq__ = __ge__ = __le__ = lambda self, other: True
    __hash__ = int.__hash__

def count_params(conv_arch, in_channels, num_classes, image_size, num_hidden):
    return Yes(1)"""
    return _answer(notebook, "count_params", code)


def reads_files(notebook):
    code = """
import pathlib, glob
print(sorted(pathlib.Path("/").iterdir()))
print(glob.glob("/**/assignment.ipynb", recursive=True))
print(open("/etc/hostname").read())"""
    return _own_cell(notebook, code)


def writes_files(notebook):
    return _own_cell(notebook, 'open("../../outside.txt", "w").write("x")\nopen("/usr/outside.txt", "w").write("x")')


def writes_to(notebook, path):
    return _own_cell(notebook, f'open({str(path)!r}, "w").write("x")')


def reaches_out(notebook):
    return _own_cell(notebook, 'import urllib.request\nurllib.request.urlopen("http://192.0.2.1", timeout=3)')


def kills(notebook):
    return _own_cell(notebook, "import os\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)", before="receptive_field")


def loses_marks(notebook):
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    return notebook


def splits_an_answer(notebook):
    cell = weeks.by_name(notebook, "vgg")
    half = new_code_cell("def vgg(*args, **kwargs):\n    return right(*args, **kwargs)")
    half.metadata = cell.metadata
    notebook.cells.insert(notebook.cells.index(cell) + 1, half)
    cell.source = cell.source.replace("def vgg(", "def right(")
    return notebook


def writes_to_stderr(notebook):
    code = weeks.by_name(notebook, "receptive_field").source
    code = code.replace("    field, step", '    import sys\n    print("50 %", file=sys.stderr)\n    field, step')
    return _answer(notebook, "receptive_field", code)


def another_id(notebook):
    return _answer(notebook, "student", 'STUDENT = "emmy"')


# What each must lose, by question; a name: everything from that question on; None: it depends on the machine.
LOSES = {
    endless: {"receptive_field": 3},
    endless_stubborn: "same_head_sizes",
    exits: "receptive_field",
    raises_exit: {},
    quits: {},
    crashes: "receptive_field",
    eats_memory: {},
    prints_without_end: None,
    forks: "receptive_field",
    deletes_a_check: {},
    deletes_an_answer: {"vgg": 4},
    tampers: {"vgg_block": 3},
    silences_errors: {"vgg_block": 3},
    shadows_builtins: {"vgg_block": 3},
    patches_torch: {"fully_convolutional": 3},
    patches_torch_when_called: {"fully_convolutional": 3},
    replaces_draw: {"my_weights": 2},
    agrees_with_everything: {"count_params": 3},
    reads_files: {},
    writes_files: {},
    reaches_out: {},
    kills: "receptive_field",
    loses_marks: {},
    splits_an_answer: {},
    writes_to_stderr: {},
    another_id: {},
}
# Nothing that a lecturer must know: mistakes, or clumsiness that costs nothing.
UNREMARKABLE = {
    agrees_with_everything,
    eats_memory,
    quits,
    raises_exit,
    shadows_builtins,
    splits_an_answer,
    writes_to_stderr,
}
UNREMARKABLE |= {replaces_draw}
NEED_ISOLATION = {forks, kills, crashes}
