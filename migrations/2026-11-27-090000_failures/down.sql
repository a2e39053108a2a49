DROP TABLE revoked_api_keys;
DROP INDEX audit_by_client;
ALTER TABLE audit DROP COLUMN client_id;
