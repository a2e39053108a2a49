-- The header `typ` of the tokens of a resource server.
ALTER TABLE resource_servers ADD COLUMN token_typ TEXT NOT NULL DEFAULT 'at+jwt';
