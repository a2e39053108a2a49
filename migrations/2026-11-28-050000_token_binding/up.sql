-- The key that the token is bound to (RFC 7800 section 3.1), as JSON; none for a Bearer token.
ALTER TABLE tokens ADD COLUMN cnf TEXT;
