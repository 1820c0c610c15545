"""Re-test the claims of the papers with small networks on the generated data set.

    python -m spatempo.studies.experiments                       # all experiments; --help lists them
    python -m spatempo.studies.experiments tsm sth --into docs/experiments.md

Each arm is trained with three seeds, and an interrupted experiment continues where it stopped. The result says of every
claim whether it is confirmed, contradicted or inconclusive. All experiments are defined in this file. Two calls at a
time, with different experiments, use two cores better than one call (``OMP_NUM_THREADS=1``, ``--workers 0``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.studies.claims.experiment import Arm, Claim, Experiment, run_experiment
from spatempo.studies.marked import insert_between_marks, split_at_marks
from spatempo.studies.program import run_study

TSM, STH, VSN, GSM = ("Lin et al. 2019", "Li et al. 2020", "Ma et al. 2019", "Sudhakaran et al. 2020")
R2PLUS1D = "Tran et al. 2018"
ORDER = {"order": 8}  # the fewest passes after which at least one design learns it
NARROW = {"width": 16}  # a quarter of the published width
_SMALL = "smallresnet"

TSN_ARM, TSM_ARM = Arm(f"tsn_{_SMALL}"), Arm(f"tsm_{_SMALL}")
VSN_ARM, R2PLUS1D_ARM = Arm(f"vsn_{_SMALL}"), Arm("r2plus1d_18", NARROW)


def _native(*names: str) -> dict[str, Arm]:
    return {name: Arm(f"{name}_18", NARROW) for name in names}


EXPERIMENTS = {
    "designs": Experiment(
        "Which designs see short-range and long-range order?",
        {
            "tsn": TSN_ARM,
            "tsm": TSM_ARM,
            "gsm": Arm(f"gsm_{_SMALL}"),
            "sth": Arm(f"sth_{_SMALL}"),
            "vsn": VSN_ARM,
            "r2plus1d": R2PLUS1D_ARM,
        },
        {"direction": 3, **ORDER},
        [
            *(Claim(f"{name.upper()} is better than TSN", name, "tsn") for name in ("tsm", "gsm", "sth", "vsn")),
            Claim("R(2+1)D is better than TSN", "r2plus1d", "tsn"),
            Claim("VSN is better than TSM", "vsn", "tsm", f"{VSN}, Table 9"),
            Claim("STH is better than TSM", "sth", "tsm", f"{STH}, Table 2"),
            Claim("GSM is better than TSM", "gsm", "tsm", GSM, "direction"),
            Claim("a view of all frames at once is better (VSN against STH)", "vsn", "sth", "", "order"),
        ],
    ),
    "tsm": Experiment(
        "TSM: how many channels to shift, where, and with which padding?",
        {
            "tsn": TSN_ARM,
            "tsm-eighth": Arm(f"tsm_{_SMALL}", {"shift_div": 16}),
            "tsm": TSM_ARM,
            "tsm-half": Arm(f"tsm_{_SMALL}", {"shift_div": 4}),
            "tsm-all": Arm(f"tsm_{_SMALL}", {"shift_div": 2}),
            "tsm-inplace": Arm(f"tsm_{_SMALL}", {"placement": "inplace"}),
            "tsm-inplace-all": Arm(f"tsm_{_SMALL}", {"placement": "inplace", "shift_div": 2}),
            "tsm-circulant": Arm(f"tsm_{_SMALL}", {"padding": "circulant"}),
        },
        {"direction": 2},
        [
            Claim("a quarter of the channels is better than an eighth", "tsm", "tsm-eighth", TSM),
            Claim("a quarter is better than half", "tsm", "tsm-half", TSM),
            Claim("a quarter is better than all", "tsm", "tsm-all", TSM),
            Claim("residual is better than in place", "tsm", "tsm-inplace", TSM),
            Claim("residual is better than in place, all channels shifted", "tsm-all", "tsm-inplace-all", TSM),
            Claim("shifting all channels in place is worse than not shifting", "tsn", "tsm-inplace-all", TSM),
            Claim("zero padding is better than circulant padding", "tsm", "tsm-circulant", f"{TSM}, v1"),
        ],
    ),
    "sth": Experiment(
        "STH: what fraction for time, which form, and where is the attention?",
        {
            "tsn": TSN_ARM,
            "sth-half": Arm(f"sth_{_SMALL}", {"p": "1/2"}),
            "sth": Arm(f"sth_{_SMALL}"),
            "sth-eighth": Arm(f"sth_{_SMALL}", {"p": "1/8"}),
            "sth-merge": Arm(f"sth_{_SMALL}", {"form": "merge"}),
            "sth-sum": Arm(f"sth_{_SMALL}", {"integration": "sum"}),
        },
        {"direction": 2, "control": 2},
        [
            Claim("p = 1/4 is better than 1/2", "sth", "sth-half", f"{STH}, Table 6", "direction"),
            Claim("p = 1/4 is better than 1/8", "sth", "sth-eighth", f"{STH}, Table 6", "direction"),
            Claim("hybrid is better than merge", "sth", "sth-merge", STH, "direction"),
            Claim("attention is better than the sum", "sth", "sth-sum", STH, "direction"),
        ],
    ),
    "vsn": Experiment(
        "VSN: where to shuffle, and with or without a shift?",
        {
            "tsn": TSN_ARM,
            "tsm": TSM_ARM,
            "vsn": VSN_ARM,
            "vsn-alone": Arm(f"vsn_{_SMALL}", {"shift": "off"}),
            "vsn-headtail": Arm(f"vsn_{_SMALL}", {"placement": "headtail"}),
            "vsn-headtail-alone": Arm(f"vsn_{_SMALL}", {"placement": "headtail", "shift": "off"}),
        },
        ORDER,
        [
            Claim("compact is better than headtail", "vsn", "vsn-headtail", VSN),
            Claim("shuffle and shift are better than shuffle alone", "vsn", "vsn-alone", f"{VSN}, Table 9"),
            Claim("shuffle alone is better than shift alone", "vsn-alone", "tsm", f"{VSN}, Table 9"),
            Claim("shuffle and shift are better than shift alone", "vsn", "tsm", f"{VSN}, Table 9"),
        ],
    ),
    "gsm": Experiment(
        "GSM: is a gate better than a shift of the same channels?",
        {
            "tsn": TSN_ARM,  # the same as gates of 0
            "tsm": TSM_ARM,  # the same as gates of 1: GSM gates the quarter of the channels that TSM shifts
            "gsm": Arm(f"gsm_{_SMALL}"),
            "gsm-all": Arm(f"gsm_{_SMALL}", {"ratio": 100}),
            "gsf": Arm(f"gsf_{_SMALL}"),
        },
        {"direction": 3},
        [
            Claim("a learned gate is better than an open one (TSM)", "gsm", "tsm", GSM),
            Claim("a learned gate is better than a closed one (TSN)", "gsm", "tsn", GSM),
            Claim("a learned fusion (GSF) is better than GSM", "gsf", "gsm", "Sudhakaran et al. 2023"),
        ],
    ),
    "mixed": Experiment(
        "The R(2+1)D paper: 3D early, 3D late, or factorised?",
        _native("fr2d", "mc2", "mc3", "mc5", "rmc2", "rmc3", "rmc5", "r3d", "r2plus1d"),
        {"direction": 2},
        [
            Claim("3D is better than 2D", "r3d", "fr2d", f"{R2PLUS1D}, Table 2"),
            Claim("R(2+1)D is better than 3D", "r2plus1d", "r3d", f"{R2PLUS1D}, Table 2"),
            Claim("3D early (MC3) is better than 3D late (rMC3)", "mc3", "rmc3", f"{R2PLUS1D}, Table 2"),
            Claim("MC5 is better than rMC5", "mc5", "rmc5", f"{R2PLUS1D}, Table 2"),
            Claim("MC2 is better than rMC2", "mc2", "rmc2", f"{R2PLUS1D}, Table 2"),
            Claim("R(2+1)D is better than mixed networks (MC3)", "r2plus1d", "mc3", f"{R2PLUS1D}, Table 2"),
        ],
    ),
    "far": Experiment(
        "How far apart may two frames be?",
        {
            "tsm": TSM_ARM,
            "vsn": VSN_ARM,
            "vsn-16": Arm(f"vsn_{_SMALL}", frames=16),  # the distance between the events doubles
        },
        ORDER,
        [
            Claim("VSN on events twice as many frames apart is better than TSM", "vsn-16", "tsm"),
        ],
    ),
    "longer": Experiment(
        "Short clips first, then long ones: as good as long clips throughout?",
        {
            "r2plus1d": R2PLUS1D_ARM,
            "r2plus1d-16": Arm("r2plus1d_18", NARROW, frames=16),
            "short-then-long": Arm("r2plus1d_18", NARROW, frames=16, epochs=1, start="r2plus1d"),
        },
        {"direction": 2},
        [
            Claim("long clips are better than short ones", "r2plus1d-16", "r2plus1d", f"{R2PLUS1D}, Table 4"),
            Claim("short, then long is better than short", "short-then-long", "r2plus1d", f"{R2PLUS1D}, Table 4"),
            Claim(
                "long throughout is better than short, then long",
                "r2plus1d-16",
                "short-then-long",
                f"{R2PLUS1D}, Table 4",
            ),
        ],
    ),
    "frames": Experiment(
        "Do more frames help?",
        {
            "tsn-4": Arm(TSN_ARM.model, frames=4),
            **{
                name if frames == 8 else f"{name}-{frames}": Arm(arm.model, arm.options, frames)
                for name, arm in (("tsm", TSM_ARM), ("r2plus1d", R2PLUS1D_ARM))
                for frames in (4, 8, 16)
            },
        },
        {"direction": 2},
        [
            Claim(f"{called}: {more} frames are better than {fewer}", f"{name}{dash}", f"{name}{minus}", source)
            for name, called, source in (("tsm", "TSM", TSM), ("r2plus1d", "R(2+1)D", R2PLUS1D))
            for fewer, more, minus, dash in ((4, 8, "-4", ""), (8, 16, "", "-16"))
        ],
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiments; returns the exit code."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m spatempo.studies.experiments", description=about)
    names_help = f"experiments to run: {', '.join(EXPERIMENTS)} (default: all)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names_help)
    parser.add_argument("--out", default="runs/experiments", help="output folder (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="number of runs per arm (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="processes that read clips (default: number of cores minus one)")
    parser.add_argument(
        "--into", metavar="FILE", help="Markdown file to write the tables into, between its <!-- NAME --> lines"
    )
    given = parser.parse_args(arguments)

    def study() -> None:
        names = given.names or list(EXPERIMENTS)
        if unknown := [name for name in names if name not in EXPERIMENTS]:
            raise SpatempoError(f"there is no experiment {unknown[0]!r}; choose from {', '.join(EXPERIMENTS)}")
        for name in names if given.into else ():
            split_at_marks(Path(given.into), name)  # missing marks fail before training, not after
        for name in names:
            from spatempo.studies.claims.experiment_words import report

            experiment = EXPERIMENTS[name]
            found = run_experiment(name, experiment, given.out, seeds=given.seeds, workers=given.workers)
            text = report(experiment, found)
            print(f"\n## {experiment.title}\n\n{text}")
            if given.into:
                insert_between_marks(Path(given.into), name, text)

    return run_study("experiments", study)


if __name__ == "__main__":
    sys.exit(main())
