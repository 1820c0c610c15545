"""Recipes and training on Lightning.

Public names are loaded on first use; ``__init__.pyi`` lists them. ``train`` and ``recipe`` are modules of this
package; the functions with these names are ``spatempo.train`` and ``spatempo.learning.recipes.recipe``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
