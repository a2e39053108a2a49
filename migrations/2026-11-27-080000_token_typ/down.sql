ALTER TABLE resource_servers DROP COLUMN token_typ;
