DROP TABLE invitations;
DROP TABLE sessions;
ALTER TABLE accounts DROP COLUMN requires_second_factor;
ALTER TABLE users DROP COLUMN recovery_hashes;
ALTER TABLE users DROP COLUMN totp_last_step;
ALTER TABLE users DROP COLUMN totp_sealed;
