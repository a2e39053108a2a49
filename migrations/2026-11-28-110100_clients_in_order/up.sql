-- The order in which clients are listed: all, and those of an account.
CREATE INDEX clients_by_creation ON clients (created_at, client_id);
CREATE INDEX clients_by_account_and_creation ON clients (account_id, created_at, client_id);
