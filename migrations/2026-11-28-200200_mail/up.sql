-- Messages that were sent or are to be sent by e-mail. One that has an instant in next_attempt_at is pending; the node
-- that sends it moves the instant into the future, so that no other node sends it at the same time. facts is what the
-- text is made of, a JSON object without secrets; link_sealed is a single-use link, until the message is sent.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    user_id TEXT,
    facts TEXT NOT NULL,
    link_sealed TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    last_attempt_at BIGINT,
    delivered_at BIGINT,
    response_status BIGINT,
    failure TEXT
);
CREATE INDEX mails_due ON mails (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX mails_by_recipient ON mails (recipient, created_at);
CREATE INDEX mails_by_user ON mails (user_id);

-- Whether the user gets e-mail about credentials and sign-ins.
ALTER TABLE users ADD COLUMN email_notices BOOLEAN NOT NULL DEFAULT TRUE;
