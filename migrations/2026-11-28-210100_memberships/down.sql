ALTER TABLE mails DROP COLUMN account_id;
ALTER TABLE sessions DROP COLUMN account_id;
ALTER TABLE users DROP COLUMN last_account_id;
DROP TABLE account_invitations;
DROP TABLE memberships;
