"""Messages of a customer-data platform, as the Segment HTTP API has them, read into our rows."""
