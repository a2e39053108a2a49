-- Trust rules: which JWTs of another issuer act as a client. The keys of the issuer are those in jwks, or those at
-- jwks_uri, or else those that its discovery document names. An audience of NULL stands for the issuer identifier of
-- Keyward. conditions is a JSON array of objects with claim, operator and value.
CREATE TABLE trust_rules (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    jwks TEXT,
    jwks_uri TEXT,
    audience TEXT,
    conditions TEXT NOT NULL,
    single_use BOOLEAN NOT NULL,
    expires_at BIGINT,
    disabled_at BIGINT,
    disabled_by TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX trust_rules_by_issuer ON trust_rules (issuer, created_at);
CREATE INDEX trust_rules_by_client ON trust_rules (client_id, created_at);
CREATE INDEX trust_rules_by_account ON trust_rules (account_id, created_at);

-- What an audit entry reports beyond its columns, as a JSON object: for a token that was issued by a trust rule, the
-- rule and the claims that its conditions were compared with.
ALTER TABLE audit ADD COLUMN details TEXT;

-- A client that people created may use every grant type, so also the new one.
UPDATE clients
SET grant_types = grant_types || ' urn:ietf:params:oauth:grant-type:jwt-bearer'
WHERE grant_types = 'client_credentials urn:ietf:params:oauth:grant-type:token-exchange'
AND registration_limits IS NULL;
