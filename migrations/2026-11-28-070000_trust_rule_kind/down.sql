-- Without the column, a rule for ID-JAGs would accept JWTs of workloads.
DELETE FROM trust_rules WHERE kind <> 'workload';
ALTER TABLE trust_rules DROP COLUMN kind;
