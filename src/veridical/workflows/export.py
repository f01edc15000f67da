"""Export a sampler as one file that works with torch or an ONNX runtime, without this package.

Random numbers become inputs. The sampler is run once with a `Noise` that records the requested numbers; the exported
program takes these numbers in the same order, one row per example, and returns examples in data space. Class labels are
an input too: integers select the classes.

    import torch
    program = torch.export.load("sampler.pt2")
    x = program.module()(torch.randn(64, 8))
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib.util
import io
import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.atomic import replacing, require_free
from veridical.errors import RequestError
from veridical.model import GenerativeModel, Sampler
from veridical.training.logs import MissingPackageError
from veridical.version import __version__
from veridical.workflows.exported import Exported, Manifest, RecordedNoise
from veridical.workflows.progress import Say

FORMATS = (".pt2", ".onnx")
MANIFEST = "sampler.json"
"""Name of the description inside a .pt2 file (`extra_files`)."""


class CannotExportError(ValueError, RequestError):
    """A sampler cannot be exported as a graph of tensor operations, or the file cannot be written."""


def export_sampler(model: GenerativeModel, out: str | os.PathLike[str], *, rows: int = 4, say: Say = print) -> Manifest:
    """Write the sampler of a model to a file, with the default options of its family.

    Args:
        model: trained model with the weights to export.
        out: new file, FILE.pt2 (torch.export) or FILE.onnx.
        rows: number of examples in the trial run, and in every later call if this number cannot vary.
        say: called with messages about restrictions.

    Returns:
        Description of inputs and output; a .pt2 file contains it as `sampler.json`.

    Raises:
        CannotExportError: unknown format, the file exists, or the sampler is not a graph of tensor operations.
        MissingPackageError: ONNX is requested and not installed.
    """
    out = Path(out)
    require_exportable(model, out)
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
            torch.manual_seed(0)
            noise = RecordedNoise(rows, model.device)
            expected = model.sample(rows, noise=noise).float()  # type: ignore[attr-defined]
        program, fixed = _trace(model, noise.drawn, say)
        program = _trace(_without(model, unused(program)), noise.drawn, lambda line: None)[0]
        _require_equal(program, noise.drawn, expected)
    finally:
        model.train(training)
    manifest = Manifest(
        tuple(noise.inputs), model.space.shape, model.space.support, type(model).__name__, rows if fixed else None
    )
    _write(program, manifest, noise.drawn, out)
    return manifest


def require_exportable(model: GenerativeModel, out: Path) -> None:
    """Check the model and the file before anything is computed.

    Raises:
        CannotExportError: the model cannot sample, or the format is unknown.
        OutputExistsError: the file exists.
        MissingPackageError: ONNX is requested and not installed.
    """
    if not isinstance(model, Sampler):
        raise CannotExportError(f"{type(model).__name__} cannot sample; only models that sample can be exported.")
    if out.suffix not in FORMATS:
        raise CannotExportError(f"{out} ends in {out.suffix or 'nothing'!r}; expected {' or '.join(FORMATS)}.")
    require_free(out)
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if out.suffix == ".onnx" and missing:
        raise MissingPackageError(
            f"writing ONNX needs the package{'s' if len(missing) > 1 else ''} {' and '.join(missing)}. "
            "Install them (pip install onnx onnxscript), or write a file for torch: --out sampler.pt2"
        )


def _trace(model: GenerativeModel, drawn: list[Tensor], say: Say) -> tuple[torch.export.ExportedProgram, bool]:
    """Return the program, and whether the number of rows is fixed."""
    rows = torch.export.Dim("n")
    try:
        return _export(model, drawn, {"given": tuple({0: rows} for _ in drawn)}), False
    except Exception as error:  # torch.export raises whatever its parts raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    try:
        program = _export(model, drawn, None)
    except Exception as error:
        raise CannotExportError(
            f"the sampler of {type(model).__name__} is not a graph of tensor operations, so it cannot be exported "
            f"({reason}). To get samples without an export: veridical sample RUN --out samples.npz"
        ) from error
    fixed = len(drawn[0])
    say(f"The number of examples per call is fixed to {fixed}: this network cannot be exported with a variable number.")
    return program, True


@torch.no_grad()
def _export(model: GenerativeModel, drawn: list[Tensor], shapes: Any) -> torch.export.ExportedProgram:
    """Trace the sampler; the graphs that torch prints on failure are suppressed."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return torch.export.export(Exported(model), tuple(drawn), dynamic_shapes=shapes, strict=False)
    finally:
        logging.disable(logging.NOTSET)


def unused(program: torch.export.ExportedProgram) -> list[str]:
    """Return the names of parameters and buffers that a program does not use, for example those of a discriminator."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    idle = {node.name for node in program.graph.nodes if node.op == "placeholder" and not node.users}
    return [name for node, name in names.items() if node in idle]


def _without(model: GenerativeModel, names: list[str]) -> GenerativeModel:
    """Return a copy of a model whose named tensors are empty, so that the file does not contain them."""
    copied = copy.deepcopy(model).requires_grad_(False)
    tensors = {f"model.{name}": tensor for name, tensor in copied.state_dict(keep_vars=True).items()}
    for name in names:
        if name in tensors:
            tensors[name].data = tensors[name].data.new_empty(0)
    return copied


def _require_equal(program: torch.export.ExportedProgram, drawn: list[Tensor], expected: Tensor) -> None:
    """Check that the program returns the same examples as the sampler."""
    got = program.module()(*drawn)
    if not torch.allclose(got, expected, rtol=1e-4, atol=1e-4):
        raise CannotExportError(
            f"the output of the exported sampler differs from the model by {float((got - expected).abs().max()):.2g}: "
            "the sampler uses random numbers that do not come from its `noise` argument. Nothing was written."
        )


def _write(program: torch.export.ExportedProgram, manifest: Manifest, drawn: list[Tensor], out: Path) -> None:
    """Write a temporary file, read it back, and rename it."""
    write = _write_pt2 if out.suffix == ".pt2" else _write_onnx
    with replacing(out) as temporary:
        write(program, manifest, drawn, temporary)


def _write_pt2(program: torch.export.ExportedProgram, manifest: Manifest, drawn: list[Tensor], file: Path) -> None:
    described = {**dataclasses.asdict(manifest), "veridical": __version__}
    torch.export.save(program, file, extra_files={MANIFEST: json.dumps(described)})
    _require_equal(torch.export.load(file), drawn, program.module()(*drawn))


def _write_onnx(program: torch.export.ExportedProgram, manifest: Manifest, drawn: list[Tensor], file: Path) -> None:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter's own deprecations
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(
                program,
                tuple(drawn),
                str(file),
                input_names=manifest.names,
                output_names=["x"],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        finally:
            logging.disable(logging.NOTSET)
