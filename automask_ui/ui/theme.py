"""Colours and type: neutral greys with one blue for the primary action, on Gradio's own theme variables."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

__all__ = ["THEME"]

# Fonts of the system: nothing is fetched, and Korean text gets the platform's own typeface.
_SANS = (
    "Inter",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK KR",
    "sans-serif",
)
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

THEME = gr.themes.Base(
    primary_hue=colors.blue,
    neutral_hue=colors.zinc,
    spacing_size=sizes.spacing_sm,
    radius_size=sizes.radius_sm,
    text_size=sizes.text_sm,
    font=_SANS,
    font_mono=_MONO,
).set(
    body_background_fill="#f4f4f5",
    body_background_fill_dark="#18181b",
    body_text_color="#18181b",
    body_text_color_dark="#e4e4e7",
    # 4.5 : 1 and more on both panel colours.
    body_text_color_subdued="#52525b",
    body_text_color_subdued_dark="#a1a1aa",
    background_fill_primary="#ffffff",
    background_fill_primary_dark="#1f1f23",
    background_fill_secondary="#fafafa",
    background_fill_secondary_dark="#27272a",
    border_color_primary="#e4e4e7",
    border_color_primary_dark="#3f3f46",
    color_accent="#2563eb",
    color_accent_soft="#dbeafe",
    color_accent_soft_dark="#1e3a8a",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_border_width="0px",
    block_border_width_dark="0px",
    block_shadow="none",
    block_padding="0px",
    block_label_background_fill="transparent",
    block_label_background_fill_dark="transparent",
    block_title_text_weight="500",
    block_title_text_color="*body_text_color",
    block_title_text_color_dark="*body_text_color",
    block_info_text_color="*body_text_color_subdued",
    block_info_text_color_dark="*body_text_color_subdued",
    input_background_fill="#ffffff",
    input_background_fill_dark="#27272a",
    input_border_color="#d4d4d8",
    input_border_color_dark="#52525b",
    input_border_width="1px",
    input_border_width_dark="1px",
    input_padding="6px 8px",
    input_radius="6px",
    input_shadow="none",
    input_shadow_focus="0 0 0 2px rgba(37, 99, 235, 0.35)",
    slider_color="#2563eb",
    slider_color_dark="#3b82f6",
    button_primary_background_fill="#2563eb",
    button_primary_background_fill_dark="#2563eb",
    button_primary_background_fill_hover="#1d4ed8",
    button_primary_background_fill_hover_dark="#3b6ff0",
    button_primary_text_color="#ffffff",
    button_primary_text_color_dark="#ffffff",
    button_secondary_background_fill="#ffffff",
    button_secondary_background_fill_dark="#27272a",
    button_secondary_background_fill_hover="#f4f4f5",
    button_secondary_background_fill_hover_dark="#3f3f46",
    button_secondary_border_color="#d4d4d8",
    button_secondary_border_color_dark="#52525b",
    button_border_width="1px",
    button_border_width_dark="1px",
    button_transition="background-color 0.12s",
)
