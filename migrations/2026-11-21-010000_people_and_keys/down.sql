DROP TABLE idempotency_keys;
DROP TABLE audit;
DROP INDEX api_keys_by_end;
ALTER TABLE api_keys DROP COLUMN last_used_at;
ALTER TABLE api_keys DROP COLUMN allowed_ips;
ALTER TABLE api_keys DROP COLUMN created_by;
DROP TABLE users;
