-- "Revoke all" adds one; a token is active only under the epoch that it was issued in. No clock decides.
ALTER TABLE clients ADD COLUMN token_epoch BIGINT NOT NULL DEFAULT 0;
-- What decides whether a recorded token is active, beside its times.
ALTER TABLE tokens ADD COLUMN token_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN api_key_id TEXT;
