DROP TABLE usage_origins;
DROP TABLE usage_counters;
