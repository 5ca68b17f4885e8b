"""Stock decisions from sample paths of demand: levels, orders, allocation, transfers, money."""
