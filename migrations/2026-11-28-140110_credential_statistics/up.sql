-- How often API keys, client secrets and clients were used in each hour or day, on all nodes together. The
-- owner is known by its id alone: a counter outlives it until it is purged. The counters of clients by the
-- hour are in the table counters.
CREATE TABLE usage_counters (
    owner_id TEXT NOT NULL,
    bucket TEXT NOT NULL,
    bucket_start BIGINT NOT NULL,
    metric TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (owner_id, bucket, bucket_start, metric)
);
CREATE INDEX usage_counters_by_time ON usage_counters (bucket, bucket_start);

-- From where API keys were used and clients authenticated: the last ten client IPs and user agents of each.
CREATE TABLE usage_origins (
    owner_id TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (owner_id, address, user_agent)
);
CREATE INDEX usage_origins_by_time ON usage_origins (last_seen_at);
