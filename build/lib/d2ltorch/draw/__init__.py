"""Pictures of networks and blocks, drawn from the shapes that an input really takes.

``graph`` traces a module into boxes, ``layout`` gives them places, ``pictures`` draws them.
"""

from .pictures import draw_block, draw_network

__all__ = ["draw_block", "draw_network"]
