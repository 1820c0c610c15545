"""Protocols, scores, prediction, long videos, and how much a model depends on the order of frames.

Public names are loaded when first used; ``__init__.pyi`` lists them. Anything with an input specification, class names
and a call can be evaluated (:class:`~spatempo.evaluation.classifier.ClipClassifier`)::

    from spatempo.evaluation import Predictor, evaluate, evaluate_orders, fuse
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
