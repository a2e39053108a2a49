ALTER TABLE clients DROP COLUMN account_closed_at;
ALTER TABLE accounts DROP COLUMN closed_at;
