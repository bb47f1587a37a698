"""The store keeps the same promises in a directory and on S3."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from s3fs import S3FileSystem

from curation.errors import BadInput, Damaged, NotFound, Unavailable
from curation.image_store import ImageStore, decode_png, encode_png, file_name
from tests.rows import picture


@pytest.fixture
def store(store_url: str) -> ImageStore:
    made = ImageStore(store_url)
    made.prepare()
    return made


def test_what_was_put_comes_back_under_its_digest(store: ImageStore) -> None:
    content = encode_png(picture(1))
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.content(digest) == content
    assert np.array_equal(store.pixels(digest), picture(1))
    store.check(digest)
    assert store.files() == {file_name(digest)}


def test_the_same_again_changes_nothing(store: ImageStore) -> None:
    first = store.put_pixels(picture(1))
    assert store.put_pixels(picture(1)) == first
    assert store.files() == {file_name(first)}


@pytest.mark.slow
def test_eight_who_put_the_same_files_at_once_leave_one_of_each(store: ImageStore) -> None:
    pictures = [picture(number) for number in range(6)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda n: store.put_pixels(pictures[n % 6]), range(48)))
    assert len(set(digests)) == 6
    assert store.files() == {file_name(digest) for digest in digests}
    for digest in set(digests):
        store.check(digest)


def test_another_process_sees_what_was_put(store: ImageStore) -> None:
    reader = ImageStore(store.url)
    assert reader.files() == set()
    digest = store.put_pixels(picture(4))
    assert reader.files() == {file_name(digest)}
    assert np.array_equal(reader.pixels(digest), picture(4))


def test_a_missing_and_an_altered_file_are_told_apart(store: ImageStore) -> None:
    digest = store.put_pixels(picture(1))
    with pytest.raises(NotFound, match="rounds verify"):
        store.content("0" * 64)
    system, root = fsspec.core.url_to_fs(store.url)
    system.pipe_file(f"{root}/{file_name(digest)}", b"altered")
    with pytest.raises(Damaged, match="from a backup"):
        store.check(digest)


def test_a_file_that_a_power_cut_left_short_is_written_anew(store: ImageStore) -> None:
    digest = store.put_pixels(picture(1))
    system, root = fsspec.core.url_to_fs(store.url)
    system.pipe_file(f"{root}/{file_name(digest)}", b"")
    assert store.put_pixels(picture(1)) == digest
    store.check(digest)


@pytest.mark.slow
def test_folders_list_strangers_and_unfinished_files_too(store: ImageStore) -> None:
    digest = store.put_pixels(picture(1))
    system, root = fsspec.core.url_to_fs(store.url)
    for name in ("zz/stranger.txt", "ab/abc.png.1.part"):
        system.makedirs(f"{root}/{name.split('/')[0]}", exist_ok=True)
        system.pipe_file(f"{root}/{name}", b"x")
    assert store.files() == {file_name(digest), "zz/stranger.txt", "ab/abc.png.1.part"}
    assert store.folders() == sorted({digest[:2], "ab", "zz"})
    assert store.folder("zz") == ["zz/stranger.txt"]


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plane=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])))
    | arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1)))
)
def test_any_picture_comes_back_as_it_was(store: ImageStore, plane: np.ndarray) -> None:
    pixels = store.pixels(store.put_pixels(plane))
    assert np.array_equal(pixels, plane)
    assert pixels.dtype == plane.dtype


def test_a_process_that_dies_before_the_rename_leaves_no_file_under_a_final_name(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom curation.image_store import ImageStore\n"
        "os.replace = lambda *_: os._exit(9)\nImageStore(sys.argv[1]).put(b'half' * 1000)\n"
    )
    ImageStore(str(tmp_path / "store")).prepare()
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=False)
    assert killed.returncode == 9
    [left] = ImageStore(str(tmp_path / "store")).files()
    assert left.endswith(".part")


def test_settling_waits_once_for_many_files_and_not_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[Path] = []
    monkeypatch.setattr("curation.image_store.write_through", waits.append)
    store = ImageStore(str(tmp_path / "store"))
    store.prepare()
    for number in range(5):
        store.put_pixels(picture(number))
    store.settle()
    store.settle()
    assert waits == [tmp_path / "store"]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_named(object_store: str, s3_keys: None) -> None:
    store = ImageStore("s3://no-such-bucket/store")
    with pytest.raises(Unavailable, match=r"there is no bucket 'no-such-bucket'.*store_url"):
        store.put_pixels(picture(1))
    with pytest.raises(Unavailable, match="there is no bucket 'no-such-bucket'"):
        store.content("0" * 64)
    with pytest.raises(Unavailable, match="there is no bucket"):
        store.files()


def test_keys_that_may_not_write_are_told_so(s3_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ImageStore("s3://private/store")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")  # as s3fs says it: the server for tests allows everything

    monkeypatch.setattr(store._fs, "pipe_file", refused)
    monkeypatch.setattr(store._fs, "size", refused)
    with pytest.raises(Unavailable, match=r"Access Denied.*keys"):
        store.put_pixels(picture(1))


@pytest.mark.slow
def test_a_server_that_is_down_is_named_and_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # by default five, with up to 15 seconds between them
    S3FileSystem.clear_instance_cache()
    with pytest.raises(Unavailable, match=r"127.0.0.1:9.*AWS_ENDPOINT_URL"):
        ImageStore("s3://bucket/store").put(b"x")
    S3FileSystem.clear_instance_cache()


def test_a_store_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="s3://BUCKET"):
        ImageStore("gopher://images")


def test_without_s3fs_the_user_is_told_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['s3fs'] = None\nfrom curation.errors import BadInput\n"
        "from curation.image_store import ImageStore\n"
        "try:\n    ImageStore('s3://bucket/store')\nexcept BadInput as error:\n    print(error)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "pip install 'rounds[s3]'" in output


def test_only_pictures_that_png_holds_without_loss_are_encoded() -> None:
    with pytest.raises(BadInput, match="expected pixels"):
        encode_png(np.zeros((4, 4, 2), np.uint8))
    assert decode_png(encode_png(picture(1, channels=3))).shape == (16, 16, 3)
