"""The page. Gradio is imported here and nowhere else in the package."""

from automask_ui.ui.page import build_app, launch_options

__all__ = ["build_app", "launch_options"]
