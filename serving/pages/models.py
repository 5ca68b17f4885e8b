"""The page `/models`: which models answer, how they were judged, and whether they still hold."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.pages.layout import render
from serving.pages.locale import N_, NN_, Strings

STRINGS: Strings = {
    "kind.promotion": N_("Promotion timing"),
    "kind.demand": N_("Regional demand"),
    "ready": N_("The service is ready."),
    "notReady": N_("The service is not ready: it answers with 503 to whoever balances load."),
    "draining": N_("The service is about to end."),
    "state.loaded": N_("Version %(version)s answers."),
    "state.not-published": N_("Nothing is published yet."),
    "state.refused": N_("What is published cannot be loaded."),
    "refusedVersion": N_("Version %(version)s was refused; the one before goes on answering."),
    "unproven": N_("It was published without golden rows, so it is unproven."),
    "registry.ok": N_("The registry is followed, and answers."),
    "registry.unreachable": N_("The registry does not answer; what is loaded goes on answering."),
    "trial": N_("Challenger %(version)s is tried: %(mode)s."),
    "mode.shadow": N_("it scores a share unseen"),
    "mode.canary": N_("it answers a share of customers"),
    "none": N_("Nothing answers yet. Train and promote: almanac train, almanac promote."),
    "champion": N_("Champion"),
    "challenger": N_("Challenger"),
    "version": N_("Version"),
    "answers": N_("Answers"),
    "yes": N_("yes"),
    "no": N_("no"),
    "trained": N_("Trained"),
    "published": N_("Published"),
    "dataUntil": N_("Data until"),
    "method": N_("Method"),
    "verdict": N_("Verdict of the gates"),
    "outcome.waiting": N_("waits to be judged: almanac promote %(kind)s"),
    "outcome.passed": N_("passed every gate"),
    "outcome.forced": N_("promoted by force: %(because)s"),
    "outcome.refused": N_("refused: a gate did not pass"),
    "unknown": N_("not known"),
    "mlflow": N_("Show in MLflow"),
    "again": N_(
        "This version was published before evidence was kept beside the model. "
        "Train again to see its scores, calibration and coverage: almanac train %(kind)s"
    ),
    "gates": N_("Gates"),
    "gate": N_("Gate"),
    "result": N_("Result"),
    "gate.passed": N_("passed"),
    "gate.failed": N_("did not pass"),
    "measured": N_("Measured"),
    "bound": N_("Bound"),
    "noGates": N_("What the gates measured was not written down with this version."),
    "scores": N_("Backtest beside baselines"),
    "level": N_("Level"),
    "horizon": N_("Days ahead"),
    "all": N_("all"),
    "model": N_("Model"),
    "role": N_("Role"),
    "role.published": N_("chosen"),
    "role.baseline": N_("baseline"),
    "role.other": N_("tried"),
    "measure.wape": N_("WAPE"),
    "measure.bias": N_("Bias"),
    "measure.mase": N_("MASE"),
    "measure.rmsse": N_("RMSSE"),
    "measure.pinball": N_("Pinball loss"),
    "measure.log_loss": N_("Log-loss"),
    "measure.brier": N_("Brier score"),
    "measure.calibration_error": N_("Calibration error"),
    "measure.slot_hit": N_("Right hour of the week"),
    "measure.hour_hit": N_("Right hour of the day"),
    "scores.demand": N_(
        "WAPE is the error over all sales: 0.2 is a fifth. Less is better, and a bias near nought."
    ),
    "scores.promotion": N_(
        "Less log-loss is better. Hits are shares of activity in the hour that came first."
    ),
    "better": N_(
        "%(percent)s less error than %(model)s, the best baseline, at the level %(level)s."
    ),
    "worse": N_(
        "%(percent)s more error than %(model)s, the best baseline, at the level %(level)s."
    ),
    "betterLoss": N_("%(percent)s less log-loss than %(model)s, the best baseline."),
    "worseLoss": N_("%(percent)s more log-loss than %(model)s, the best baseline."),
    "calibration": N_("Calibration"),
    "calibration.words": N_(
        "Where points lie on the line, what was predicted is what came. Bars are 95 % intervals."
    ),
    "predicted": N_("Predicted"),
    "observed": N_("Observed"),
    "low": N_("Low"),
    "high": N_("High"),
    "cells": N_("Customer-hours"),
    "coverage": N_("Coverage of intervals"),
    "coverage.words": N_(
        "Of 80 % intervals 80 % should hold what came, of 95 % intervals 95 %. "
        "A sign left of its line: intervals too narrow."
    ),
    "coverage.sign": N_("%(percent)s intervals"),
    "nominal": N_("Interval"),
    "forecasts": N_("Forecasts"),
    "importance": N_("What the model looks at"),
    "feature": N_("Feature"),
    "share": N_("Share of gain"),
    "notes": N_("Notes of the training"),
    "table": N_("Show as table"),
    "monitor.none": N_("The monitor never ran. Run: almanac monitor"),
    "monitor.ok": N_("Nothing has moved enough to matter."),
    "monitor.watch": N_("Something has moved; watch it."),
    "monitor.alert": N_("Something has moved enough to act."),
    "monitor.not enough data": N_("There is not enough data yet to say whether anything moved."),
    "monitor.ran": N_("The monitor ran on %(at)s."),
    "retrain": N_("Train again: %(because)s"),
    "check": N_("Check"),
    "finding": N_("Finding"),
    "finding.ok": N_("ok"),
    "finding.watch": N_("watch"),
    "finding.alert": N_("alert"),
    "finding.not enough data": N_("not enough data"),
    "value": N_("Value"),
    "threshold": N_("Threshold"),
    "reason": N_("Reason"),
    "quiet": NN_("%(n)s check without a finding", "%(n)s checks without a finding"),
}


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "models.html", strings=STRINGS)
