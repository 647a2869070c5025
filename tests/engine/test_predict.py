"""Prompts against ``segment_anything.SamPredictor`` itself, on the same weights."""

import threading

import numpy as np
import pytest
import torch
from checkpoint_files import DECODER, SMALL_TINY_VIT
from fakes import FakeEngine
from sams import picture, small_sam
from segment_anything import SamPredictor

from automask_ui import GeneratorOptions, MaskEngine
from automask_ui.engine.bench.random_weights import make_lifelike
from automask_ui.engine.loading.architecture import build_vit_t_sam
from automask_ui.engine.loading.load import SamModel, load_model
from automask_ui.engine.pipeline import chunks
from automask_ui.errors import EngineOutOfMemoryError, OptionError
from automask_ui.masks import rle
from automask_ui.masks.mask_input import prompt_logits

SIZE_HW = (53, 80)
PROMPTS = {
    "a click": {"points_xy": [[30, 20]], "labels": [1]},
    "a click beside": {"points_xy": [[30, 20]], "labels": [0]},
    "clicks of both kinds": {"points_xy": [[30, 20.5], [70, 50], [10, 5.25]], "labels": [1, 0, 1]},
    "corners": {"points_xy": [[0, 0], [80, 53]], "labels": [1, 0]},
    "a box": {"box_xyxy": [10, 5, 60, 40]},
    "a box and clicks": {"box_xyxy": [10.5, 5, 60, 40.75], "points_xy": [[30, 20], [50, 30]], "labels": [1, 0]},
    "many clicks": {
        "points_xy": np.random.default_rng(5).uniform(0, 53, (40, 2)),
        "labels": np.random.default_rng(5).integers(0, 2, 40),
    },
}


def engine_of(sam) -> MaskEngine:
    return MaskEngine(SamModel.wrap(sam))


def upstream_of(sam, image) -> SamPredictor:
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    return predictor


def check(prediction, predictor: SamPredictor, prompt: dict) -> None:
    """Same masks, scores and logits as upstream, with and without ``multimask_output``."""
    given = {
        "point_coords": np.array(prompt["points_xy"], float) if "points_xy" in prompt else None,
        "point_labels": np.array(prompt["labels"]) if "labels" in prompt else None,
        "box": np.array(prompt["box_xyxy"], float) if "box_xyxy" in prompt else None,
        "mask_input": np.array(prompt["mask"])[None] if "mask" in prompt else None,
    }
    theirs = [predictor.predict(**given, multimask_output=several) for several in (True, False)]
    masks, scores, logits = (np.concatenate(parts) for parts in zip(*theirs, strict=True))
    np.testing.assert_allclose(prediction.logits, logits, atol=1e-3)
    assert prediction.logits.dtype == np.float32
    np.testing.assert_allclose(prediction.masks.predicted_iou, scores, atol=1e-3)
    full, _, _ = predictor.predict(**given, return_logits=True)
    for row, mask in enumerate(masks):
        assert np.mean(rle.decode(prediction.masks.rle[row]) != mask) <= 1e-4
    stability = [(level > 1).sum() / (level > -1).sum() if (level > -1).any() else np.nan for level in full]
    np.testing.assert_allclose(prediction.alternatives.stability_score, stability, atol=1e-3)
    assert len(prediction.alternatives) == 3
    assert len(prediction.single) == 1


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("size_hw", [(53, 80), (300, 211), (128, 128)])
def test_same_as_upstream(prompt, size_hw):
    scale = min(size_hw) / 53
    prompt = {name: value if name == "labels" else np.array(value) * scale for name, value in prompt.items()}
    # What lies in the wide picture may lie outside of a high one.
    for name in ("points_xy", "box_xyxy"):
        if name in prompt:
            limits = np.resize([size_hw[1], size_hw[0]], prompt[name].shape[-1])
            prompt[name] = np.minimum(prompt[name], limits)
    image = picture(*size_hw)
    check(engine_of(small_sam()).predict(image, **prompt), upstream_of(small_sam(), image), prompt)


@pytest.mark.parametrize("clicks", [1, 30])
def test_rounds(clicks):
    """The mask of one round is the input of the next, with more clicks, fewer, or a box."""
    image, random = picture(*SIZE_HW), np.random.default_rng(1)
    engine, predictor = engine_of(small_sam()), upstream_of(small_sam(), image)
    prediction = engine.predict(image, points_xy=[[30, 20]], labels=[1])
    for turn in range(3):
        prompt = {"mask": prediction.logits[turn]}
        if turn < 2:
            prompt |= {"points_xy": random.uniform(0, 53, (clicks, 2)), "labels": random.integers(0, 2, clicks)}
        if turn == 1:
            prompt |= {"box_xyxy": [5, 5, 60, 45]}
        prediction = engine.predict(image, **prompt)
        check(prediction, predictor, prompt)


def test_built_in_model():
    image, model = picture(120, 200), load_model("tiny")
    engine, predictor = MaskEngine(model), upstream_of(model.sam, image)
    prompt = {"points_xy": [[100, 60], [10, 10]], "labels": [1, 0]}
    prediction = engine.predict(image, **prompt)
    check(prediction, predictor, prompt)
    prompt = {"box_xyxy": [20, 10, 150, 100], "mask": prediction.logits[prediction.best]}
    check(engine.predict(image, **prompt), predictor, prompt)


def test_mobile_sam():
    torch.manual_seed(3)
    sam = make_lifelike(build_vit_t_sam(SMALL_TINY_VIT, DECODER))
    image, engine = picture(53, 80), engine_of(sam)
    predictor = upstream_of(sam, image)
    prompt = {"points_xy": [[30, 20], [70, 50]], "labels": [1, 0], "box_xyxy": [10, 5, 60, 40]}
    prediction = engine.predict(image, **prompt)
    check(prediction, predictor, prompt)
    prompt |= {"mask": prediction.logits[0]}
    check(engine.predict(image, **prompt), predictor, prompt)


@pytest.mark.parametrize(
    ("prompt", "best"),
    [
        ({"points_xy": [[30, 20]], "labels": [1]}, None),  # may be a part or a whole
        ({"points_xy": [[30, 20], [40, 20]], "labels": [1, 1]}, 3),  # leaves no doubt
        ({"box_xyxy": [10, 5, 60, 40]}, 3),  # nor does a box
        ({"box_xyxy": [10, 5, 60, 40], "points_xy": [[30, 20]], "labels": [0]}, 3),
    ],
)
def test_best_row(prompt, best):
    prediction = engine_of(small_sam()).predict(picture(*SIZE_HW), **prompt)
    assert prediction.best == (prediction.alternatives.predicted_iou.argmax() if best is None else best)


HALF = np.zeros((32, 32), np.float16)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "Nothing was shown"),
        ({"points_xy": [], "labels": []}, "Nothing was shown"),
        ({"points_xy": [[1, 1]]}, "points_xy were given without labels"),
        ({"labels": [1]}, "labels were given without points_xy"),
        ({"points_xy": [[1, 1]], "labels": [1, 0]}, "labels must be 1 numbers"),
        ({"points_xy": [[1, 1]], "labels": 1}, "labels must be 1 numbers"),
        ({"points_xy": [], "labels": [1]}, r"n×2 numbers \(x, y\), but its shape is \(0,\)"),
        ({"points_xy": [1, 1], "labels": [1, 1]}, r"but its shape is \(2,\)"),
        ({"points_xy": [[1, 1, 1]], "labels": [1]}, r"but its shape is \(1, 3\)"),
        ({"points_xy": [["a", "b"]], "labels": [1]}, "points_xy must be numbers"),
        ({"points_xy": [[1], [1, 2]], "labels": [1, 1]}, "points_xy must be numbers"),
        ({"points_xy": [[True, False]], "labels": [1]}, "points_xy must be numbers"),
        ({"points_xy": [[1, 1]], "labels": [2]}, "A label is 2"),
        ({"points_xy": [[1, 1]], "labels": [0.5]}, "A label is 0.5"),
        ({"points_xy": [[1, np.nan]], "labels": [1]}, "not finite: 1, nan"),
        ({"points_xy": [[1, 1]], "labels": [np.inf]}, "labels has a value that is not finite"),
        ({"points_xy": [[1, 1], [81, 1]], "labels": [1, 1]}, "x 81, y 1, outside of the picture of 80×53 px"),
        ({"points_xy": [[1, -0.5]], "labels": [1]}, "A point lies at x 1, y -0.5"),
        ({"points_xy": np.ones((201, 2)), "labels": np.ones(201)}, "may have 200 points, but has 201"),
        ({"box_xyxy": [1, 2, 3]}, r"its shape is \(3,\)"),
        ({"box_xyxy": [[1, 2, 3, 4]]}, r"its shape is \(1, 4\)"),
        ({"box_xyxy": [30, 10, 10, 20]}, "The box 30, 10, 10, 20 has no area"),
        ({"box_xyxy": [10, 10, 20, 10]}, "has no area"),
        ({"box_xyxy": [0, 0, 90, 20]}, "A corner of the box lies at x 90, y 20, outside"),
        ({"box_xyxy": [0, 0, np.nan, 20]}, "box_xyxy has a value that is not finite"),
        (
            {"mask": np.zeros((53, 80))},
            r"must be 32×32 floating-point logits, or 53×80 bool, or an RLE, but its shape is \(53, 80\)",
        ),
        ({"mask": np.zeros((2, 32, 32))}, "but its shape"),
        ({"mask": np.zeros((32, 32), bool)}, r"is bool and so must be 53×80 px, but its shape is \(32, 32\)"),
        ({"mask": rle.encode(np.zeros((80, 53), bool))}, "must be an RLE of 53×80 px"),
        ({"mask": {"size": [53, 80]}}, "must be an RLE of 53×80 px"),
        ({"mask": {"size": 53, "counts": b""}}, "must be an RLE of 53×80 px"),
        ({"mask": {"size": [53, 80], "counts": b"\xff\xff"}}, "characters that no RLE has"),
        ({"mask": {"size": [53, 80], "counts": "04"}}, "its runs are not the pixels"),
        ({"mask": {"size": [53, 80], "counts": [4000, 239]}}, "its runs are not the pixels"),
        ({"mask": {"size": [53, 80], "counts": [4241, -1]}}, "its runs are not the pixels"),
        ({"mask": {"size": [53, 80], "counts": None}}, "must be numbers"),
        ({"mask": np.zeros((32, 32), np.uint8)}, "but its type is uint8"),
        ({"mask": HALF + np.float16(np.inf)}, "not finite"),
        ({"mask": "mask"}, "but its type is"),
        ({"points_xy": [[1, 1]], "labels": [1], "mask": [[1.0]]}, r"but its shape is \(1, 1\)"),
    ],
)
def test_what_makes_no_sense_is_refused(prompt, message):
    with pytest.raises(OptionError, match=message):
        engine_of(small_sam()).predict(picture(*SIZE_HW), **prompt)


def test_half_precision_logits_and_an_axis_more_are_fine():
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    one, two = (engine.predict(image, mask=mask) for mask in (HALF, HALF[None].astype(float)))
    assert list(one.masks.rle) == list(two.masks.rle)


@pytest.mark.parametrize("size_hw", [(53, 80), (300, 211)])
def test_pixels_as_mask(size_hw):
    """A mask of the picture, whichever way it is given, is the same as its logits."""
    engine, image = engine_of(small_sam()), picture(*size_hw)
    pixels = np.zeros(size_hw, bool)
    pixels[10:40, 20:50] = True
    logits = prompt_logits(pixels, (32, 32))
    check(engine.predict(image, mask=logits), upstream_of(small_sam(), image), {"mask": logits})
    expected = engine.predict(image, mask=logits).logits
    coded = rle.encode(pixels)
    for mask in (pixels, coded, rle.to_coco_json(coded), rle.to_uncompressed(coded)):
        np.testing.assert_array_equal(engine.predict(image, mask=mask).logits, expected)


def test_refining_a_mask_begins_at_it():
    """With a click inside it, the built-in model says of a mask of its own much the same again."""
    image = np.full((150, 240, 3), 90, np.uint8)
    image[40:110, 60:160] = (200, 40, 30)
    engine = MaskEngine(load_model("tiny"))
    click = {"points_xy": [[110, 75]], "labels": [1]}
    found = engine.predict(image, **click)
    again = engine.predict(image, **click, mask=found.masks.rle[found.best])
    assert rle.iou_matrix([again.single.rle[0]], [found.masks.rle[found.best]])[0, 0] > 0.9


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How often a picture was encoded, as the length of a list."""
    calls, encode = [], chunks.encode_image
    monkeypatch.setattr(chunks, "encode_image", lambda *given: calls.append(1) or encode(*given))
    return calls


CLICK = {"points_xy": [[30, 20]], "labels": [1]}


def test_embedding_is_shared_with_runs(encoded):
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    first = engine.predict(image, **CLICK)
    result = engine.generate(image, GeneratorOptions(points_per_side=2, pred_iou_thresh=0.0))
    second = engine.predict(result, **CLICK)
    assert len(encoded) == 1
    assert list(first.masks.rle) == list(second.masks.rle)
    engine.predict(picture(*SIZE_HW, seed=1), **CLICK)
    assert len(encoded) == 2


def test_another_picture_in_the_same_array_is_seen(encoded):
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    engine.predict(image, **CLICK)
    image[:] = picture(*SIZE_HW, seed=1)
    there = engine.predict(image, **CLICK)
    assert len(encoded) == 2
    assert list(there.masks.rle) == list(engine_of(small_sam()).predict(image, **CLICK).masks.rle)


def test_masks_as_input_are_not_mixed_up():
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    logits = engine.predict(image, **CLICK).logits
    for mask in (*logits, None, *logits):
        alone = engine_of(small_sam()).predict(image, **CLICK, mask=mask)
        np.testing.assert_array_equal(engine.predict(image, **CLICK, mask=mask).logits, alone.logits)


def test_nothing_is_kept_where_nothing_may_be(encoded):
    engine, image = MaskEngine(SamModel.wrap(small_sam()), cache_bytes=0), picture(*SIZE_HW)
    one, two = engine.predict(image, **CLICK), engine.predict(image, **CLICK)
    assert len(encoded) == 2
    np.testing.assert_array_equal(one.logits, two.logits)


def test_answers_while_a_run_holds_the_model(monkeypatch):
    """A run in another thread stands still in the middle of a chunk, and a click is answered all the same."""
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    alone = engine.predict(image, **CLICK)
    decode, is_in_chunk, go_on = chunks.Proposals.decode, threading.Event(), threading.Event()

    def slow(decoder, points_xy):
        is_in_chunk.set()
        assert go_on.wait(60)
        return decode(decoder, points_xy)

    monkeypatch.setattr(chunks.Proposals, "decode", slow)
    run = threading.Thread(target=engine.generate, args=(image, GeneratorOptions(points_per_side=4)))
    run.start()
    try:
        assert is_in_chunk.wait(60)
        np.testing.assert_array_equal(engine.predict(image, **CLICK).logits, alone.logits)
        assert run.is_alive()
    finally:
        go_on.set()
        run.join()


def test_many_threads_at_once():
    engine, image = engine_of(small_sam()), picture(*SIZE_HW)
    prompts = [{"points_xy": [[x, y]], "labels": [1]} for x in (5, 30, 60) for y in (5, 25, 45)]
    alone = [engine.predict(image, **prompt).logits for prompt in prompts]
    wrong = []

    def ask(first: int) -> None:
        for turn in range(20):
            number = (first + turn) % len(prompts)
            if not np.array_equal(engine.predict(image, **prompts[number]).logits, alone[number]):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    result = engine.generate(image, GeneratorOptions(points_per_side=6, pred_iou_thresh=0.5))
    for thread in threads:
        thread.join()
    assert not wrong
    same = engine_of(small_sam()).generate(image, result.options)
    assert list(result.masks.rle) == list(same.masks.rle)


def test_out_of_memory_is_told(monkeypatch):
    def fail(*given, **named):
        raise MemoryError

    monkeypatch.setattr("automask_ui.engine.pipeline.predict.PointDecoder", fail)
    with pytest.raises(EngineOutOfMemoryError, match="Memory on cpu ran out"):
        engine_of(small_sam()).predict(picture(*SIZE_HW), **CLICK)


def test_the_tests_own_engine_behaves_like_one():
    engine, image = FakeEngine(), picture(*SIZE_HW)
    prediction = engine.predict(image, **CLICK)
    areas = prediction.masks.area
    assert areas[0] < areas[1] == areas[3] < areas[2]
    assert prediction.best == 1
    cut = engine.predict(image, points_xy=[[30, 20], [32, 20]], labels=[1, 0], mask=prediction.logits[2])
    assert 0 < cut.single.area[0] < areas[2]
    box = engine.predict(image, box_xyxy=[10, 5, 30, 15])
    assert box.single.area.tolist() == [200]
    assert box.single.bbox_xywh.tolist() == [[10, 5, 19, 9]]
    with pytest.raises(OptionError, match="Nothing was shown"):
        engine.predict(image)
