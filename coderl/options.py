"""The options that several commands share."""

from typing import Annotated

import typer

__all__ = ["Json", "Runtime", "Url"]

Url = Annotated[
    str | None, typer.Option(help="A running executor; its key comes from CODERL_API_KEY.")
]
Runtime = Annotated[
    str | None, typer.Option(help="Of the executor started for this call; runsc without it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
