-- When a node last served with this row, and the settings that all nodes must share, as a JSON object.
ALTER TABLE deployment ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deployment ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
UPDATE deployment SET used_at = written_at;
