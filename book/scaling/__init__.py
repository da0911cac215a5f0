"""From a chapter to ImageNet on many GPUs: ``imagenet.py``, and the page ``book/scaling.md``."""
