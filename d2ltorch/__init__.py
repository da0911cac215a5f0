"""Helpers for a book that runs: data, training, plots and shape summaries for eight convolutional networks.

The networks themselves live in the chapters (``chapters/*.ipynb``); this package holds what they share.
"""

from ._torchvision import torchvision  # first: repairs torchvision's import beside a CPU build of torch
from .checkpoint import CheckpointError
from .data import DataIter, load_data_fashion_mnist, probe_images, text_labels
from .device import is_full, is_quick, report_setup, try_gpu
from .download import DataError
from .draw import draw_block, draw_network
from .history import History
from .plots import Animator, show_images
from .recipes import init_xavier, load_trained, modern_recipe
from .summary import LayerSummary, layer_summary
from .training import evaluate, train

__version__ = "2.0.0"

__all__ = [
    "Animator", "CheckpointError", "DataError", "DataIter", "History", "LayerSummary", "draw_block", "draw_network",
    "evaluate", "init_xavier", "is_full", "is_quick", "layer_summary", "load_data_fashion_mnist", "load_trained",
    "modern_recipe", "probe_images", "report_setup", "show_images", "text_labels", "torchvision", "train", "try_gpu",
]  # fmt: skip
