-- Since when a closed account is being deleted, with everything in it, in batches.
ALTER TABLE accounts ADD COLUMN deleting_at BIGINT;
CREATE INDEX accounts_deleting ON accounts (deleting_at) WHERE deleting_at IS NOT NULL;
