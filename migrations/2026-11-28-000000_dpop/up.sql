-- Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
ALTER TABLE clients ADD COLUMN dpop_bound_access_tokens BOOLEAN NOT NULL DEFAULT FALSE;
