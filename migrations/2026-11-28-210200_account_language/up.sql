-- The language of e-mail to the account's users who have not chosen one; that of the server if null.
ALTER TABLE accounts ADD COLUMN language TEXT;
