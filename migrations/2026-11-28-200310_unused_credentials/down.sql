DROP INDEX client_secrets_by_use;
DROP INDEX api_keys_by_use;
