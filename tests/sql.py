"""SQL compiled once a process: each test has a new database, but the statements are the same."""

from sqlalchemy import URL, Engine, create_engine, event

from curation import database


def share_compiled_sql() -> None:
    """Give every engine of a kind the dialect and the compiled statements of the first that was connected."""
    first: dict[str, Engine] = {}

    def create(url: URL, **options: object) -> Engine:
        engine = create_engine(url, **options)
        kin = first.get(engine.name)
        if kin is None:
            event.listen(engine, "engine_connect", lambda _: first.setdefault(engine.name, engine))
        else:
            engine.dialect, engine._compiled_cache = kin.dialect, kin._compiled_cache
        return engine

    database.create_engine = create
