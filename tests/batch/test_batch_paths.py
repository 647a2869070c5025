"""Batches from and to file systems that fsspec reaches."""

import sys
import zipfile
from pathlib import Path

import pytest
from batch_runs import Engine, contents, make_pictures, run

from automask_ui.batch import folder_at
from automask_ui.errors import BatchError


@pytest.fixture
def store():
    """An empty file system in memory, which stands for any that is not this machine's."""
    pytest.importorskip("upath", reason="other file systems are an extra: pip install universal-pathlib")
    place = folder_at("memory://bucket")
    place.fs.store.clear()
    yield place
    place.fs.store.clear()


def test_paths_stay_paths(tmp_path):
    assert folder_at(str(tmp_path)) == tmp_path
    assert folder_at("photos") == Path("photos")


def test_urls_of_this_machine_are_paths(tmp_path, store):
    assert folder_at(f"file://{tmp_path}") == tmp_path


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nothing://bucket/photos", "nothing"),  # an unknown one
        ("zip://photos::file:///nowhere.zip", "No such file"),
        ("ftp://127.0.0.1:9/photos", "refused"),  # nobody listens
        ("dir://photos", "."),  # one that fails in its own code
    ],
)
@pytest.mark.filterwarnings("ignore:UPath 'dir' filesystem not explicitly implemented")
def test_file_systems_that_are_out_of_reach_are_refused(store, url, reason):
    with pytest.raises(BatchError, match=f"{url} cannot be reached: .*{reason}"):
        folder_at(url)


def test_without_the_library_the_command_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(BatchError, match="pip install universal-pathlib"):
        folder_at("s3://bucket/photos")


@pytest.mark.parametrize("is_input_there", [True, False])
def test_a_dataset_elsewhere_has_the_files_of_a_local_one(tmp_path, store, is_input_there):
    photos = tmp_path / "photos"
    make_pictures(photos, 5)
    (photos / "text.jpg").write_text("no picture")
    source = photos
    if is_input_there:
        source = store / "photos"
        for name, data in contents(photos).items():
            store.fs.pipe(f"/bucket/photos/{name}", data)
    out = store / "dataset"
    local = run(photos, tmp_path / "local")
    report = run(source, out)
    expected = {name: data for name, data in contents(tmp_path / "local").items() if name != ".automask/lock"}

    def found() -> dict[str, bytes]:
        return {path.removeprefix("/bucket/dataset/"): out.fs.cat(path) for path in out.fs.find("/bucket/dataset")}

    assert found() == expected
    assert report == local
    # It is gone on with there as well, and other masks replace what was.
    engine = Engine()
    assert run(source, out, engine=engine).kept == 5
    assert engine.shown == 0
    run(source, out, pred_iou_thresh=0.9)
    run(source, out)
    assert found() == expected


def test_a_dataset_is_not_made_where_the_pictures_are(store):
    store.fs.pipe("/bucket/photos/a.png", b"")
    with pytest.raises(BatchError, match="cannot be made in memory://bucket/photos"):
        run(store / "photos", store / "photos")
    with pytest.raises(BatchError, match="is not there"):
        run(store / "nothing", store / "dataset")


def test_an_archive_cannot_take_a_dataset(tmp_path, store):
    make_pictures(tmp_path / "photos", 1)
    archive = tmp_path / "old.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("note.txt", "kept")
    with pytest.raises(BatchError, match="files cannot be replaced or removed there"):
        run(tmp_path / "photos", folder_at(f"zip://::file://{archive}"))
