"""The documented endpoints over HTTP, with gradio_client and with values that no page would send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import page_app
import pytest
from PIL import Image

from automask_ui.files.raster import TURNED_NOTE
from automask_ui.masks import rle

gradio_client = pytest.importorskip("gradio_client")

FIELDS = {"segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("api") / "photo.png"
    Image.fromarray(np.full((37, 53, 3), 90, np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with page_app.running() as url:
        connected = gradio_client.Client(url, verbose=False)
        yield connected
        connected.close()


def ask(client: Any, photo: str, **values: Any) -> Any:
    return client.predict(image=gradio_client.handle_file(photo), api_name="/find_masks", **values)


def predict(client: Any, photo: str, **values: Any) -> Any:
    return client.predict(image=gradio_client.handle_file(photo), api_name="/predict_mask", **values)


def test_two_endpoints_are_documented(client: Any) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(endpoints) == ["/find_masks", "/predict_mask"]
    of_clicks = {
        row["parameter_name"]: row["parameter_has_default"] for row in endpoints["/predict_mask"]["parameters"]
    }
    assert of_clicks == {"image": False, "points": True, "labels": True, "box": True, "model": True}
    parameters = {row["parameter_name"]: row for row in endpoints["/find_masks"]["parameters"]}
    assert len(parameters) == 18
    # The picture, SAM's 13 and the model stand where they always stood, and so does what came later.
    came_later = ["adaptive_points", "use_m2m", "multimask_output"]
    assert [*parameters][:2] + [*parameters][14:] == ["image", "points_per_side", "model", *came_later]
    assert parameters["use_m2m"]["type"]["type"] == "boolean"
    assert parameters["pred_iou_thresh"]["parameter_default"] is None  # the model's own
    assert parameters["model"]["parameter_default"] == "fake"


def test_masks_come_back(client: Any, photo: str) -> None:
    answer = ask(client, photo, points_per_side=6, pred_iou_thresh=0.8, stability_score_thresh=0.9)
    assert answer["image_size"] == [37, 53]
    assert answer["masks"]
    for mask in answer["masks"]:
        assert mask.keys() == FIELDS
        coded = {"size": mask["segmentation"]["size"], "counts": mask["segmentation"]["counts"].encode()}
        assert rle.decode(coded).sum() == mask["area"]
    assert sum(answer["verdicts"].values()) == 6 * 6 * 3
    assert answer["options"]["points_per_side"] == 6


def test_what_was_done_to_the_picture_is_told(client: Any, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (53, 37)).save(tmp_path / "lying.jpg", exif=turned)
    for answer in (
        ask(client, str(tmp_path / "lying.jpg"), points_per_side=2),
        predict(client, str(tmp_path / "lying.jpg"), points=[[20, 20]]),
    ):
        assert answer["image_size"] == [53, 37]
        assert answer["notes"] == [TURNED_NOTE]


def test_own_points_and_uncompressed_runs(client: Any, photo: str) -> None:
    answer = ask(client, photo, point_grids=[[[0.5, 0.5]]], output_mode="uncompressed_rle", pred_iou_thresh=0.0,
                 stability_score_thresh=0.0)  # fmt: skip
    assert sum(answer["verdicts"].values()) == 3
    assert isinstance(answer["masks"][0]["segmentation"]["counts"], list)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"points_per_side": "33"}, "points_per_side must be a whole number from 1 to 128, but is '33'"),  # text
        ({"points_per_side": 32.5}, "points_per_side must be a whole number"),  # a fraction
        ({"points_per_side": None}, "points_per_side"),  # nothing, and no points either
        ({"box_nms_thresh": None}, "box_nms_thresh must be a number from 0 to 1, but is None"),  # nothing
        ({"pred_iou_thresh": [0.5]}, r"but is \[0.5\]"),  # a list
        ({"pred_iou_thresh": True}, "but is True"),  # a bool
        ({"crop_overlap_ratio": 1.5}, "crop_overlap_ratio must be a number from 0 to 0.9, but is 1.5"),  # outside
        ({"min_mask_region_area": -1}, "min_mask_region_area"),  # negative
        ({"point_grids": [[[0.5, 2]]]}, "not in 0 to 1"),  # outside the picture
        ({"point_grids": "0.5"}, "point_grids must be a list of layers"),  # text
        ({"output_mode": "binary_mask"}, "JSON has no arrays"),  # a mode for Python only
        ({"output_mode": None}, "output_mode is 'None'"),  # nothing
        ({"model": "vit_x"}, "There is no model 'vit_x'"),  # unknown
        ({"model": ["fake"]}, "There is no model"),  # a list
        ({"points_per_side": 128, "crop_n_layers": 3}, "at most 100,000 points"),  # too much work
    ],
)
def test_refused_in_words(client: Any, photo: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        ask(client, photo, **values)


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ({"points": [[20.5, 15.5]]}, [0.95, 0.9, 0.85]),  # one click: what it may mean
        ({"points": [[20.5, 15.5], [25, 15]], "labels": [1, 0]}, [0.97, 0.95, 0.9]),  # no doubt
        ({"box": [30, 20, 10, 5]}, [0.97, 0.95, 0.9]),  # from any corner
        ({"points": [], "box": [10, 5, 30, 20], "model": "fake"}, [0.97, 0.95, 0.9]),
    ],
)
def test_mask_of_clicks(client: Any, photo: str, values: dict[str, Any], scores: list[float]) -> None:
    answer = predict(client, photo, **values)
    assert (answer["image_size"], answer["model"]) == ([37, 53], "fake")
    assert [mask["predicted_iou"] for mask in answer["masks"]] == pytest.approx(scores)
    for mask in answer["masks"]:
        assert mask.keys() == FIELDS - {"point_coords", "crop_box"}
        coded = {"size": mask["segmentation"]["size"], "counts": mask["segmentation"]["counts"].encode()}
        assert rle.decode(coded).sum() == mask["area"] > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Nothing is shown to the model"),  # nothing
        ({"points": [[1, 2, 3]]}, "“points” must be 2 numbers"),  # three
        ({"points": "1, 2"}, "“points” must be a list of points"),  # text
        ({"points": [[1, 2]] * 101}, "can have 100 points"),  # too many
        ({"points": [[1, 2]], "labels": [1, 0]}, "one 0 or 1 for each of the 1 points"),  # too many
        ({"points": [[1, 2]], "labels": [2]}, "one 0 or 1"),  # no such kind
        ({"points": [[1, 2]], "labels": 1}, "one 0 or 1"),  # no list
        ({"labels": [1]}, "one 0 or 1 for each of the 0 points"),  # of nothing
        ({"box": [1, 2, 3]}, "“box” must be left, top, right and bottom"),  # three
        ({"points": [[1e9, 1e9]]}, "A point of “points” is far outside of the picture"),
        ({"box": [0, 0, 1e9, 5]}, "“box” is far outside of the picture"),
        ({"box": [60, 2, 90, 5]}, "no area inside the picture"),  # outside
        ({"points": [[1, 2], [99, 2]]}, "The point at x 99, y 2 is outside"),  # outside
        ({"points": [[1, 2]], "labels": [0]}, "Every click is beside the object"),  # of nothing
        ({"points": [[1, 2]], "model": "vit_x"}, "There is no model 'vit_x'"),  # unknown
        ({"points": [[1, 2]], "model": ["fake"]}, "There is no model"),  # a list
    ],
)
def test_clicks_refused_in_words(client: Any, photo: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        predict(client, photo, **values)


@pytest.mark.parametrize("image", ["/etc/passwd", None, 3, {"path": "/etc/passwd"}], ids=repr)
def test_only_uploaded_files_are_opened(client: Any, image: Any) -> None:
    with pytest.raises(Exception, match="must be an uploaded file"):
        client.predict(image=image, api_name="/find_masks")


def test_marked_path_outside_the_uploads_is_refused(client: Any, tmp_path: Path) -> None:
    # gradio_client would upload the file: only plain HTTP can claim that a path on the server is an upload.
    secret = tmp_path / "secret.png"
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(secret)
    forged = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    url = f"{client.src.rstrip('/')}/gradio_api/call/find_masks"
    event = httpx.post(url, json={"data": [forged]}).json()["event_id"]
    answer = httpx.get(f"{url}/{event}", timeout=30).text
    assert "event: error" in answer
    assert "masks" not in answer


def test_file_that_is_no_picture(client: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("hello")
    with pytest.raises(Exception, match=r"notes.jpg is no picture"):
        ask(client, str(tmp_path / "notes.jpg"))
