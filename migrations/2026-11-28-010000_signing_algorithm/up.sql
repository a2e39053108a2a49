-- The algorithm that signs the tokens for a resource server.
ALTER TABLE resource_servers ADD COLUMN signing_algorithm TEXT NOT NULL DEFAULT 'RS256';
