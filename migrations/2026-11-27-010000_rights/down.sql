UPDATE clients
SET grant_types = 'client_credentials'
WHERE grant_types = 'client_credentials urn:ietf:params:oauth:grant-type:token-exchange' AND registration_limits IS NULL;
ALTER TABLE invitations DROP COLUMN rights;
ALTER TABLE accounts DROP COLUMN max_clients;
