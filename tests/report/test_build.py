"""The whole page, from run directories in every state."""

import importlib
import inspect
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.report import build
from veridical.run import NotARunError

Make = Callable[..., Path]


def load_page() -> type:
    import importlib.util

    spec = importlib.util.spec_from_file_location("report_page", Path(__file__).with_name("page.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Page


Page = load_page()


def read(path: Path) -> tuple:
    return Page(path.read_text(encoding="utf-8")), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def test_page_and_twin_stand_in_the_run(make: Make) -> None:
    run = make()
    assert build([run]) == run / "report.html"
    page, twin = read(run / "report.html")
    assert len(page.ids) == len(set(page.ids))
    assert [ref for ref in page.references if ref.startswith("#")] == [f"#{anchor}" for anchor in page.ids]
    assert page.images and all(image["alt"] for image in page.images)
    assert (
        "0000-gan-fashion-mnist-10k" in page.text and "3 of the 5 measurements with a reference are short" in page.text
    )
    assert twin["runs"][0]["state"] == "finished" and twin["runs"][0]["step"] == 5000


def test_nothing_is_loaded_from_anywhere(make: Make) -> None:
    run = make(r1=0.5)
    html = build([run]).read_text(encoding="utf-8")
    page = Page(html)
    assert all(ref.startswith(("#", "data:image/")) for ref in page.references)
    assert not re.search(r"url\(|@import|@font-face|//", page.styles)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not any(key.startswith("on") for key, _ in page.attributes)
    assert "default-src 'none'" in html


def test_every_number_of_the_table_is_in_the_twin(make: Make) -> None:
    from veridical.report.numbers import figures, interval
    from veridical.report.words import metric_words

    page, twin = read(build([make()]))
    measurements = twin["runs"][0]["measurements"]
    assert len(measurements) == 6
    for m in measurements:
        for text in (
            metric_words(m["name"]).title,
            figures(m["value"]),
            interval(m["interval"]),
            figures(m["n"]),
            m["verdict"],
        ):
            assert text in page.text
        if m["reference"] is not None:
            assert figures(m["reference"]) in page.text and interval(m["reference_interval"]) in page.text


def test_twin_holds_the_whole_curves(make: Make) -> None:
    run = make()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curves = read(build([run]))[1]["runs"][0]["curves"]
    assert set(curves) == {term for row in rows for term in row if "/" in term}
    for term, curve in curves.items():
        assert curve == {"steps": [row["step"] for row in rows], "values": [row[term] for row in rows]}


def test_findings_stand_with_cause_and_remedy(make: Make) -> None:
    page, twin = read(build([make(sick=True)]))
    (finding,) = twin["runs"][0]["findings"]
    assert finding["name"] == "discriminator-saturation"
    for text in (finding["message"], finding["cause"], finding["remedy"]):
        assert " ".join(text.split()) in " ".join(page.text.split())


def test_configuration_comes_with_its_origins(make: Make) -> None:
    page, twin = read(build([make(r1=0.5)]))
    config = twin["runs"][0]["config"]
    assert config["model.r1"] == {"value": 0.5, "origin": "command line"}
    assert config["training.batch_size"] == {"value": 64, "origin": "default"}
    assert "generator_optimizer.betas" in page.text and "0.0, 0.99" in page.text


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "veridical resume"),
        ({"measured": False}, "veridical evaluate"),
        ({"sick": True}, "veridical train --config"),
        ({"state": "interrupted", "done": 900, "measured": False}, "veridical"),
    ],
)
def test_the_page_ends_with_a_next_step_that_exists(make: Make, options: dict, command: str) -> None:
    page, twin = read(build([make(**options)]))
    found = twin["runs"][0]["next"]
    assert found["command"].startswith(command) and found["reason"] and found["command"] in page.text
    for line in [found["command"], *twin["runs"][0]["commands"]]:
        _, name, *arguments = shlex.split(line)
        module = importlib.import_module(f"veridical.cli.{name}")
        options_of = re.findall(r"(?m)^    (\w+):", inspect.getsource(module))
        for option in (a for a in arguments if a.startswith("--") and name != "train"):
            assert option[2:].replace("-", "_") in options_of, line


def test_what_to_do_next_is_said_once(make: Make) -> None:
    page, twin = read(build([make()]))
    assert page.text.count(twin["runs"][0]["next"]["reason"]) == 1


@pytest.mark.parametrize("several", [False, True])
def test_every_number_of_a_card_says_what_it_is(make: Make, several: bool) -> None:
    """On narrow screens the heading of the table is hidden, and each cell stands under its label."""
    runs = [make("a"), make("b")] if several else [make("a")]
    html = build(runs).read_text(encoding="utf-8")
    table = html[html.index('<table class="measures') :].partition("</table>")[0]
    cells = [cell for cell in re.findall(r"<td([^>]*)>", table) if "colspan" not in cell and "tone" not in cell]
    assert len(cells) > 10 and all("data-label=" in cell for cell in cells)


def test_modules_of_your_own_are_used_from_python(make: Make) -> None:
    run = make()
    about = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(about | {"own_modules": True}))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("family: gan", "family: mine.Model", 1))
    page, twin = read(build([run]))
    assert twin["runs"][0]["family"] == "mine.Model" and "mine.Model" in page.text
    assert f"veridical.resume({str(run)!r}, model=model, steps=10000)" in twin["runs"][0]["commands"]
    assert not any("train --config" in command for command in twin["runs"][0]["commands"])


def test_classes_are_named_where_known(make: Make) -> None:
    run = make()
    about = json.loads((run / "environment.json").read_text())
    about["data"] = {**about.get("data", {}), "class_names": ["shirt", "boot"]}
    (run / "environment.json").write_text(json.dumps(about))
    assert "classes: shirt, boot" in read(build([run]))[0].text


def test_no_internal_names_on_curves(make: Make) -> None:
    page, _ = read(build([make()]))
    assert "Jensen–Shannon divergence, lower bound" in page.text and "logit_real" not in page.text
    assert "penalty_r1" not in page.text and "grad_norm" not in page.text


def test_the_two_coverages_have_two_names(make: Make) -> None:
    run = make()
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["measurements"].append({"name": "modes", "value": 24.0, "unit": "modes", "higher_is_better": True})
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    text = read(build([run]))[0].text
    assert "mode coverage" in text and "manifold coverage" in text


def test_commands_are_quoted(make: Make) -> None:
    run = make("a run; rm -rf x")
    commands = read(build([run]))[1]["runs"][0]["commands"]
    assert f"veridical sample '{run}' -n 64" in commands
    assert f"veridical train --config '{run}/config.yaml'" in commands


def test_crashed_run(crashed: Path) -> None:
    page, twin = read(build([crashed]))
    run = twin["runs"][0]
    assert run["state"] == "running" and run["measurements"] == [] and run["verdict"]["level"] == "unknown"
    assert run["step"] == 1150  # the line of step 1200 is half-written
    assert "metrics.jsonl: 1 line is incomplete" in page.text
    assert f"veridical resume {crashed}" in page.text and "step 1,000" in page.text


def test_a_run_that_wrote_nothing_for_long_was_killed(crashed: Path) -> None:
    yesterday = time.time() - 86_400
    for file in crashed.iterdir():
        os.utime(file, (yesterday, yesterday))
    page, twin = read(build([crashed]))
    assert twin["runs"][0]["state"] == "killed"
    assert "Its process was probably killed" in page.text and "1 d 0 h" in page.text


def test_lines_that_are_no_rows_are_left_out_and_counted(make: Make) -> None:
    run = make(measured=False)
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"generator/loss": 1.0}\n[1]\n"text"\n{"step": "x"}\n\n{"step": 5050, "generator/loss": 1.5}\n')
    page, twin = read(build([run]))
    assert "metrics.jsonl: 4 lines are incomplete" in page.text
    assert twin["runs"][0]["curves"]["generator/loss"]["steps"][-2:] == [5000, 5050]


def test_failed_run_is_not_to_be_trusted(make: Make) -> None:
    page, twin = read(build([make(state="failed", done=700, measured=False, message="loss is nan at step 731.")]))
    assert twin["runs"][0]["verdict"]["level"] == "bad"
    assert "Training failed at step 700 of 5,000. loss is nan at step 731." in page.text


def test_a_run_that_holds_nothing_but_its_configuration(make: Make) -> None:
    run = make()
    for entry in run.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "config.yaml":
            entry.unlink()
    page, twin = read(build([run]))
    assert twin["runs"][0]["state"] == "unknown" and "There are no metrics to judge" in page.text


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "environment.json", "evaluation.json", "health.jsonl"])
@pytest.mark.parametrize("content", ["{", "[1, 2]", "", '{"a": [', "\x00\xff: :"], ids=range(5))
def test_damaged_files_are_said_and_survived(make: Make, name: str, content: str) -> None:
    run = make(grids=2, cell=8)
    (run / name).write_bytes(content.encode("latin-1"))
    page, twin = read(build([run]))
    if content:
        assert any(problem.startswith(name) for problem in twin["runs"][0]["problems"])
        assert name in page.text


def test_an_image_that_is_none_is_said(make: Make) -> None:
    run = make(grids=3)
    (run / "samples" / "reals.png").write_bytes(b"GIF89a no image")
    (run / "samples" / "step-00005000.png").write_bytes((run / "samples" / "step-00002500.png").read_bytes()[:500])
    page, twin = read(build([run]))
    assert "reals.png is not a readable image" in page.text
    assert "step-00005000.png is not a readable image" in page.text
    assert [p["step"] for p in twin["runs"][0]["images"]["progress"]] == [0, 2500]


def test_values_that_are_not_finite(make: Make) -> None:
    run = make(measured=False)
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 5050, "generator/loss": NaN, "generator/grad_norm": Infinity, "new/term": NaN}\n')
    path = build([run])
    values = read(path)[1]["runs"][0]["curves"]["generator/loss"]["values"]
    assert values[-1] is None and math.isfinite(values[-2])
    assert "no finite value" in Page(path.read_text()).text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}$x^2$&amp;"


def test_hostile_names_are_only_text(make: Make) -> None:
    run = make("\" onload=alert(1) x=\"<script>alert('name')<", grids=2)
    (run / "config.yaml").write_text(json.dumps({"family": HOSTILE, "model": {HOSTILE: HOSTILE}, "origin": {}}))
    (run / "environment.json").write_text(json.dumps({HOSTILE: HOSTILE, "data": {"name": HOSTILE}}))
    (run / "status.json").write_text(json.dumps({"state": HOSTILE, "step": HOSTILE, "message": HOSTILE}))
    row = {"step": 1, f"{HOSTILE}/{HOSTILE}": 1.0, f"model/{HOSTILE}": 2.0}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    finding = dict.fromkeys(("name", "message", "cause", "remedy"), HOSTILE) | {"step": 1, "severity": "error"}
    (run / "health.jsonl").write_text(json.dumps(finding) + "\n")
    measured = {key: HOSTILE for key in ("name", "value", "unit", "n", "method", "reference_kind", "verdict", "detail")}
    evaluation: dict = {"summary": [HOSTILE], "data": HOSTILE, "extractor": HOSTILE, "n": HOSTILE, "seed": HOSTILE}
    (run / "evaluation.json").write_text(
        json.dumps({**evaluation, "measurements": [measured, {**measured, "value": 1}]})
    )
    for runs in ([run], [run, run]):
        page, _ = read(build(runs, run / "page.html"))
        assert page.text.count("<script>alert(1)</script>") >= 12 and "{{ 7*7 }}" in page.text
        assert "script" not in page.tags
        assert all(ref.startswith(("#", "data:image/")) for ref in page.references)
        assert not any(key.startswith("on") for key, _ in page.attributes)


def test_forty_grids_of_noise_stay_below_five_megabytes(make: Make) -> None:
    run, noise = make(grids=0), np.random.default_rng(0)
    sides = {"reals.png": 1000, "nearest.png": 1000} | {f"step-{step:08d}.png": 512 for step in range(0, 4000, 100)}
    for name, side in sides.items():
        Image.fromarray(noise.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(run / "samples" / name)
    path = build([run])
    page, twin = read(path)
    images = twin["runs"][0]["images"]
    assert path.stat().st_size < 5_000_000
    assert images["grids"] == 40 and len(images["progress"]) == 12
    assert [images["progress"][i]["step"] for i in (0, -1)] == [0, 3900]
    assert "12 of 40 grids" in page.text and "Reduced or recompressed" in page.text
    assert images["last"]["width"] == 512


def test_three_runs_side_by_side(make: Make) -> None:
    runs = [make("a", r1=0.5), make("b", sick=True, seed=1), make("c", family="vae", seed=2)]
    page, twin = read(build(runs, runs[0].parent / "three"))
    assert [run["name"] for run in twin["runs"]] == ["a", "b", "c"]
    assert "3 runs compared" in page.text and "What differs" in page.text
    assert "model.r1" in page.text and "gan" in page.text and "vae" in page.text
    assert page.text.count("Samples of ") == 0 and sum("Samples of b" in image["alt"] for image in page.images) >= 2
    assert (runs[0].parent / "three" / "report.json").is_file()


def test_runs_measured_differently_are_not_compared_in_silence(make: Make) -> None:
    runs = [make("a"), make("b")]
    evaluation = json.loads((runs[1] / "evaluation.json").read_text())
    (runs[1] / "evaluation.json").write_text(json.dumps({**evaluation, "n": 500}))
    page, _ = read(build(runs))
    assert "they differ in number of samples (10000, 500)" in " ".join(page.text.split())


def test_only_a_report_is_replaced(make: Make, tmp_path: Path) -> None:
    run, other = make(), tmp_path / "thesis.html"
    assert build([run], tmp_path / "new.html") == build([run], tmp_path / "new.html")
    other.write_text("<html>my thesis</html>")
    with pytest.raises(FileExistsError, match=r"thesis.html exists and is not a report"):
        build([run], other)
    assert other.read_text() == "<html>my thesis</html>"


@pytest.mark.parametrize("text", ['{"runs": [1]}', '{"generator": "mine"}', "[1]", "not JSON"])
def test_the_json_file_beside_a_page_is_not_overwritten_either(make: Make, tmp_path: Path, text: str) -> None:
    own = tmp_path / "results.json"
    own.write_text(text)
    with pytest.raises(FileExistsError, match=r"results.json exists and is not a report"):
        build([make()], tmp_path / "results.html")
    assert own.read_text() == text and not (tmp_path / "results.html").exists()


def test_wrong_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARunError, match="does not exist"):
        build([tmp_path / "none"])
    with pytest.raises(ValueError, match="no run is given"):
        build([])


def test_neither_torch_nor_matplotlib_is_imported(make: Make) -> None:
    code = f"""
import sys, pathlib
from veridical.report import build
build([pathlib.Path({str(make())!r})])
print([name for name in ("torch", "matplotlib", "numpy", "scipy", "lightning_fabric") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_run_that_restores_its_examples_states_each(make: Make) -> None:
    run = make(family="vae")
    evaluation = json.loads((run / "evaluation.json").read_text())
    listed = [[7, 21.46], [3, 34.9], *([i, 50.0 + i] for i in range(100, 198))]
    detail = {"limit_dB": 35.0, "row_and_dB_from_the_worst": listed}
    evaluation["measurements"].append({"name": "restored", "value": 0.98, "unit": "share", "n": 100, "detail": detail})
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    Image.new("L", (100, 60)).save(run / "samples" / "restored.png")
    page, twin = read(build([run]))
    assert "98 of 100 training examples are restored with at least 35 dB" in page.text
    assert "The worst is row 7, with 21.46 dB" in page.text and "Every example, from the worst" in page.text
    assert all(f"row {row}" in page.text for row, _ in listed) and "34.9 dB" in page.text
    assert "restored" in page.ids and "restored" in twin["runs"][0]["images"]
    assert "restored" not in read(build([make("other")]))[0].ids
