"""From frames to clips: input specification, modalities, sampling, scaling, crops and views.

This package does not depend on labels or models. Public names are loaded on first use; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
