"""A shop whose customers have hours of their own, at which they buy and answer."""

from datetime import datetime, timedelta

import numpy as np

START = datetime.fromisoformat("2024-01-01T00:00")  # a Monday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
N_DAYS, N_CUSTOMERS = 112, 200


def draw_tables(seed=1):
    """Customers who shop and answer around an hour of their own; e-mails at any hour, sms at 9."""
    rng = np.random.default_rng(seed)
    events, touches = [], []
    for customer in range(N_CUSTOMERS):
        name, favourite = f"c{customer:03d}", int(rng.integers(7, 22))
        for _ in range(rng.poisson(16)):
            at = favourite + float(rng.normal(0, 1.5)) + 24 * float(rng.integers(0, N_DAYS))
            moment = START + max(at, 0.0) * HOUR
            events.append({"event_id": f"e{len(events)}", "customer_id": name, "type": "order",
                           "channel": "web", "occurred_at": moment})  # fmt: skip
        for _ in range(22):
            channel = "sms" if rng.random() < 0.2 else "email"
            hour = 9 if channel == "sms" else int(rng.integers(0, 24))
            sent = START + int(rng.integers(0, N_DAYS)) * DAY + (hour + rng.random()) * HOUR
            apart = abs((hour - favourite + 12) % 24 - 12)
            is_engaged = rng.random() < 0.02 + 0.4 * np.exp(-0.5 * (apart / 2) ** 2)
            delay = float(rng.exponential(3.0)) + 0.01
            touches.append(
                {
                    "message_id": f"m{len(touches):05d}", "customer_id": name, "channel": channel,
                    "sent_at": sent, "promotion_id": "p", "links": 5.0, "clicked_links": 1.0,
                    "propensity": 1 / 8 if channel == "email" else None,
                    "clicked_at": sent + delay * HOUR if is_engaged else None,
                    "opened_at": sent + 0.5 * delay * HOUR if is_engaged else None,
                }
            )  # fmt: skip
    promotion = {"promotion_id": "p", "starts_at": START, "ends_at": START + 200 * DAY}
    return {
        "events": events,
        "touches": touches,
        "promotions": [{**promotion, "discount": 0.1}],
        "customers": [
            {"customer_id": f"c{i:03d}", "region_id": f"r{i % 2}"} for i in range(N_CUSTOMERS)
        ],
    }
