-- Runs on the primary: a new drill. One that has not ended was killed, since no other runs now; details are kept of the last drill alone.
UPDATE drill SET finished = least(ends_by, clock_timestamp()), passed = false, reason = 'it was killed' WHERE finished IS NULL;
DELETE FROM fact;
INSERT INTO drill (id, ends_by) VALUES (:'drill', clock_timestamp() + make_interval(secs => :'time_limit'));
