"""A send-time model to answer with now: the champion or, before there is one, one fitted for it."""

from __future__ import annotations

from collections.abc import Mapping

from features.door.tables import build_tables
from features.errors import NotTrained
from features.progress import Progress
from features.project import Project
from models.artifact import load_published
from training.promotion.steps import fit_promotion
from training.recipes import RECIPES

NO_VERSION = "not promoted"
"""Version of a model that was fitted on the spot."""


def find_champion(project: Project, progress: Progress) -> tuple[str, Mapping[str, bytes]]:
    """Return version and files of the published promotion model, or of one fitted on the spot.

    Raises
    ------
    AlmanacError
        If there is no champion and the project's tables cannot be read or fitted.
    """
    recipe = RECIPES["promotion"]
    try:
        pointer, artifact = load_published(project.workspace.published, recipe.kind)
        return pointer.version, artifact.files
    except NotTrained:
        progress.say("there is no champion yet: fitting one now, which no gate has judged")
    build_tables(project, progress, recipe.tables(project))
    return NO_VERSION, fit_promotion(project, None, progress).to_files()
