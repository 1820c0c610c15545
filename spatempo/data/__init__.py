"""Labelled clips: manifests, scanning, splitting, augmentation and data sets.

Public names are imported on first use; ``__init__.pyi`` lists them. ``scan`` and ``split`` are modules of this
package; the functions of the same names are ``spatempo.scan`` and ``spatempo.data.split.split``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
