-- One dialect for SQLite and Postgres: ids and lists are TEXT, instants are BIGINT milliseconds
-- since the epoch, and both are made in Rust.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    auth_method TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scope TEXT NOT NULL,
    resources TEXT NOT NULL,
    may_introspect BOOLEAN NOT NULL,
    jwks TEXT,
    jwks_uri TEXT,
    metadata TEXT NOT NULL,
    registration_limits TEXT,
    registration_token_hash TEXT,
    disabled_at BIGINT,
    tokens_void_before BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX clients_by_account ON clients (account_id);

CREATE TABLE client_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (client_id),
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (client_id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    shown TEXT NOT NULL,
    scope TEXT,
    manage_keys BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    UNIQUE (client_id, name)
);

CREATE TABLE resource_servers (
    identifier TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (client_id),
    created_at BIGINT NOT NULL
);
CREATE INDEX resource_servers_by_client ON resource_servers (client_id);

CREATE TABLE registration_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    hash TEXT NOT NULL,
    scope TEXT NOT NULL,
    resources TEXT NOT NULL,
    uses_left BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    private_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    signs_from BIGINT NOT NULL,
    signs_until BIGINT,
    published_until BIGINT
);

-- The record of each issued token, never the token. No foreign key: a record outlives its client,
-- and issuing must not pay for the look-up.
CREATE TABLE tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    audience TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE revocations (
    jti TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- RFC 7523: an assertion serves once, on all nodes.
CREATE TABLE client_assertions (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX client_assertions_by_end ON client_assertions (expires_at);

-- What the nodes serve with, so that commands beside them reckon with the same.
CREATE TABLE deployment (
    id INTEGER NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    jwks_max_age BIGINT NOT NULL,
    token_ttl BIGINT NOT NULL,
    written_at BIGINT NOT NULL
);

-- What every node follows to drop from memory what has changed. The counter's row is the lock of
-- all who change: ids are visible in the order in which they were given.
CREATE TABLE changes (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO change_counter (id, value) VALUES (1, 0);
