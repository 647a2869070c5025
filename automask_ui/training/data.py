"""Training batches: photographs, drawn scenes and pasted things, with prompts and the masks that these may mean."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automask_ui.engine.encoders.builtin import IMAGE_SIZE, STRIDE
from automask_ui.training.augment import another_camera, padded, random_window, side_by_side, tilted
from automask_ui.training.compose import CUT_FROM, Cutout, cut_rendered, cut_thing, paste_things
from automask_ui.training.drawn.pool import ScenePool
from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.photographs import Photograph, draw_weights, read_picture, read_scene, training_photographs
from automask_ui.training.prompts import LOWRES, Prompt, box_prompt, correcting_prompt

DRAWN_SHARE, BACKGROUND_SHARE = 0.2, 0.05
# Of photographs, and of drawn scenes, so many have things pasted over them.
PASTED_SHARE, PASTED_DRAWN_SHARE = 0.2, 0.25
RENDERED_SHARE = 0.45
# So many inputs are four scenes of half the size: without them hardly anything small is a whole thing.
FOUR_SHARE = 0.15
MIN_TARGET_PIXELS = 24
LEVELS = 2
# A mask is asked for the more often the larger it is, but far less so than its area says.
AREA_POWER, GROUND_WEIGHT = 0.25, 0.4
SIDE_CELLS = IMAGE_SIZE // STRIDE
SUBPIXELS = 16


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees: B full inputs of S = 512 px, N = 64 x 64 cells each, P clicks and Q others on each.

    Attributes:
        images: (B, 3, S, S) uint8 RGB.
        cell_ids: (B, N) int64, the instance at the middle of each cell; -1 where nobody knows.
        cell_wholes: (B, N) int64, the whole at the middle of each cell; -1 where nobody knows.
        is_void: (B, N) bool, cells of padding.
        clicks_xy: (B, P, 2) float32 single clicks, pixels of the input.
        targets: (B, P, 2, N, 16) uint8 cover, 0 to 4, of the masks that a click may mean, from small to large: the part
            under it and the thing that this is a part of. In the order of `decoder.pixels_of_cells`.
        is_target: (B, P, 2) bool, which of them there are; the first always is.
        knows_parts: (B, P) bool, whether somebody has labelled the parts of what is clicked on, if it has any.
        meant: (B, Q) int64, which of the 2 P targets each of the other prompts means.
        points_xy: (B, Q, T, 2) float32, the other prompts' points.
        labels: (B, Q, T) int64, what these are; see `prompts`.
        masks: (B, Q, S / 2, S / 2) float16 logits that the other prompts bring along.
        has_mask: (B, Q) bool, which of them do.
    """

    images: Tensor
    cell_ids: Tensor
    cell_wholes: Tensor
    is_void: Tensor
    clicks_xy: Tensor
    targets: Tensor
    is_target: Tensor
    knows_parts: Tensor
    meant: Tensor
    points_xy: Tensor
    labels: Tensor
    masks: Tensor
    has_mask: Tensor


@dataclass(frozen=True, eq=False)
class Sources:
    """Where scenes come from.

    Attributes:
        photographs: Those with masks.
        weights: How often each of them is drawn.
        cuttable: Those of them whose things are cut out and pasted.
        backgrounds: Photographs without masks, to paste on.
        rendered: Cut-outs with alpha.
        drawn: Drawn scenes.
    """

    photographs: list[Photograph]
    weights: np.ndarray
    cuttable: list[Photograph]
    backgrounds: list[Photograph]
    rendered: list[Photograph]
    drawn: ScenePool

    @classmethod
    def of(cls, rows: list[Photograph], drawn: ScenePool) -> "Sources":
        """All of a manifest but what is held out."""
        photographs = training_photographs(rows)
        return cls(
            photographs=photographs,
            weights=draw_weights(photographs),
            cuttable=[row for row in photographs if row.source in CUT_FROM],
            backgrounds=[row for row in rows if row.path.parent.name == "backgrounds"],
            rendered=[row for row in rows if row.path.parent.name == "cutouts"],
            drawn=drawn,
        )


def sample_batch(sources: Sources, rng: np.random.Generator, images: int, clicks: int, others: int) -> Batch:
    """Take random scenes and prompt for things in them; the generator's state decides everything."""
    scenes, knows_parts = zip(*(sample_scene(sources, rng) for _ in range(images)), strict=True)
    cells = [in_cells(scene.ids) for scene in scenes]
    prompts = [_random_clicks(rng, scene, laid_out, clicks) for scene, laid_out in zip(scenes, cells, strict=True)]
    middle = np.stack([scene.ids[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].reshape(-1) for scene in scenes])
    wholes = np.stack([scene.parents[row] for scene, row in zip(scenes, middle, strict=True)]).astype(np.int64)
    void = np.stack([row == len(scene.parents) - 1 for scene, row in zip(scenes, middle, strict=True)])
    more = [_other_prompts(rng, targets, there, others) for _, targets, there in prompts]
    asked = [prompt for _, row in more for prompt in row]
    empty = np.zeros((LOWRES, LOWRES), np.float16)
    masks = np.stack([empty if prompt.mask is None else prompt.mask for prompt in asked])
    return Batch(
        images=torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2),
        cell_ids=torch.from_numpy(np.where(wholes == UNKNOWN, -1, middle.astype(np.int64))),
        cell_wholes=torch.from_numpy(wholes),
        is_void=torch.from_numpy(void & (wholes == UNKNOWN)),
        clicks_xy=torch.from_numpy(np.stack([points for points, _, _ in prompts])).float(),
        targets=torch.from_numpy(np.stack([targets for _, targets, _ in prompts])),
        is_target=torch.from_numpy(np.stack([there for _, _, there in prompts])),
        knows_parts=torch.tensor(knows_parts)[:, None].expand(-1, clicks),
        meant=torch.from_numpy(np.stack([meant for meant, _ in more])),
        points_xy=torch.from_numpy(np.stack([prompt.points_xy for prompt in asked])).unflatten(0, (images, -1)),
        labels=torch.from_numpy(np.stack([prompt.labels for prompt in asked])).unflatten(0, (images, -1)),
        masks=torch.from_numpy(masks).unflatten(0, (images, -1)),
        has_mask=torch.tensor([prompt.mask is not None for prompt in asked]).unflatten(0, (images, -1)),
    )


def sample_scene(sources: Sources, rng: np.random.Generator) -> tuple[Scene, bool]:
    """A full input with at least one thing to prompt for, and whether its things' parts are labelled."""
    while True:
        if rng.random() < FOUR_SHARE:
            quarters = [_one_scene(sources, rng, IMAGE_SIZE // 2) for _ in range(4)]
            scene, knows_parts = side_by_side([quarter for quarter, _ in quarters]), all(knows for _, knows in quarters)
        else:
            scene, knows_parts = _one_scene(sources, rng, IMAGE_SIZE)
        if len(_promptable(scene)[0]):
            return scene, knows_parts


def _one_scene(sources: Sources, rng: np.random.Generator, side: int) -> tuple[Scene, bool]:
    """A square input with one scene in it, and whether its things' parts are labelled."""
    kind = rng.random()
    pasted, knows_parts = PASTED_SHARE, True
    if kind < DRAWN_SHARE:
        index, drawn = int(rng.integers(len(sources.drawn))), sources.drawn
        scene = Scene(np.asarray(drawn.images[index]), np.asarray(drawn.ids[index]), drawn.parents[index])
        pasted = PASTED_DRAWN_SHARE
    elif kind < DRAWN_SHARE + BACKGROUND_SHARE:
        image = read_picture(sources.backgrounds[int(rng.integers(len(sources.backgrounds)))].path)
        scene = Scene(image, np.zeros(image.shape[:2], np.int16), np.array([UNKNOWN], np.int16))
        pasted, knows_parts = 1.0, False
    else:
        photograph = sources.photographs[int(rng.choice(len(sources.photographs), p=sources.weights))]
        scene, knows_parts = tilted(rng, read_scene(photograph)), photograph.knows_parts
    scene = random_window(rng, scene, side)
    if rng.random() < pasted:
        things = [_random_cutout(sources, rng) for _ in range(int(rng.integers(1, 7 if pasted == 1 else 5)))]
        scene = paste_things(rng, scene, [thing for thing in things if thing is not None])
    return padded(Scene(another_camera(rng, scene.image), scene.ids, scene.parents), side), knows_parts


def _random_cutout(sources: Sources, rng: np.random.Generator) -> Cutout | None:
    if rng.random() < RENDERED_SHARE:
        return cut_rendered(read_picture(sources.rendered[int(rng.integers(len(sources.rendered)))].path))
    return cut_thing(rng, read_scene(sources.cuttable[int(rng.integers(len(sources.cuttable)))]))


def in_cells(ids: np.ndarray) -> np.ndarray:
    """Labels by cell, low-resolution pixel and pixel: (S, S) to (N, 16, 4), in the order of `pixels_of_cells`."""
    # Axes: cell row, quarter, pixel, phase, and the same for columns.
    pieces = ids.reshape(SIDE_CELLS, 2, 2, 2, SIDE_CELLS, 2, 2, 2)
    return np.ascontiguousarray(pieces.transpose(0, 4, 1, 5, 2, 6, 3, 7)).reshape(SIDE_CELLS**2, SUBPIXELS, 4)


def in_rows(cells: np.ndarray) -> np.ndarray:
    """Low-resolution pixels back in rows and columns: (N, 16) to (S / 2, S / 2)."""
    pieces = cells.reshape(SIDE_CELLS, SIDE_CELLS, 2, 2, 2, 2)
    return pieces.transpose(0, 2, 4, 1, 3, 5).reshape(LOWRES, LOWRES)


def _promptable(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Instances that are large enough, wholes counted with their parts: their ids and their areas."""
    count = len(scene.parents)
    areas = np.bincount(scene.ids.ravel(), minlength=count)
    is_part = (scene.parents != np.arange(count)) & (scene.parents != UNKNOWN)
    np.add.at(areas, scene.parents[is_part], areas[is_part])
    ids = np.flatnonzero((areas >= MIN_TARGET_PIXELS) & (scene.parents != UNKNOWN))
    return ids, areas[ids]


def _random_clicks(
    rng: np.random.Generator, scene: Scene, cells: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clicks on instances, large ones more often, but less so than their area says.

    Returns:
        (P, 2) int64 xy, (P, 2, N, 16) uint8 targets and (P, 2) bool, which of these there are.
    """
    labels, areas = _promptable(scene)
    weights = areas**AREA_POWER * np.where(labels == 0, GROUND_WEIGHT, 1.0)
    chosen = labels[rng.choice(len(labels), size=count, p=weights / weights.sum())]
    wholes = scene.parents[scene.ids]
    points, targets = np.zeros((count, 2), np.int64), np.zeros((count, LEVELS, len(cells), SUBPIXELS), np.uint8)
    there = np.ones((count, LEVELS), bool)
    for number, label in enumerate(chosen):
        flat = np.flatnonzero((scene.ids == label) | (wholes == label))
        row, column = divmod(int(flat[rng.integers(len(flat))]), IMAGE_SIZE)
        points[number] = column, row
        part = int(scene.ids[row, column])
        whole = int(scene.parents[part])
        there[number, 1] = part != whole
        masks = [_cover(cells, np.arange(len(scene.parents)) == part)] if part != whole else []
        masks.append(_cover(cells, scene.parents == whole))
        targets[number, : len(masks)] = masks
    return points, targets, there


def _other_prompts(
    rng: np.random.Generator, targets: np.ndarray, there: np.ndarray, count: int
) -> tuple[np.ndarray, list[Prompt]]:
    """Boxes, and clicks that correct a mask, each for one of the clicks' targets. (Q,) int64 and the prompts."""
    flat = targets.reshape(-1, *targets.shape[2:])
    meant = rng.choice(np.flatnonzero(there.ravel()), size=count)
    prompts = []
    for number, index in enumerate(meant):
        mask = _as_mask(flat[index])
        if 2 * number < count:
            prompts.append(box_prompt(rng, mask))
        else:
            # The two levels of a click are neighbours: a part where the thing is meant, or the other way round.
            has_other = there[index // LEVELS].all()
            prompts.append(correcting_prompt(rng, mask, _as_mask(flat[index ^ 1]) if has_other else None))
    return meant, prompts


def _as_mask(cover: np.ndarray) -> np.ndarray:
    """A target's pixels of more than half cover, or of any if there are none. (N, 16) uint8 to (S / 2, S / 2) bool."""
    rows = in_rows(cover)
    mask = rows >= 2
    return mask if mask.any() else rows > 0


def _cover(cells: np.ndarray, is_in: np.ndarray) -> np.ndarray:
    """How many of its 4 pixels each low-resolution pixel has in a set of labels. (N, 16) uint8."""
    inside = is_in.view(np.uint8)[cells].view(np.uint32)[..., 0]
    # The sum of four bytes, by one multiplication.
    return ((inside * np.uint32(0x01010101)) >> np.uint32(24)).astype(np.uint8)
