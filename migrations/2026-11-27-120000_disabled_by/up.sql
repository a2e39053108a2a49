-- Who disabled a client: an operator, or its own account. What an operator disabled only an operator enables.
-- Who disabled those that are disabled already is not known, so it takes an operator to enable them.
ALTER TABLE clients ADD COLUMN disabled_by TEXT;
UPDATE clients SET disabled_by = 'operator' WHERE disabled_at IS NOT NULL;
