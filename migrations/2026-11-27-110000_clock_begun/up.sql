-- The first moment that a node read on a new database, before any clock was trusted, and how often an operator
-- has set the last moment back.
ALTER TABLE clock ADD COLUMN begun_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clock ADD COLUMN resets BIGINT NOT NULL DEFAULT 0;
