"""Designs, backbones, heads, the registry, checkpoints, and other code's weight files.

Public names are loaded when first used; ``__init__.pyi`` lists them. What a design of one's own needs is among them::

    from spatempo.models import Build, Parts, plug_at_conv, register_design, residual_sites
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
