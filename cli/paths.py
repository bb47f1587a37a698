"""Files and directories on the command line: they are on this machine, never behind an address."""

import os
from typing import Any

import click


class LocalPath(click.Path):
    """A path of this machine; an address (`s3://...`) would become a directory of that name, and show its password."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Read the path; fails with the option's name."""
        if "://" in str(value):
            self.fail(
                f"expected a path of this machine, got the address {value!r}. Mount it, and name it there.", param, ctx
            )
        converted: Any = super().convert(value, param, ctx)
        return converted  # type: ignore[no-any-return]
