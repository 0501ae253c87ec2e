-- Runs on the source, writes for it: statements that keep triggers, rules and event triggers quiet which would fire even for a replica (:quiet is `yes`), and
-- those that give each of them its state back (`no`). Anything else of the kind is quiet by session_replication_role.
SELECT format('ALTER EVENT TRIGGER %I %s;', evtname, CASE :'quiet' WHEN 'yes' THEN 'DISABLE' ELSE CASE evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END END)
  FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') AND :'quiet' = 'yes'
UNION ALL
SELECT format('ALTER TABLE ONLY %s %s TRIGGER %I;', tgrelid::regclass, CASE :'quiet' WHEN 'yes' THEN 'DISABLE' ELSE CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END END, tgname)
  FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
UNION ALL
SELECT format('ALTER TABLE %s %s RULE %I;', ev_class::regclass, CASE :'quiet' WHEN 'yes' THEN 'DISABLE' ELSE CASE ev_enabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END END, rulename)
  FROM pg_rewrite WHERE ev_enabled IN ('A', 'R') AND rulename <> '_RETURN'
UNION ALL
SELECT format('ALTER EVENT TRIGGER %I %s;', evtname, CASE evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END)
  FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') AND :'quiet' = 'no';
