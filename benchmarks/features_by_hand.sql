-- The customer features of features/customer/customers.py as an engineer would write them for DuckDB
-- by hand: one query per cut-off. Placeholders: {tables}, {as_of}, {time_zone}, {half_life_days};
-- windows end at the midnight {as_of}. The generated tables have no regions, so no time zone is
-- learned from one.
WITH stream AS NOT MATERIALIZED (  -- reading it five times is faster here than keeping it
  SELECT event_id, customer_id, occurred_at, channel, type, region_id, product_id, quantity, value
  FROM '{tables}/events.parquet' WHERE occurred_at < TIMESTAMP '{as_of}'
  UNION ALL
  SELECT 'touch:' || message_id, customer_id, sent_at, channel, 'touch', NULL, NULL, NULL, NULL
  FROM '{tables}/touches.parquet' WHERE sent_at < TIMESTAMP '{as_of}'
  UNION ALL
  SELECT 'open:' || message_id, customer_id, opened_at, channel, 'open', NULL, NULL, NULL, NULL
  FROM '{tables}/touches.parquet'
  WHERE opened_at < TIMESTAMP '{as_of}' AND NOT coalesce(is_machine_open, false)
  UNION ALL
  SELECT 'click:' || message_id, customer_id, clicked_at, channel, 'click', NULL, NULL, NULL, NULL
  FROM '{tables}/touches.parquet' WHERE clicked_at < TIMESTAMP '{as_of}'
), totals AS (
  SELECT customer_id,
    max(occurred_at) FILTER (type = 'order') AS last_order_at,
    max(occurred_at) FILTER (type NOT IN ('touch', 'item', 'redemption', 'open', 'click')) AS last_active_at,
    max(occurred_at) FILTER (type = 'touch') AS last_touch_at,
    min(occurred_at) AS first_at,
    count(*) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 7 DAY) AS orders_7d,
    count(*) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS orders_30d,
    count(*) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS orders_90d,
    count(*) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_365d,
    sum(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 7 DAY) AS spend_7d,
    sum(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS spend_30d,
    sum(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS spend_90d,
    sum(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS spend_365d,
    sum(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 7 DAY) AS items_7d,
    sum(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS items_30d,
    sum(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS items_90d,
    sum(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS items_365d,
    count(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS valued_30d,
    count(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS valued_90d,
    count(value) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS valued_365d,
    count(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS sized_30d,
    count(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS sized_90d,
    count(quantity) FILTER (type = 'order' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS sized_365d,
    count(*) FILTER (type = 'order' AND channel = 'web' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_web,
    count(*) FILTER (type = 'order' AND channel = 'app' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_app,
    count(*) FILTER (type = 'order' AND channel = 'store' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_store,
    count(*) FILTER (type = 'order' AND channel = 'social' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_social,
    count(*) FILTER (type = 'order' AND channel = 'service' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS orders_service,
    arg_max(channel, (occurred_at, event_id)) FILTER (type = 'order') AS last_channel,
    count(*) FILTER (type = 'touch' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS touches_30d,
    count(*) FILTER (type = 'touch' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS touches_90d,
    count(*) FILTER (type = 'touch' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS touches_365d,
    count(*) FILTER (type = 'open' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS opens_30d,
    count(*) FILTER (type = 'open' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS opens_90d,
    count(*) FILTER (type = 'open' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS opens_365d,
    count(*) FILTER (type = 'click' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS clicks_30d,
    count(*) FILTER (type = 'click' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS clicks_90d,
    count(*) FILTER (type = 'click' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS clicks_365d,
    count(*) FILTER (type = 'redemption' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 30 DAY) AS redemptions_30d,
    count(*) FILTER (type = 'redemption' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 90 DAY) AS redemptions_90d,
    count(*) FILTER (type = 'redemption' AND occurred_at >= TIMESTAMP '{as_of}' - INTERVAL 365 DAY) AS redemptions_365d,
    count(*) FILTER (type NOT IN ('touch', 'item', 'redemption', 'open', 'click')) AS active_count,
    bit_or(1::BIGINT << least(date_diff('day', occurred_at, TIMESTAMP '{as_of}' - INTERVAL 1 MICROSECOND) // 7, 62))
      FILTER (type NOT IN ('touch', 'item', 'redemption', 'open', 'click')) AS weeks
  FROM stream GROUP BY customer_id
), stated AS (
  SELECT customer_id, region_id, consent, coalesce(time_zone_source, 'stated') AS time_zone_source,
    if(coalesce(time_zone_source, 'stated') = 'project', NULL, time_zone) AS time_zone
  FROM '{tables}/customers.parquet'
), devices AS (
  SELECT customer_id, arg_max(device_time_zone, (occurred_at, event_id)) AS time_zone
  FROM '{tables}/events.parquet'
  WHERE occurred_at < TIMESTAMP '{as_of}' AND device_time_zone IS NOT NULL
  GROUP BY customer_id
), cells AS (  -- what customers do by themselves, once for its three histograms
  SELECT customer_id, slot,
    168 * CASE channel WHEN 'web' THEN 0 WHEN 'app' THEN 1 WHEN 'store' THEN 2 WHEN 'email' THEN 3
      WHEN 'sms' THEN 4 WHEN 'push' THEN 5 WHEN 'social' THEN 6 WHEN 'service' THEN 7
      WHEN 'mail' THEN 8 END + slot AS channel_slot,
    sum(power(2.0::DOUBLE, -epoch(TIMESTAMP '{as_of}' - occurred_at) / 86400 / {half_life_days}))
      AS weight,
    count(*) AS events
  FROM (
    SELECT customer_id, occurred_at, channel,
      (24 * (isodow(local_at) - 1) + hour(local_at))::INTEGER AS slot
    FROM (
      SELECT customer_id, occurred_at, channel,
        timezone(coalesce(stated.time_zone, devices.time_zone, '{time_zone}'),
          timezone('UTC', occurred_at)) AS local_at
      FROM stream
      LEFT JOIN stated USING (customer_id)
      LEFT JOIN devices USING (customer_id)
      WHERE type NOT IN ('touch', 'item', 'redemption', 'open', 'click')
    )
  )
  GROUP BY ALL
), slots AS (
  SELECT customer_id, sum(weight) AS active_events,
    list({'slot': slot, 'weight': weight} ORDER BY slot) AS active_slots,
    list({'slot': slot, 'weight': events::DOUBLE} ORDER BY slot) AS slot_counts
  FROM (
    SELECT customer_id, slot, sum(weight) AS weight, sum(events) AS events
    FROM cells GROUP BY customer_id, slot
  )
  GROUP BY customer_id
), channel_slots AS (
  SELECT customer_id,
    list({'channel_slot': channel_slot, 'weight': weight} ORDER BY channel_slot) AS channel_slots
  FROM cells WHERE channel_slot IS NOT NULL GROUP BY customer_id
), category_weights AS (
  SELECT customer_id, nullif(parent_id, 'all') AS category_id,
    sum(power(2.0::DOUBLE, -epoch(TIMESTAMP '{as_of}' - occurred_at) / 86400 / {half_life_days}))
      AS weight
  FROM stream JOIN '{tables}/products.parquet' AS products USING (product_id)
  WHERE type IN ('order', 'item')
  GROUP BY ALL
), categories AS (
  SELECT customer_id,
    list({'category_id': category_id, 'weight': weight} ORDER BY category_id) AS categories
  FROM category_weights WHERE category_id IS NOT NULL GROUP BY customer_id
), homes AS (
  SELECT customer_id, arg_max(region_id, (visits, region_id)) AS region_id
  FROM (
    SELECT customer_id, region_id, count(*) AS visits
    FROM stream WHERE region_id IS NOT NULL GROUP BY ALL
  )
  GROUP BY customer_id
)
SELECT totals.customer_id,
  coalesce(stated.region_id, homes.region_id, 'all') AS region_id,
  coalesce(stated.time_zone, devices.time_zone, '{time_zone}') AS time_zone,
  CASE WHEN stated.time_zone IS NOT NULL THEN stated.time_zone_source
    WHEN devices.time_zone IS NOT NULL THEN 'device' ELSE 'project' END AS time_zone_source,
  CASE WHEN stated.time_zone IS NOT NULL THEN 1 WHEN devices.time_zone IS NOT NULL THEN 0.95
    ELSE 0.5 END::DOUBLE AS time_zone_confidence,
  stated.consent,
  epoch(TIMESTAMP '{as_of}' - last_order_at) / 86400 AS order_recency_days,
  epoch(TIMESTAMP '{as_of}' - last_active_at) / 86400 AS active_recency_days,
  epoch(TIMESTAMP '{as_of}' - last_touch_at) / 86400 AS touch_recency_days,
  epoch(TIMESTAMP '{as_of}' - first_at) / 86400 AS tenure_days,
  orders_7d::DOUBLE AS orders_7d,
  orders_30d::DOUBLE AS orders_30d,
  orders_90d::DOUBLE AS orders_90d,
  orders_365d::DOUBLE AS orders_365d,
  coalesce(spend_7d, 0) AS spend_7d,
  coalesce(spend_30d, 0) AS spend_30d,
  coalesce(spend_90d, 0) AS spend_90d,
  coalesce(spend_365d, 0) AS spend_365d,
  coalesce(items_7d, 0) AS items_7d,
  coalesce(items_30d, 0) AS items_30d,
  coalesce(items_90d, 0) AS items_90d,
  coalesce(items_365d, 0) AS items_365d,
  coalesce(spend_30d, 0) / nullif(valued_30d, 0) AS basket_value_30d,
  coalesce(spend_90d, 0) / nullif(valued_90d, 0) AS basket_value_90d,
  coalesce(spend_365d, 0) / nullif(valued_365d, 0) AS basket_value_365d,
  coalesce(items_30d, 0) / nullif(sized_30d, 0) AS basket_items_30d,
  coalesce(items_90d, 0) / nullif(sized_90d, 0) AS basket_items_90d,
  coalesce(items_365d, 0) / nullif(sized_365d, 0) AS basket_items_365d,
  orders_web / nullif(orders_365d, 0) AS order_share_web_365d,
  orders_app / nullif(orders_365d, 0) AS order_share_app_365d,
  orders_store / nullif(orders_365d, 0) AS order_share_store_365d,
  orders_social / nullif(orders_365d, 0) AS order_share_social_365d,
  orders_service / nullif(orders_365d, 0) AS order_share_service_365d,
  last_channel,
  touches_30d::DOUBLE AS touches_30d,
  touches_90d::DOUBLE AS touches_90d,
  touches_365d::DOUBLE AS touches_365d,
  opens_30d::DOUBLE AS opens_30d,
  opens_90d::DOUBLE AS opens_90d,
  opens_365d::DOUBLE AS opens_365d,
  clicks_30d::DOUBLE AS clicks_30d,
  clicks_90d::DOUBLE AS clicks_90d,
  clicks_365d::DOUBLE AS clicks_365d,
  redemptions_30d::DOUBLE AS redemptions_30d,
  redemptions_90d::DOUBLE AS redemptions_90d,
  redemptions_365d::DOUBLE AS redemptions_365d,
  opens_365d / nullif(touches_365d, 0) AS open_share_365d,
  clicks_365d / nullif(touches_365d, 0) AS click_share_365d,
  redemptions_365d / nullif(touches_365d, 0) AS redemption_share_365d,
  coalesce(active_slots, []) AS active_slots,
  coalesce(active_events, 0) AS active_events,
  coalesce(channel_slots, []) AS channel_slots,
  active_count::DOUBLE AS active_count,
  coalesce(bit_count(weeks & 15), 0)::DOUBLE AS active_weeks_28d,
  coalesce(bit_count(weeks & 8191), 0)::DOUBLE AS active_weeks_91d,
  coalesce(bit_count(weeks & 4503599627370495), 0)::DOUBLE AS active_weeks_364d,
  coalesce(slot_counts, []) AS slot_counts,
  coalesce(categories, []) AS categories
FROM totals
LEFT JOIN slots USING (customer_id)
LEFT JOIN channel_slots USING (customer_id)
LEFT JOIN categories USING (customer_id)
LEFT JOIN homes USING (customer_id)
LEFT JOIN stated USING (customer_id)
LEFT JOIN devices USING (customer_id)
