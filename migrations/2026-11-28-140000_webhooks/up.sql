-- Endpoints that events are sent to. A webhook without an account is the operator's, and gets the events of all
-- accounts. events is the list of the actions of the audit, separated by spaces, or an asterisk for all.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    events TEXT NOT NULL,
    secret_sealed TEXT NOT NULL,
    previous_sealed TEXT,
    previous_until BIGINT,
    failing_since BIGINT,
    last_failure_at BIGINT,
    disabled_at BIGINT,
    disabled_by TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX webhooks_by_account ON webhooks (account_id, created_at);

-- Events that were sent or are to be sent to a webhook. One that has an instant in next_attempt_at is pending; the
-- node that sends it moves the instant into the future, so that no other node sends it at the same time.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    last_attempt_at BIGINT,
    delivered_at BIGINT,
    response_status BIGINT,
    failure TEXT,
    duration_ms BIGINT
);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- When it was last announced that the secret or key is about to expire.
ALTER TABLE client_secrets ADD COLUMN expiry_announced_at BIGINT;
ALTER TABLE api_keys ADD COLUMN expiry_announced_at BIGINT;
CREATE INDEX client_secrets_by_end ON client_secrets (expires_at) WHERE expires_at IS NOT NULL;
