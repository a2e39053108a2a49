ALTER TABLE deployment DROP COLUMN issuer_set;
