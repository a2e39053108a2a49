ALTER TABLE clients DROP COLUMN tls_client_certificate_bound_access_tokens;
ALTER TABLE clients DROP COLUMN certificate_name;
