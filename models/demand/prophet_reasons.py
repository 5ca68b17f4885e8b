"""Prophet's own view of the totals of regions: trend, week, year and holidays, in units.

A second decomposition, of Prophet's forecast and not of the published mean: Prophet is one of the
members that the totals are blended from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.demand.prophet_totals import ProphetTotals, quiet_prophet

COMPONENTS = ("weekly", "yearly", "holidays")
PARTS = ("trend", *COMPONENTS, "floor")
"""What Prophet's forecast is the sum of; `floor` is what lifts a negative one to zero."""


def explain_totals(prophet: ProphetTotals, dates: npt.NDArray[np.datetime64]) -> pd.DataFrame:
    """Split Prophet's forecast of every region's total.

    Parameters
    ----------
    prophet : ProphetTotals
        Fitted.
    dates : array of datetime64, shape (n_dates,)

    Returns
    -------
    DataFrame
        region_id, date, mean (Prophet's own) and `PARTS`, which sum to it.
    """
    tables = [
        _explain_region(text, dates).assign(region_id=region)
        for region, text in sorted(prophet.models_.items())
    ]
    columns = ["region_id", "date", "mean", *PARTS]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True)[columns]


def _explain_region(text: str, dates: npt.NDArray[np.datetime64]) -> pd.DataFrame:
    with quiet_prophet():
        from prophet.serialize import model_from_json

        model = model_from_json(text)
        made = model.predict(pd.DataFrame({"ds": dates}))
    trend = made["trend"].to_numpy(np.float64)
    growing = set(model.component_modes["multiplicative"])
    found = {"trend": trend}
    for name in COMPONENTS:
        own = made[name].to_numpy(np.float64) if name in made else np.zeros(len(made))
        found[name] = own * trend if name in growing else own
    total = sum(found.values())
    mean = np.maximum(made["yhat"].to_numpy(np.float64), 0.0)
    return pd.DataFrame({"date": dates, "mean": mean, **found, "floor": mean - total})
