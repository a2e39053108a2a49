DELETE FROM counts;
INSERT INTO counts (moment, name, count)
SELECT bucket_start,
    CASE
        WHEN account_id = '' THEN 'server:' || metric
        WHEN client_id = '' THEN 'account:' || account_id || ':' || metric
        ELSE 'client:' || account_id || ':' || client_id || ':' || metric
    END,
    count
FROM counters;
DROP TABLE counters;

DROP INDEX accounts_by_kind;
ALTER TABLE accounts DROP COLUMN kind;

ALTER TABLE api_keys DROP COLUMN replaced_by;
