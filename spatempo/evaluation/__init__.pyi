from .classifier import ClipClassifier
from .inside.attention import AttentionWeights, attention_weights
from .inside.gates import GateStatistics, gate_maps, gate_statistics
from .latency import Latency, latency_ms, measure_latency
from .longvideo.timeline import Timeline, timeline
from .longvideo.timeline_files import write_timeline
from .longvideo.timeline_segments import Segment
from .order.dependence import order_requirement, time_dependence
from .order.grad_cam import grad_cam
from .order.occlusion import occlude_frames
from .order.orders import OrderResults, depends_on_order, evaluate_orders
from .order.receptive_field import ReceptiveField, influence, receptive_field
from .order.shuffled import evaluate_shuffled
from .results.eval_result import EvalResult, measure
from .results.families import Families, families
from .results.fusion import fuse
from .results.score_files import read_scores, save_scores
from .scoring.ensemble import evaluate_ensemble
from .scoring.evaluate import evaluate
from .scoring.live import Live
from .scoring.predict import predict
from .scoring.predictor import Predictor
from .scoring.protocols import PROTOCOLS, Protocol, protocol
from .scoring.scores import Scores, score_views

__all__ = [
    "PROTOCOLS",
    "AttentionWeights",
    "ClipClassifier",
    "EvalResult",
    "Families",
    "GateStatistics",
    "Latency",
    "Live",
    "OrderResults",
    "Predictor",
    "Protocol",
    "ReceptiveField",
    "Scores",
    "Segment",
    "Timeline",
    "attention_weights",
    "depends_on_order",
    "evaluate",
    "evaluate_ensemble",
    "evaluate_orders",
    "evaluate_shuffled",
    "families",
    "fuse",
    "gate_maps",
    "gate_statistics",
    "grad_cam",
    "influence",
    "latency_ms",
    "measure",
    "measure_latency",
    "occlude_frames",
    "order_requirement",
    "predict",
    "protocol",
    "read_scores",
    "receptive_field",
    "save_scores",
    "score_views",
    "time_dependence",
    "timeline",
    "write_timeline",
]
