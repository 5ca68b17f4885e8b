"""The texts of `heatmap.js`, for every page that draws the hours of a week."""

from __future__ import annotations

from serving.pages.locale import N_, Strings

STRINGS: Strings = {
    "heatmap.slot": N_("%(day)s %(hour)s"),
    "heatmap.cell": N_("%(slot)s: %(what)s"),
    "heatmap.times": N_("%(times)s times the average"),
    "heatmap.between": N_("between %(low)s and %(high)s"),
    "heatmap.best": N_("among the three best hours"),
    "heatmap.day": N_("Day"),
    "heatmap.hour": N_("Hour"),
}
"""A page adds them to its own, and their translations to its catalogue."""
