"""The Parquet files of the decision log: what each column holds."""

from __future__ import annotations

import pyarrow as pa

from features.served.places import Served, ServedOutcomes

_MOMENT = pa.timestamp("us", tz="UTC")
_CANDIDATE = pa.struct(
    [
        ("start", pa.string()),
        ("channel", pa.string()),
        ("probability", pa.float64()),
        ("propensity", pa.float64()),
    ]
)
DECISION_SCHEMA = pa.schema(
    [
        (Served.DECISION_ID, pa.string()),
        (Served.REQUEST_ID, pa.string()),
        (Served.DECIDED_AT, _MOMENT),
        (Served.CUSTOMER, pa.string()),
        (Served.KIND, pa.string()),
        (Served.ROLE, pa.string()),
        (Served.MODEL_VERSION, pa.string()),
        (Served.POLICY, pa.string()),
        (Served.PROFILE_HASH, pa.string()),
        (Served.EVIDENCE, pa.string()),
        (Served.CANDIDATES, pa.list_(_CANDIDATE)),
        (Served.CHOSEN, pa.int32()),
        (Served.PROPENSITY, pa.float64()),
        (Served.IS_EXPLORED, pa.bool_()),
        (Served.IS_FALLBACK, pa.bool_()),
        (Served.DEGRADED, pa.bool_()),
        (Served.N_PERMITTED, pa.int32()),
    ]
)
OUTCOME_SCHEMA = pa.schema(
    [
        (ServedOutcomes.DECISION_ID, pa.string()),
        (ServedOutcomes.OUTCOME, pa.string()),
        (ServedOutcomes.OCCURRED_AT, _MOMENT),
        (ServedOutcomes.VALUE, pa.float64()),
        (ServedOutcomes.CURRENCY, pa.string()),
        (ServedOutcomes.RECEIVED_AT, _MOMENT),
    ]
)
