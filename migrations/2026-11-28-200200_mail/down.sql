ALTER TABLE users DROP COLUMN email_notices;
DROP TABLE mails;
