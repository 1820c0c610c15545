"""Every kind of page in a real browser, at the width of a laptop and of a phone.

One headless Chromium shows all pages in frames of both widths. A script in a copy of each page measures it and sends
the result to the outer page, whose DOM Chromium prints. The tests install nothing and use no network.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatempo.report.comparison_page import ModelResult, write_report
from spatempo.report.film import Strip
from spatempo.report.time_page import write_time_page

BROWSER = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"))
    ),
    None,
)
WIDTHS = (1280, 390)  # pixels: a laptop, a phone
TOLERANCE = 3  # pixels that text may extend beyond a drawing

PROBE = """
<script>
const faults = [];
addEventListener("error", e => faults.push("error: " + e.message));
addEventListener("securitypolicyviolation", e => faults.push("requested " + e.blockedURI));
addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push("overflows: " + wide + " of " + innerWidth);
  for (const entry of performance.getEntriesByType("resource"))
    if (!entry.name.startsWith("data:")) faults.push("loaded " + entry.name);
  for (const image of document.images) if (!image.naturalWidth) faults.push("an image is missing");
  let drawings = 0;
  for (const svg of document.querySelectorAll("svg")) {
    if (!svg.getClientRects().length) continue;  // the version for the other width is hidden
    drawings += 1;
    const box = svg.getBoundingClientRect();
    const ink = svg.firstElementChild ? svg.getBBox() : {width: 0, height: 0};
    if (Math.min(box.width, box.height, ink.width, ink.height) < 20) faults.push("an empty drawing");
    for (const text of svg.querySelectorAll("text")) {
      const at = text.getBoundingClientRect();
      const over = Math.max(box.left - at.left, at.right - box.right, box.top - at.top, at.bottom - box.bottom);
      if (over > TOLERANCE) faults.push("outside its drawing by " + over.toFixed(1) + ": " + text.textContent);
    }
  }
  parent.postMessage({key: location.hash.slice(1), width: innerWidth, drawings, faults}, "*");
});
</script>
""".replace("TOLERANCE", str(TOLERANCE))

OUTER = """<!doctype html><meta charset="utf-8"><pre id="found"></pre>
<script>
addEventListener("message", e => { found.textContent += JSON.stringify(e.data) + "\\n"; });
</script>
"""


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory):
    if BROWSER is None:
        pytest.skip("needs Chromium or Chrome, and neither is installed")

    def browse(pages: list[Path]) -> tuple[dict[tuple[str, int], dict[str, Any]], list[str]]:
        """Returns the result of the probe by (page, width), and the messages of the browser console."""
        folder = tmp_path_factory.mktemp("browser")
        frames = ""
        for page in pages:
            text = page.read_text(encoding="utf-8")
            assert "default-src 'none';" in text
            probed = text.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';", 1)
            (folder / page.name).write_text(probed.replace("<head>", "<head>" + PROBE, 1), encoding="utf-8")
            for width in WIDTHS:
                frames += (
                    f'<iframe src="{page.name}#{page.stem}" style="border:0;width:{width}px;height:900px"></iframe>'
                )
        (folder / "outer.html").write_text(OUTER + frames, encoding="utf-8")
        quiet = ("--no-first-run", "--disable-background-networking", "--disable-quic", "--disable-gpu")
        done = subprocess.run(
            [
                str(BROWSER),
                *("--headless", "--no-sandbox", *quiet, "--host-resolver-rules=MAP * ~NOTFOUND"),
                *(f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--v=0"),
                *("--virtual-time-budget=20000", "--dump-dom", (folder / "outer.html").as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, flags=re.DOTALL)
        assert found, done.stdout[:500]
        messages = [json.loads(line) for line in html.unescape(found[1]).splitlines()]
        console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return {(one["key"], one["width"]): one for one in messages}, console

    return browse


def pictures(count: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8)


def comparison(path: Path, count: int) -> Path:
    """A comparison of `count` designs with long names, three seeds, pairs, eight classes and strips."""
    rng = np.random.default_rng(2)
    classes = [f"pushing something so that it falls over, case {i}" for i in range(8)]
    models = []
    for i in range(count):
        scores = list(np.clip(rng.normal(0.5 if i % 5 == 0 else 0.95, 0.02, 3), 0, 1))
        row = {"top1": scores[0], "within_pair": scores[1], "shuffled": 0.4, "drop_when_shuffled": scores[0] - 0.4}
        row |= {"params": int(680_000 * (1 + i % 3)), "macs": 390_000_000 // (1 + i % 4)}
        row |= {"latency_ms": 20 + 2.5 * i, "seconds": 126.0}
        pairs = {f"left / right {k}": float(rng.uniform(0.4, 1)) for k in range(5)}
        models.append(
            ModelResult(
                f"tsm_efficientnet_b{i}-causal",
                row,
                spread={"top1": 0.012, "within_pair": 0.021, "shuffled": 0.011, "drop_when_shuffled": 0.02},
                scores=scores,
                families={"control": 0.98, "direction": scores[1], "long-range order": 0.6},
                pairs=pairs,
                per_class={name: float(rng.uniform(0, 1)) for name in classes},
                confusion=(30 * np.eye(8, dtype=int) + rng.integers(0, 9, (8, 8))).tolist(),
                classes=classes,
                curve={"epoch": [1, 2, 3], "top-1": [0.2, None, 0.9], "loss": [2.0, 1.5, 1.0]} if count < 9 else {},
            )
        )
    names = [m.name for m in models]
    return write_report(
        path,
        "Comparison of " + ", ".join(names),
        "One sees order, the other does not. " * 4,
        models=models,
        strips=[Strip(classes[0], pictures(), classes[0], {name: classes[i % 2] for i, name in enumerate(names)})],
        chance={"direction": 0.5},
        headline="direction",
        family_notes={"long-range order": "A then B, or B then A"},
        groups=[(classes[0], classes[1])],
        versus=(names[1], names[0]),
        notes=["runs/" + "a_very_long_folder_name" * 6],
    )


def diagnosis(path: Path) -> Path:
    """A diagnosis of two models."""
    classes = [f"pushing something so that it falls over, case {i}" for i in range(8)]
    accuracies = {"ordered": 0.9, "shuffled": 0.4, "reversed": 0.1, "frozen": 0.3}
    row = {"n": 10, **accuracies, "ordered_interval": (0.6, 0.98), "shuffled_interval": (0.2, 0.7), "p_value": 0.01}
    field = {"frames": 3, "clip_frames": 8, "past": 1, "future": 1, "own": 0.5, "fractions": np.eye(8).tolist()}
    models = [
        {
            "name": name,
            "n": 160,
            "frames": 8,
            **accuracies,
            "shuffled_runs": [0.3, 0.5],
            "intervals": {key: (value - 0.1, value + 0.1) for key, value in accuracies.items()},
            "per_class": dict.fromkeys(classes, row),
            "confused": [{"classes": classes[:2], "n": 20, "ordered": 0.0, "shuffled": 0.5, "p_value": 0.0004}],
            "by_frames": [{"frames": t, "top1": t / 20, "interval": (t / 30, t / 18)} for t in (1, 2, 4, 8, 16)],
            "unsupported_frames": {32: "no"},
            "families": {"direction": {"n": 30, "pairs": True, **accuracies}},
            "receptive_field": field,
        }
        for name in ("tsm_mobilenet_v2", "tsn_mobilenet_v2")
    ]
    strip = Strip(classes[0], pictures(), classes[0], {"in order": classes[0]}, np.ones((8, 48, 64)), [0.5, -0.25] * 4)
    need = {
        "n": 160,
        "temporal": 0.9,
        "order_blind": 0.5,
        "needs_order": 0.45,
        "interval": (0.37, 0.53),
        "only_order_blind": 0.05,
    }
    group = {"n": 20, "temporal": 0.9, "order_blind": 0.5, "p_value": 0.002}
    need |= {"p_value": 0.0002, "per_group": {" / ".join(classes[:2]): group, classes[2]: group}}
    need |= {
        "groups_need_order": classes[2:3],
        "temporal_name": "tsm_mobilenet_v2",
        "order_blind_name": "tsn_mobilenet_v2",
    }
    return write_time_page(
        path,
        "Use of frame order: two models",
        ["One sees it."],
        models,
        verdicts=["drop when shuffled: 50.0 points", "does not see order"],
        need=need,
        strips=[strip],
        notes=["n"],
    )


def test_pages_fit_at_both_widths(browse, tmp_path: Path) -> None:
    pages = {
        comparison(tmp_path / "two.html", 2): 8,
        comparison(tmp_path / "many.html", 22): 5,
        diagnosis(tmp_path / "time.html"): 5,
    }
    found, console = browse(list(pages))
    assert console == []
    for page, drawings in pages.items():
        for width in WIDTHS:
            assert found[page.stem, width]["faults"] == [], (page.stem, width)
            assert found[page.stem, width]["drawings"] == drawings, (page.stem, width)


def test_the_probe_detects_faults(browse, tmp_path: Path) -> None:
    good = diagnosis(tmp_path / "good.html").read_text(encoding="utf-8")
    broken = {
        "wide": ("<h1>", "<div style='width: 1400px'>x</div><h1>", "overflows: "),
        "network": ("<h1>", "<img src='http://127.0.0.1:9/x.png'><h1>", "requested http://127.0.0.1:9/x.png"),
        "style": ("<style>", "<style>@import 'http://127.0.0.1:9/x.css';", "requested http://127.0.0.1:9/x.css"),
        "script": ("<h1>", "<script>nobody.home()</script><h1>", "error: Uncaught ReferenceError"),
        "empty": ("<h1>", "<svg viewBox='0 0 9 9'></svg><h1>", "an empty drawing"),
        "letters": ("</svg>", "<text x='2000' y='10'>far out</text></svg>", "outside its drawing by"),
    }
    pages = []
    for name, (old, new, _) in broken.items():
        assert old in good
        pages.append(tmp_path / f"{name}.html")
        pages[-1].write_text(good.replace(old, new), encoding="utf-8")
    found, console = browse(pages)
    for name, (_, _, fault) in broken.items():
        for width in WIDTHS:
            faults = found[name, width]["faults"]
            assert any(message.startswith(fault) for message in faults), (name, width, faults)
    assert console  # the console reports blocked requests and the error of the script, too
