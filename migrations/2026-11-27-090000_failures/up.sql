-- The client whose credential a failure was about, so that its page finds the failures of all its
-- credentials, those of revoked API keys too.
ALTER TABLE audit ADD COLUMN client_id TEXT;
UPDATE audit SET client_id = target
    WHERE action IN ('authentication.failure', 'token.refused')
    AND EXISTS (SELECT 1 FROM clients WHERE clients.client_id = audit.target);
CREATE INDEX audit_by_client ON audit (client_id, id) WHERE client_id IS NOT NULL;

-- API keys that were revoked lately: whoever still presents one is told apart from a stranger, in the
-- failures of its client. They authenticate nobody.
CREATE TABLE revoked_api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX revoked_api_keys_by_client ON revoked_api_keys (client_id);
CREATE INDEX revoked_api_keys_by_time ON revoked_api_keys (revoked_at);
