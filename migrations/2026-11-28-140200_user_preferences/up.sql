-- What users choose in their profile: the language of the portal (a BCP 47 primary language subtag; null for that of the
-- browser) and the time zone of its times (a name of the IANA time zone database; null for UTC).
ALTER TABLE users ADD COLUMN language TEXT;
ALTER TABLE users ADD COLUMN time_zone TEXT;
