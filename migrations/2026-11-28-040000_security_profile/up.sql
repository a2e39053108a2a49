-- The security profile that the client follows: `none` or `fapi2`.
ALTER TABLE clients ADD COLUMN profile TEXT NOT NULL DEFAULT 'none';
-- Whether any client follows a profile is asked whenever signing keys may be due.
CREATE INDEX clients_profile ON clients (profile);
