-- Names in lower case as hexadecimal digits, by which lists are searched and ordered: `store::search_key`,
-- which also fills the columns.
ALTER TABLE clients ADD COLUMN search_key TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN search_key TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN search_key TEXT NOT NULL DEFAULT '';
CREATE INDEX clients_by_search_key ON clients (search_key, client_id);
CREATE INDEX clients_by_account_and_search_key ON clients (account_id, search_key, client_id);
CREATE INDEX accounts_by_search_key ON accounts (search_key, id);
CREATE INDEX users_by_search_key ON users (search_key, id);
CREATE INDEX users_by_account_and_search_key ON users (account_id, search_key, id);
