"""The papers' questions, asked of small networks on the generated data set.

    python -m spatempo.studies.experiments                       # all of them; --help names them
    python -m spatempo.studies.experiments tsm sth --into docs/experiments.md

Each is trained with three seeds, goes on where it was interrupted, and says of every claim of a paper whether it came
out. What is tried stands below, and nowhere else. Two calls at a time, of different experiments, use two cores better
than one call (``OMP_NUM_THREADS=1``, ``--workers 0``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.studies.claims.experiment import Arm, Claim, Experiment, run_experiment
from spatempo.studies.marked import around, put_into
from spatempo.studies.program import run_study

TSM, STH, VSN, GSM = ("Lin et al. 2019", "Li et al. 2020", "Ma et al. 2019", "Sudhakaran et al. 2020")
R2PLUS1D = "Tran et al. 2018"
ORDER = {"order": 8}  # the fewest passes after which some design has it
NARROW = {"width": 16}  # a quarter of the published width
_SMALL = "smallresnet"

TSN_ARM, TSM_ARM = Arm(f"tsn_{_SMALL}"), Arm(f"tsm_{_SMALL}")
VSN_ARM, R2PLUS1D_ARM = Arm(f"vsn_{_SMALL}"), Arm("r2plus1d_18", NARROW)


def _native(*names: str) -> dict[str, Arm]:
    return {name: Arm(f"{name}_18", NARROW) for name in names}


EXPERIMENTS = {
    "designs": Experiment(
        "Which designs see the order of frames, near and far?",
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
            *(Claim(f"{name.upper()} sees what TSN does not", name, "tsn") for name in ("tsm", "gsm", "sth", "vsn")),
            Claim("R(2+1)D sees what TSN does not", "r2plus1d", "tsn"),
            Claim("VSN above TSM", "vsn", "tsm", f"{VSN}, Table 9"),
            Claim("STH above TSM", "sth", "tsm", f"{STH}, Table 2"),
            Claim("GSM above TSM", "gsm", "tsm", GSM, "direction"),
            Claim("a view of all frames at once pays (VSN against STH)", "vsn", "sth", "", "order"),
        ],
    ),
    "tsm": Experiment(
        "TSM: how much to shift, where, and what comes in at the ends?",
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
            Claim(
                "zeros at the ends are better than what fell off the other one", "tsm", "tsm-circulant", f"{TSM}, v1"
            ),
        ],
    ),
    "sth": Experiment(
        "STH: how large a share for time, which form, and where does attention go?",
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
        "VSN: where to shuffle, and with a shift or alone?",
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
        "GSM: is the gate worth more than a shift of the same channels?",
        {
            "tsn": TSN_ARM,  # the gate at 0
            "tsm": TSM_ARM,  # the gate at 1: GSM gates the very quarter that TSM shifts
            "gsm": Arm(f"gsm_{_SMALL}"),
            "gsm-all": Arm(f"gsm_{_SMALL}", {"ratio": 100}),
            "gsf": Arm(f"gsf_{_SMALL}"),
        },
        {"direction": 3},
        [
            Claim("a learnt gate is better than an open one (TSM)", "gsm", "tsm", GSM),
            Claim("a learnt gate is better than a shut one (TSN)", "gsm", "tsn", GSM),
            Claim("a learnt fusion (GSF) is better than GSM", "gsf", "gsm", "Sudhakaran et al. 2023"),
        ],
    ),
    "mixed": Experiment(
        "R(2+1)D's paper: 3D early, 3D late, or apart?",
        _native("fr2d", "mc2", "mc3", "mc5", "rmc2", "rmc3", "rmc5", "r3d", "r2plus1d"),
        {"direction": 2},
        [
            Claim("3D is better than 2D", "r3d", "fr2d", f"{R2PLUS1D}, Table 2"),
            Claim("R(2+1)D is better than 3D", "r2plus1d", "r3d", f"{R2PLUS1D}, Table 2"),
            Claim("3D early (MC3) is better than 3D late (rMC3)", "mc3", "rmc3", f"{R2PLUS1D}, Table 2"),
            Claim("MC5 is better than rMC5", "mc5", "rmc5", f"{R2PLUS1D}, Table 2"),
            Claim("MC2 is better than rMC2", "mc2", "rmc2", f"{R2PLUS1D}, Table 2"),
            Claim("R(2+1)D is better than mixed ones (MC3)", "r2plus1d", "mc3", f"{R2PLUS1D}, Table 2"),
        ],
    ),
    "far": Experiment(
        "How far apart may two frames be?",
        {
            "tsm": TSM_ARM,
            "vsn": VSN_ARM,
            "vsn-16": Arm(f"vsn_{_SMALL}", frames=16),  # the events are twice as many frames apart
        },
        ORDER,
        [
            Claim("VSN sees twice as many frames apart what TSM does not see", "vsn-16", "tsm"),
        ],
    ),
    "longer": Experiment(
        "Short clips first, long ones then: as good as long ones all along?",
        {
            "r2plus1d": R2PLUS1D_ARM,
            "r2plus1d-16": Arm("r2plus1d_18", NARROW, frames=16),
            "short-then-long": Arm("r2plus1d_18", NARROW, frames=16, epochs=1, start="r2plus1d"),
        },
        {"direction": 2},
        [
            Claim("long clips are better than short ones", "r2plus1d-16", "r2plus1d", f"{R2PLUS1D}, Table 4"),
            Claim("short, then long, is better than short", "short-then-long", "r2plus1d", f"{R2PLUS1D}, Table 4"),
            Claim("long all along is better still", "r2plus1d-16", "short-then-long", f"{R2PLUS1D}, Table 4"),
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
    """Runs experiments; returns the exit code."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m spatempo.studies.experiments", description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)} (default: all)")
    parser.add_argument("--out", default="runs/experiments", help="folder to write (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="processes that read clips (default: one less than the cores)")
    parser.add_argument(
        "--into", metavar="FILE", help="a Markdown file with <!-- NAME --> lines: puts the tables there"
    )
    given = parser.parse_args(arguments)

    def study() -> None:
        names = given.names or list(EXPERIMENTS)
        if unknown := [name for name in names if name not in EXPERIMENTS]:
            raise SpatempoError(f"there is no experiment {unknown[0]!r}; choose from {', '.join(EXPERIMENTS)}")
        for name in names if given.into else ():
            around(Path(given.into), name)  # told before the training, not after
        for name in names:
            from spatempo.studies.claims.experiment_words import report

            experiment = EXPERIMENTS[name]
            found = run_experiment(name, experiment, given.out, seeds=given.seeds, workers=given.workers)
            text = report(experiment, found)
            print(f"\n## {experiment.title}\n\n{text}")
            if given.into:
                put_into(Path(given.into), name, text)

    return run_study("experiments", study)


if __name__ == "__main__":
    sys.exit(main())
