-- Failures by callers that nobody knows are kept for a shorter time than the rest of the audit.
ALTER TABLE audit ADD COLUMN expires_at BIGINT;
CREATE INDEX audit_by_expiry ON audit (expires_at) WHERE expires_at IS NOT NULL;

-- Wrong codes of the second factor in a row, on all nodes, and those since the user last signed in.
ALTER TABLE users ADD COLUMN wrong_codes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN wrong_codes_since_sign_in BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN wrong_codes BIGINT NOT NULL DEFAULT 0;
