"""Evaluation: protocols, scores, prediction, long videos, and measurements of how much a model depends on frame order.

Public names are loaded at first use; ``__init__.pyi`` lists them. Any callable object with an input specification and
class names can be evaluated (:class:`~spatempo.evaluation.classifier.ClipClassifier`)::

    from spatempo.evaluation import Predictor, evaluate, evaluate_orders, fuse
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
