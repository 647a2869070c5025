"""What training adds to the built-in model: a start from which it learns, and a head for the dense loss."""

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.builtin import EMBED_DIM, ResidualBlock, build_tiny_sam

AFFINITY_DIM = 64
# One cell of the embedding is about one period's sixth: a click attends to its own cell and the eight around it.
POSITION_SCALE = 6.0
POINT_ATTENTION_GAIN = 2.2
EMBEDDING_SCALE = 0.5
PLACE_SCALE = 0.05


class AffinityHead(nn.Module):
    """Says of any two cells whether they belong together, by the cosine similarity of their projected embeddings.

    There are two such projections, one for instances and one for the wholes that they are parts of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(EMBED_DIM, 2 * AFFINITY_DIM, 1)
        self.scale = nn.Parameter(torch.full((2,), 8.0))
        self.shift = nn.Parameter(torch.full((2,), -3.0))

    def forward(self, embeddings: Tensor, cells: Tensor) -> Tensor:
        """Compare chosen cells of each image with one another.

        Args:
            embeddings: (B, EMBED_DIM, C, C) float.
            cells: (K,) int64, flat indices of the cells to compare.

        Returns:
            (2, B, K, K) float32 logits of "same instance" and of "same whole".
        """
        features = self.project(embeddings).flatten(2)[..., cells].float()
        features = features.unflatten(1, (2, AFFINITY_DIM)).permute(1, 0, 3, 2)
        features = functional.normalize(features, dim=-1)
        similarity = features @ features.transpose(-1, -2)
        return similarity * self.scale[:, None, None, None] + self.shift[:, None, None, None]


@torch.no_grad()
def prepare_for_training(sam: Sam) -> Sam:
    """Set the weights from which the decoder learns at all; with the usual ones it stays at one constant mask.

    A click must find its own cell from the first step on. So the projections of queries and keys start as one
    orthogonal matrix, which makes attention follow the positional code; learned tokens start small beside that code;
    and the first self-attention hands the code of the click to all tokens.
    """
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.mul_(POSITION_SCALE)
    decoder, transformer = sam.mask_decoder, sam.mask_decoder.transformer
    to_image = [layer.cross_attn_token_to_image for layer in transformer.layers]
    to_image.append(transformer.final_attn_token_to_image)
    to_tokens = [layer.cross_attn_image_to_token for layer in transformer.layers]
    for attention in to_image:
        _attend_by_position(attention)
    for attention in (*to_image, *to_tokens):
        for linear in (attention.v_proj, attention.out_proj):
            nn.init.orthogonal_(linear.weight)
            nn.init.zeros_(linear.bias)
    for linear in (transformer.layers[0].self_attn.v_proj, transformer.layers[0].self_attn.out_proj):
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    prompts = sam.prompt_encoder
    for learned in (decoder.iou_token, decoder.mask_tokens, *prompts.point_embeddings, prompts.not_a_point_embed):
        learned.weight.mul_(0.1)
    for mlp in decoder.output_hypernetworks_mlps:
        for linear in mlp.layers:
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
    for layer in decoder.output_upscaling:
        if isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=(2.0 / layer.in_channels) ** 0.5)
            nn.init.zeros_(layer.bias)
    # Features must not drown the positional code that is added to them.
    nn.init.constant_(sam.image_encoder.norm.weight, EMBEDDING_SCALE)
    nn.init.normal_(sam.image_encoder.place.weight, std=PLACE_SCALE)
    nn.init.zeros_(sam.image_encoder.place.bias)
    nn.init.dirac_(sam.image_encoder.project.weight)
    nn.init.zeros_(sam.image_encoder.project.bias)
    for module in sam.image_encoder.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.norm2.weight)
    return sam


def _attend_by_position(attention: Attention) -> None:
    """Start query and key projection as the same scaled orthogonal matrix: likes attract."""
    nn.init.orthogonal_(attention.q_proj.weight).mul_(POINT_ATTENTION_GAIN)
    attention.k_proj.weight.copy_(attention.q_proj.weight)
    for linear in (attention.q_proj, attention.k_proj):
        linear.bias.zero_()


def new_model(seed: int = 0) -> tuple[Sam, AffinityHead]:
    """An untrained model, ready to learn; its weights depend on the seed only."""
    torch.manual_seed(seed)
    sam = prepare_for_training(build_tiny_sam())
    return sam, AffinityHead()
