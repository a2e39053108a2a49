-- The resource servers that an API key reaches, a part of its client's; none for all of them, as every key had so far.
ALTER TABLE api_keys ADD COLUMN resources TEXT;
