-- The display name of a client secret, and when it last authenticated its client. The use of secrets that
-- exist already is only known from now on, which is the last time that a node has recorded.
ALTER TABLE client_secrets ADD COLUMN name TEXT;
ALTER TABLE client_secrets ADD COLUMN last_used_at BIGINT;
ALTER TABLE client_secrets ADD COLUMN use_recorded_from BIGINT;
UPDATE client_secrets SET use_recorded_from = (SELECT seen_at FROM clock WHERE id = 1);
