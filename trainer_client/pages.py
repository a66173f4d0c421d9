"""Reports for people, from the templates in ``templates/``."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trainer_client.statistics import Interval

__all__ = ["estimate", "rendered"]

TEMPLATES = Path(__file__).with_name("templates")


def rendered(name: str, **values: Any) -> str:
    """The template ``name`` with these values: escaped where it is HTML, and an error where one is
    missing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["estimate"] = estimate
    return environment.get_template(f"{name}.j2").render(values)


def estimate(interval: Interval, signed: bool = False) -> str:
    """``.412 [.380, .443]``, or with signs for a difference."""
    sign = "+" if signed else ""
    numbers = (interval.mean, interval.low, interval.high)
    mean, low, high = (f"{number:{sign}.3f}".replace("0.", ".", 1) for number in numbers)
    return f"{mean} [{low}, {high}]"
