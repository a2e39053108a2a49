-- The installation's API keys and client secrets by the time since when they are not used, to count and to list those
-- that nothing has used for long. The expressions are those of src/store/unused_credential.rs.
CREATE INDEX api_keys_by_use ON api_keys ((COALESCE(last_used_at, created_at)), id);
CREATE INDEX client_secrets_by_use ON client_secrets
    ((COALESCE(last_used_at, CASE WHEN use_recorded_from > created_at THEN use_recorded_from ELSE created_at END)), id);
