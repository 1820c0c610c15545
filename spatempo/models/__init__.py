"""Designs, backbones, heads, the registry, checkpoints, and weight files of other code.

Public names are loaded on first use; ``__init__.pyi`` lists them. They include everything that a custom design needs::

    from spatempo.models import Build, Parts, plug_at_conv, register_design, residual_sites
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
