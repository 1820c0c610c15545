"""Charts and HTML pages, drawn from results (plain numbers), never from models.

Public names are loaded at first use; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
