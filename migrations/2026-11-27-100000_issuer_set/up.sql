-- Whether the issuer is a setting, and not the default that follows the address listened on.
ALTER TABLE deployment ADD COLUMN issuer_set BOOLEAN NOT NULL DEFAULT TRUE;
