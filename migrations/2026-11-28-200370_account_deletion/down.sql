DROP INDEX accounts_deleting;
ALTER TABLE accounts DROP COLUMN deleting_at;
