"""An S3 server on loopback for as long as it is needed, and a bucket of its own for each test."""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


@contextmanager
def running_object_store() -> Iterator[str]:
    """Start a server that keeps objects in memory; yields its address."""
    from moto.server import ThreadedMotoServer  # half a second, for the few tests that need it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def environment(address: str) -> dict[str, str]:
    """What s3fs reads: where the server is, and keys that this one takes."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def new_bucket() -> str:
    """A fresh bucket; returns a store's URL in it. The variables of `environment` are set."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    name = f"rounds-{uuid.uuid4().hex[:12]}"
    # A client of s3fs takes half a second to make, and a project makes one of its own.
    httpx.put(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", trust_env=False).raise_for_status()
    return f"s3://{name}/images/store"
