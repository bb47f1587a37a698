"""One step of the plan to rebuild: what it replaces, and the command that does it as data."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PlannedCommand:
    """A command of Rounds by its name, its arguments, and its options by the names they have in Python.

    True is a flag, a list or tuple repeats its option, and None or False leaves it out.
    """

    name: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    def as_line(self) -> str:
        """Word the command as a shell takes it."""
        return shlex.join(["rounds", *self.name.split(), *self.arguments, *self._option_words()])

    def _option_words(self) -> Iterator[str]:
        for name, value in self.options.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                yield option
            elif isinstance(value, list | tuple):
                yield from (word for entry in value for word in (option, str(entry)))
            elif value is not None and value is not False:
                yield from (option, str(value))


@dataclass(frozen=True, slots=True)
class RebuildStep:
    """One step: what it replaces, the command (None where Rounds cannot do it), and what to know about it."""

    of: str
    command: PlannedCommand | None
    note: str = ""

    def as_json(self, number: int) -> dict[str, object]:
        """Give the step the form in which a withdrawal stores its plan."""
        line = self.command.as_line() if self.command else None
        return {"step": number, "of": self.of, "command": line, "note": self.note}
