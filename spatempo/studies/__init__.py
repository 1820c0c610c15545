"""Studies that combine several packages: comparisons, diagnoses, experiments, the demo.

Public names are loaded at first use; ``__init__.pyi`` lists them. Programs, each with ``--help``::

    python -m spatempo.studies.demo          # generate videos, train two networks, compare them
    python -m spatempo.studies.designs       # train and compare all designs
    python -m spatempo.studies.experiments   # re-test the claims of the papers
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
