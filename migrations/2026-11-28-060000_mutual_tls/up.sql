-- The name that the client's certificate must have (RFC 8705 section 2.1.2): the member of client
-- metadata and its value, separated by a space.
ALTER TABLE clients ADD COLUMN certificate_name TEXT;
-- Whether the client must present a certificate with each token request (RFC 8705 section 3.4).
ALTER TABLE clients ADD COLUMN tls_client_certificate_bound_access_tokens BOOLEAN NOT NULL DEFAULT FALSE;
