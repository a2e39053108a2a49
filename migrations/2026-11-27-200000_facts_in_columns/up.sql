-- The API key that replaced this one at a rotation. Until now a rotated key was recognised by its name:
-- a rotation changes it to "NAME (ID)", with at most 60 characters of NAME, to free NAME for the new key.
-- The new key is the first one of that name that was created afterwards; it may have been rotated itself.
-- The empty string stands for a new key that has been deleted since.
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT;
UPDATE api_keys
SET replaced_by = COALESCE(
    (
        SELECT successor.id
        FROM api_keys AS successor
        WHERE successor.client_id = api_keys.client_id
        AND successor.id <> api_keys.id
        AND successor.created_at >= api_keys.created_at
        AND substr(replace(successor.name, ' (' || successor.id || ')', ''), 1, 60)
            = replace(api_keys.name, ' (' || api_keys.id || ')', '')
        ORDER BY successor.created_at, successor.id
        LIMIT 1
    ),
    ''
)
WHERE name LIKE '%(' || id || ')';

-- What an account is for. Until now the accounts that Keyward creates were found by their names.
ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'partner';
UPDATE accounts SET kind = 'resource_servers' WHERE name = 'Resource servers';
UPDATE accounts SET kind = 'open_registration' WHERE name = 'Open registration';
CREATE UNIQUE INDEX accounts_by_kind ON accounts (kind) WHERE kind <> 'partner';

-- Counters with an owner and a metric. The owner is the server (both ids are empty), an account (the id
-- of the client is empty) or a client. The primary key is in the order of time, for purges and for sums
-- over all clients; the index finds the counters of one owner.
CREATE TABLE counters (
    bucket_start BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    metric TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (bucket_start, account_id, client_id, metric)
);

-- Names are "server:METRIC", "account:ID:METRIC" and "client:ACCOUNT:ID:METRIC". Ids of accounts have 16
-- characters, those of clients 36. Counters are kept for a day, so a name of another form is dropped.
INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment, '', '', substr(name, 8), count
FROM counts
WHERE substr(name, 1, 7) = 'server:';

INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment, substr(name, 9, 16), '', substr(name, 26), count
FROM counts
WHERE substr(name, 1, 8) = 'account:' AND substr(name, 25, 1) = ':';

INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment, substr(name, 8, 16), substr(name, 25, 36), substr(name, 62), count
FROM counts
WHERE substr(name, 1, 7) = 'client:' AND substr(name, 24, 1) = ':' AND substr(name, 61, 1) = ':';

-- Created last, so that the rows above are inserted faster.
CREATE INDEX counters_by_owner ON counters (account_id, client_id, bucket_start, metric);

-- Nodes of the version before still write to counts during an upgrade, so the table stays, empty.
DELETE FROM counts;
