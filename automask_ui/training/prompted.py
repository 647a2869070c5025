"""How good masks are for given prompts: one click at a thing's centre, three clicks, a box."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.measures import boundary_f, deepest_point, pairwise_iou

PROMPTS_AT_ONCE = 16


@dataclass(eq=False)
class Answers:
    """What a kind of prompt got; one row for each wanted mask.

    Attributes:
        iou: (N, 3) measured IoU of the three masks with the wanted one.
        scores: (N, 3) predicted IoU.
        any_iou: (N, 3) IoU of each mask with the nearest of all labelled masks in which the click lies: a click on a
            sleeve may mean the person. The same as `iou` for prompts that say exactly what they mean.
    """

    iou: np.ndarray
    scores: np.ndarray
    any_iou: np.ndarray

    @property
    def of_preferred(self) -> np.ndarray:
        """(N,) IoU of the mask that the model scores highest."""
        return np.take_along_axis(self.iou, self.scores.argmax(axis=1)[:, None], axis=1)[:, 0]

    @property
    def any_of_preferred(self) -> np.ndarray:
        """(N,) `any_iou` of the mask that the model scores highest."""
        return np.take_along_axis(self.any_iou, self.scores.argmax(axis=1)[:, None], axis=1)[:, 0]

    @property
    def correlation(self) -> float:
        """Pearson's correlation of predicted IoU with that measured with any labelled mask, over all masks."""
        return float(np.corrcoef(self.any_iou.ravel(), self.scores.ravel())[0, 1])

    def rows(self, chosen: np.ndarray) -> "Answers":
        """Some of the rows, by a (N,) bool or integer index."""
        return Answers(self.iou[chosen], self.scores[chosen], self.any_iou[chosen])


@dataclass(eq=False)
class Measured:
    """Answers to each kind of prompt, and what is known of each wanted mask.

    Attributes:
        click: Answers to one click at its centre.
        three_clicks: Answers after two more clicks, each where the preferred mask is wrong most deeply.
        three_with_mask: The same, with the preferred mask brought along.
        box: Answers to its box.
        boundary: F-score of the outline of the best mask for one click.
        share: Its share of the picture.
        is_part: Whether it is a part of something.
    """

    click: list[Answers] = field(default_factory=list)
    three_clicks: list[Answers] = field(default_factory=list)
    three_with_mask: list[Answers] = field(default_factory=list)
    box: list[Answers] = field(default_factory=list)
    boundary: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    is_part: list[bool] = field(default_factory=list)

    @staticmethod
    def joined(answers: list[Answers]) -> Answers:
        """The answers of all pictures together."""
        columns = ([getattr(one, name) for one in answers] for name in ("iou", "scores", "any_iou"))
        return Answers(*(np.concatenate(column) for column in columns))


def masks_of(scene: Scene, least_share: float, with_ground: bool = True) -> tuple[list[np.ndarray], list[bool]]:
    """The masks of a scene that are large enough, wholes with their parts, and which of them are parts.

    Args:
        scene: The scene.
        least_share: Least area, as a share of the picture.
        with_ground: Whether instance 0 counts, which is all that is beside things.
    """
    wholes = scene.parents[scene.ids]
    masks, is_part = [], []
    for label in np.unique(scene.ids):
        if scene.parents[label] not in (label, UNKNOWN):
            masks.append(scene.ids == label)
            is_part.append(True)
    for label in np.unique(wholes[wholes != UNKNOWN]):
        if label or with_ground:
            masks.append(wholes == label)
            is_part.append(False)
    keep = [index for index, mask in enumerate(masks) if mask.sum() >= max(1, least_share * mask.size)]
    return [masks[index] for index in keep], [is_part[index] for index in keep]


@torch.no_grad()
def measure_picture(
    sam: Sam, image: np.ndarray, wanted: list[np.ndarray], measured: Measured, only_clicks: bool = False
) -> None:
    """Prompt for each wanted mask of a picture and add what comes of it to `measured`.

    Args:
        sam: The model.
        image: (H, W, 3) uint8 RGB.
        wanted: Masks, each (H, W) bool.
        measured: Where the figures go.
        only_clicks: Leave out all but single clicks.
    """
    resize = ResizeLongestSide(sam.image_encoder.img_size)
    small = torch.from_numpy(resize.apply_image(image)).permute(2, 0, 1)[None]
    embedding = sam.image_encoder(sam.preprocess(small.float()))
    asker = _Asker(sam, embedding, (small.shape[2], small.shape[3]), image.shape[:2])
    measured.share += [float(mask.mean()) for mask in wanted]
    everything = torch.from_numpy(np.stack(wanted))
    for start in range(0, len(wanted), PROMPTS_AT_ONCE):
        masks = wanted[start : start + PROMPTS_AT_ONCE]
        there = everything[start : start + PROMPTS_AT_ONCE]
        centres = np.array([deepest_point(mask) for mask in masks], dtype=np.float64)[:, None]
        labels = np.ones(centres.shape[:2], np.int64)
        found, scores, lowres = asker.ask(centres, labels)
        iou = pairwise_iou(found, there)
        any_iou = torch.stack(
            [_nearest_under(one, everything, centre) for one, centre in zip(found, centres[:, 0], strict=True)]
        )
        measured.click.append(Answers(iou.numpy(), scores.numpy(), any_iou.numpy()))
        if only_clicks:
            continue
        nearest = iou.argmax(dim=1)
        measured.boundary += [boundary_f(found[row, nearest[row]].numpy(), mask) for row, mask in enumerate(masks)]
        for with_mask, kept in ((False, measured.three_clicks), (True, measured.three_with_mask)):
            kept.append(_three_clicks(asker, masks, centres, labels, (found, scores, lowres), with_mask))
        found, scores, _ = asker.ask(boxes=np.array([_box(mask) for mask in masks]))
        measured.box.append(_answers(found, scores, there))


def _nearest_under(found: Tensor, everything: Tensor, point: np.ndarray) -> Tensor:
    """IoU of three masks with the nearest of all masks that contain a point. (3, H, W), (M, H, W), (2,) xy to (3,)."""
    column, row = point.astype(int).tolist()
    under = everything[everything[:, row, column]]
    return pairwise_iou(found.expand(len(under), -1, -1, -1), under).amax(dim=0)


def _three_clicks(
    asker: "_Asker",
    masks: list[np.ndarray],
    points: np.ndarray,
    labels: np.ndarray,
    first: tuple[Tensor, Tensor, Tensor],
    with_mask: bool,
) -> Answers:
    """Click twice more where the preferred mask is wrong most deeply; that mask may be brought along."""
    found, scores, lowres = first
    rows = torch.arange(len(masks))
    for _ in range(2):
        preferred = scores.argmax(dim=1)
        errors = [mask != found[row, preferred[row]].numpy() for row, mask in enumerate(masks)]
        places = [deepest_point(error if error.any() else mask) for error, mask in zip(errors, masks, strict=True)]
        is_inside = [bool(mask[y, x]) for mask, (x, y) in zip(masks, places, strict=True)]
        points = np.concatenate([points, np.array(places, dtype=np.float64)[:, None]], axis=1)
        labels = np.concatenate([labels, np.array(is_inside, dtype=np.int64)[:, None]], axis=1)
        brought = lowres[rows, preferred][:, None] if with_mask else None
        found, scores, lowres = asker.ask(points, labels, masks=brought)
    return _answers(found, scores, torch.from_numpy(np.stack(masks)))


def _answers(found: Tensor, scores: Tensor, wanted: Tensor) -> Answers:
    iou = pairwise_iou(found, wanted).numpy()
    return Answers(iou, scores.numpy(), iou)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True, eq=False)
class _Asker:
    """Upstream's predictor for many prompts of one picture at once."""

    sam: Sam
    embedding: Tensor
    input_hw: tuple[int, int]
    size_hw: tuple[int, int]

    def ask(
        self,
        points: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        boxes: np.ndarray | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Three masks for each prompt: (N, 3, H, W) bool, (N, 3) scores, and (N, 3, 256, 256) low-resolution logits."""
        resize = ResizeLongestSide(self.sam.image_encoder.img_size)
        clicks = None
        if points is not None and labels is not None:
            clicks = (torch.from_numpy(resize.apply_coords(points, self.size_hw)).float(), torch.from_numpy(labels))
        corners = None if boxes is None else torch.from_numpy(resize.apply_boxes(boxes, self.size_hw)).float()
        sparse, dense = self.sam.prompt_encoder(points=clicks, boxes=corners, masks=masks)
        lowres, scores = self.sam.mask_decoder(
            image_embeddings=self.embedding,
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        logits = self.sam.postprocess_masks(lowres, self.input_hw, self.size_hw)
        return logits > self.sam.mask_threshold, scores, lowres


def measure_scenes(sam: Sam, scenes: Iterable[Scene], least_share: float) -> Answers:
    """Click once at the centre of each instance of scenes whose every pixel is labelled."""
    measured = Measured()
    for scene in scenes:
        masks, _ = masks_of(scene, least_share)
        measure_picture(sam, scene.image, masks, measured, only_clicks=True)
    return Measured.joined(measured.click)
