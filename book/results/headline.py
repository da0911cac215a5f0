"""What happens in a chapter's kernel around its headline training while the chapter is executed for storing."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import d2ltorch as d2lt
from book.results import ledger, run

_network = ""
_commit = ""
_train = d2lt.train


def watch(network: str) -> None:
    """Give the first training of all images with a test set, which is the headline, the checkpoint of the ledger's run."""
    global _network
    _network = network

    @functools.wraps(_train)
    def train(net: Any, train_iter: Any, test_iter: Any, num_epochs: int, *args: Any, **kwargs: Any) -> d2lt.History:
        global _commit
        if train_iter.source != "Fashion-MNIST" or test_iter is None:
            return _train(net, train_iter, test_iter, num_epochs, *args, **kwargs)
        d2lt.train = _train
        checkpoint = run.checkpoint_of(network, "classic", 0, num_epochs)
        _commit = ledger.commit_of(checkpoint)
        return _train(net, train_iter, test_iter, num_epochs, *args, checkpoint=checkpoint, **kwargs)

    d2lt.train = train


def record(path: str, history: d2lt.History, net: Any, train_iter: Any, test_iter: Any) -> None:
    """Write the headline's ledger record to ``path``."""
    made = ledger.make_record(_network, "classic", 0, history, net, train_iter, test_iter, _commit)
    Path(path).write_text(json.dumps(made), encoding="utf-8")
