-- The counters of the server in each hour that is over, summed up from those of its minutes. An hour without rows has
-- not been summed up yet.
CREATE TABLE server_hours (
    bucket_start BIGINT NOT NULL,
    metric TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (bucket_start, metric)
);

-- The clients with the largest counters of an hour: of one account (owner_id is its id) or of all (owner_id is empty).
-- An owner with few counters in the hour has none here: those counters are read themselves.
CREATE TABLE busiest_clients (
    owner_id TEXT NOT NULL,
    bucket_start BIGINT NOT NULL,
    metric TEXT NOT NULL,
    account_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (owner_id, bucket_start, metric, client_id)
);
CREATE INDEX busiest_clients_by_time ON busiest_clients (bucket_start);
