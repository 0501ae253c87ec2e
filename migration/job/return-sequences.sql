-- Runs where the facts are, writes for the source: sequences that differ, as the target has them.
\set sequences `cat "$WORK/return/sequences"`
SELECT format('SELECT pg_catalog.setval(%L, %s, %L);', name, value ->> 'last_value', value ->> 'is_called')
  FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'sequence' AND name IN (SELECT json_array_elements_text(:'sequences'));
