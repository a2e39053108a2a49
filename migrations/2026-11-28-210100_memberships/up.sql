-- The accounts of a user besides the first one, which is users.account_id with users.role: nodes of the previous version
-- know only that one. What they delete takes its memberships along.
CREATE TABLE memberships (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, account_id)
);
CREATE INDEX memberships_by_account ON memberships (account_id, user_id);

-- Single-use links by which a user of another account joins an account. mail_id is the message with the link.
CREATE TABLE account_invitations (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    mail_id TEXT,
    UNIQUE (user_id, account_id)
);
CREATE INDEX account_invitations_by_account ON account_invitations (account_id, created_at, id);
CREATE INDEX account_invitations_by_creation ON account_invitations (created_at, id);
CREATE INDEX account_invitations_by_expiry ON account_invitations (expires_at);

-- The account in which the user's next session begins, and the one that a session uses; null for the first account.
ALTER TABLE users ADD COLUMN last_account_id TEXT;
ALTER TABLE sessions ADD COLUMN account_id TEXT;

-- The account that a message concerns; null for one that concerns the recipient alone.
ALTER TABLE mails ADD COLUMN account_id TEXT;
