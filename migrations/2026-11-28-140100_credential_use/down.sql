ALTER TABLE client_secrets DROP COLUMN use_recorded_from;
ALTER TABLE client_secrets DROP COLUMN last_used_at;
ALTER TABLE client_secrets DROP COLUMN name;
