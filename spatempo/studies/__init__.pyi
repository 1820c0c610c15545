from .claims.experiment import Arm, Claim, Experiment, run_experiment
from .comparing.budget import Budget, parse_budget
from .comparing.compare import compare
from .comparing.compared import ComparedModel
from .diagnosing.diagnose import diagnose

__all__ = [
    "Arm",
    "Budget",
    "Claim",
    "ComparedModel",
    "Experiment",
    "compare",
    "diagnose",
    "parse_budget",
    "run_experiment",
]
