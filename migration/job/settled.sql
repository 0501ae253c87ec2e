-- Runs on the target: changes up to :upto whose rows were found equal need not be compared in the freeze. A row that changes again is told again.
DELETE FROM naytife_migration.change c
 USING (SELECT p.relation, jsonb_array_elements(p.keys) AS key
          FROM naytife_migration.changed_pieces(:'target', :upto) AS p
          JOIN naytife_migration.fact s ON s.target_database = :'target' AND s.side = 'source' AND s.kind = 'changed rows' AND s.name = p.relation || ' ' || p.part
          JOIN naytife_migration.fact t ON t.target_database = :'target' AND t.side = 'target' AND t.kind = 'changed rows' AND t.name = s.name AND t.value = s.value) AS equal
 WHERE c.target_database = :'target' AND c.number <= :upto AND c.relation = equal.relation AND c.key = equal.key;
DELETE FROM naytife_migration.fact WHERE target_database = :'target' AND kind = 'changed rows';
