ALTER TABLE sessions DROP COLUMN wrong_codes;
ALTER TABLE users DROP COLUMN wrong_codes_since_sign_in;
ALTER TABLE users DROP COLUMN wrong_codes;
DROP INDEX audit_by_expiry;
ALTER TABLE audit DROP COLUMN expires_at;
