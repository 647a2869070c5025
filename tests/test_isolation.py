"""What a visitor must not get at: others' work, files of the server; and what text they type must not become."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import page_app
import pytest
from PIL import Image
from visitors import RefusedError, Visitor, working

from automask_ui.export import EXPORTERS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with page_app.running() as url:
        yield url


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture(tmp_path_factory.mktemp("isolation") / "photo.png")


def picture(path: Path) -> Path:
    pixels = np.full((37, 53, 3), 20, np.uint8)
    pixels[5:15, 20:40] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def ann(url: str, photo: Path) -> Iterator[Visitor]:
    """Someone with masks."""
    with working(url, photo) as visitor:
        yield visitor


@pytest.fixture
def bob(url: str, photo: Path) -> Iterator[Visitor]:
    """Someone else with work of their own."""
    with working(url, photo) as visitor:
        yield visitor


def edit(visitor: Visitor, *steps: dict[str, Any], **claims: Any) -> None:
    visitor.ask("edit", payload={"session": visitor.session, "steps": list(steps), "ticket": 1, **claims})


# Others' work


def stolen(visitor: Visitor, event: str, payload: dict[str, Any]) -> None:
    """What a visitor gets by naming another's run."""
    if event == "prepare":
        visitor.download(payload["ids"], payload["format"], session=payload["session"])
    else:
        visitor.ask(event, payload=payload)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("prepare", {"ids": [1], "format": "coco"}),  # a download
        ("why", {"x": 3, "y": 4}),  # a question
        ("edit", {"steps": [{"do": "delete", "ids": [1]}]}),  # a change
    ],
)
def test_knowing_the_name_of_anothers_run_is_of_no_use(
    ann: Visitor, bob: Visitor, event: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError, match="no longer on the server"):
        stolen(bob, event, {"session": ann.session, **payload})
    assert ann.download([1])[1].startswith("1 mask")
    assert bob.download([1])[1].startswith("1 mask")


def test_one_leaves_the_other_stays(ann: Visitor, bob: Visitor) -> None:
    bob.ask("leave")
    with pytest.raises(RefusedError):
        bob.download([1])
    assert ann.download([1])[1].startswith("1 mask")


def test_same_picture_is_not_the_same_work(ann: Visitor, bob: Visitor) -> None:
    edit(ann, {"do": "label", "ids": [1], "label": "mine"})
    content = bob.get(bob.download([1], "table")[0]).decode("utf-8-sig")
    assert "mine" not in content
    assert "mine" in ann.get(ann.download([1], "table")[0]).decode("utf-8-sig")


def test_files_lie_under_names_that_cannot_be_guessed(ann: Visitor, bob: Visitor) -> None:
    file = PurePosixPath(ann.download([1])[0]["path"])
    assert ann.session in file.parents[2].name  # 122 random bits that only the visitor is told
    for folder in list(file.parents)[:4]:
        for address in (f"{folder}", f"{folder}/"):
            assert bob.http.get(f"/gradio_api/file={address}").status_code in (403, 404)
    wrong = str(file.parent).replace(ann.session, bob.session)
    assert bob.http.get(f"/gradio_api/file={wrong}/{file.name}").status_code in (403, 404)


def test_files_go_when_their_visitor_does(url: str, photo: Path) -> None:
    with working(url, photo) as visitor:
        path = visitor.download([1])[0]["path"]
        visitor.ask("leave")
    assert not Path(path).exists()
    assert httpx.get(f"{url}/gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize("token", ["", "..", "../../etc/passwd", "a" * 22, None, 3, ["x"], {"a": 1}], ids=repr)
def test_a_guessed_token_brings_nothing_back(url: str, token: Any) -> None:
    with Visitor(url) as visitor:
        view = visitor.output("load_page", "viewer", visitor.ask("load_page", [token]))
        assert view["name"] == "coffee.jpg"  # the sample, which everybody gets


# Lists of pictures


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def keeping(cache: Path) -> Iterator[str]:
    """A page that keeps work for a reload."""
    with page_app.started(AUTOMASK_CACHE=str(cache)) as page:
        yield page.url


TOKEN = "0123456789abcdef" * 2


def board(visitor: Visitor, token: Any) -> dict[str, Any]:
    """The list that a page shows which comes with this token."""
    shown: dict[str, Any] = {}
    for outputs in visitor.stream("load_page", [token]):
        told = visitor.output("load_page", "pictures", outputs)
        shown = told if isinstance(told, dict) and "items" in told else shown
    return shown


def test_a_list_comes_back_to_its_own_browser_only(keeping: str, cache: Path, photo: Path) -> None:
    with Visitor(keeping) as ann:
        board(ann, TOKEN)
        files = [ann.upload(picture(photo.with_name(f"mine {number}.png"))) for number in (1, 2)]
        ann.ask("open_files", [files])
        outputs = ann.ask("start_list", ann.values("start_list", {"model": "bright", "points_per_side": 4}))
        table = ann.output("start_list", "pictures", outputs)
        assert [item["state"] for item in table["items"]] == ["done", "done"]
        thumbnail = table["items"][0]["thumb"]["path"]
        for wrong in ("f" * 32, TOKEN.upper(), TOKEN[:-1], "../" + TOKEN, "", None, ["x"], {"a": 1}):
            with Visitor(keeping) as bob:
                assert not board(bob, wrong).get("items")
                for event, payload in (("open_item", {"index": 0}), ("save_list", {"format": "coco"})):
                    with pytest.raises(RefusedError, match="no list"):
                        bob.ask(event, payload=payload)
        with Visitor(keeping) as again:
            back = board(again, TOKEN)
            assert [(item["name"], item["masks"]) for item in back["items"]] == [("mine 1.png", 1), ("mine 2.png", 1)]
            assert again.get(back["items"][0]["thumb"])
            # What is kept is under no address, even for those who know where it is.
            kept = [path for path in (cache / "work").rglob("*") if path.is_file()]
            assert len(kept) > 4
            for path in kept:
                assert again.http.get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert httpx.get(f"{keeping}/gradio_api/file={thumbnail}").status_code in (403, 404)


# Files of the server


def addresses(secret: Path, scratch: Path) -> list[str]:
    """Ways to ask for ``secret``, and for files that are on every server."""
    up = "/".join([".."] * 12)
    return [
        *(str(secret), f"//{secret}", quote(str(secret), safe=""), f"file://{secret}", f"{secret}%00.png"),
        *(f"{scratch}/{up}{secret}", f"{scratch}/%2e%2e/{secret.name}", f"{scratch}/..%2f..%2f{secret}"),
        *(f"{scratch}\\..\\..{secret}", f"{scratch}/./../{secret.name}", f"{up}{secret}", f"http://127.0.0.1{secret}"),
        *(
            "/etc/passwd",
            "/proc/self/environ",
            str(ROOT / "app.py"),
            str(ROOT / "automask_ui" / "service.py"),
            "app.py",
        ),
        *("~/.bashrc", ".git/config", str(ROOT / ".git" / "config"), "", "/", "."),
    ]


def test_only_the_pages_own_files_are_served(ann: Visitor, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET CONTENT")
    scratch = Path(ann.download([1])[0]["path"]).parents[1]
    tried = 0
    with httpx.Client(base_url=ann.http.base_url) as http:
        for address in addresses(secret, scratch):
            for route in ("file=", "file/", "proxy=", "static/", "assets/", "custom_component/x/y/z/"):
                for prefix in ("/gradio_api/", "/"):
                    answer = http.get(
                        httpx.URL(f"{http.base_url}").copy_with(raw_path=f"{prefix}{route}{address}".encode())
                    )
                    assert answer.status_code < 500
                    assert "SECRET CONTENT" not in answer.text
                    assert "root:x:" not in answer.text
                    assert "def build_service" not in answer.text
                    tried += 1
    print(f"{tried} addresses")


@pytest.mark.parametrize("event", ["open_photo", "open_files", "point_file", "class_file"])
def test_a_claimed_path_is_not_opened(ann: Visitor, event: str, tmp_path: Path) -> None:
    secret = picture(tmp_path / "secret.png")
    for path in (str(secret), "/etc/passwd", f"/tmp/gradio/../..{secret}", "http://127.0.0.1:22/"):
        claimed: Any = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for data in (claimed, [claimed]):
            with pytest.raises(RefusedError) as refused:
                ann.ask(event, [data])
            assert "root:" not in str(refused.value)


# Names and labels


NAMES = [
    "../../evil.png",
    "..\\..\\evil.png",
    "/etc/cron.d/evil.png",
    "C:\\Windows\\evil.png",
    "a" * 240 + ".png",
    "<img src=x onerror=alert(1)>.png",
    "=cmd|' /C calc'!A0.png",
    "con.png",
    "사진 \u202egnp.exe.png",
    "%2e%2e%2fevil.png",
    "'; DROP TABLE masks; --.png",
]
LABELS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "../../evil",
    "a,b\"c'd",
    "\t=1+1",
    "${1+1}",
    "{0}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_never_becomes_a_path(ann: Visitor, photo: Path, name: str) -> None:
    answer = ann.http.post("/gradio_api/upload", files={"files": (name, photo.read_bytes())})
    if answer.status_code != 200:
        assert answer.status_code < 500
        return
    claimed = {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}
    view = ann.output("open_photo", "viewer", ann.ask("open_photo", [claimed]))
    ann.session = view["session"]
    ann.find(model="bright", points_per_side=4)
    for format_name in ("masks", "yolo", "coco"):
        file = ann.download([1], format_name)[0]
        exports = Path(file["path"]).parents[1]
        assert exports.name == "exports"
        assert exports.parent.name.startswith("session-")
        content = ann.get(file)
        if file["path"].endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.namelist():
                    parts = PurePosixPath(entry.replace("\\", "/")).parts
                    assert not entry.startswith("/")
                    assert ".." not in parts
                    assert ":" not in entry


@pytest.mark.parametrize("label", LABELS)
def test_a_label_stays_text(ann: Visitor, label: str) -> None:
    try:
        edit(ann, {"do": "label", "ids": [1], "label": label})
    except RefusedError:
        return
    table = ann.get(ann.download([1], "table")[0]).decode("utf-8-sig")
    assert " ".join(label.split()) in table.replace('""', '"')
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and not is_number(cell)]
    document = json.loads(ann.get(ann.download([1], "coco")[0]))
    assert len(document["annotations"]) == 1
    for name in EXPORTERS:
        file = ann.download([1], name)[0]
        assert ".." not in file["path"]
        if file["path"].endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(ann.get(file))) as archive:
                assert not [entry for entry in archive.namelist() if ".." in PurePosixPath(entry).parts]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
