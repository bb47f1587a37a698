"""Read `rounds.toml`: where database, image store, secrets and identity provider are."""

import json
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from curation.errors import BadInput, Conflict, NotFound
from curation.store_errors import check_store_url

PROJECT_FILE = "rounds.toml"


class OidcSettings(BaseModel):
    """An identity provider that may sign readers in; its client secret is a file in the secrets directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(max_length=250)
    client_id: str = Field(min_length=1)
    name: str = Field(default="your organisation", min_length=1, max_length=60, description="shown on the button")

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
        if not parts.hostname or not (parts.scheme == "https" or local) or not issuer.isprintable() or " " in issuer:
            raise ValueError(f"expected the issuer's https address, got {issuer!r}")
        return issuer


class TrainSettings(BaseModel):
    """What fits and features use where a command says nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field(default="shipped", min_length=1, description="what `--backbone` takes")


class Settings(BaseSettings):
    """`rounds.toml`, overridden by `ROUNDS_*` environment variables. Relative paths are relative to the project."""

    model_config = SettingsConfigDict(env_prefix="ROUNDS_", extra="forbid", frozen=True)

    name: str = "rounds"
    database_url: str = Field(default="sqlite:///rounds.db", repr=False)  # it may hold a password
    store_url: str = Field(default="store", repr=False)
    secrets_directory: Path = Path("secrets")
    torch_threads: int = Field(default=0, ge=0, description="0 lets torch choose")
    train: TrainSettings = TrainSettings()
    oidc: OidcSettings | None = None

    @field_validator("store_url")
    @classmethod
    def _is_a_store(cls, store_url: str) -> str:
        return check_store_url(store_url)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let environment variables override the file."""
        return env_settings, init_settings


def read_settings(root: Path) -> Settings:
    """Read `rounds.toml` in `root`; raises NotFound, or BadInput naming the key that is wrong."""
    if not (root / PROJECT_FILE).is_file():
        raise NotFound(f"no {PROJECT_FILE} in {root}. Run `rounds init` there, or pass another --project DIRECTORY.")
    try:
        return Settings(**tomllib.loads((root / PROJECT_FILE).read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        raise BadInput(f"{root / PROJECT_FILE} or a variable ROUNDS_... cannot be used: {_faults(error)}.") from error
    except ValueError as error:
        raise BadInput(f"{root / PROJECT_FILE} cannot be used: {error}") from error


def _faults(error: ValidationError) -> str:
    """Name each key at fault without its value, which may be a password or a client's secret."""
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


def find_project(start: Path) -> Path:
    """Find the nearest directory from `start` upwards with a `rounds.toml`; raises NotFound."""
    for directory in (start, *start.parents):
        if (directory / PROJECT_FILE).is_file():
            return directory
    raise NotFound(f"no {PROJECT_FILE} in {start} or above it. Run `rounds init` there, or pass --project DIRECTORY.")


def write_project_file(root: Path, name: str, database_url: str, store_url: str) -> None:
    """Write a new `rounds.toml`; raises Conflict when there is one."""
    path = root / PROJECT_FILE
    if path.exists():
        raise Conflict(f"{path} exists already; edit it, or choose another directory.")
    root.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# Where this project's things are; relative paths start here. Each can be overridden by ROUNDS_<KEY>.\n"
        f"name = {toml_string(name)}\n"
        f"database_url = {toml_string(database_url)}\n"
        f"store_url = {toml_string(store_url)}\n"
        'secrets_directory = "secrets"\n'
        "torch_threads = 0  # 0 lets torch choose; 1 on a busy machine\n",
        encoding="utf-8",
    )


def write_default_backbone(root: Path, name: str) -> None:
    """Name the project's backbone at the end of its `rounds.toml`; raises Conflict where one is named already."""
    path = root / PROJECT_FILE
    content = path.read_text(encoding="utf-8")
    if "train" in tomllib.loads(content):
        raise Conflict(f"{path} has a section [train] already. Change its backbone there.")
    path.write_text(f"{content.rstrip()}\n\n[train]\nbackbone = {toml_string(name)}\n", encoding="utf-8")


def toml_string(text: str) -> str:
    """Write a text as TOML's basic string; raises BadInput for a path whose bytes are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(f"expected a name or path in UTF-8, got {text!a}. Rename it, or choose another.") from error
    # JSON's escapes are TOML's, but for pairs of surrogates, which `ensure_ascii` would write, and DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
