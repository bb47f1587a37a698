"""Tell TensorBoard or MLflow the course of a fit, while it runs, from the file that grows with it."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from curation.errors import BadInput
from curation.progress import OnProgress
from train.adaptation.run_folder import read_card
from train.fitting.curve import CURVE, read_curves

TENSORBOARD, MLFLOW = "tensorboard", "mlflow"
STORE = "mlruns"  # MLflow's file store, in the project
LONGEST_VALUE = 500  # of a setting, in MLflow


class Log(Protocol):
    """Where the course of one fit goes."""

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write what the fit was asked for."""

    def point(self, step: int, measures: Mapping[str, float]) -> None:
        """Write the measures at a step."""

    def close(self, metrics: Mapping[str, float]) -> None:
        """Write the metrics of the weights that are kept; none where the fit did not finish."""


class TensorBoardLog:
    """Event files in the run's folder; `tensorboard --logdir runs` shows every run of the project."""

    def __init__(self, project: Path, directory: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BadInput(
                "--log tensorboard needs TensorBoard, which is not installed: `pip install rounds[tensorboard]`."
            ) from error
        shutil.rmtree(directory / TENSORBOARD, ignore_errors=True)  # a resumed fit writes its whole course again
        self.writer: Any = SummaryWriter(str(directory / TENSORBOARD))

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write the settings as a text."""
        self.writer.add_text("settings", f"```json\n{json.dumps(dict(values), indent=1, sort_keys=True)}\n```")

    def point(self, step: int, measures: Mapping[str, float]) -> None:
        """Write one scalar for each measure."""
        for name, value in measures.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self, metrics: Mapping[str, float]) -> None:
        """Write the final metrics apart from the curves."""
        for name, value in metrics.items():
            self.writer.add_scalar(f"kept/{name}", value, int(metrics.get("step", 0)))
        self.writer.close()


class MLflowLog:
    """A run of the experiment `rounds` in MLflow's file store `mlruns` of the project."""

    def __init__(self, project: Path, directory: Path) -> None:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise BadInput(
                "--log mlflow needs MLflow, which is not installed and is no part of Rounds: `pip install "
                "mlflow-skinny`, in an environment that may change other packages."
            ) from error
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3.17 would rather have a database
        self.client: Any = MlflowClient(tracking_uri=(project / STORE).resolve().as_uri())
        experiment = self.client.get_experiment_by_name("rounds")
        number = experiment.experiment_id if experiment else self.client.create_experiment("rounds")
        self.run: str = self.client.create_run(number, run_name=directory.name).info.run_id

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write the settings as parameters."""
        for name, value in values.items():
            self.client.log_param(self.run, name, str(value)[:LONGEST_VALUE])

    def point(self, step: int, measures: Mapping[str, float]) -> None:
        """Write one metric for each measure."""
        for name, value in measures.items():
            self.client.log_metric(self.run, name.replace("/", "."), value, step=step)

    def close(self, metrics: Mapping[str, float]) -> None:
        """Write the final metrics and end the run."""
        for name, value in metrics.items():
            self.client.log_metric(self.run, f"kept.{name}", value)
        self.client.set_terminated(self.run, "FINISHED" if metrics else "FAILED")


LOGS: dict[str, type[TensorBoardLog] | type[MLflowLog]] = {TENSORBOARD: TensorBoardLog, MLFLOW: MLflowLog}


class _Sent:
    """The points that the logs were told."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self.logs = logs
        self.points: set[tuple[str, int]] = set()

    def tell(self, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
        """Tell the logs what is new in the curves."""
        for curve, points in curves.items():
            for point in points:
                if (curve, int(point["step"])) not in self.points:
                    self.points.add((curve, int(point["step"])))
                    self._tell(curve, point)

    def _tell(self, curve: str, point: Mapping[str, float]) -> None:
        prefix = "" if curve == CURVE else f"{curve}/"
        measures = {f"{prefix}{name}": value for name, value in point.items() if name != "step"}
        for log in self.logs:
            log.point(int(point["step"]), measures)


@contextmanager
def told_to_logs(
    names: Sequence[str], project: Path, directory: Path, settings: Mapping[str, Any], report: OnProgress
) -> Iterator[OnProgress]:
    """Yield a report that also tells the logs of these names every new point of the curve in `directory`.

    Raises BadInput where a library is not installed, before anything is fitted. A run that is finished tells nothing.
    """
    if not names or (directory / "card.json").is_file():
        yield report
        return
    sent = _Sent([LOGS[name](project, directory) for name in dict.fromkeys(names)])
    for log in sent.logs:
        log.settings(settings)

    def told(done: int, total: int, note: str | None = None) -> None:
        sent.tell(read_curves(directory))
        report(done, total, note)

    metrics: dict[str, float] = {}
    try:
        yield told
        card = read_card(directory)
        sent.tell(read_curves(directory) or {CURVE: card["history"]})  # a head without steps has its candidates there
        metrics = {name: float(value) for name, value in card["metrics"].items()}
    finally:
        for log in sent.logs:
            log.close(metrics)
