-- How many clients an account can have; the default where there is none.
ALTER TABLE accounts ADD COLUMN max_clients BIGINT;

-- The rights of whoever made an invitation link: it ends where its user gains others.
ALTER TABLE invitations ADD COLUMN rights TEXT NOT NULL DEFAULT '';

-- Exchanging an API key is a grant like any other now, which has to be among the client's. The clients
-- that people made keep it; one that registered itself has what it registered.
UPDATE clients
SET grant_types = 'client_credentials urn:ietf:params:oauth:grant-type:token-exchange'
WHERE grant_types = 'client_credentials' AND registration_limits IS NULL;

-- Scope tokens that begin with "keyward:" are rights over Keyward from now on. What was called so before
-- was a plain word, and must not become a right: it is taken away. The plain words that were rights
-- before, such as "clients:read", stay what they are, and give no rights any more.
UPDATE clients SET scope = '' WHERE (' ' || lower(scope)) LIKE '% keyward:%';
UPDATE resource_servers SET scope = '' WHERE (' ' || lower(scope)) LIKE '% keyward:%';
UPDATE registration_tokens SET scope = '' WHERE (' ' || lower(scope)) LIKE '% keyward:%';
