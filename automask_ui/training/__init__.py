"""How the built-in checkpoint was made: drawn scenes, the training run and its evaluation.

Nothing here is imported by the running app.
"""
