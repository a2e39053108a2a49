-- The API key that replaced this one at a rotation, so that the fact no longer hides in the name, which
-- a rotation changes to "NAME (ID)" to free NAME for the new key. The new key of an earlier rotation is
-- the first one of that name created afterwards, under its present name; the empty string where it has
-- been deleted since. A rotation kept 60 characters of the old name.
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

-- Counters with an owner and a metric. The owner is the server (both ids empty), an account (its client
-- empty) or a client of an account. The primary key is in the order of time, for purges and for sums over
-- all clients; the index finds the counters of one owner.
CREATE TABLE counters (
    bucket_start BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    metric TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (bucket_start, account_id, client_id, metric)
);
CREATE INDEX counters_by_owner ON counters (account_id, client_id, bucket_start, metric);

-- Names were "server:METRIC", "account:ID:METRIC" and "client:ACCOUNT:ID:METRIC". Ids hold no colon, and
-- of the metrics only the server's do.
INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment, '', '', substr(name, 8), count
FROM counts
WHERE name LIKE 'server:%';

-- The last part of a name goes where the characters that ids and metrics consist of are trimmed from its end.
INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment, substr(owner, 9, length(owner) - 9), '', substr(name, length(owner) + 1), count
FROM (
    SELECT moment, name, count,
        rtrim(name, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-') AS owner
    FROM counts
    WHERE name LIKE 'account:%:%'
) AS named;

INSERT INTO counters (bucket_start, account_id, client_id, metric, count)
SELECT moment,
    substr(account, 8, length(account) - 8),
    substr(owner, length(account) + 1, length(owner) - length(account) - 1),
    substr(name, length(owner) + 1),
    count
FROM (
    SELECT moment, name, count, owner,
        rtrim(
            substr(owner, 1, length(owner) - 1),
            'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'
        ) AS account
    FROM (
        SELECT moment, name, count,
            rtrim(name, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-') AS owner
        FROM counts
        WHERE name LIKE 'client:%:%:%'
    ) AS named
) AS parted;

DROP TABLE counts;
