CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id),
    email TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password_hash TEXT,
    created_at BIGINT NOT NULL
);

ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN allowed_ips TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
CREATE INDEX api_keys_by_end ON api_keys (expires_at);

-- Append-only. The key is in order of time, so lists page by it and the purge walks it.
CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    happened_at BIGINT NOT NULL,
    account_id TEXT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT,
    address TEXT,
    request_id TEXT
);
CREATE INDEX audit_by_account ON audit (account_id, id);
CREATE INDEX audit_by_target ON audit (target, id);

-- What a creation with an Idempotency-Key made: its name, never the secret that was shown with it.
CREATE TABLE idempotency_keys (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    target TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at);
