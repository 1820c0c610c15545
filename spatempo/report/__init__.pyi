from .attention_gates import attention_plot, gate_plot
from .comparison_page import write_report
from .cost_plots import accuracy_by_cost, pareto_front
from .figures import save_png
from .film import Strip, overlay
from .gain_plots import class_gain, order_bars
from .model_result import ModelResult
from .plots import accuracy_bars, confusion_matrix, training_curves
from .time_page import write_time_page
from .time_plots import accuracy_by_frames, influence_map, interval_dots

__all__ = [
    "ModelResult",
    "Strip",
    "accuracy_bars",
    "accuracy_by_cost",
    "accuracy_by_frames",
    "attention_plot",
    "class_gain",
    "confusion_matrix",
    "gate_plot",
    "influence_map",
    "interval_dots",
    "order_bars",
    "overlay",
    "pareto_front",
    "save_png",
    "training_curves",
    "write_report",
    "write_time_page",
]
