-- One line for each sequence that a backup holds, as the :kind that is asked for: what it gave out last, and by what it counts. One that gave out nothing yet stands
-- a step before its first number.
--
-- A sequence belongs to no transaction, so no snapshot shows where it stood at the position to which the copy is restored. It is read before that position is taken,
-- and after: two bounds of it. And the WAL does not hold each number: it says where the sequence will stand 32 steps on (SEQ_LOG_VALS in
-- src/backend/commands/sequence.c), and then nothing until it is there. So the copy's stands nowhere before the first reading, or it would give out a number again,
-- and nowhere more than 32 steps behind the second; differences.sql looks. That they are equal is not to be expected, even of a sequence that rests.
SELECT format($query$SELECT json_build_object('kind', %3$L, 'name', %1$L, 'value', json_build_object('at', last_value - CASE WHEN is_called THEN 0 ELSE %2$s::numeric END, 'step', %2$s)) FROM %1$s$query$, c.oid::regclass, s.seqincrement, :'kind')
  FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid WHERE c.relpersistence = 'p' AND c.oid >= 16384 ORDER BY c.oid
\gexec
