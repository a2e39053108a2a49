DROP INDEX clients_by_account_and_creation;
DROP INDEX clients_by_creation;
