"""Find the data of a run: at their original path, or near the run if both were moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from veridical.config import DataConfig
from veridical.data.errors import NoSuchDataError
from veridical.data.sources import set_name
from veridical.run import Run


def absolute_source(config: DataConfig) -> str | None:
    """Return the absolute path of the data, which is recorded in the run; None for named data sets."""
    return None if set_name(config.source) is not None else str(Path(config.source).expanduser().resolve())


def locate(config: DataConfig, run: Run) -> DataConfig:
    """Return the configuration of a run's data with a source that exists now.

    A path is looked up where it was when training began, then relative to the working directory, to the run directory,
    and to the parent of the run directory. A named data set stays a named data set, even if a folder has its name.

    Args:
        config: configuration of the data in the run's config.yaml.
        run: the run.

    Raises:
        NoSuchDataError: the data are in none of these places.
    """
    about = run.read_json("environment.json").get("data")
    about = about if isinstance(about, dict) else {}
    same = about.get("source") == config.source
    if same and "path" in about and about["path"] is None:
        return replace(config, source=f"set:{config.source.removeprefix('set:')}")
    if not (same and about.get("path")) and set_name(config.source) is not None:
        return config
    places = _places(Path(config.source).expanduser(), about.get("path"), run)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise NoSuchDataError(
            f"the data of the run, {config.source!r}, were not found at: {', '.join(map(str, places))}.",
            f"If they have moved: veridical resume {run.path} --data DATA",
        )
    return replace(config, source=str(found))


def _places(source: Path, recorded: str | None, run: Run) -> list[Path]:
    """Return the places in the order in which they are tried, each once."""
    here = run.path.resolve()
    relative = [] if source.is_absolute() else [source, here / source, here.parent / source]
    known = [] if recorded is None else [Path(recorded)]
    first = [source] if source.is_absolute() else []
    return list(dict.fromkeys(place.resolve() for place in [*first, *known, *relative]))
