"""What is made when the documentation is built: the API reference, the tables of presets and families, and formulae.

The reference has one page per package or module (`docs/architecture.md`), each listing its public modules. It is
generated, so that no page can be forgotten and none can describe what is gone.
Presets and families are read from the table of families, so that a new family appears by itself; its own page, if it
has one, is `docs/families/<name>.md`. Formulae become MathML here, so that the pages need no script and no network.
"""

import html
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from veridical.config.families.family import Need
from veridical.config.families.table import FAMILIES, find_family, module_name
from veridical.config.presets import by_purpose
from veridical.model import (
    Bijective,
    Denoiser,
    Dequantised,
    Discriminating,
    Encoder,
    ExactLikelihood,
    LatentVariable,
    LikelihoodBound,
    Sampler,
)

DOCS = Path(__file__).parent
SOURCE = Path(__file__).parents[1] / "src" / "veridical"

PACKAGES = {
    "model": "The contract",
    "sampling": "Drawing",
    "noise": "Random numbers of samples",
    "callbacks": "Callbacks",
    "config": "Configuration",
    "data": "Data",
    "targets": "Distributions whose truth is known",
    "families": "Families",
    "nn": "Networks",
    "objectives": "Objectives",
    "mcmc": "Markov chains",
    "training": "Training",
    "latent": "Latent space",
    "evaluation": "Evaluation",
    "health": "Health",
    "ising": "The Ising model",
    "statistics": "Statistics",
    "run": "The run directory",
    "workflows": "Jobs",
    "report": "The report",
    "experiments": "Experiments",
}
"""Module or package of `veridical`, and its title."""

NEEDS: dict[Need, str] = {
    "labels": "labels",
    "image": "images",
    "levels": "values at equal distances",
    "few-levels": "few levels",
    "few-levels-or-continuous": "few levels, or continuous values",
    "number": "a known number of examples",
}
"""What a family needs of the data, in words."""


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """List the pages of the families in the navigation."""
    pages = [{title_of(name): f"families/{name}.md"} for name in FAMILIES if page_of(name).is_file()]
    for entry in config.nav or []:
        if isinstance(entry, dict) and "Families" in entry:
            entry["Families"] = [*entry["Families"], *pages]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables of presets and families where a page asks for them."""
    if "<!-- presets -->" in markdown:
        markdown = markdown.replace("<!-- presets -->", preset_tables())
    if "<!-- abilities -->" in markdown:
        markdown = markdown.replace("<!-- abilities -->", ability_table())
    return markdown.replace("<!-- families -->", family_list()) if "<!-- families -->" in markdown else markdown


def preset_tables() -> str:
    """Return a table of presets for every purpose."""
    lines = []
    for purpose, presets in by_purpose().items():
        lines += [f"## {purpose[0].upper()}{purpose[1:]}", ""]
        lines += ["| preset | what for | paper | what differs from it | published | measured |", "|" + "---|" * 6]
        for name, p in presets.items():
            paper = re.sub(r"https?://[^\s,;)]+", r"<\g<0>>", p.paper)
            cells = (f"`{name}`", p.summary, paper, p.deviates, p.published, p.measured)
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def family_list() -> str:
    """Return every family with what it is, linked to its page if it has one."""
    lines = []
    for name in FAMILIES:
        link = f"[{title_of(name)}](families/{name}.md)" if page_of(name).is_file() else f"`{name}`"
        lines.append(f"- {link}: {find_family(name).about}")
    return "\n".join(lines)


def ability_table() -> str:
    """Return what each family can do, what it costs, and when to choose it."""
    costs = json.loads((DOCS / "logs" / "family_cost.json").read_text())
    lines = ["| family | draws | density | codes | encodes | denoises | discriminates | needs | cost of a step |"]
    lines += ["|---|" + ":-:|" * 6 + "---|---|"]
    for name, kind in FAMILIES.items():
        model = getattr(import_module(f"veridical.families.{module_name(name)}"), kind)
        density = density_of(model)
        asked = (Sampler, LatentVariable, (Encoder, Bijective), Denoiser, Discriminating)
        can = [issubclass(model, ability) for ability in asked]
        draws, *others = ["yes" if able else "" for able in can]
        needs = ", ".join(NEEDS[need] for need in find_family(name).needs) or "any data"
        cost = f"{costs[name]:.0f} ms" if name in costs else "not measured"
        lines.append("| " + " | ".join((f"`{name}`", draws, density, *others, needs, cost)) + " |")
    lines += ["", "| family | choose it for | not for |", "|---|---|---|"]
    lines += [f"| `{name}` | {find_family(name).good_at} | {find_family(name).weak_at} |" for name in FAMILIES]
    return "\n".join(lines)


def density_of(model: type) -> str:
    """Return whether a family has the density of its data."""
    if issubclass(model, ExactLikelihood):
        return "exact; of levels a bound" if issubclass(model, Dequantised) else "exact"
    return "bound" if issubclass(model, LikelihoodBound) else ""


def page_of(family: str) -> Path:
    """Return where the page of a family is, if it has one."""
    return DOCS / "families" / f"{family}.md"


def title_of(family: str) -> str:
    """Return the first heading of a family's page."""
    return page_of(family).read_text().splitlines()[0].removeprefix("# ")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add a page for every package, and their index."""
    index = ["# API reference", "", "Generated from the docstrings, one page per package.", ""]
    for name, title in PACKAGES.items():
        text = reference(name, title)
        files.append(File.generated(config, f"reference/{name}.md", content=text))
        index.append(f"- [{title}]({name}.md): `veridical.{name}`")
    files.append(File.generated(config, "reference/index.md", content="\n".join(index) + "\n"))
    return files


def reference(package: str, title: str) -> str:
    """Return the page of one package: every public module below it, in alphabetical order."""
    lines = [f"# {title}", ""]
    for module in modules(package):
        lines += [f"## `{module}`", "", f"::: {module}", "    options:", "      heading_level: 3", ""]
    return "\n".join(lines)


def modules(package: str) -> list[str]:
    """Return the dotted names of the modules of a package, private ones left out."""
    if (SOURCE / f"{package}.py").is_file():
        return [f"veridical.{package}"]
    found = []
    for path in sorted((SOURCE / package).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in name) and has_public(path):
            found.append(".".join(("veridical", *name)))
    return found


def has_public(path: Path) -> bool:
    """Tell whether a module defines a public class, function or documented constant."""
    return re.search(r"^(class|def|async def) [A-Za-z]|^[A-Z][A-Z_]+\b.*=", path.read_text(), re.MULTILINE) is not None


def on_page_content(content: str, **_: Any) -> str:
    """Finish a page: references one to a line and linked, formulae as MathML."""
    return with_formulae(re.sub(r'<details class="references".*?</details>', linked, content, flags=re.DOTALL))


def linked(references: re.Match[str]) -> str:
    """Return a section of references with one reference to a line and with links; continued lines are indented."""
    lines = re.sub(r"\n(?=[^\s<])", "<br>\n", references[0])
    return re.sub(r"https?://[^\s<]*[^\s<.,;)]", lambda url: f'<a href="{url[0]}">{url[0]}</a>', lines)


def with_formulae(content: str) -> str:
    """Replace the formulae that arithmatex marked."""
    content = re.sub(
        r'<div class="arithmatex">\\\[(.*?)\\\]</div>',
        lambda match: f"<p>{convert(html.unescape(match[1]), display='block')}</p>",
        content,
        flags=re.DOTALL,
    )
    return re.sub(
        r'<span class="arithmatex">\\\((.*?)\\\)</span>',
        lambda match: convert(html.unescape(match[1])),
        content,
        flags=re.DOTALL,
    )
