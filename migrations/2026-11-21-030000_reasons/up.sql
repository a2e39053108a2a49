-- The reason of a failure beside its sentence: a code that stays, and what it tells as a JSON object.
ALTER TABLE audit ADD COLUMN reason_code TEXT;
ALTER TABLE audit ADD COLUMN reason_parameters TEXT;
