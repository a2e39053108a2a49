UPDATE clients SET grant_types = replace(grant_types, ' urn:ietf:params:oauth:grant-type:jwt-bearer', '');
ALTER TABLE audit DROP COLUMN details;
DROP TABLE trust_rules;
