"""Work that uses several packages: comparisons, diagnoses, experiments, the demo.

Public names are loaded when first used; ``__init__.pyi`` lists them. Programs, each with ``--help``::

    python -m spatempo.studies.demo          # generate videos, train two networks, compare them
    python -m spatempo.studies.designs       # all designs side by side
    python -m spatempo.studies.experiments   # the papers' claims, tested again
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
