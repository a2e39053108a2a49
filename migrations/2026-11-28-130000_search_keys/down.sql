DROP INDEX users_by_account_and_search_key;
DROP INDEX users_by_search_key;
DROP INDEX accounts_by_search_key;
DROP INDEX clients_by_account_and_search_key;
DROP INDEX clients_by_search_key;
ALTER TABLE users DROP COLUMN search_key;
ALTER TABLE accounts DROP COLUMN search_key;
ALTER TABLE clients DROP COLUMN search_key;
