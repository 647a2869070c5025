"""What the engine keeps, re-uses and never mixes up: stages, caches, stopping, going on, single masks."""

import copy
import multiprocessing
import pickle
import threading

import numpy as np
import pytest
import torch
from sams import picture, small_sam
from test_engine_parity import LOOSE

from automask_ui import AutomaticMaskGenerator, GeneratorOptions, MaskEngine, MaskResult, Verdict
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline import chunks
from automask_ui.errors import EngineOutOfMemoryError, OptionError

OPTIONS = GeneratorOptions(**LOOSE)


class Counting:
    """Counts what an engine runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.encoded = 0
        self.points = 0
        encode, decode = chunks.encode_image, chunks.Proposals.decode

        def counted_encode(*args):
            self.encoded += 1
            return encode(*args)

        def counted_decode(decoder, points_xy):
            self.points += len(points_xy)
            return decode(decoder, points_xy)

        monkeypatch.setattr(chunks, "encode_image", counted_encode)
        monkeypatch.setattr(chunks.Proposals, "decode", counted_decode)

    def take(self) -> tuple[int, int]:
        taken, self.encoded, self.points = (self.encoded, self.points), 0, 0
        return taken


@pytest.fixture
def runs(monkeypatch):
    return Counting(monkeypatch)


@pytest.fixture
def engine():
    return MaskEngine(SamModel.wrap(small_sam()))


def same_masks(left: MaskResult, right: MaskResult) -> bool:
    return (
        list(left.masks.rle) == list(right.masks.rle)
        and left.masks.stability_score.tolist() == right.masks.stability_score.tolist()
        and left.masks.bbox_xywh.tolist() == right.masks.bbox_xywh.tolist()
    )


def fresh(image: np.ndarray, options: GeneratorOptions) -> MaskResult:
    return MaskEngine(SamModel.wrap(small_sam())).generate(image, options)


@pytest.mark.parametrize(
    ("changes", "encodes", "points"),
    [
        ({"pred_iou_thresh": 0.9}, 0, 0),  # fewer masks: nothing to run
        ({"stability_score_thresh": 0.5}, 0, 0),  # all candidates are kept with their masks
        ({"box_nms_thresh": 0.5}, 0, 0),
        ({"min_mask_region_area": 40}, 0, 0),
        ({"points_per_batch": 7}, 0, 0),  # a batch size changes no mask
        (
            {"stability_score_offset": 2.0, "pred_iou_thresh": 0.9},
            0,
            None,
        ),  # stability is measured anew: points that pass are decoded again
        ({"pred_iou_thresh": 0.6}, 0, None),  # only points with a newly passing mask
        ({"points_per_side": 5}, 0, 25),  # another grid: the embedding is used again
        ({"crop_n_layers": 1, "points_per_side": 2}, 4, 20),  # the whole picture's embedding is used again
    ],
)
def test_refilter_runs_only_what_is_missing(engine, runs, changes, encodes, points):
    image = picture(53, 80)
    result = engine.generate(image, OPTIONS)
    assert runs.take() == (1, 36)
    options = OPTIONS.replace(**changes)
    refiltered = engine.refilter(result, options)
    encoded, decoded = runs.take()
    assert encoded == encodes
    assert decoded == points if points is not None else 0 < decoded < 36
    assert same_masks(refiltered, fresh(image, options))
    assert refiltered.options == options
    assert not refiltered.partial


def test_same_picture_again_runs_nothing(engine, runs):
    image = picture(53, 80)
    first = engine.generate(image, OPTIONS)
    runs.take()
    assert same_masks(engine.generate(image.copy(), OPTIONS), first)
    assert runs.take() == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        picture(53, 80, seed=1),  # other pixels
        picture(53, 80)[::-1].copy(),  # the same pixels upside down
        picture(53, 80).reshape(80, 53, 3),  # the same bytes in another shape
    ],
)
def test_a_new_picture_never_gets_an_old_result(engine, runs, other):
    engine.generate(picture(53, 80), OPTIONS)
    runs.take()
    result = engine.generate(other, OPTIONS)
    assert runs.take() == (1, 36)
    assert same_masks(result, fresh(other, OPTIONS))


def test_another_model_never_gets_an_old_result():
    image = picture(53, 80)
    first = MaskEngine(SamModel.wrap(small_sam())).generate(image, OPTIONS)
    other = MaskEngine(SamModel.wrap(small_sam(seed=1)))
    assert same_masks(other.refilter(first, OPTIONS), other.generate(image, OPTIONS))
    assert other.refilter(first, OPTIONS).model_key == other.model.key


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_stop_keeps_what_was_found_and_resume_finishes_it(engine, runs, stop_after):
    image, options = picture(53, 80), OPTIONS.replace(points_per_batch=6)
    cancel, calls = threading.Event(), []

    def progress(done, total, stage):
        calls.append((stage, done, total))
        if (stage == "decode" and done >= 6 * stop_after) or stop_after == 0:
            cancel.set()

    partial = engine.generate(image, options, progress, cancel)
    assert partial.partial
    assert calls[-1] == (("decode", 6 * stop_after, 36) if stop_after else ("encode", 0, 36))
    counts = partial.candidates.counts()
    assert counts[Verdict.PENDING] == 3 * (36 - 6 * stop_after)
    assert len(partial.masks) == counts[Verdict.KEPT]

    runs.take()
    finished = engine.resume(partial)
    assert not finished.partial
    assert runs.take()[1] == 36 - 6 * stop_after
    assert same_masks(finished, fresh(image, options))


def test_progress_is_told_of_every_chunk(engine):
    calls = []
    engine.generate(picture(53, 80), OPTIONS.replace(points_per_batch=10), lambda *call: calls.append(call))
    assert calls == [(0, 36, "encode"), (10, 36, "decode"), (20, 36, "decode"), (30, 36, "decode"), (36, 36, "decode")]


def test_every_candidate_has_a_verdict_that_adds_up(engine):
    result = engine.generate(picture(200, 301), OPTIONS.replace(crop_n_layers=1, min_mask_region_area=30))
    candidates, counts = result.candidates, result.candidates.counts()
    assert len(candidates) == 5 * 36 * 3 == sum(counts.values())
    assert counts[Verdict.PENDING] == 0
    assert len(result.masks) == counts[Verdict.KEPT]
    assert set(result.masks.candidate) == set(np.flatnonzero(candidates.verdict == Verdict.KEPT))

    duplicates = np.isin(candidates.verdict, [Verdict.DUPLICATE, Verdict.CROP_DUPLICATE, Verdict.CLEANED_AWAY])
    assert (candidates.dropped_by[~duplicates] == -1).all()
    assert (candidates.dropped_by[duplicates] >= 0).all()
    low = candidates.verdict == Verdict.LOW_PREDICTED_IOU
    assert (candidates.predicted_iou[low] <= np.float32(0.75)).all()
    assert (candidates.area[low] == -1).all()


def test_materialize_decodes_just_the_points_of_the_rows(engine, runs):
    image = picture(53, 80)
    result = engine.generate(image, OPTIONS)
    runs.take()
    low = np.flatnonzero(result.candidates.verdict == Verdict.LOW_PREDICTED_IOU)[:2]
    more = engine.materialize(result, low)
    assert runs.take() == (0, len(np.unique(low // 3)))
    assert more.candidates.has_mask.sum() == result.candidates.has_mask.sum() + len(low)
    assert more.candidates.verdict.tolist() == result.candidates.verdict.tolist()
    everything = fresh(image, OPTIONS.replace(pred_iou_thresh=0.0))
    assert [more.candidates.rle[row] for row in low] == [everything.candidates.rle[row] for row in low]


def test_small_cache_gives_the_same_masks(runs):
    image = picture(53, 80)
    engine = MaskEngine(SamModel.wrap(small_sam()), cache_bytes=0)
    result = engine.generate(image, OPTIONS)
    assert runs.take() == (1, 36)
    lower = OPTIONS.replace(pred_iou_thresh=0.6)
    assert same_masks(engine.refilter(result, lower), fresh(image, lower))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((37, 53), np.uint8), r"uint8 array of shape \(37, 53\)"),  # grey
        (np.zeros((37, 53, 4), np.uint8), r"shape \(37, 53, 4\)"),  # with alpha
        (np.zeros((37, 53, 3), np.float32), "float32 array"),  # 0 to 1
        (np.zeros((0, 53, 3), np.uint8), r"no pixels.*\(0, 53, 3\)"),  # nothing
        ("photo.jpg", "is str.*open_image"),  # a path
    ],
)
def test_wrong_image_says_what_it_is(engine, image, message):
    with pytest.raises(OptionError, match=message):
        engine.generate(image, OPTIONS)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory (made up)"),  # on a GPU
        MemoryError(),  # in Python
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),  # PyTorch on a CPU
    ],
)
def test_out_of_memory_halves_the_batch_and_goes_on(engine, monkeypatch, error):
    decode, sizes = chunks.Proposals.decode, []

    def tight(decoder, points_xy):
        sizes.append(len(points_xy))
        if len(points_xy) > 1:
            raise error
        return decode(decoder, points_xy)

    monkeypatch.setattr(chunks.Proposals, "decode", tight)
    image = picture(53, 80)
    result = engine.generate(image, OPTIONS)
    assert sizes[0] > 2
    assert sizes[:4] == [sizes[0], sizes[0] // 2, sizes[0] // 4, sizes[0] // 8]
    monkeypatch.undo()
    assert same_masks(result, fresh(image, OPTIONS))


def test_no_memory_at_all_is_a_clear_error_and_loses_nothing(engine, monkeypatch):
    image = picture(53, 80)
    result = engine.generate(image, OPTIONS)

    def full(decoder, points_xy):
        raise MemoryError

    monkeypatch.setattr(chunks.Proposals, "decode", full)
    lower = OPTIONS.replace(pred_iou_thresh=0.6)
    with pytest.raises(EngineOutOfMemoryError, match="one point at a time"):
        engine.refilter(result, lower)
    monkeypatch.undo()
    assert same_masks(engine.refilter(result, OPTIONS), result)


@pytest.fixture(params=[2, 3])
def several_workers(request, monkeypatch):
    """As many workers, and parts of two points, so that the small model keeps them all busy."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    width, grid = small_sam().prompt_encoder.embed_dim, small_sam().prompt_encoder.image_embedding_size
    monkeypatch.setattr(chunks, "CACHE_BYTES", 2 * 4 * width * grid[0] * grid[1])


@pytest.mark.parametrize("batch_size", [64, 5])
def test_workers_side_by_side_find_the_same(engine, several_workers, batch_size):
    image, options = picture(53, 80), OPTIONS.replace(points_per_batch=batch_size)
    assert same_masks(engine.generate(image, options), fresh(image, options))


def test_workers_that_are_ahead_are_forgotten_when_a_run_stops(engine, several_workers):
    image, options = picture(53, 80), OPTIONS.replace(points_per_batch=6)
    steps = engine.steps(image, options)
    while (step := next(steps)).done < 12:
        pass
    partial = step.snapshot()
    steps.close()
    assert partial.candidates.counts()[Verdict.PENDING] == 3 * (36 - 12)
    assert same_masks(engine.resume(partial), fresh(image, options))


def test_out_of_memory_in_one_of_several_workers_loses_nothing(engine, several_workers, monkeypatch):
    decode, calls = chunks.Proposals.decode, []

    def tight(decoder, points_xy):
        calls.append(len(points_xy))
        if len(calls) == 6:
            raise MemoryError
        return decode(decoder, points_xy)

    monkeypatch.setattr(chunks.Proposals, "decode", tight)
    image = picture(53, 80)
    result = engine.generate(image, OPTIONS.replace(points_per_batch=6))
    assert calls[-1] == 1
    monkeypatch.setattr(chunks.Proposals, "decode", decode)
    assert same_masks(result, fresh(image, OPTIONS))


def test_weights_that_are_being_trained_can_be_used():
    sam = copy.deepcopy(small_sam()).requires_grad_(True)
    image = picture(53, 80)
    result = MaskEngine(SamModel.wrap(sam)).generate(image, OPTIONS)
    assert same_masks(result, fresh(image, OPTIONS))
    assert all(parameter.grad is None for parameter in sam.parameters())


def test_autocast_of_the_caller_changes_nothing(engine):
    image = picture(53, 80)
    with torch.autocast("cpu", torch.bfloat16):
        result = engine.generate(image, OPTIONS)
    assert same_masks(result, fresh(image, OPTIONS))


def test_another_default_device_of_the_caller_changes_nothing(engine):
    image = picture(53, 80)
    with torch.device("meta"):  # where tensors have no values
        result = engine.generate(image, OPTIONS)
        predicted = MaskEngine(engine.model).predict(image, points_xy=[[40, 20]], labels=[1])
    assert same_masks(result, fresh(image, OPTIONS))
    assert list(predicted.masks.rle) == list(engine.predict(image, points_xy=[[40, 20]], labels=[1]).masks.rle)


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_another_default_type_of_the_caller_changes_nothing(engine, float64_by_default):
    image = picture(53, 80)
    result = MaskEngine(engine.model).generate(image, OPTIONS)
    predicted = MaskEngine(engine.model).predict(image, points_xy=[[40, 20]], labels=[1])
    torch.set_default_dtype(torch.float32)
    assert same_masks(result, fresh(image, OPTIONS))
    assert list(predicted.masks.rle) == list(engine.predict(image, points_xy=[[40, 20]], labels=[1]).masks.rle)


def test_threads_share_an_engine(engine):
    images = [picture(53, 80, seed) for seed in range(4)]
    results: dict[int, MaskResult] = {}

    def work(number):
        results[number] = engine.generate(images[number], OPTIONS.replace(points_per_batch=5))

    running = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for number, image in enumerate(images):
        assert same_masks(results[number], fresh(image, OPTIONS))


def test_results_stay_true_when_the_caller_changes_the_picture():
    engine, image = MaskEngine(SamModel.wrap(small_sam()), cache_bytes=0), picture(60, 80)
    strict, loose = (GeneratorOptions(**LOOSE).replace(pred_iou_thresh=value) for value in (0.5, 0.0))
    expected = MaskEngine(SamModel.wrap(small_sam())).generate(image.copy(), loose)
    found = engine.generate(image, strict)
    image[:] = 0
    again = engine.refilter(found, loose)
    assert [mask["counts"] for mask in again.masks.rle] == [mask["counts"] for mask in expected.masks.rle]


def test_options_set_in_vain_are_refused():
    generator = AutomaticMaskGenerator(small_sam())
    with pytest.raises(AttributeError):
        generator.pred_iou_thresh = 0.1
    generator.options = generator.options.replace(pred_iou_thresh=0.1)


# As joblib and multiprocessing send an object to another process: by pickle, or cloudpickle, which goes by its rules.
@pytest.mark.parametrize("copied", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy])
def test_copies_of_the_generator_find_the_same_masks(copied):
    generator, image = AutomaticMaskGenerator(small_sam(), **LOOSE), picture(60, 80)
    generator.options = generator.options.replace(min_mask_region_area=7)
    expected = generator.generate(image)
    twin = copied(generator)
    assert twin.options == generator.options
    assert_equal_masks(twin.generate(image), expected)
    if copied is not copy.copy:
        # The copy has a model of its own, as with upstream's class.
        assert not {id(part) for part in twin._engine.model.sam.parameters()} & {
            id(part) for part in small_sam().parameters()
        }


@pytest.mark.parametrize("copied", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy])
def test_copies_of_an_engine_find_the_same_masks(copied):
    engine, image = MaskEngine(SamModel.wrap(small_sam()), cache_bytes=1 << 20, keep_empty=True), picture(60, 80)
    expected = engine.generate(image, GeneratorOptions(**LOOSE))
    found = copied(engine).generate(image, GeneratorOptions(**LOOSE))
    assert found.masks.to_sam_dicts("coco_rle") == expected.masks.to_sam_dicts("coco_rle") != []


def test_the_generator_takes_what_load_model_gives_and_nothing_else():
    model, image = SamModel.wrap(small_sam()), picture(60, 80)
    expected = AutomaticMaskGenerator(model.sam, **LOOSE).generate(image)
    assert_equal_masks(AutomaticMaskGenerator(model, **LOOSE).generate(image), expected)
    with pytest.raises(OptionError, match="model must be a Sam, or what load_model\\(\\) gives, but is str"):
        AutomaticMaskGenerator("tiny")


def test_the_generator_works_in_a_spawned_process():
    generator, image = AutomaticMaskGenerator(small_sam(), **LOOSE), picture(60, 80)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert_equal_masks(pool.apply(generator.generate, (image,)), generator.generate(image))


def assert_equal_masks(masks: list[dict], others: list[dict]) -> None:
    assert len(masks) == len(others) > 0
    for mask, other in zip(masks, others, strict=True):
        np.testing.assert_array_equal(mask.pop("segmentation"), other["segmentation"])
        assert mask.items() <= other.items()
