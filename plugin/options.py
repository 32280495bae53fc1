"""What several commands ask in the same words."""

from pathlib import Path

import click

CONFIG = click.option(
    "--config",
    "path",
    envvar="M365_UNBLOCK_CONFIG",
    default="m365-unblock.toml",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings file.",
)
