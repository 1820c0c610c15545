"""What turns frames into a clip: input specification, modalities, sampling, scaling, crops and views.

It knows neither labels nor models. Public names are loaded when first used; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
