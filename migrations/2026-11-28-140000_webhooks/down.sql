DROP INDEX client_secrets_by_end;
ALTER TABLE api_keys DROP COLUMN expiry_announced_at;
ALTER TABLE client_secrets DROP COLUMN expiry_announced_at;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
