-- What a trust rule is for: workload (JWTs of workloads) or id_jag (Identity Assertion JWT Authorization Grants, which an
-- authenticated client presents for a user).
ALTER TABLE trust_rules ADD COLUMN kind TEXT NOT NULL DEFAULT 'workload';
