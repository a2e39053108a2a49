ALTER TABLE deployment DROP COLUMN settings;
ALTER TABLE deployment DROP COLUMN used_at;
